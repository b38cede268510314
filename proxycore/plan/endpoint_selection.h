// Which endpoints of a service port a node uses, and for what (kube-proxy 1.36, categorizeEndpoints).
#pragma once

#include "proxycore/model/cluster_state.h"

#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// One endpoint of one service port, as seen from one node.
struct PlannedEndpoint {
    packet::SocketAddress address;
    bool local = false; ///< runs on this node
    bool ready = true, serving = true, terminating = false;
    std::string nodeName; ///< "" when not known
    std::vector<std::string> zoneHints, nodeHints;
    ObjectName pod; ///< empty name when not known

    /// May be used when nothing better exists: it terminates but still answers.
    [[nodiscard]] bool isFallback() const { return serving && terminating; }
    bool operator==(const PlannedEndpoint &) const = default;
};

enum class TopologyMode : std::uint8_t { none, preferSameNode, preferSameZone };
[[nodiscard]] std::string_view toString(TopologyMode value);

struct SelectionInput {
    bool usesCluster = true; ///< the Service can be reached in a way that may use any endpoint
    bool usesLocal = false;  ///< the Service can be reached in a way that may use local endpoints only
    std::string_view nodeName;
    std::string_view zone; ///< label topology.kubernetes.io/zone of the node, "" when not set
    bool nodeHints = true; ///< kube-proxy's PreferSameTrafficDistribution (on since 1.34)
};

/// Why an endpoint is not among those used for Cluster traffic.
enum class Exclusion : std::uint8_t { notReady, terminating, otherZone, otherNode };
[[nodiscard]] std::string_view toString(Exclusion value);

struct ExcludedEndpoint {
    packet::SocketAddress address;
    Exclusion reason = Exclusion::notReady;

    bool operator==(const ExcludedEndpoint &) const = default;
};

/// Indices into the endpoint list that was given, in its order.
struct Selection {
    std::vector<std::size_t> cluster, local, reachable;
    bool hasAny = false; ///< there is a usable endpoint somewhere in the cluster
    TopologyMode topology = TopologyMode::none;
    std::vector<ExcludedEndpoint> excluded; ///< from `cluster`; empty unless usesCluster
};

[[nodiscard]] Selection selectEndpoints(const std::vector<PlannedEndpoint> &endpoints, const SelectionInput &input);

} // namespace natlens::proxycore
