// The lab's network as a drawing: hosts, names and addresses, before anything is built from it.
#pragma once

#include "app/lab/scenario.h"
#include "capture/packet/decode.h"

#include <set>
#include <string>
#include <vector>

namespace natlens::lab {

enum class HostKind { outside, loadBalancer, node, pod };

/// In this order wherever something is done for both.
inline constexpr packet::IpFamily kFamilies[] = {packet::IpFamily::v4, packet::IpFamily::v6};

/// The addresses of one host, of either family or both.
struct HostAddresses {
    std::vector<packet::IpAddress> own;      ///< of eth0; the first of a family is its primary one
    std::vector<packet::IpPrefix> podRanges; ///< nodes: their pods' CIDRs; pods: their node's. One of a family at most
    std::vector<packet::IpAddress> strayPods{}; ///< nodes: addresses of their pods that are in none of these ranges

    [[nodiscard]] packet::IpAddress primary(packet::IpFamily family) const; ///< none without one of the family
    [[nodiscard]] packet::IpPrefix podRange(packet::IpFamily family) const; ///< its address is none without one
    /// "10.180.1.1": the address of a node's bridge, the pods' gateway: the first one of the range.
    [[nodiscard]] packet::IpAddress bridge(packet::IpFamily family) const;
    /// Nodes: a pod with this address would be, or is, behind the bridge.
    [[nodiscard]] bool hasPod(const packet::IpAddress &address) const;
    /// Pods: the address to send to: the bridge's, or a link-local one that stands for it where the bridge has none
    /// of the pod's network.
    [[nodiscard]] packet::IpAddress gateway(packet::IpFamily family) const;
    [[nodiscard]] bool has(packet::IpFamily family) const { return !primary(family).isNone(); }
    /// The MAC address of eth0.
    [[nodiscard]] packet::MacAddress mac() const;
    /// The MAC address of a node's bridge.
    [[nodiscard]] packet::MacAddress bridgeMac() const;
};

/// What a topology is built from; the rest follows.
struct HostSpec {
    std::string name;
    HostKind kind;
    HostAddresses addresses;
    std::string nodeName{}; ///< pods: where it runs
    proxycore::ObjectName pod{}; ///< pods: its object
};

/// A name that no host has yet: its own, or for pods "name.namespace", as two namespaces may each have a pod "web".
template<class Taken>
[[nodiscard]] std::string freeName(const HostSpec &spec, Taken taken) {
    if (spec.kind != HostKind::pod || !taken(spec.name)) return spec.name;
    return spec.name + "." + spec.pod.nameSpace;
}

/// As on the document's nodes (Google Compute Engine).
inline constexpr unsigned kMtu = 1460;
inline constexpr const char *kBridge = "cbr0";

/// The cluster speaks IPv6 somewhere: then every node and every outside host gets an IPv6 address.
[[nodiscard]] bool usesIpv6(const proxycore::ClusterState &state);
/// The IPv6 address of a host that was given an IPv4 one only: 2001:db8:: (documentation, RFC 3849) and the IPv4
/// address.
[[nodiscard]] packet::IpAddress madeUpIpv6(const packet::IpAddress &v4);

/// The VIPs of all Services: cluster, external and load balancer IPs that no node has itself.
[[nodiscard]] std::set<packet::IpAddress> vipsOf(const proxycore::ClusterState &state);

/// The /32 or /128 of one address.
[[nodiscard]] packet::IpPrefix hostPrefix(const packet::IpAddress &address);

/// Every host of the scenario: outside hosts, the load balancer, nodes, pods with an address of their own, and endpoints
/// that are neither (outside hosts, too). invalidInput when there is no node.
[[nodiscard]] base::Result<std::vector<HostSpec>> hostSpecs(const Scenario &scenario,
                                                            const proxycore::ClusterState &state);
/// The pod as a host; none without an address of its own, and for one that has ended.
[[nodiscard]] std::optional<HostSpec> hostSpec(const proxycore::Pod &pod, const proxycore::ClusterState &state);
/// A node's addresses and ranges: those of its object, and what the object leaves out: in a cluster that usesIpv6() a
/// made up IPv6 address, and the /24 or /64 around the pods that run there. A range that also holds a node's address,
/// another node's pods, or a pod where the bridge should be, is of no use: then the pods are strays, each with a
/// route of its own.
[[nodiscard]] HostAddresses nodeNetwork(const proxycore::Node &node, const proxycore::ClusterState &state);

/// Name of the node's port towards this pod: "veth136".
[[nodiscard]] std::string portName(const HostAddresses &pod);
/// Kubernetes' old bridge plug-in derived a pod's MAC from its address: 0a:58 and the four bytes of an IPv4 one. So do
/// we for all; of an IPv6 address a hash takes their place.
[[nodiscard]] packet::MacAddress macFor(const packet::IpAddress &address);
/// The node's own addresses: eth0 and bridge.
[[nodiscard]] std::vector<packet::IpAddress> nodeAddresses(const HostAddresses &node);

/// The address with which a node sends to `destination`: the bridge's to its own pods, eth0's to all others; none when
/// it has none of the family.
[[nodiscard]] packet::IpAddress sourceTowards(const packet::IpAddress &destination, const HostAddresses &host);

} // namespace natlens::lab
