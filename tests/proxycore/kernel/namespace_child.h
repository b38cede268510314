// Runs a piece of a test in a network namespace of its own, without root.
#pragma once

#include <functional>
#include <string>

namespace natlens::test {

struct ChildResult {
    bool available = true; ///< false: this machine does not allow unprivileged user namespaces
    std::string text;      ///< what `work` returned; "died: ..." when the child did not come to its end
};

/// Forks, enters new user and network namespaces, runs `work` there and brings back its text.
[[nodiscard]] inline ChildResult inNamespace(const std::function<std::string()> &work);

} // namespace natlens::test

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace natlens::test {

namespace detail {

inline bool writeFile(const char *path, const std::string &text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return written;
}

inline bool enterNamespaces() {
    const auto uid = std::to_string(::getuid()), gid = std::to_string(::getgid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    writeFile("/proc/self/setgroups", "deny");
    return writeFile("/proc/self/uid_map", "0 " + uid + " 1") && writeFile("/proc/self/gid_map", "0 " + gid + " 1");
}

} // namespace detail

inline ChildResult inNamespace(const std::function<std::string()> &work) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return {true, "died: no pipe"};
    const pid_t child = ::fork();
    if (child < 0) return {true, "died: no fork"};
    if (child == 0) {
        ::close(ends[0]);
        if (!detail::enterNamespaces()) ::_exit(77);
        const std::string text = work();
        for (std::size_t at = 0; at < text.size();) {
            const auto count = ::write(ends[1], text.data() + at, text.size() - at);
            if (count <= 0) ::_exit(1);
            at += static_cast<std::size_t>(count);
        }
        ::_exit(0);
    }
    ::close(ends[1]);
    ChildResult result;
    char buffer[65536];
    for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        result.text.append(buffer, static_cast<std::size_t>(count));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        result.available = false;
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        result.text = "died: status " + std::to_string(status);
    return result;
}

} // namespace natlens::test
