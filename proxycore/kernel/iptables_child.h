// A started program of the iptables package.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"

#include <string>
#include <sys/types.h>
#include <vector>

namespace natlens::proxycore {

/// What to start, and where.
struct IptablesCommand {
    std::string path;
    std::vector<std::string> options;
    int nameSpace = -1; ///< the network namespace it runs in
};

/// The program's standard input, output and error. It inherits no other descriptor of ours that is close-on-exec.
struct IptablesStreams {
    int in = -1, out = -1, error = -1;
};

/// One running program; whoever holds it waits for its end. Any thread.
class IptablesChild final {
public:
    /// The messages of the program are in English.
    [[nodiscard]] static base::Result<IptablesChild> start(const IptablesCommand &command, IptablesStreams streams);
    IptablesChild(IptablesChild &&other) noexcept;
    IptablesChild &operator=(IptablesChild &&) = delete;
    /// Waits too, if nobody has: the program's input must have ended.
    ~IptablesChild();

    /// Blocks until the program has ended. An error carries its words, which it wrote to `errorFile` from `from` on.
    [[nodiscard]] base::Status wait(int errorFile, std::size_t from = 0);

private:
    IptablesChild(pid_t pid, std::string path)
        : m_pid(pid)
        , m_path(std::move(path)) {}

    pid_t m_pid; ///< -1: has been waited for
    std::string m_path;
};

/// A file that exists in memory only, for what a program reads or writes.
[[nodiscard]] base::Result<base::UniqueFd> memoryFile(std::string_view content);
[[nodiscard]] std::size_t sizeOf(int file);
/// The file from this byte to its end.
[[nodiscard]] std::string contentOf(int file, std::size_t from = 0);

} // namespace natlens::proxycore
