#include "app/lab/addressing.h"

#include "app/lab/endpoint_pods.h"

#include <algorithm>
#include <fmt/format.h>

namespace natlens::lab {
namespace {

using packet::IpAddress;
using packet::IpFamily;
using packet::IpPrefix;

constexpr std::uint8_t kPodRangeLength4 = 24, kPodRangeLength6 = 64;
/// What a pod sends to where its node's bridge has no address of its network: link-local, so that it is nobody else's.
constexpr std::string_view kGateway4 = "169.254.1.1", kGateway6 = "fe80::1";

IpPrefix rangeOf(const proxycore::Node &node, IpFamily family) {
    for (const auto &cidr : node.podCIDRs)
        if (cidr.address.family == family) return cidr;
    return {};
}

/// Calls visit(address, name of its node or "") for every address that a pod or an endpoint has.
template<class Visit>
void forEachPodAddress(const proxycore::ClusterState &state, Visit visit) {
    for (const auto &[name, pod] : state.pods)
        if (pod->hasNetwork())
            for (const auto &ip : pod->ips) visit(ip, pod->nodeName);
    for (const auto &[name, slice] : state.endpointSlices)
        for (const auto &endpoint : slice->endpoints)
            if (!endpoint.addresses.empty())
                visit(endpoint.addresses.front(), endpoint.nodeName);
}

/// The /24 or /64 of the addresses that pods and endpoints have on this node; none when there are none.
IpPrefix rangeAroundPods(const std::string &nodeName, IpFamily family, const proxycore::ClusterState &state) {
    IpPrefix range;
    forEachPodAddress(state, [&](const IpAddress &address, const std::string &node) {
        if (node != nodeName || address.family != family || !range.address.isNone()) return;
        const auto length = family == IpFamily::v6 ? kPodRangeLength6 : kPodRangeLength4;
        range = *IpPrefix::parse(address.toString() + "/" + std::to_string(length));
    });
    return range;
}

IpAddress firstOf(IpPrefix range) {
    if (range.address.isNone()) return {};
    if (range.address.isV4()) return IpAddress::v4(range.address.v4HostOrder() + 1);
    range.address.bytes.back() |= 1;
    return range.address;
}

/// FNV-1a: short addresses that differ in any byte get different results as a rule.
std::uint32_t hash(const IpAddress &address) {
    std::uint32_t value = 2166136261U;
    for (const auto byte : address.bytes) value = (value ^ byte) * 16777619U;
    return value;
}

} // namespace

IpAddress HostAddresses::primary(IpFamily family) const {
    const auto found = std::ranges::find(own, family, &IpAddress::family);
    return found == own.end() ? IpAddress{} : *found;
}

IpPrefix HostAddresses::podRange(IpFamily family) const {
    const auto found =
        std::ranges::find_if(podRanges, [&](const auto &range) { return range.address.family == family; });
    return found == podRanges.end() ? IpPrefix{} : *found;
}

IpAddress HostAddresses::bridge(IpFamily family) const { return firstOf(podRange(family)); }

bool HostAddresses::hasPod(const IpAddress &address) const {
    return podRange(address.family).contains(address) || std::ranges::find(strayPods, address) != strayPods.end();
}

IpAddress HostAddresses::gateway(IpFamily family) const {
    if (podRange(family).contains(primary(family))) return bridge(family);
    return *IpAddress::parse(family == IpFamily::v6 ? kGateway6 : kGateway4);
}

packet::MacAddress HostAddresses::mac() const { return macFor(own.empty() ? IpAddress{} : own.front()); }

packet::MacAddress HostAddresses::bridgeMac() const {
    if (!podRanges.empty()) return macFor(firstOf(podRanges.front()));
    auto address = mac();
    address[1] ^= 0x80; // one that no pod has
    return address;
}

bool usesIpv6(const proxycore::ClusterState &state) {
    const auto any = [](const auto &objects, auto test) {
        return std::ranges::any_of(objects, [&](const auto &entry) { return test(*entry.second); });
    };
    const auto isV6 = [](const IpAddress &ip) { return ip.isV6(); };
    return any(state.nodes, [](const auto &node) {
               return !node.primaryAddress(IpFamily::v6).isNone() || !rangeOf(node, IpFamily::v6).address.isNone();
           }) ||
           any(state.pods, [&](const auto &pod) { return std::ranges::any_of(pod.ips, isV6); }) ||
           any(state.services, [&](const auto &service) { return std::ranges::any_of(service.clusterIPs, isV6); }) ||
           any(state.endpointSlices, [](const auto &slice) {
               return slice.addressType == proxycore::AddressType::ipv6 && !slice.endpoints.empty();
           });
}

IpAddress madeUpIpv6(const IpAddress &v4) {
    IpAddress address = *IpAddress::parse("2001:db8::");
    std::copy_n(v4.bytes.begin(), 4, address.bytes.end() - 4);
    return address;
}

std::set<IpAddress> vipsOf(const proxycore::ClusterState &state) {
    std::set<IpAddress> all;
    for (const auto &[name, service] : state.services) {
        all.insert(service->clusterIPs.begin(), service->clusterIPs.end());
        all.insert(service->externalIPs.begin(), service->externalIPs.end());
        for (const auto &ingress : service->ingress) all.insert(ingress.ip);
    }
    for (const auto &[name, node] : state.nodes)
        for (const auto &ip : node->ipAddresses()) all.erase(ip);
    all.erase(IpAddress{});
    return all;
}

IpPrefix hostPrefix(const IpAddress &address) { return {address, static_cast<std::uint8_t>(8 * address.size())}; }

namespace {

/// The range can be the network of the bridge.
bool isUsable(const IpPrefix &range, bool madeUp, const std::string &nodeName, const proxycore::ClusterState &state) {
    if (range.address.isNone()) return false;
    for (const auto &[name, node] : state.nodes)
        for (const auto &ip : node->ipAddresses())
            if (range.contains(ip)) return false;
    bool usable = true;
    forEachPodAddress(state, [&](const IpAddress &address, const std::string &at) {
        const bool elsewhere = at.empty() ? madeUp : at != nodeName;
        if (range.contains(address) && (elsewhere || address == firstOf(range))) usable = false;
    });
    return usable;
}

HostAddresses networkOf(const proxycore::Node &node, const proxycore::ClusterState &state, bool six) {
    HostAddresses network;
    for (const auto family : kFamilies) {
        if (const auto primary = node.primaryAddress(family); !primary.isNone()) network.own.push_back(primary);
        for (const auto &entry : node.addresses) {
            if (entry.type != "InternalIP") continue; // an ExternalIP is the cloud's, unless it is all that there is
            const auto ip = IpAddress::parse(entry.address);
            if (ip && ip->family == family && std::ranges::find(network.own, *ip) == network.own.end())
                network.own.push_back(*ip);
        }
        auto range = rangeOf(node, family);
        const bool madeUp = range.address.isNone();
        if (madeUp && (six || family == IpFamily::v4)) range = rangeAroundPods(node.name, family, state);
        if (isUsable(range, madeUp, node.name, state)) network.podRanges.push_back(range);
    }
    for (const auto &[name, pod] : state.pods)
        if (pod->nodeName == node.name && pod->hasNetwork())
            for (const auto &ip : pod->ips)
                if (!network.hasPod(ip)) network.strayPods.push_back(ip);
    if (six && !network.has(IpFamily::v6) && network.has(IpFamily::v4))
        network.own.push_back(madeUpIpv6(network.primary(IpFamily::v4)));
    return network;
}

std::optional<HostSpec> podSpec(const proxycore::Pod &pod, std::vector<IpPrefix> rangesOfNode) {
    if (!pod.hasNetwork() || pod.ips.empty()) return std::nullopt; // nothing of its own to build
    HostSpec spec{pod.name.name, HostKind::pod, {pod.ips, std::move(rangesOfNode)}, pod.nodeName, pod.name};
    std::ranges::stable_sort(spec.addresses.own, {}, &IpAddress::family);
    return spec;
}

} // namespace

HostAddresses nodeNetwork(const proxycore::Node &node, const proxycore::ClusterState &state) {
    return networkOf(node, state, usesIpv6(state));
}

base::Result<std::vector<HostSpec>> hostSpecs(const Scenario &scenario, const proxycore::ClusterState &state) {
    using base::ErrorCode;
    std::vector<HostSpec> specs;
    const bool six = usesIpv6(state);
    const auto addOutside = [&](const std::string &name, HostKind kind, const IpAddress &address) {
        HostSpec spec{name, kind, {{address}, {}}};
        if (six && address.isV4()) spec.addresses.own.push_back(madeUpIpv6(address));
        specs.push_back(std::move(spec));
    };
    for (const auto &host : scenario.outside) addOutside(host.name, HostKind::outside, host.address);
    if (scenario.loadBalancer)
        addOutside(scenario.loadBalancer->name, HostKind::loadBalancer, scenario.loadBalancer->address);
    if (state.nodes.empty())
        return base::fail(ErrorCode::invalidInput, "the cluster has no Node objects; a lab needs at least one",
                          "build lab", scenario.name);
    std::map<std::string, std::vector<IpPrefix>> ranges;
    for (const auto &[name, node] : state.nodes) {
        auto network = networkOf(*node, state, six);
        if (network.own.empty())
            return base::fail(ErrorCode::invalidInput, "needs an InternalIP", "build node", name.name);
        ranges[name.name] = network.podRanges;
        specs.push_back({name.name, HostKind::node, std::move(network)});
    }
    for (const auto &[name, pod] : state.pods)
        if (auto spec = podSpec(*pod, ranges[pod->nodeName]); spec && state.node(pod->nodeName))
            specs.push_back(std::move(*spec));
    for (const auto &address : outsideEndpoints(state)) addOutside(nameFor("endpoint", address), HostKind::outside, address);
    return specs;
}

std::optional<HostSpec> hostSpec(const proxycore::Pod &pod, const proxycore::ClusterState &state) {
    const auto node = state.node(pod.nodeName);
    return podSpec(pod, node ? nodeNetwork(*node, state).podRanges : std::vector<IpPrefix>{});
}

std::string portName(const HostAddresses &pod) {
    const auto address = pod.primary(IpFamily::v4);
    if (address.isNone()) return fmt::format("veth-{:08x}", hash(pod.primary(IpFamily::v6)));
    const auto range = pod.podRange(IpFamily::v4);
    if (!range.contains(address)) return fmt::format("veth-{:08x}", hash(address));
    const unsigned hostBits = std::max(8U, 32U - range.length);
    const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << hostBits) - 1);
    return fmt::format("veth{}", address.v4HostOrder() & mask);
}

packet::MacAddress macFor(const IpAddress &address) {
    std::uint32_t last = address.isV4() ? address.v4HostOrder() : hash(address);
    packet::MacAddress mac{0x0a, 0x58};
    for (std::size_t i = 6; i-- > 2; last >>= 8) mac[i] = static_cast<std::uint8_t>(last & 0xff);
    return mac;
}

std::vector<IpAddress> nodeAddresses(const HostAddresses &node) {
    auto addresses = node.own;
    for (const auto family : kFamilies)
        if (const auto bridge = node.bridge(family); !bridge.isNone()) addresses.push_back(bridge);
    return addresses;
}

IpAddress sourceTowards(const IpAddress &destination, const HostAddresses &host) {
    const auto bridge = host.bridge(destination.family);
    return host.hasPod(destination) && !bridge.isNone() ? bridge : host.primary(destination.family);
}

} // namespace natlens::lab
