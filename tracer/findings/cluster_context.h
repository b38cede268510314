// Cluster state as the tracer asks it: who has this address, which Service is reached under it, and when.
#pragma once

#include "proxycore/engine/decision.h"
#include "proxycore/model/cluster_state.h"
#include "proxycore/model/proxy_config.h"
#include "tracer/findings/network_policy.h"
#include "tracer/findings/ruled_nodes.h"
#include "tracer/path/path.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

namespace natlens::tracer {

/// Where a Service was reached.
struct FrontEndMatch {
    std::shared_ptr<const proxycore::Service> service;
    proxycore::ServicePort port;
    Via via = Via::none;

    [[nodiscard]] ServiceRef reference() const;
    /// "default/nodeport:http"
    [[nodiscard]] std::string servicePort() const;
    /// Only endpoints on the node that the packet reached are used (the policy that belongs to `via`).
    [[nodiscard]] bool localOnly() const;
};

/// How many ready endpoints a service port has.
struct EndpointCount {
    unsigned ready = 0, readyOnNode = 0;
    unsigned unplaced = 0;          ///< of `ready`, those of which nobody knows on which node they run
    std::vector<std::string> nodes; ///< that have one, sorted
};

/// The cluster at one moment, indexed by address.
class ClusterView final {
public:
    /// What only rules of nodes tell of is added to the state. `rules` must outlive the view.
    ClusterView(proxycore::ClusterState state, std::shared_ptr<const NetworkPolicies> policies,
                const RuledNodes *rules = nullptr);

    /// The Service that packets to this address are for.
    [[nodiscard]] std::optional<FrontEndMatch> service(Protocol protocol, const SocketAddress &address) const;
    /// A healthCheckNodePort, or kube-proxy's own /healthz port (10256) on a node. The Service is null for the latter.
    [[nodiscard]] bool isHealthCheck(const SocketAddress &address,
                                     std::shared_ptr<const proxycore::Service> *service = nullptr) const;
    [[nodiscard]] std::string nodeWith(const IpAddress &address) const; ///< "" if none
    [[nodiscard]] std::shared_ptr<const proxycore::Pod> podWith(const IpAddress &address) const;
    [[nodiscard]] bool hasNode(std::string_view name) const;
    /// Of the Node object; none if there is no such node.
    [[nodiscard]] std::vector<IpAddress> addressesOf(std::string_view node) const;
    [[nodiscard]] std::shared_ptr<const proxycore::Pod> podNamed(std::string_view name) const;
    [[nodiscard]] EndpointCount endpoints(const FrontEndMatch &match, std::string_view node) const;
    /// The address is that of an endpoint of the service port that still serves, ready or not.
    [[nodiscard]] bool serves(const FrontEndMatch &match, const SocketAddress &endpoint) const;
    [[nodiscard]] std::vector<std::shared_ptr<const proxycore::Service>> services() const;
    [[nodiscard]] const NetworkPolicies &policies() const { return *m_policies; }
    /// No object says it, only the rules of nodes: a node without rules cannot be predicted by it.
    [[nodiscard]] bool onlyInRules(const proxycore::ObjectName &service) const {
        return m_onlyInRules.contains(service);
    }
    /// The node on which an endpoint with this address runs, by slices or rules; "" when nobody knows.
    [[nodiscard]] std::string nodeOfEndpoint(const IpAddress &address) const;
    /// What kube-proxy on this node would do, ready to be asked. Made once for each node; `config` must not change
    /// between calls for one node, or the plan is made anew. May be asked from several threads.
    [[nodiscard]] std::shared_ptr<const proxycore::FrontEndIndex>
    planFor(const std::string &node, const proxycore::ProxyConfig &config, packet::IpFamily family) const;

private:
    struct Planned {
        proxycore::ProxyConfig config;
        std::shared_ptr<const proxycore::FrontEndIndex> index;
    };
    using FrontEnds = std::map<std::pair<Protocol, SocketAddress>, FrontEndMatch>;
    void addFrontEnds(const std::shared_ptr<const proxycore::Service> &service);

    proxycore::ClusterState m_state;
    std::shared_ptr<const NetworkPolicies> m_policies;
    const RuledNodes *m_rules;
    std::set<proxycore::ObjectName> m_onlyInRules;
    std::map<IpAddress, std::string> m_endpointNodes;
    mutable std::mutex m_planning;
    mutable std::map<std::pair<std::string, packet::IpFamily>, Planned> m_plans; ///< guarded by m_planning
    FrontEnds m_frontEnds;
    std::map<std::pair<Protocol, packet::Port>, FrontEndMatch> m_nodePorts;
    std::map<packet::Port, std::shared_ptr<const proxycore::Service>> m_healthChecks;
    std::map<IpAddress, std::string> m_nodes;
    std::map<IpAddress, std::shared_ptr<const proxycore::Pod>> m_pods;
};

/// The cluster's history. A connection is judged by the state at its first packet.
class ClusterContext final {
public:
    /// Takes one watch event, object or List. False if nothing could be made of it (counted).
    bool apply(Timestamp time, std::string_view json);

    /// Rules that were read from a node ("" of nobody knows which). They hold all the time.
    void addRules(std::string_view node, const proxycore::NodeRules &rules);
    [[nodiscard]] const RuledNodes &rules() const { return *m_rules; }

    /// The state at a moment; before the first one, the first. Null without any cluster state.
    [[nodiscard]] const ClusterView *at(Timestamp time) const;
    [[nodiscard]] const ClusterView *latest() const;
    /// Neither objects nor rules are known. Unlike latest() this makes nothing.
    [[nodiscard]] bool isEmpty() const { return m_versions.empty(); }
    /// Every state that held at some time within [from, to], oldest first.
    [[nodiscard]] std::vector<const ClusterView *> during(Timestamp from, Timestamp to) const;
    /// There are Kubernetes objects, not rules alone.
    [[nodiscard]] bool hasObjects() const { return m_hasObjects; }
    /// When the newest state at or before `time` began.
    [[nodiscard]] Timestamp changedBefore(Timestamp time) const;
    [[nodiscard]] std::size_t unreadable() const { return m_unreadable; }

private:
    struct Version {
        Timestamp time;
        proxycore::ClusterState state;
        std::shared_ptr<const NetworkPolicies> policies;
        mutable std::unique_ptr<const ClusterView> view; ///< made when first asked for
    };
    [[nodiscard]] const ClusterView *viewOf(const Version &version) const;

    std::vector<Version> m_versions;
    std::unique_ptr<RuledNodes> m_rules = std::make_unique<RuledNodes>(); ///< views refer to it
    bool m_hasObjects = false;
    std::size_t m_unreadable = 0;
};

} // namespace natlens::tracer
