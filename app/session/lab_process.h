// The lab as a child process: the natlens program with a pipe for packets and a socket for control.
#pragma once

#include "app/session/session.h"
#include "capture/base/unique_fd.h"

#include <chrono>
#include <sys/types.h>

namespace natlens::session {

/// The natlens program: `named` if given; this program itself if it is natlens; the `natlens` in its folder, or in the
/// neighbouring folder `bin`; the first one in PATH. Empty if there is none.
[[nodiscard]] std::filesystem::path findProgram(const std::filesystem::path &named);

/// How a process ended, in words: "exited with status 3", "was ended by signal 9 (Killed)".
[[nodiscard]] std::string describeWaitStatus(int waitStatus);

/// One running lab process. Its control socket is the leash: closing it ends the lab, and the kernel closes it however
/// this process dies. (PR_SET_PDEATHSIG would follow the thread that forked, which may end long before the program.)
/// It gets a process group of its own, so that Ctrl-C reaches the front end, which drains the captures first.
class LabProcess final {
public:
    /// Starts `natlens lab-process <arguments> --stream-fd 3 --control-fd 4`. Safe in a program with many threads:
    /// posix_spawn, every descriptor of ours is close-on-exec, and nothing else is inherited but standard error
    /// (standard output goes there too: it belongs to our own caller).
    [[nodiscard]] static base::Result<LabProcess> start(const std::filesystem::path &program,
                                                        const std::vector<std::string> &arguments);
    LabProcess(LabProcess &&other) noexcept;
    LabProcess &operator=(LabProcess &&) = delete;
    ~LabProcess(); ///< end() without patience

    [[nodiscard]] int stream() const { return m_stream.get(); }   ///< non-blocking, read end
    [[nodiscard]] int control() const { return m_control.get(); } ///< non-blocking, both ways

    /// Closes both channels, waits until the process has ended, kills it when it has not by then. Wait status.
    int end(std::chrono::milliseconds patience);

private:
    LabProcess(pid_t pid, base::UniqueFd stream, base::UniqueFd control)
        : m_pid(pid)
        , m_stream(std::move(stream))
        , m_control(std::move(control)) {}
    pid_t m_pid;
    base::UniqueFd m_stream, m_control;
};

/// Runs the program to its end and returns its standard output (at most 1 MiB). Same rules as above.
[[nodiscard]] base::Result<std::string> runProgram(const std::filesystem::path &program,
                                                   const std::vector<std::string> &arguments);

} // namespace natlens::session
