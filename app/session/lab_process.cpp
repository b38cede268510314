#include "app/session/lab_process.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace natlens::session {
namespace {

namespace fs = std::filesystem;

bool isProgram(const fs::path &path) {
    return ::access(path.c_str(), X_OK) == 0 && fs::is_regular_file(path);
}

/// Above every number that the child's fixed descriptors use, so that dup2 cannot overwrite one that is still needed.
base::Result<base::UniqueFd> raised(base::UniqueFd fd) {
    base::UniqueFd high(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 16));
    if (!high) return base::failErrno("fcntl", "F_DUPFD_CLOEXEC");
    return high;
}

struct Redirection {
    int from, to;
};

/// posix_spawn with a clean signal state: nothing blocked, nothing ignored, whatever the calling thread does.
base::Result<pid_t> spawn(const fs::path &program, const std::vector<std::string> &arguments,
                          std::span<const Redirection> redirections) {
    std::vector<std::string> words{"natlens"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char *> argv;
    for (std::string &word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (const Redirection &redirection : redirections)
        posix_spawn_file_actions_adddup2(&actions, redirection.from, redirection.to);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    sigdelset(&defaults, SIGKILL);
    sigdelset(&defaults, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        errno = error;
        return base::failErrno("start", program.string());
    }
    return pid;
}

int waitFor(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

} // namespace

fs::path findProgram(const fs::path &named) {
    if (!named.empty()) return named;
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    if (!error) {
        // The link, not its text: it works even after the file was replaced or deleted.
        if (self.filename() == "natlens" || self.filename() == "natlens (deleted)") return "/proc/self/exe";
        for (const fs::path &candidate :
             {self.parent_path() / "natlens", self.parent_path().parent_path() / "bin" / "natlens"})
            if (isProgram(candidate)) return candidate;
    }
    const char *path = std::getenv("PATH");
    std::string_view rest = path ? path : "";
    while (!rest.empty()) {
        const std::string_view folder = rest.substr(0, rest.find(':'));
        rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
        if (!folder.empty() && isProgram(fs::path(folder) / "natlens")) return fs::path(folder) / "natlens";
    }
    return {};
}

std::string describeWaitStatus(int waitStatus) {
    if (WIFSIGNALED(waitStatus))
        return fmt::format("was ended by signal {} ({})", WTERMSIG(waitStatus), ::strsignal(WTERMSIG(waitStatus)));
    return fmt::format("exited with status {}", WEXITSTATUS(waitStatus));
}

base::Result<LabProcess> LabProcess::start(const fs::path &program, const std::vector<std::string> &arguments) {
    constexpr int kStream = 3, kControl = 4;
    int pipeEnds[2], sockets[2];
    if (::pipe2(pipeEnds, O_CLOEXEC) != 0) return base::failErrno("pipe");
    base::UniqueFd streamRead(pipeEnds[0]);
    auto streamWrite = raised(base::UniqueFd(pipeEnds[1]));
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return base::failErrno("socketpair");
    base::UniqueFd control(sockets[0]);
    auto controlTheirs = raised(base::UniqueFd(sockets[1]));
    if (!streamWrite) return std::unexpected(streamWrite.error());
    if (!controlTheirs) return std::unexpected(controlTheirs.error());
    // Only our ends: the lab's keep blocking. A larger pipe lets the lab run ahead of a busy front end; 64 KiB do, too.
    ::fcntl(streamRead.get(), F_SETFL, O_NONBLOCK);
    ::fcntl(control.get(), F_SETFL, O_RDWR | O_NONBLOCK);
    ::fcntl(streamRead.get(), F_SETPIPE_SZ, 1 << 20);

    std::vector<std::string> words{"lab-process"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    for (const char *word : {"--stream-fd", "3", "--control-fd", "4"})
        words.emplace_back(word);
    const Redirection redirections[] = {
        {STDERR_FILENO, STDOUT_FILENO}, {streamWrite->get(), kStream}, {controlTheirs->get(), kControl}};
    auto pid = spawn(program, words, redirections);
    if (!pid) return std::unexpected(pid.error());
    return LabProcess(*pid, std::move(streamRead), std::move(control));
}

LabProcess::LabProcess(LabProcess &&other) noexcept
    : m_pid(std::exchange(other.m_pid, -1))
    , m_stream(std::move(other.m_stream))
    , m_control(std::move(other.m_control)) {}

LabProcess::~LabProcess() {
    if (m_pid > 0) end(std::chrono::milliseconds(0));
}

int LabProcess::end(std::chrono::milliseconds patience) {
    m_control.reset();
    m_stream.reset();
    const pid_t pid = std::exchange(m_pid, -1);
    const base::UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    pollfd ended{handle.get(), POLLIN, 0};
    if (!handle || ::poll(&ended, 1, static_cast<int>(patience.count())) <= 0) ::kill(pid, SIGKILL);
    return waitFor(pid);
}

base::Result<std::string> runProgram(const fs::path &program, const std::vector<std::string> &arguments) {
    int pipeEnds[2];
    if (::pipe2(pipeEnds, O_CLOEXEC) != 0) return base::failErrno("pipe");
    base::UniqueFd in(pipeEnds[0]);
    auto out = raised(base::UniqueFd(pipeEnds[1]));
    if (!out) return std::unexpected(out.error());
    const Redirection redirections[] = {{out->get(), STDOUT_FILENO}};
    auto pid = spawn(program, arguments, redirections);
    if (!pid) return std::unexpected(pid.error());
    out->reset();
    constexpr std::size_t kMost = 1u << 20;
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t got; text.size() < kMost; text.append(buffer.data(), static_cast<std::size_t>(got))) {
        while ((got = ::read(in.get(), buffer.data(), buffer.size())) < 0 && errno == EINTR) {
        }
        if (got <= 0) break;
    }
    in.reset();
    const int status = waitFor(*pid);
    if (status != 0)
        return base::fail(base::ErrorCode::io, "it " + describeWaitStatus(status), "run", program.string());
    return text;
}

} // namespace natlens::session
