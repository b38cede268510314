// natlens-probe: captures interfaces and writes one pcapng stream. The only program of natlens that may hold
// capabilities on a live host, so it does nothing else, and gives them away before it reads the first packet.
#include "app/probe/capture_service.h"
#include "capture/live/filter.h"
#include "capture/live/interfaces.h"
#include "capture/netlink/event_socket.h"

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

using namespace natlens;
using base::ErrorCode;

constexpr const char *kHelp = R"(natlens-probe - capture interfaces into one pcapng stream

usage: natlens-probe --interface IF... [--stream-fd N] [options]

  -i, --interface IF    capture this interface; may be given several times
  -n, --node NAME       name of the host in the stream, for the interfaces after it (default: this host's name)
  -N, --netns NETNS     network namespace of the interfaces after it: a path, or a name below /run/netns
  -f, --filter EXPR     packets to keep, as for tcpdump (pcap-filter)
  -s, --snap-length N   bytes to keep of each packet, 64 to 262144 (default 256)
      --conntrack       also record the conntrack events of the namespace named before it
      --stream-fd N     file descriptor to write to (default 1, standard output)
  -l, --list            print the interfaces and end
  -h, --help            print this and end
      --version         print the version and end

It ends on SIGINT or SIGTERM, when the reader goes away, and when standard input, if that is a pipe, is closed.
Exit status: 0 done, 2 wrong arguments, 3 this machine does not allow it.

examples:
  sudo natlens-probe -i eth0 | natlens replay -
  ssh node2 sudo natlens-probe --node node2 -i eth0 -i cbr0 > node2.pcapng
  sudo natlens-probe --node node1 --netns node1 -i eth0 --node node2 --netns node2 -i eth0 > both.pcapng
without sudo:
  sudo setcap cap_net_raw+ep natlens-probe     (for --netns and --conntrack: cap_net_raw,cap_net_admin,cap_sys_admin+ep)
)";

struct Place {
    std::string node, netns, interface; ///< interface "" is the node's conntrack
};

struct Arguments {
    std::vector<Place> places;
    live::CaptureOptions capture;
    int streamFd = STDOUT_FILENO;
};

std::string hostName() {
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) != 0 || name[0] == 0) return "host";
    return name;
}

template<class Number>
bool parseNumber(const char *text, Number least, Number most, Number &value) {
    const char *end = text + std::strlen(text);
    const auto [rest, error] = std::from_chars(text, end, value);
    return error == std::errc() && rest == end && value >= least && value <= most;
}

int complain(const base::Error &error) {
    std::fprintf(stderr, "natlens-probe: %s\n", error.sentence().c_str());
    return base::exitStatus(error);
}

base::Status enterNamespace(const std::string &netns) {
    const std::string path = netns.contains('/') ? netns : "/run/netns/" + netns;
    const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return base::failErrno("open", path);
    if (setns(fd.get(), CLONE_NEWNET) == 0) return {};
    auto error = base::failErrno("enter network namespace", path).error();
    if (error.code == ErrorCode::notPermitted) error.message = "needs CAP_SYS_ADMIN: use sudo";
    return std::unexpected(error);
}

/// Opens everything, in the order of the command line. The thread ends up in the last namespace, which does not matter.
base::Status openPlaces(probe::CaptureService &service, const Arguments &arguments) {
    std::string current;
    for (const Place &place : arguments.places) {
        if (place.netns != current) {
            if (auto status = enterNamespace(place.netns); !status) return status;
            current = place.netns;
        }
        base::Status status;
        if (!place.interface.empty()) {
            status = service.addInterface(place.node, place.interface, arguments.capture);
        } else {
            // The host's own settings are not touched: without events the capture point stays empty.
            status = service.addConntrack(place.node);
        }
        if (!status) return status;
    }
    return {};
}

/// From here on this is an ordinary process: no capabilities, no way to get any, and the user's own id under sudo.
base::Status dropPrivileges() {
    const char *uidText = getenv("SUDO_UID");
    const char *gidText = getenv("SUDO_GID");
    uid_t uid = 0;
    gid_t gid = 0;
    constexpr uid_t kMostId = 0x7fffffff;
    if (geteuid() == 0 && uidText != nullptr && gidText != nullptr && parseNumber(uidText, 0U, kMostId, uid) &&
        parseNumber(gidText, 0U, kMostId, gid)) {
        if (setgroups(0, nullptr) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
            return base::failErrno("drop privileges");
        }
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    if (syscall(SYS_capset, &header, none) != 0) return base::failErrno("drop capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return base::failErrno("prctl", "PR_SET_NO_NEW_PRIVS");
    return {};
}

/// Waits for a signal, for the end of standard input where that means something, or for the service to end.
void waitForEnd(const probe::CaptureService &service, int signals) {
    struct stat input {};
    const bool inputCounts = fstat(STDIN_FILENO, &input) == 0 && (S_ISFIFO(input.st_mode) || S_ISSOCK(input.st_mode));
    pollfd waiting[] = {{signals, POLLIN, 0}, {inputCounts ? STDIN_FILENO : -1, POLLIN, 0}};
    constexpr int kLookAgain = 200; // milliseconds, for the end of the reader
    while (service.isRunning()) {
        if (poll(waiting, 2, kLookAgain) <= 0) continue;
        if (waiting[0].revents != 0) return;
        char ignored[256];
        if (waiting[1].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return;
    }
}

int listInterfaces() {
    const auto interfaces = live::listInterfaces();
    if (!interfaces) return complain(interfaces.error());
    for (const auto &interface : *interfaces) {
        std::printf("%u\t%s\t%s\n", interface.index, interface.name.c_str(), interface.up ? "up" : "down");
    }
    return 0;
}

int run(const Arguments &arguments) {
    if (isatty(arguments.streamFd) == 1) {
        return complain(
            {ErrorCode::invalidInput, "the stream is binary: send it to a file or a pipe", "write", "terminal"});
    }
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    const base::UniqueFd signals(signalfd(-1, &set, SFD_CLOEXEC));
    probe::CaptureService service(base::UniqueFd(arguments.streamFd), "natlens-probe " NATLENS_VERSION);
    base::Status status = openPlaces(service, arguments);
    if (status) status = dropPrivileges();
    if (status) status = service.start();
    if (!status) return complain(status.error());
    waitForEnd(service, signals.get());
    if (status = service.stop(); !status) return complain(status.error());
    const probe::CaptureTotals totals = service.totals();
    std::fprintf(stderr, "natlens-probe: %llu packets, %llu dropped\n", static_cast<unsigned long long>(totals.written),
                 static_cast<unsigned long long>(totals.dropped));
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    enum : int { streamFd = 256, conntrack, version };
    static const option options[] = {{"interface", required_argument, nullptr, 'i'},
                                     {"node", required_argument, nullptr, 'n'},
                                     {"netns", required_argument, nullptr, 'N'},
                                     {"filter", required_argument, nullptr, 'f'},
                                     {"snap-length", required_argument, nullptr, 's'},
                                     {"conntrack", no_argument, nullptr, conntrack},
                                     {"stream-fd", required_argument, nullptr, streamFd},
                                     {"list", no_argument, nullptr, 'l'},
                                     {"help", no_argument, nullptr, 'h'},
                                     {"version", no_argument, nullptr, version},
                                     {nullptr, 0, nullptr, 0}};
    Arguments arguments;
    std::string node = hostName(), netns;
    const auto wrong = [](const std::string &what) {
        return complain({ErrorCode::invalidInput, what + "; see natlens-probe --help"});
    };
    for (int key = 0; (key = getopt_long(argc, argv, "i:n:N:f:s:lh", options, nullptr)) != -1;) {
        switch (key) {
        case 'i': arguments.places.push_back({node, netns, optarg}); break;
        case conntrack: arguments.places.push_back({node, netns, ""}); break;
        case 'n': node = optarg; break;
        case 'N': netns = optarg; break;
        case 'f': arguments.capture.filter = optarg; break;
        case 's':
            if (!parseNumber(optarg, 64U, 262144U, arguments.capture.snapLength)) {
                return wrong("--snap-length is a number from 64 to 262144");
            }
            break;
        case streamFd:
            if (!parseNumber(optarg, 0, 1 << 20, arguments.streamFd) || fcntl(arguments.streamFd, F_GETFD) < 0) {
                return wrong("--stream-fd names no open file descriptor");
            }
            break;
        case 'l': return listInterfaces();
        case 'h': std::fputs(kHelp, stdout); return 0;
        case version: std::puts("natlens-probe " NATLENS_VERSION); return 0;
        default: return wrong("wrong arguments");
        }
    }
    if (optind < argc) return wrong(std::string("there is no argument '") + argv[optind] + "'");
    if (arguments.places.empty()) return wrong("name what to capture, e.g. --interface eth0");
    return run(arguments);
}
