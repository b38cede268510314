// The chains of single service ports among kube-proxy's iptables rules: endpoints, policies, source ranges.
#pragma once

#include "proxycore/rules/iptables_save.h"
#include "proxycore/rules/service_drafts.h"

#include <map>
#include <set>

namespace natlens::proxycore::detail {

constexpr std::string_view kMarkMasquerade = "KUBE-MARK-MASQ", kMarkDrop = "KUBE-MARK-DROP";

/// The rules of this chain; none where there is no such chain, or no table.
[[nodiscard]] const std::vector<IptablesRule> &rulesOf(const IptablesTable *table, std::string_view chain);

/// KUBE-SVC-, -SVL-, -XLB-, -EXT-, -FW- and -SEP- of the nat table, followed from where the shared chains lead to them.
/// What they say goes into the drafts: of the service port, and of the plan that all share.
class IptablesChains final {
public:
    IptablesChains(const IptablesTable *nat, ServiceDrafts &drafts, Problems &problems)
        : m_nat(nat)
        , m_problems(problems)
        , m_drafts(drafts) {}

    /// KUBE-SEP- chains: where they send packets. To be called first.
    void readEndpoints();

    /// Follows what a captured packet meets next. False: not a chain of the service port.
    bool follow(ServiceDrafts::Draft &draft, const std::string &name);
    /// Notes whom a rule that masks cluster IP packets takes for a local pod.
    void detector(const IptablesRule &rule);

    /// Some such rule takes nobody for one: masqueradeAll.
    [[nodiscard]] bool masqueradesAll() const { return m_masqueradeAll; }
    /// Chains of policy Local remember clients (since 1.9).
    [[nodiscard]] bool remembersLocally() const { return m_localAffinity; }
    /// Its KUBE-FW- ends in KUBE-MARK-DROP.
    [[nodiscard]] bool marksDrop(const ServicePortName &name) const { return m_marksDrop.contains(name); }

private:
    using Draft = ServiceDrafts::Draft;
    void interface(const std::string &name);
    void detectorOfPods(const IptablesRule &rule);
    [[nodiscard]] std::optional<packet::SocketAddress> endpoint(const std::string &chainName, const IptablesRule &rule);
    void balance(Draft &draft, const std::string &name, bool local);
    static void setPolicy(Draft &draft, bool local);
    void external(Draft &draft, const std::string &name);
    void firewall(Draft &draft, const std::string &name);
    void problem(const std::string &chainName, const IptablesRule &rule, std::string text) {
        m_problems.add("chain " + chainName, fmt::format("line {}", rule.line), std::move(text));
    }

    const IptablesTable *m_nat;
    Problems &m_problems;
    ServiceDrafts &m_drafts;
    std::map<std::string, packet::SocketAddress> m_endpoints; ///< by KUBE-SEP- chain
    std::set<std::string> m_unprinted;                        ///< KUBE-SEP- chains whose address was not printed
    std::set<ServicePortName> m_marksDrop;
    bool m_masqueradeAll = false, m_localAffinity = false;
};

} // namespace natlens::proxycore::detail
