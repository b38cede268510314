#include "proxycore/kernel/iptables_child.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace natlens::proxycore {

namespace {

/// The calling thread in another network namespace, for as long as this lives.
class Inside final {
public:
    explicit Inside(int nameSpace)
        : m_before(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))
        , m_entered(m_before && ::setns(nameSpace, CLONE_NEWNET) == 0) {}
    Inside(const Inside &) = delete;
    Inside &operator=(const Inside &) = delete;
    ~Inside() {
        if (!m_entered || ::setns(m_before.get(), CLONE_NEWNET) == 0) return;
        std::perror("setns back"); // this thread would go on in the wrong place
        std::abort();
    }
    [[nodiscard]] bool entered() const { return m_entered; }

private:
    base::UniqueFd m_before;
    bool m_entered;
};

/// What the program said, as one line; the end of it, as the programs first warn and then complain.
std::string complaint(const std::string &text) {
    const auto end = text.find_last_not_of(" \n\t");
    if (end == std::string::npos) return "ended without a reason";
    std::string line = text.substr(0, end + 1);
    for (auto &letter : line)
        if (letter == '\n') letter = ' ';
    constexpr std::size_t kLongest = 400;
    if (line.size() > kLongest) line = "... " + line.substr(line.size() - kLongest);
    return line;
}

} // namespace

base::Result<IptablesChild> IptablesChild::start(const IptablesCommand &command, IptablesStreams streams) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, streams.in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, streams.out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, streams.error, STDERR_FILENO);
    std::vector<std::string> words{command.path};
    words.insert(words.end(), command.options.begin(), command.options.end());
    std::vector<char *> arguments;
    for (auto &word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    // The legacy programs lock a file in /run, which an ordinary user may not write; nobody else writes these tables.
    std::string locale = "LC_ALL=C", lock = "XTABLES_LOCKFILE=/dev/null";
    const bool canLock = ::access("/run", W_OK) == 0;
    std::array<char *, 3> environment{locale.data(), canLock ? nullptr : lock.data(), nullptr};
    pid_t child = -1;
    int failed = 0;
    {
        const Inside inside(command.nameSpace);
        if (!inside.entered()) {
            posix_spawn_file_actions_destroy(&actions);
            return base::failErrno("setns", "network namespace of iptables");
        }
        failed = ::posix_spawn(&child, command.path.c_str(), &actions, nullptr, arguments.data(), environment.data());
    }
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        errno = failed;
        return base::failErrno("run", command.path);
    }
    return IptablesChild(child, command.path);
}

IptablesChild::IptablesChild(IptablesChild &&other) noexcept
    : m_pid(std::exchange(other.m_pid, -1))
    , m_path(std::move(other.m_path)) {}

IptablesChild::~IptablesChild() {
    if (m_pid < 0) return;
    while (::waitpid(m_pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

base::Status IptablesChild::wait(int errorFile, std::size_t from) {
    int status = 0;
    while (::waitpid(m_pid, &status, 0) < 0) {
        if (errno != EINTR) return base::failErrno("wait for", m_path);
    }
    m_pid = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    auto reason = complaint(contentOf(errorFile, from));
    const bool denied = reason.find("Permission denied") != std::string::npos ||
                        reason.find("Operation not permitted") != std::string::npos;
    return base::fail(denied ? base::ErrorCode::notPermitted : base::ErrorCode::io, std::move(reason),
                      m_path.substr(m_path.rfind('/') + 1));
}

base::Result<base::UniqueFd> memoryFile(std::string_view content) {
    base::UniqueFd file(::memfd_create("iptables", MFD_CLOEXEC));
    if (!file) return base::failErrno("memfd_create");
    for (std::size_t written = 0; written < content.size();) {
        const auto count = ::write(file.get(), content.data() + written, content.size() - written);
        if (count < 0) return base::failErrno("write", "memory file");
        written += static_cast<std::size_t>(count);
    }
    ::lseek(file.get(), 0, SEEK_SET);
    return file;
}

std::size_t sizeOf(int file) {
    struct stat status {};
    return ::fstat(file, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
}

std::string contentOf(int file, std::size_t from) {
    const auto size = sizeOf(file);
    if (size <= from) return {};
    std::string text(size - from, '\0');
    std::size_t got = 0;
    while (got < text.size()) {
        const auto count = ::pread(file, text.data() + got, text.size() - got, static_cast<off_t>(from + got));
        if (count <= 0) break;
        got += static_cast<std::size_t>(count);
    }
    text.resize(got);
    return text;
}

} // namespace natlens::proxycore
