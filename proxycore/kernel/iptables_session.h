// One iptables-restore that stays and takes change after change.
#pragma once

#include "proxycore/kernel/iptables_child.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

namespace natlens::proxycore {

/// `iptables-restore --noflush` kept running, with its standard input open, so that starting and ending it is no part
/// of a change: the end of iptables-nft-restore alone waits for a grace period of the kernel, up to some ten
/// milliseconds. Between two inputs it holds no lock and nothing it has read, and it does nothing at all when its
/// input ends, as it does when this process dies: what has no COMMIT is not carried out.
/// One caller at a time, any thread.
class IptablesSession final {
public:
    /// The command's options must be --noflush and --verbose, at least. A program that does not answer within
    /// `patience`, which must be longer than it waits for all three tables, has its input ended, and its exit status
    /// answers.
    [[nodiscard]] static base::Result<std::unique_ptr<IptablesSession>>
    start(const IptablesCommand &command, std::chrono::milliseconds patience = std::chrono::seconds(20));
    IptablesSession(const IptablesSession &) = delete;
    IptablesSession &operator=(const IptablesSession &) = delete;
    /// Ends the program and waits for that.
    ~IptablesSession();

    /// Whether it can take an input: the program runs, and nothing has failed.
    [[nodiscard]] bool isOpen();
    /// A whole input, with its COMMIT. Returns when the kernel has it, or with the program's words when it refused: then
    /// it is open no more.
    [[nodiscard]] base::Status restore(std::string_view text);

private:
    IptablesSession(IptablesChild child, base::UniqueFd socket, base::UniqueFd errors,
                    std::chrono::milliseconds patience);
    /// Writes the input and reads until the program answers; false when it ended instead, or took too long.
    [[nodiscard]] bool exchange(std::string_view input, std::string_view answer);

    base::UniqueFd m_errors; ///< the program's standard error
    base::UniqueFd m_socket; ///< its standard input and output
    IptablesChild m_child;
    std::chrono::milliseconds m_patience;
    std::uint64_t m_inputs = 0;
    bool m_open = true;
};

} // namespace natlens::proxycore
