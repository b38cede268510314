// Cluster state: the Kubernetes objects that kube-proxy looks at, in our own words, as they stood at one moment.
#pragma once

#include "capture/packet/address.h"

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

using packet::IpAddress;
using packet::IpFamily;
using packet::IpPrefix;
using packet::Port;
using packet::Protocol;

/// Namespace and name; Nodes and ServiceCIDRs have no namespace.
struct ObjectName {
    std::string nameSpace, name;

    auto operator<=>(const ObjectName &) const = default;
    [[nodiscard]] std::string toString() const { return nameSpace.empty() ? name : nameSpace + "/" + name; }
};

using Labels = std::map<std::string, std::string>;

enum class ServiceType : std::uint8_t { clusterIP, nodePort, loadBalancer, externalName };
enum class TrafficPolicy : std::uint8_t { cluster, local };
enum class IpMode : std::uint8_t { vip, proxy };
enum class AddressType : std::uint8_t { ipv4, ipv6, fqdn };

/// Names as Kubernetes writes them ("NodePort", "Local", "IPv6", ...).
[[nodiscard]] std::string_view toString(ServiceType value);
[[nodiscard]] std::string_view toString(TrafficPolicy value);
[[nodiscard]] std::string_view toString(AddressType value);

struct ServicePort {
    std::string name;                  ///< "" for an unnamed port
    Protocol protocol = Protocol::tcp; ///< tcp, udp or sctp
    Port port = 0;                     ///< 1..65535
    std::string targetPort;            ///< number or name; kube-proxy never looks at it. "" = same as `port`
    Port nodePort = 0;                 ///< 0: none

    bool operator==(const ServicePort &) const = default;
};

struct LoadBalancerIngress {
    IpAddress ip; ///< none when the provider gave only a host name
    std::string hostname;
    IpMode mode = IpMode::vip;

    bool operator==(const LoadBalancerIngress &) const = default;
};

/// The two generations of the annotation that came before the field (kube-proxy 1.4 alpha, 1.5 beta).
inline constexpr std::string_view kExternalTrafficBeta = "service.beta.kubernetes.io/external-traffic";
inline constexpr std::string_view kExternalTrafficAlpha = "service.alpha.kubernetes.io/external-traffic";
inline constexpr std::string_view kHealthCheckNodePortBeta = "service.beta.kubernetes.io/healthcheck-nodeport";
inline constexpr std::string_view kHealthCheckNodePortAlpha = "service.alpha.kubernetes.io/healthcheck-nodeport";
/// The source ranges of kube-proxy 1.5, and the Endpoints controller's order to publish endpoints before they are
/// ready.
inline constexpr std::string_view kSourceRangesBeta = "service.beta.kubernetes.io/load-balancer-source-ranges";
inline constexpr std::string_view kTolerateUnreadyAlpha = "service.alpha.kubernetes.io/tolerate-unready-endpoints";
inline constexpr std::string_view kServiceProxyNameLabel = "service.kubernetes.io/service-proxy-name";
inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr std::string_view kHeadlessLabel = "service.kubernetes.io/headless";
inline constexpr std::string_view kZoneLabel = "topology.kubernetes.io/zone";

/// How the external traffic policy of a Service was set.
enum class PolicySource : std::uint8_t { defaulted, field, annotation };

struct Service {
    ObjectName name;
    Labels labels, annotations;
    Labels selector;
    ServiceType type = ServiceType::clusterIP;
    bool headless = false;             ///< clusterIP "None"
    std::vector<IpAddress> clusterIPs; ///< at most one of each family; the first is `spec.clusterIP`
    std::vector<ServicePort> ports;
    std::vector<IpAddress> externalIPs;
    /// The effective policy. `spec.externalTrafficPolicy` decides; a Service without the field may carry a 1.5
    /// annotation (OnlyLocal/Global, beta before alpha). kube-proxy since 1.8 reads the field only.
    TrafficPolicy externalTrafficPolicy = TrafficPolicy::cluster;
    PolicySource externalTrafficPolicySource = PolicySource::defaulted;
    TrafficPolicy internalTrafficPolicy = TrafficPolicy::cluster;
    bool clientIpAffinity = false;
    std::chrono::seconds affinityTimeout{10800}; ///< 1..86400, meaningful with clientIpAffinity
    std::vector<IpPrefix> loadBalancerSourceRanges;
    std::vector<IpPrefix> annotatedSourceRanges; ///< of a 1.5 annotation; kube-proxy of today does not look at it
    bool allocateLoadBalancerNodePorts = true;
    Port healthCheckNodePort = 0;          ///< the field, else the 1.5 annotation; 0: none
    bool publishNotReadyAddresses = false; ///< the field, or the annotation that came before it
    std::string trafficDistribution;       ///< "", PreferClose, PreferSameZone, PreferSameNode
    std::vector<LoadBalancerIngress> ingress;

    bool operator==(const Service &) const = default;
};

/// Sets the policy where the Service keeps it: in the 1.5 annotation if it carries one, in the field otherwise.
void setExternalTrafficPolicy(Service &service, TrafficPolicy policy);
/// Sets or (0) removes the health check port where the Service keeps it, as above.
void setHealthCheckNodePort(Service &service, Port port);

struct EndpointPort {
    /// An endpoint port without a name is ignored by kube-proxy; "" is a name, and what an API server fills in.
    std::optional<std::string> name;
    Protocol protocol = Protocol::tcp;
    std::optional<Port> port;

    bool operator==(const EndpointPort &) const = default;
};

struct Endpoint {
    std::vector<IpAddress> addresses;                       ///< kube-proxy uses the first only
    bool ready = true, serving = true, terminating = false; ///< with the defaults of absent conditions
    std::string nodeName;                                   ///< "" when not given: local nowhere
    std::string zone;
    std::vector<std::string> zoneHints, nodeHints;
    ObjectName pod; ///< targetRef of kind Pod; empty name when not given

    bool operator==(const Endpoint &) const = default;
};

struct EndpointSlice {
    ObjectName name;
    Labels labels;
    std::string serviceName; ///< label kubernetes.io/service-name; "" = belongs to no Service
    AddressType addressType = AddressType::ipv4;
    std::vector<EndpointPort> ports;
    std::vector<Endpoint> endpoints;

    /// It was made of an Endpoints object: no name of a real one has a slash. Such slices stand in until there are
    /// EndpointSlices of the Service, as those of the controller that mirrors Endpoints do.
    [[nodiscard]] bool isOfEndpoints() const { return name.name.starts_with(kOfEndpoints); }
    static constexpr std::string_view kOfEndpoints = "endpoints/";

    bool operator==(const EndpointSlice &) const = default;
};

struct NodeAddress {
    std::string type; ///< InternalIP, ExternalIP, Hostname, ...
    std::string address;

    bool operator==(const NodeAddress &) const = default;
};

struct Node {
    std::string name;
    Labels labels;
    std::vector<NodeAddress> addresses;
    std::vector<IpPrefix> podCIDRs;
    std::vector<std::string> taintKeys;
    bool ready = true;         ///< condition Ready; true when not given
    bool beingDeleted = false; ///< metadata.deletionTimestamp is set

    /// The first InternalIP of the family, else the first ExternalIP; none when there is neither.
    [[nodiscard]] IpAddress primaryAddress(IpFamily family) const;
    /// Every InternalIP and ExternalIP, in order.
    [[nodiscard]] std::vector<IpAddress> ipAddresses() const;

    bool operator==(const Node &) const = default;
};

struct Pod {
    ObjectName name;
    Labels labels;
    std::string nodeName;
    std::vector<IpAddress> ips;
    bool hostNetwork = false;
    std::string phase;

    /// Its addresses are its own: neither the host's nor (once it has ended) perhaps another pod's by now.
    [[nodiscard]] bool hasNetwork() const;
    bool operator==(const Pod &) const = default;
};

/// Something in the input that was not understood: the object or the field was left out, the rest is used.
struct Problem {
    std::string object;  ///< "Service default/nodeport", "document", ...
    std::string pointer; ///< JSON pointer to the field within the document, e.g. "/items/3/spec/ports/0/port"
    std::string text;    ///< what is wrong and what was done about it

    [[nodiscard]] std::string toString() const; ///< "Service default/nodeport: /spec/ports/0/port: ..."
    bool operator==(const Problem &) const = default;
};

/// All objects, by name. A value: copying copies pointers, so keeping old states and comparing them is cheap; an object
/// in a state never changes. Objects are ordered by name, so that everything made from a state is deterministic.
struct ClusterState {
    template<class T>
    using Objects = std::map<ObjectName, std::shared_ptr<const T>>;

    Objects<Node> nodes;
    Objects<Pod> pods;
    Objects<Service> services;
    Objects<EndpointSlice> endpointSlices;
    std::map<ObjectName, std::vector<IpPrefix>> serviceCIDRs; ///< ServiceCIDR objects
    std::vector<Problem> problems;                            ///< of everything read so far

    void put(Node node);
    void put(Pod pod);
    void put(Service service);
    void put(EndpointSlice slice);
    /// Takes over every object of another state, in place of one with the same name, and its problems.
    void addAll(const ClusterState &more);

    /// Null when there is none.
    [[nodiscard]] std::shared_ptr<const Service> service(std::string_view nameSpace, std::string_view name) const;
    [[nodiscard]] std::shared_ptr<const Node> node(std::string_view name) const;
    /// The pod that has this address, null when there is none.
    [[nodiscard]] std::shared_ptr<const Pod> podWithAddress(const IpAddress &address) const;
};

} // namespace natlens::proxycore
