// The lab's Kubernetes: the objects, the few controllers that a lab needs, and the watch events that tell of changes.
#pragma once

#include "proxycore/model/cluster_state.h"
#include "capture/base/result.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace natlens::lab {

using proxycore::ClusterState;
using proxycore::ObjectName;

/// What one change did. The lab acts on the pods and publishes the events, in this order.
struct ClusterChange {
    std::vector<proxycore::Pod> podsAdded;
    std::vector<proxycore::Pod> podsRemoved;
    std::vector<std::string> events; ///< Kubernetes watch events, JSON
};

/// Holds the cluster state and plays API server (allocates health check node ports), EndpointSlice controller and
/// replica set for it. Pure: nothing outside changes. Services that came with EndpointSlices keep them; those that a
/// controller wrote only until the lab moves or scales the pods behind them.
/// Nodes, and pods of endpoints, that have no object get one (see endpoint_pods), so that there are hosts which answer.
class LabCluster final {
public:
    explicit LabCluster(ClusterState initial);

    [[nodiscard]] const ClusterState &state() const { return m_state; }
    /// ADDED events for every object: what a watch prints first.
    [[nodiscard]] std::vector<std::string> initialEvents() const;

    /// "default/nodeport" or "nodeport" (namespace default).
    [[nodiscard]] static ObjectName parseName(const std::string &text);

    /// kubectl annotate: the traffic annotations of Kubernetes 1.5 take effect as they did then.
    [[nodiscard]] base::Result<ClusterChange> annotate(const std::string &service, const std::string &key,
                                                       const std::string &value);
    /// spec.externalTrafficPolicy ("Cluster" or "Local"), or the annotation where the Service has one.
    [[nodiscard]] base::Result<ClusterChange> setPolicy(const std::string &service, const std::string &policy);
    /// Replaces the pod by one of the same kind on another node; it gets a new name and address, as in Kubernetes.
    [[nodiscard]] base::Result<ClusterChange> movePod(const std::string &pod, const std::string &node);
    /// Adds or removes pods like the first one that a Service selects until there are `replicas` (0 to kMaximumReplicas).
    [[nodiscard]] base::Result<ClusterChange> scale(unsigned replicas);
    static constexpr unsigned kMaximumReplicas = 6;
    /// A Kubernetes watch event: the object is put, changed or taken away as it says. Kinds that the lab does not know
    /// change nothing but are told on.
    [[nodiscard]] base::Result<ClusterChange> applyEvent(const std::string &watchEventJson);

    /// Ports that this pod's server must listen on: the numeric target ports of the Services that select it, and
    /// those of the EndpointSlices that name its address.
    [[nodiscard]] std::vector<packet::Port> serverPorts(const proxycore::Pod &pod,
                                                        packet::Protocol protocol = packet::Protocol::tcp) const;
    /// Ports that EndpointSlices name for any of these addresses.
    [[nodiscard]] std::vector<packet::Port> endpointPorts(std::span<const packet::IpAddress> addresses,
                                                          packet::Protocol protocol) const;
    [[nodiscard]] bool selects(const proxycore::Service &service, const proxycore::Pod &pod) const;

private:
    void updateSlices(std::vector<std::string> *events);
    void takeOverSlices(const proxycore::Pod &pod, std::vector<std::string> &events);
    void updateSlice(const proxycore::Service &service, packet::IpFamily family, std::vector<std::string> *events);
    void addHints(const proxycore::Service &service, proxycore::Endpoint &endpoint) const;
    /// From the 136th of the range on.
    [[nodiscard]] base::Result<packet::IpAddress> freeAddress(const packet::IpPrefix &range) const;
    void updateHealthCheckPort(proxycore::Service &service) const;
    [[nodiscard]] base::Result<proxycore::Pod> replica(const proxycore::Pod &like, const std::string &node) const;
    [[nodiscard]] std::vector<proxycore::Pod> servers() const;
    [[nodiscard]] base::Result<ClusterChange> replaceService(proxycore::Service service);

    ClusterState m_state;
    std::optional<proxycore::Pod> m_template; ///< what scale() copies when no pod is left
};

} // namespace natlens::lab
