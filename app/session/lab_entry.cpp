#include "app/session/lab_entry.h"

#include "capture/base/unique_fd.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fmt/ranges.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace natlens::session {
namespace {

constexpr std::size_t kNamespaces = 4; // user, mount, pid, network: the order in which they must be entered

struct Entrance {
    nlohmann::json answer;
    std::array<base::UniqueFd, kNamespaces> namespaces;
    std::size_t received = 0;
};

std::string socketName(pid_t pid) {
    return fmt::format("natlens-lab-{}-{}", ::getuid(), pid);
}

/// A number of /proc/PID/stat (proc(5)) after the name, fields 4 to 52; 0 if the process is gone.
unsigned long long statusNumber(pid_t pid, int wanted) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(file, text);
    const auto name = text.rfind(')'); // the name before it may hold anything
    if (name == std::string::npos) return 0;
    std::string_view rest = std::string_view(text).substr(name + 1);
    for (int field = 2; field < wanted; ++field) {
        const auto blank = rest.find(' ');
        if (blank == std::string_view::npos) return 0;
        rest.remove_prefix(blank + 1);
    }
    unsigned long long number = 0;
    std::from_chars(rest.data(), rest.data() + rest.size(), number);
    return number;
}

/// When the process started, in clock ticks since boot; 0 if it is gone.
unsigned long long startTime(pid_t pid) { return statusNumber(pid, 22); }

/// The lab that `pid` is, or that the `natlens lab up` with this number started; 0 when none.
pid_t labOf(pid_t pid, const std::vector<pid_t> &labs) {
    constexpr int kGenerations = 4; // the lab's process is a child or grandchild of what people start
    for (const pid_t lab : labs) {
        pid_t ancestor = lab;
        for (int i = 0; i < kGenerations && ancestor > 1; ++i) {
            if (ancestor == pid) return lab;
            ancestor = static_cast<pid_t>(statusNumber(ancestor, 4));
        }
    }
    return 0;
}

base::Result<base::UniqueFd> connectTo(pid_t pid) {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return base::failErrno("socket");
    const std::string name = socketName(pid);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (::connect(fd.get(), reinterpret_cast<const sockaddr *>(&address), length) != 0)
        return base::failErrno("enter", fmt::format("the lab of process {}", pid));
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return base::failErrno("getsockopt");
    if (peer.uid != ::getuid())
        return base::fail(base::ErrorCode::notPermitted, "its socket belongs to another user", "enter",
                          fmt::format("the lab of process {}", pid));
    const timeval patience{5, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

/// One line of JSON; the descriptors come with its first byte.
base::Result<Entrance> ask(int fd, const std::string &host) {
    const std::string question = nlohmann::json{{"command", "enter"}, {"host", host}}.dump(
                                     -1, ' ', false, nlohmann::json::error_handler_t::replace) +
                                 '\n';
    if (::send(fd, question.data(), question.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(question.size()))
        return base::failErrno("enter", host);
    Entrance entrance;
    std::string line;
    while (line.find('\n') == std::string::npos) {
        std::array<char, 4096> text;
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kNamespaces)> control{};
        iovec part{text.data(), text.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::failErrno("enter", host);
        if (got == 0) return base::fail(base::ErrorCode::io, "the lab has just ended", "enter", host);
        for (cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
            if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
            const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t i = 0; i < count; ++i) {
                int received;
                std::memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof received);
                if (entrance.received < kNamespaces)
                    entrance.namespaces[entrance.received++].reset(received);
                else
                    ::close(received);
            }
        }
        line.append(text.data(), static_cast<std::size_t>(got));
    }
    entrance.answer = nlohmann::json::parse(line.substr(0, line.find('\n')), nullptr, false);
    if (!entrance.answer.is_object())
        return base::fail(base::ErrorCode::io, "the lab gave an answer that cannot be read", "enter", host);
    return entrance;
}

base::Status enter(const Entrance &entrance, const std::string &host) {
    static constexpr std::array<int, kNamespaces> kTypes{CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET};
    static constexpr std::array<const char *, kNamespaces> kNames{"user", "mount", "pid", "network"};
    for (std::size_t i = 0; i < kNamespaces; ++i) {
        // Started as root without a user namespace of its own the lab may share ours: entering that is not allowed
        // and not needed (setns(2), EINVAL).
        if (kTypes[i] == CLONE_NEWUSER) {
            struct stat ours {
            }, theirs{};
            if (::stat("/proc/self/ns/user", &ours) == 0 && ::fstat(entrance.namespaces[i].get(), &theirs) == 0 &&
                ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
                continue;
        }
        if (::setns(entrance.namespaces[i].get(), kTypes[i]) != 0)
            return base::failErrno("setns", fmt::format("{} namespace of {}", kNames[i], host));
    }
    return {};
}

/// Runs the command as a child (only children are in the entered PID namespace) and waits.
base::Result<int> runInside(const std::vector<std::string> &command) {
    std::vector<std::string> words = command;
    std::vector<char *> argv;
    for (std::string &word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    // Ctrl-C is for the program inside; we report how it took it.
    for (const int signal : {SIGINT, SIGQUIT})
        ::signal(signal, SIG_IGN);
    const pid_t pid = ::fork();
    if (pid < 0) return base::failErrno("fork", command.front());
    if (pid == 0) {
        for (const int signal : {SIGINT, SIGQUIT, SIGPIPE})
            ::signal(signal, SIG_DFL);
        ::execvp(argv.front(), argv.data());
        const int error = errno;
        const std::string line = fmt::format("natlens lab exec: {}: {}\n", command.front(), std::strerror(error));
        if (::write(STDERR_FILENO, line.data(), line.size()) < 0) { /* nowhere to say it */
        }
        ::_exit(error == ENOENT ? 127 : 126);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace

std::vector<pid_t> runningLabs() {
    const std::string prefix = fmt::format("@natlens-lab-{}-", ::getuid());
    std::vector<std::pair<unsigned long long, pid_t>> found;
    std::ifstream sockets("/proc/net/unix");
    for (std::string line; std::getline(sockets, line);) {
        const auto at = line.rfind(prefix);
        if (at == std::string::npos) continue;
        pid_t pid = 0;
        const char *digits = line.data() + at + prefix.size();
        const auto [end, error] = std::from_chars(digits, line.data() + line.size(), pid);
        if (error != std::errc{} || end != line.data() + line.size()) continue;
        const std::pair lab(startTime(pid), pid);
        if (std::find(found.begin(), found.end(), lab) == found.end()) found.push_back(lab); // a line per connection
    }
    std::sort(found.rbegin(), found.rend());
    std::vector<pid_t> pids;
    for (const auto &[started, pid] : found)
        pids.push_back(pid);
    return pids;
}

base::Result<int> enterLab(const std::string &host, const std::vector<std::string> &command, pid_t pid) {
    const std::vector<pid_t> labs = runningLabs();
    if (labs.empty())
        return base::fail(base::ErrorCode::notFound,
                          "no lab is running that can be entered (in a simulated one there is nothing to enter); start "
                          "one with `natlens lab up nodeport`");
    const pid_t lab = pid == 0 ? labs.front() : labOf(pid, labs);
    if (lab == 0)
        return base::fail(base::ErrorCode::notFound, fmt::format("no such lab; running: {}", fmt::join(labs, ", ")),
                          "--lab", std::to_string(pid));
    // Entering a mount namespace leads to its root; relative names of files are meant from here.
    std::error_code nowhere;
    const auto here = std::filesystem::current_path(nowhere);
    auto socket = connectTo(lab);
    if (!socket) return std::unexpected(socket.error());
    auto entrance = ask(socket->get(), host);
    if (!entrance) return std::unexpected(entrance.error());
    if (!entrance->answer.value("ok", false)) {
        std::string message = entrance->answer.value("message", std::string("no such host"));
        const auto hosts = entrance->answer.find("hosts");
        if (hosts != entrance->answer.end() && hosts->is_array()) {
            std::vector<std::string> names;
            for (const auto &name : *hosts)
                if (name.is_string()) names.push_back(name.get<std::string>());
            if (!names.empty()) message += fmt::format("; hosts: {}", fmt::join(names, ", "));
        }
        return base::fail(base::ErrorCode::notFound, message);
    }
    if (entrance->received != kNamespaces)
        return base::fail(base::ErrorCode::io, "the lab did not hand over its namespaces", "enter", host);
    if (auto entered = enter(*entrance, host); !entered) return std::unexpected(entered.error());
    if (!here.empty()) std::filesystem::current_path(here, nowhere); // if the lab has it
    return runInside(command);
}

} // namespace natlens::session
