// The proxy plan: what kube-proxy would do on one node for one cluster state, as data. Every datapath carries out the
// same plan; where kube-proxy's modes differ, the difference stands in the plan and not in the datapaths.
#pragma once

#include "proxycore/model/cluster_state.h"
#include "proxycore/model/proxy_config.h"
#include "proxycore/plan/endpoint_selection.h"
#include "proxycore/plan/naming.h"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// How a packet was addressed to a Service.
enum class Via : std::uint8_t { none, clusterIP, externalIP, loadBalancerIP, nodePort };
[[nodiscard]] std::string_view toString(Via value); ///< "clusterIP", "nodePort", ...; "" for none

/// Where packets to a front end go.
enum class Route : std::uint8_t {
    none,     ///< nowhere: only `otherwise` applies
    cluster,  ///< to one of ServicePortPlan::cluster
    local,    ///< to one of ServicePortPlan::local
    external, ///< decided by where they come from (see ServicePortPlan::externalLocal)
};

/// What happens to packets that the route did not take away.
enum class Otherwise : std::uint8_t { pass, reject, drop };

/// One address and port (or node port) under which a service port is reached.
struct FrontEnd {
    Via via = Via::none;
    IpAddress ip; ///< none for node ports
    Port port = 0;
    Route route = Route::none;
    Otherwise otherwise = Otherwise::pass;
    bool firewalled = false;   ///< sources outside ServicePortPlan::allowedSources are dropped first
    bool policyApplies = true; ///< ServicePortPlan::externalLocal governs it; in 1.5 not external IPs

    bool operator==(const FrontEnd &) const = default;
};

/// Everything a datapath must know about one port of one Service. Immutable and shared between plans.
struct ServicePortPlan {
    ServicePortName name;
    ServiceType type = ServiceType::clusterIP;
    IpAddress clusterIP;
    Port port = 0, nodePort = 0;
    std::vector<FrontEnd> frontEnds; ///< clusterIP, externalIPs, load balancer IPs, node port: in this order

    bool internalLocal = false; ///< internalTrafficPolicy: Local
    bool externalLocal = false; ///< externalTrafficPolicy: Local, where it has a meaning
    PolicySource externalPolicySource = PolicySource::defaulted;
    bool externallyAccessible = false; ///< has a node port, an external IP or a load balancer IP
    bool usesCluster = true, usesLocal = false;
    bool hasInternal = false; ///< packets to the cluster IP have an endpoint to go to
    bool hasExternal = false; ///< packets from outside have an endpoint to go to

    /// Endpoints for Cluster traffic, for Local traffic, and all of them; sorted by "ip:port" as text.
    std::vector<PlannedEndpoint> cluster, local, reachable;
    bool hasAny = false;
    std::size_t endpointCount = 0; ///< in all slices, used or not
    TopologyMode topology = TopologyMode::none;
    std::vector<ExcludedEndpoint> excluded;
    bool ofEndpointsObject = false; ///< they stand in an Endpoints object, not in EndpointSlices; for explanations
    /// UDP only: every endpoint whose condition `serving` is true, ready or not, wherever it is; sorted. Connections to
    /// others end when the endpoints change (kube-proxy's conntrack reconciler).
    std::vector<packet::SocketAddress> serving;

    std::chrono::seconds affinity{0};     ///< 0: none
    std::vector<IpPrefix> allowedSources; ///< loadBalancerSourceRanges; empty: all
    /// The node itself is in a range, so the load balancer IPs are allowed sources too (a node that talks to itself).
    std::vector<IpAddress> allowedVips;

    /// Chains that exist for this service port.
    [[nodiscard]] bool hasClusterChain() const { return usesCluster && !cluster.empty(); }
    [[nodiscard]] bool hasLocalChain() const { return usesLocal && !local.empty(); }
    [[nodiscard]] bool hasExternalChain() const { return hasAny && externallyAccessible; }

    bool operator==(const ServicePortPlan &) const = default;
};

/// One healthCheckNodePort: a Service of type LoadBalancer with externalTrafficPolicy Local.
struct HealthCheckPlan {
    ObjectName service;
    Port port = 0;
    unsigned localEndpoints = 0; ///< distinct addresses of ready endpoints on this node, over all ports

    bool operator==(const HealthCheckPlan &) const = default;
};

/// How packets of local pods are recognised.
struct LocalDetector {
    enum class Kind : std::uint8_t { none, sourceRange, interface, interfacePrefix };
    Kind kind = Kind::none;
    IpPrefix range;
    std::string interface;

    bool operator==(const LocalDetector &) const = default;
};

/// When packets to cluster IPs get the node's source address.
enum class ClusterIpMasquerade : std::uint8_t { never, fromOutside, always };

/// Which local addresses accept node ports.
struct NodePortMatch {
    bool allLocal = true;             ///< every address of the node
    std::vector<IpAddress> addresses; ///< otherwise these
    bool loopback = false;            ///< with allLocal: 127.0.0.0/8 (or ::1) too

    bool operator==(const NodePortMatch &) const = default;
};

/// Which generation of chains iptables mode writes.
enum class RuleLayout : std::uint8_t { today, v1_5 };

/// The differences between kube-proxy's modes and generations.
struct Behaviour {
    RuleLayout layout = RuleLayout::today;
    bool rejectUnknownPort = false;      ///< wrong port of a cluster IP: reject (nftables) or let pass (iptables)
    bool dropUnallocated = false;        ///< address of a service range that no Service has: drop or let pass
    bool firewallNeedsEndpoints = false; ///< source ranges only apply while the Service has endpoints (iptables)
    bool hairpinLocalOnly = false;       ///< masquerade of a pod that reaches itself: only where it runs (nftables)
    bool nodeShortCircuit = true;        ///< with Local policy, the node's own packets may use any endpoint
    /// Packets that the node itself sends to an external address without endpoints are refused; iptables mode looks at
    /// those addresses on INPUT and FORWARD only.
    bool checksOwnExternal = true;
    bool acceptHealthChecks = false;   ///< an accept rule for health check ports (iptables)
    bool dropInvalid = false;          ///< packets that connection tracking calls invalid are dropped (iptables)
    bool fullyRandomPorts = true;      ///< masquerade draws a random port
    bool clearMark = true;             ///< the masquerade mark is cleared when it has been obeyed
    unsigned affinityCapacity = 65535; ///< clients remembered for each endpoint
    /// What policy Local and source ranges turn away is dropped even if the node would only forward it; 1.5 marks it
    /// and drops what is for the node or from it.
    bool dropsForwarded = true;
    /// The node's own packets to an external IP that it does not have reach the Service (1.5: not).
    bool capturesOwnExternalIp = true;
    /// Stale UDP connections are looked for by every front end, whoever answers them; 1.5 ended those of a cluster IP
    /// whose endpoint was gone.
    bool endsAllStaleUdp = true;
    bool externalIPs = true;           ///< feature gate AllowServiceExternalIPs
    bool nodeHints = true;             ///< feature gate PreferSameTrafficDistribution
    bool localAffinity = true;         ///< clients stay with an endpoint under policy Local too (1.5: not)
    bool affinityEvictsOldest = false; ///< when full: forget the oldest (iptables) or do not remember the new one

    bool operator==(const Behaviour &) const = default;
};

[[nodiscard]] inline PortNaming portNaming(const Behaviour &behaviour) {
    return behaviour.layout == RuleLayout::v1_5 ? PortNaming::alwaysColon : PortNaming::today;
}

struct PlanSources;

/// Why a front end that a Service names has no rules.
enum class PassedByReason : std::uint8_t { loadBalancerIsProxy, otherProxy, externalIPsOff };

/// An address and port that belong to a Service but are left to somebody else. For explanations.
struct PassedBy {
    ServicePortName name;
    Via via = Via::none;
    IpAddress ip; ///< none for node ports
    Port port = 0;
    PassedByReason reason = PassedByReason::loadBalancerIsProxy;

    bool operator==(const PassedBy &) const = default;
};

struct ProxyPlan {
    std::string nodeName;
    IpFamily family = IpFamily::v4;
    Mode mode = Mode::nftables;
    Behaviour behaviour;
    std::vector<IpAddress> localAddresses; ///< of the family, sorted; loopback counts as local without being listed
    LocalDetector detector;
    ClusterIpMasquerade clusterIpMasquerade = ClusterIpMasquerade::never;
    std::uint32_t masqueradeMark = 0x4000;
    NodePortMatch nodePorts;
    bool localhostNodePorts = false;    ///< route_localnet and the guard of 127.0.0.0/8 (iptables, IPv4)
    std::vector<IpPrefix> serviceCIDRs; ///< of the family
    std::vector<IpPrefix> podCIDRs;     ///< the node's own, of the family; for explanations
    /// Sorted by name. Never null. Plans made from states that share objects share these too (makePlan's `previous`).
    std::vector<std::shared_ptr<const ServicePortPlan>> services;
    std::vector<HealthCheckPlan> healthChecks;
    /// Rules of endpoints carry comments; iptables mode leaves them out when the cluster has more than 1000 endpoints.
    bool endpointComments = true;
    std::vector<PassedBy> passedBy; ///< in no particular order
    std::vector<Problem> problems;  ///< front ends that two Services claim, unknown node, ...
    /// What it was made of, for makePlan's `previous`; means nothing to a datapath.
    std::shared_ptr<const PlanSources> sources = {};

    [[nodiscard]] bool isLocalAddress(const IpAddress &address) const;
    [[nodiscard]] const ServicePortPlan *find(const ServicePortName &name) const;
    /// Equal in everything that matters to a datapath (not in `problems`, `passedBy`, `podCIDRs`).
    bool operator==(const ProxyPlan &other) const;
};

/// Whose plan to make.
struct PlanTarget {
    std::string nodeName;
    /// Addresses on the node's interfaces, of any family; those of the Node object are added. Loopback may be left out.
    std::vector<IpAddress> localAddresses;
    Mode mode = Mode::nftables;
    IpFamily family = IpFamily::v4;
};

/// A pure function. `previous`, if given, only makes it cheaper: what is made of the same objects is shared with it,
/// and the cost is that of what changed, apart from a walk over the names.
[[nodiscard]] ProxyPlan makePlan(const ClusterState &state, const ProxyConfig &config, const PlanTarget &target,
                                 const ProxyPlan *previous = nullptr);

/// The plan in words, one fact a line, stable order.
[[nodiscard]] std::string toText(const ProxyPlan &plan);
[[nodiscard]] std::string toText(const ServicePortPlan &service, const ProxyPlan &plan);

} // namespace natlens::proxycore
