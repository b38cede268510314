// The rules of a node, read back: `iptables-save` and `nft list ruleset` text to what kube-proxy's rules in it say.
#pragma once

#include "capture/base/result.h"
#include "proxycore/plan/proxy_plan.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// What a text is, by its content.
enum class RulesFormat : std::uint8_t {
    none,     ///< no listing of rules
    iptables, ///< iptables-save, ip6tables-save, of the legacy or the nft kind, with or without counters
    nftJson,  ///< nft -j list ruleset (or table)
    nftText,  ///< nft list ruleset (or table)
};
[[nodiscard]] RulesFormat rulesFormatOf(std::string_view text);
[[nodiscard]] std::string_view toString(RulesFormat format); ///< "iptables-save", "nft -j list ruleset", ...

/// The chains of one service port, as the file names them; "" where there is none. In iptables mode up to kube-proxy
/// 1.24 `local` is a KUBE-XLB- chain and `external` stays empty.
struct ServiceChains {
    std::string cluster, local, external, firewall;
    std::map<packet::SocketAddress, std::string> endpoints; ///< KUBE-SEP-, endpoint- (nftables: with affinity only)

    bool operator==(const ServiceChains &) const = default;
};

/// kube-proxy's rules of one family.
struct FamilyRules {
    /// What these rules do, as if kube-proxy had planned it: every endpoint, policy and range is the rules', whatever
    /// the cluster state may have said. Not in rules, and therefore empty: names of nodes and pods, endpoints that are
    /// not used, `externalPolicySource`, in nftables mode `healthChecks`, in iptables mode `localAddresses`.
    ProxyPlan plan;
    std::map<ServicePortName, ServiceChains> chains;
};

struct NodeRules {
    std::optional<FamilyRules> v4, v6; ///< none: the listing has nothing of kube-proxy's for that family
    std::vector<Problem> problems;     ///< what was not understood; `pointer` is "line 12" or "/nftables/12"

    [[nodiscard]] const FamilyRules *of(IpFamily family) const;
};

/// Reads a listing. What other programs keep in the same tables is passed over; a listing that breaks off is used up to
/// there. Never fails on what stands in kube-proxy's rules: that is a Problem, and the rest is used. Error:
/// invalidInput when the text is no listing of rules (RulesFormat::none).
[[nodiscard]] base::Result<NodeRules> readNodeRules(std::string_view text, std::string_view fileName);

/// Takes over what `more`, of the same node, has: an ip6tables-save beside an iptables-save. Where both have
/// kube-proxy's rules of a family, those with more service ports stay, and that is a Problem.
void merge(NodeRules &rules, NodeRules more);

/// The chains through which packets to this front end go on, as the file names them, the last one that of the endpoint:
/// "KUBE-NODEPORTS", "KUBE-EXT-...", "KUBE-SVC-...", "KUBE-SEP-...". Empty when the rules have no such front end.
/// `toLocal`: of two ways take that to the node's own endpoints.
[[nodiscard]] std::vector<std::string> chainsTo(const FamilyRules &rules, const ServicePortPlan &service, Via via,
                                                bool toLocal, const std::optional<packet::SocketAddress> &endpoint);

/// Where packets to this front end end that no endpoint is for, as the file names it: a chain
/// ("KUBE-EXTERNAL-SERVICES") or a map ("no-endpoint-nodeports"). "" when the front end turns nobody away.
[[nodiscard]] std::string refusalOf(const FamilyRules &rules, const ServicePortPlan &service, Via via);

} // namespace natlens::proxycore
