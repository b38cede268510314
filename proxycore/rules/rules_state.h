// Cluster state and kube-proxy's configuration, guessed back from the rules of nodes.
#pragma once

#include "proxycore/model/proxy_config.h"
#include "proxycore/rules/node_rules.h"

#include <set>
#include <span>
#include <string>

namespace natlens::proxycore {

struct RulesOfNode {
    std::string node; ///< "" when nobody knows
    const NodeRules *rules = nullptr;
};

/// Services and EndpointSlices with everything that rules tell: names, ports, addresses, policies, affinity, source
/// ranges, the endpoints of all these nodes together. A node's own endpoints carry its name, the others' nodes are open
/// unless another listing tells; there are no Pods, labels and selectors. An endpoint that only policy Local still uses
/// is one that terminates. Nodes have the addresses that nftables mode accepts node ports at, otherwise none. Where
/// nodes contradict each other the first one by name is believed, and that is one of the state's `problems`.
[[nodiscard]] ClusterState clusterStateOf(std::span<const RulesOfNode> nodes);

/// Adds to `state` the Services (with their EndpointSlices), Nodes and service ranges of `fromRules` that it does not
/// have: what has a name there wins. Returns the Services that were added. `contradictions` gets a line for each
/// Service of both whose cluster IP or ports differ.
std::set<ObjectName> addMissing(ClusterState &state, const ClusterState &fromRules,
                                std::vector<Problem> *contradictions = nullptr);

/// How the node's kube-proxy must be configured to write these rules: mode, detector, mark, node port addresses. Of the
/// family that has rules; of both, IPv4 decides what they share.
[[nodiscard]] ProxyConfig proxyConfigOf(const NodeRules &rules);

} // namespace natlens::proxycore
