#include "app/lab/addressing.h"

#include <fmt/format.h>

namespace natlens::lab {
namespace {

packet::IpPrefix ipv4Range(const proxycore::Node &node) {
    for (const auto &cidr : node.podCIDRs)
        if (cidr.address.isV4()) return cidr;
    return {};
}

} // namespace

base::Result<std::vector<HostSpec>> hostSpecs(const Scenario &scenario, const proxycore::ClusterState &state) {
    using base::ErrorCode;
    std::vector<HostSpec> specs;
    for (const auto &host : scenario.outside) specs.push_back({host.name, HostKind::outside, host.address});
    if (scenario.loadBalancer)
        specs.push_back({scenario.loadBalancer->name, HostKind::loadBalancer, scenario.loadBalancer->address});
    if (state.nodes.empty())
        return base::fail(ErrorCode::invalidInput, "the cluster has no Node objects; a lab needs at least one",
                          "build lab", scenario.name);
    for (const auto &[name, node] : state.nodes) {
        const auto address = node->primaryAddress(packet::IpFamily::v4);
        if (address.isNone() || ipv4Range(*node).address.isNone())
            return base::fail(ErrorCode::invalidInput, "needs an IPv4 InternalIP and an IPv4 spec.podCIDR",
                              "build node", name.name);
        specs.push_back({name.name, HostKind::node, address, ipv4Range(*node)});
    }
    for (const auto &[name, pod] : state.pods)
        if (auto spec = hostSpec(*pod)) specs.push_back(std::move(*spec));
    return specs;
}

std::optional<HostSpec> hostSpec(const proxycore::Pod &pod) {
    if (pod.hostNetwork || ipv4(pod).isNone()) return std::nullopt; // nothing of its own to build
    return HostSpec{pod.name.name, HostKind::pod, ipv4(pod), {}, pod.nodeName};
}

packet::IpAddress ipv4(const proxycore::Pod &pod) {
    for (const auto &ip : pod.ips)
        if (ip.isV4()) return ip;
    return {};
}

packet::IpAddress bridgeAddress(const packet::IpPrefix &podRange) {
    return packet::IpAddress::v4(podRange.address.v4HostOrder() + 1);
}

std::string portName(const packet::IpAddress &pod) { return fmt::format("veth{}", pod.v4HostOrder() & 0xff); }

packet::MacAddress macFor(const packet::IpAddress &address) {
    const std::size_t last = address.size() >= 4 ? address.size() - 4 : 0;
    return {0x0a, 0x58, address.bytes[last], address.bytes[last + 1], address.bytes[last + 2], address.bytes[last + 3]};
}

std::vector<packet::IpAddress> nodeAddresses(const packet::IpAddress &address, const packet::IpPrefix &podRange) {
    std::vector<packet::IpAddress> addresses{address};
    if (!podRange.address.isNone()) addresses.push_back(bridgeAddress(podRange));
    return addresses;
}

packet::IpAddress sourceTowards(const packet::IpAddress &destination, const packet::IpAddress &address,
                                const packet::IpPrefix &podRange) {
    const bool toPods = !podRange.address.isNone() && podRange.contains(destination);
    return toPods ? bridgeAddress(podRange) : address;
}

} // namespace natlens::lab
