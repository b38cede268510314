#include "app/lab/isolation.h"

#include "capture/base/unique_fd.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace natlens::lab {
namespace {

using base::ErrorCode;
using base::Status;
using base::UniqueFd;

Status writeFile(const char *path, const std::string &text) {
    UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
    if (!fd) return base::failErrno("open", path);
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return base::failErrno("write", path);
    return {};
}

std::string readSetting(const char *path) {
    UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
    if (!fd) return {};
    char buffer[32]{};
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer - 1);
    std::string text(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

/// Maps the caller to root inside. setgroups must be denied first (user_namespaces(7), CVE-2014-8989).
Status mapIds(uid_t uid, gid_t gid) {
    if (auto status = writeFile("/proc/self/setgroups", "deny"); !status) return status;
    if (auto status = writeFile("/proc/self/uid_map", fmt::format("0 {} 1", uid)); !status) return status;
    return writeFile("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

/// Waits for the child and turns its end into an exit status.
int waitFor(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace

std::string isolationHint() {
    if (readSetting("/proc/sys/kernel/unprivileged_userns_clone") == "0")
        return "allow user namespaces with `sudo sysctl -w kernel.unprivileged_userns_clone=1`, use sudo, or run the lab with --simulated";
    if (readSetting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
        return "AppArmor restricts user namespaces here; allow them with "
               "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, use sudo, or run the lab with --simulated";
    if (readSetting("/proc/sys/user/max_user_namespaces") == "0")
        return "allow user namespaces with `sudo sysctl -w user.max_user_namespaces=10000`, use sudo, or run the lab with --simulated";
    return {};
}

base::Result<int> runIsolated(const std::function<int()> &body) {
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    if (::unshare(CLONE_NEWUSER) != 0) {
        const int reason = errno;
        const std::string hint = isolationHint();
        return std::unexpected(base::Error{
            ErrorCode::notPermitted,
            fmt::format("this machine does not let an ordinary user make namespaces; {}",
                        hint.empty() ? "use sudo, ask its administrator to allow user namespaces, or run the lab with --simulated" : hint),
            "unshare", "user namespace", reason});
    }
    if (auto status = mapIds(uid, gid); !status) {
        base::Error error = status.error();
        error.code = ErrorCode::notPermitted;
        error.message = isolationHint().empty() ? "the new user namespace gives no rights; use sudo, or run the lab with --simulated" : isolationHint();
        return std::unexpected(error);
    }
    if (::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) != 0) {
        base::Error error = base::failErrno("unshare", "mount, PID and network namespaces").error();
        error.code = ErrorCode::notPermitted;
        error.message = isolationHint().empty() ? "use sudo, allow namespaces to ordinary users, or run the lab with --simulated" : isolationHint();
        return std::unexpected(error);
    }

    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return base::failErrno("pipe");
    UniqueFd parentGone(ends[0]), parentHere(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return base::failErrno("fork");
    if (child == 0) {
        parentHere.reset();
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        pollfd watch{parentGone.get(), POLLIN, 0};
        if (::poll(&watch, 1, 0) != 0) ::_exit(1); // the parent died before the line above
        // A view of processes and sysctls of our own; where the machine forbids it (some containers) the old one serves.
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
        ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
        ::_exit(body());
    }
    return waitFor(child);
}

} // namespace natlens::lab
