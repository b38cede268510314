// NetworkPolicies as far as findings need them: which sources they let in, by address.
#pragma once

#include "proxycore/model/cluster_state.h"

#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace natlens::tracer {

/// One rule of spec.ingress that names address blocks.
struct IngressRule {
    struct Block {
        packet::IpPrefix cidr;
        std::vector<packet::IpPrefix> except;
    };
    std::vector<Block> blocks;
    bool anySource = false;          ///< no `from`: everybody
    bool otherPeers = false;         ///< it lets pods or namespaces in besides
    std::vector<packet::Port> ports; ///< empty: all

    [[nodiscard]] bool admits(const packet::IpAddress &source, packet::Port port) const;
};

struct NetworkPolicy {
    proxycore::ObjectName name;
    proxycore::Labels podSelector; ///< matchLabels; empty: every pod of the namespace
    bool unreadable = false;       ///< selects in a way that is not understood here: nothing is concluded
    bool ingress = false;          ///< it limits what comes in
    std::vector<IngressRule> rules;
};

using NetworkPolicies = std::map<proxycore::ObjectName, NetworkPolicy>;

/// Takes one watch event, object or List; other kinds are passed over. Null when nothing changed, otherwise the new
/// set.
[[nodiscard]] std::optional<NetworkPolicies> applyPolicies(const NetworkPolicies &before, std::string_view json);

/// Whether the policies that select a pod admit a source; nothing when no policy limits it or one is not understood.
[[nodiscard]] std::optional<bool> admits(const NetworkPolicies &policies, const proxycore::Pod &pod,
                                         const packet::IpAddress &source, packet::Port port);

} // namespace natlens::tracer
