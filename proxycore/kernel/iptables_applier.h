// Keeps a kernel's iptables rules in step with plans, through iptables-restore as kube-proxy does.
#pragma once

#include "proxycore/kernel/drift.h"
#include "proxycore/kernel/iptables.h"
#include "proxycore/kernel/iptables_program.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace natlens::proxycore {

/// What to send to `iptables-restore --noflush`, for a table at a time, collected and then printed.
class IptablesRestore final {
public:
    /// Makes the chain new or empties it, and gives it these rules.
    void replace(const IptablesChain &chain);
    /// Deletes the chain; nothing may lead to it any more when all else here is done.
    void remove(const std::string &table, const std::string &chain);
    void insertFirst(const std::string &table, const std::string &chain, const std::string &rule);
    void deleteRule(const std::string &table, const std::string &chain, const std::string &rule);

    [[nodiscard]] bool empty() const { return m_tables.empty(); }
    [[nodiscard]] bool replaces(std::string_view table, std::string_view chain) const;
    /// Whole input; chains first, then rules that go, rules that come, chains that go.
    [[nodiscard]] std::string text() const;
    /// The same in several inputs of at most `lines` lines, to be restored one after the other.
    [[nodiscard]] std::vector<std::string> texts(std::size_t lines) const;

private:
    struct Table {
        std::string name;
        std::vector<std::string> chains, deletions, rules, removals;
    };
    Table &table(const std::string &name);
    std::vector<Table> m_tables; ///< in the order of first use
};

/// Keeps kube-proxy's chains of one network namespace equal to the plans applied last; rules and chains of others stay.
/// Belongs to the network namespace of the thread that opens it; later calls work there from any thread, one at a time.
/// Not one transaction but one for each table, as with kube-proxy.
class IptablesApplier final {
public:
    /// unsupported when iptables is not installed.
    [[nodiscard]] static base::Result<IptablesApplier> open(IptablesBackend backend = IptablesBackend::installed);

    /// The first plan of a family writes everything: chains of ours that the plan lacks go, the jumps from the built-in
    /// chains are put on top where they are missing. Later ones write only the chains of changed service ports and, in
    /// the shared chains, the rules that come or go (kube-proxy writes the shared chains anew each time; their order
    /// has no meaning). After a failure the next apply() is full. Without privileges in the initial user namespace
    /// iptables-nft cannot send more than some hundred rules at once: more go in several parts.
    [[nodiscard]] base::Status apply(const ProxyPlan &plan);

    /// What in the kernel is not as the plan says, in words; nothing is changed. The order of rules counts only where
    /// it has a meaning.
    [[nodiscard]] base::Result<std::vector<Drift>> drift(const ProxyPlan &plan);
    /// The same, and puts it right: only what differs is written. After it the plan is the one applied last.
    [[nodiscard]] base::Result<std::vector<Drift>> mend(const ProxyPlan &plan);

    /// Removes every chain of ours and the jumps to them.
    [[nodiscard]] base::Status removeAll();

    /// How many packets the rules have dropped because connection tracking called them invalid, both families. It goes
    /// on when the rule is written again, as kube-proxy's nfacct counter does. A listing of the rules is made for it.
    [[nodiscard]] base::Result<std::uint64_t> invalidDropped();

    struct Statistics {
        std::uint64_t full = 0, incremental = 0, unchanged = 0, failed = 0;
        std::uint64_t partialFailed = 0; ///< of the failed ones, those that wrote changes only
        std::uint64_t split = 0; ///< restored in several parts because one was too large for the kernel's socket
    };
    [[nodiscard]] const Statistics &statistics() const { return m_statistics; }

private:
    explicit IptablesApplier(IptablesProgram program)
        : m_program(std::move(program)) {}
    [[nodiscard]] base::Status applyFull(const ProxyPlan &plan);
    [[nodiscard]] base::Result<std::vector<Drift>> compare(const ProxyPlan &plan, IptablesRestore *mending);
    /// What the rule that drops invalid packets has counted; 0 where it is not.
    [[nodiscard]] base::Result<std::uint64_t> countedInvalid(packet::IpFamily family);
    /// In place of all that the table holds; beside it; beside it by the program that waits for changes.
    enum class Way : std::uint8_t { replace, add, change };
    [[nodiscard]] base::Status send(packet::IpFamily family, const IptablesRestore &restore, Way way);
    /// The same for what writes the rule again that drops invalid packets: what it has counted is kept.
    [[nodiscard]] base::Status sendCounted(packet::IpFamily family, const IptablesRestore &restore, Way way);
    std::unique_ptr<const ProxyPlan> &applied(packet::IpFamily family) {
        return family == packet::IpFamily::v6 ? m_applied6 : m_applied4;
    }

    IptablesProgram m_program;
    std::unique_ptr<const ProxyPlan> m_applied4, m_applied6; ///< null: what the kernel has is not known
    std::set<packet::IpFamily> m_counting; ///< those whose filter table has been written
    std::uint64_t m_invalidBefore = 0;     ///< counted by rules that have been replaced
    Statistics m_statistics;
};

} // namespace natlens::proxycore
