// iptables-restore and iptables-save as functions: text in, text out, in a network namespace of choice.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"
#include "capture/packet/address.h"
#include "proxycore/kernel/iptables_session.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// The two kinds of iptables that distributions ship side by side.
enum class IptablesBackend : std::uint8_t {
    installed, ///< what `iptables-restore` is on this machine
    nft,       ///< iptables-nft-restore: rules live in nf_tables
    legacy,    ///< iptables-legacy-restore: rules live in ip_tables
};

/// Runs the programs in the network namespace that the constructing thread was in. Calls block; any thread may call, one
/// at a time. Needs CAP_NET_ADMIN in that namespace, as the programs do.
class IptablesProgram final {
public:
    /// unsupported when the programs are not installed, with what to install.
    [[nodiscard]] static base::Result<IptablesProgram> open(IptablesBackend backend);

    /// Whether the tables named in the input are emptied first (iptables-restore) or only changed (--noflush).
    enum class Tables : std::uint8_t { keep, empty };
    /// `text` as input of `iptables-restore` (ip6tables-restore). On failure nothing of the table in which it
    /// failed has changed; the error carries the program's words.
    [[nodiscard]] base::Status restore(packet::IpFamily family, std::string_view text,
                                       Tables tables = Tables::keep);
    /// The same with Tables::keep, for one change after another: faster, as one program stays and takes them all (see
    /// IptablesSession). A line that an error names is counted from the first of its changes.
    [[nodiscard]] base::Status change(packet::IpFamily family, std::string_view text);
    /// The listing of one table; with what its rules have counted before each ("[packets:bytes] -A ...").
    enum class Counters : std::uint8_t { without, with };
    [[nodiscard]] base::Result<std::string> save(packet::IpFamily family, std::string_view table,
                                                 Counters counters = Counters::without);

private:
    IptablesProgram(base::UniqueFd nameSpace, IptablesBackend backend)
        : m_nameSpace(std::move(nameSpace))
        , m_backend(backend) {}
    [[nodiscard]] base::Result<IptablesCommand> command(packet::IpFamily family, std::string_view verb,
                                                        std::vector<std::string> options) const;
    [[nodiscard]] base::Result<std::string> run(packet::IpFamily family, std::string_view verb,
                                                std::vector<std::string> options, std::string_view input);

    base::UniqueFd m_nameSpace;
    IptablesBackend m_backend;
    std::unique_ptr<IptablesSession> m_session4, m_session6; ///< null before the first change
    bool m_answers = true; ///< whether the program says when it has done a change; if not, each is its own
};

} // namespace natlens::proxycore
