// The lab's network as a drawing: hosts, names and addresses, before anything is built from it.
#pragma once

#include "app/lab/scenario.h"
#include "capture/packet/decode.h"

#include <string>
#include <vector>

namespace natlens::lab {

enum class HostKind { outside, loadBalancer, node, pod };

/// What a topology is built from; the rest follows.
struct HostSpec {
    std::string name;
    HostKind kind;
    packet::IpAddress address;          ///< of eth0
    packet::IpPrefix podRange{};        ///< nodes: the pods' CIDR; its first address is the bridge's
    std::string nodeName{};             ///< pods: where it runs
};

/// As on the document's nodes (Google Compute Engine).
inline constexpr unsigned kMtu = 1460;
inline constexpr const char *kBridge = "cbr0";

/// Every host of the scenario: outside hosts, the load balancer, nodes, pods with an address of their own. invalidInput
/// when there is no node, or one lacks an address.
[[nodiscard]] base::Result<std::vector<HostSpec>> hostSpecs(const Scenario &scenario,
                                                            const proxycore::ClusterState &state);
/// The pod as a host; none without an IPv4 address of its own.
[[nodiscard]] std::optional<HostSpec> hostSpec(const proxycore::Pod &pod);
[[nodiscard]] packet::IpAddress ipv4(const proxycore::Pod &pod); ///< none when it has none

/// "10.180.1.1": the address of the node's bridge, which its pods use as gateway.
[[nodiscard]] packet::IpAddress bridgeAddress(const packet::IpPrefix &podRange);
/// Name of the node's port towards this pod: "veth136".
[[nodiscard]] std::string portName(const packet::IpAddress &pod);
/// Kubernetes' old bridge plug-in derived a pod's MAC from its address: 0a:58 and the last four bytes. So do we, for all.
[[nodiscard]] packet::MacAddress macFor(const packet::IpAddress &address);
/// The node's own addresses: eth0 and bridge.
[[nodiscard]] std::vector<packet::IpAddress> nodeAddresses(const packet::IpAddress &address,
                                                           const packet::IpPrefix &podRange);

/// The address with which a node sends to `destination`: the bridge's to its own pods, eth0's to all others.
[[nodiscard]] packet::IpAddress sourceTowards(const packet::IpAddress &destination, const packet::IpAddress &address,
                                              const packet::IpPrefix &podRange);

} // namespace natlens::lab
