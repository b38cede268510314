#include "proxycore/kernel/iptables_program.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace natlens::proxycore {

namespace {

using packet::IpFamily;

std::string programName(IpFamily family, IptablesBackend backend, std::string_view verb) {
    const std::string_view variant = backend == IptablesBackend::nft      ? "-nft"
                                     : backend == IptablesBackend::legacy ? "-legacy"
                                                                          : "";
    return fmt::format("{}{}-{}", family == IpFamily::v6 ? "ip6tables" : "iptables", variant, verb);
}

/// Where distributions put it; PATH of an ordinary user often lacks the system directories.
std::string findProgram(const std::string &name) {
    for (const std::string_view folder : {"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"}) {
        const auto path = fmt::format("{}/{}", folder, name);
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
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

std::string contentOf(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0) return {};
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t got = 0;
    while (got < text.size()) {
        const auto count = ::pread(file, text.data() + got, text.size() - got, static_cast<off_t>(got));
        if (count <= 0) break;
        got += static_cast<std::size_t>(count);
    }
    text.resize(got);
    return text;
}

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

/// The line that says what is wrong: the last one, as the programs first warn and then complain.
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

base::Result<IptablesProgram> IptablesProgram::open(IptablesBackend backend) {
    const auto name = programName(IpFamily::v4, backend, "restore");
    if (findProgram(name).empty())
        return base::fail(base::ErrorCode::unsupported,
                          "is not installed; install the package iptables, or use another datapath", "iptables", name);
    base::UniqueFd nameSpace(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!nameSpace) return base::failErrno("open", "/proc/thread-self/ns/net");
    return IptablesProgram(std::move(nameSpace), backend);
}

base::Status IptablesProgram::restore(IpFamily family, std::string_view text, Tables tables) {
    // Another program may be at the tables; kube-proxy waits as long.
    constexpr std::string_view kWait = "--wait=5";
    auto result = tables == Tables::keep ? run(family, "restore", {"--noflush", "--counters", kWait}, text)
                                         : run(family, "restore", {kWait}, text);
    if (!result) return std::unexpected(result.error());
    return {};
}

base::Result<std::string> IptablesProgram::save(IpFamily family, std::string_view table, Counters counters) {
    const auto option = fmt::format("--table={}", table);
    return counters == Counters::with ? run(family, "save", {option, "--counters"}, {}) : run(family, "save", {option}, {});
}

base::Result<std::string> IptablesProgram::run(IpFamily family, std::string_view verb,
                                               std::initializer_list<std::string_view> options, std::string_view input) {
    const auto name = programName(family, m_backend, verb);
    const auto path = findProgram(name);
    if (path.empty())
        return base::fail(base::ErrorCode::unsupported, "is not installed; install the package iptables", "iptables",
                          name);
    auto in = memoryFile(input);
    auto out = memoryFile({});
    auto err = memoryFile({});
    if (!in || !out || !err) return std::unexpected((!in ? in : !out ? out : err).error());

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in->get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out->get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err->get(), STDERR_FILENO);
    std::vector<std::string> words{path};
    words.insert(words.end(), options.begin(), options.end());
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
        const Inside inside(m_nameSpace.get());
        if (!inside.entered()) {
            posix_spawn_file_actions_destroy(&actions);
            return base::failErrno("setns", "network namespace of iptables");
        }
        failed = ::posix_spawn(&child, path.c_str(), &actions, nullptr, arguments.data(), environment.data());
    }
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        errno = failed;
        return base::failErrno("run", path);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return base::failErrno("wait for", path);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return contentOf(out->get());
    auto reason = complaint(contentOf(err->get()));
    const bool denied = reason.find("Permission denied") != std::string::npos ||
                        reason.find("Operation not permitted") != std::string::npos;
    return base::fail(denied ? base::ErrorCode::notPermitted : base::ErrorCode::io, std::move(reason), name);
}

} // namespace natlens::proxycore
