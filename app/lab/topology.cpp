#include "app/lab/topology.h"

#include <algorithm>
#include <fmt/format.h>

namespace natlens::lab {
namespace {

constexpr const char *kFabric = "fabric";

packet::IpPrefix defaultRoute() { return {packet::IpAddress::v4(0), 0}; }

packet::IpPrefix hostPrefix(const packet::IpAddress &address) { return {address, 32}; }

/// Settings of one host. Forwarding hosts send a packet out where it came in, which redirects would "mend", and replies
/// may take another way than requests, which reverse-path filtering would drop (finding D21).
base::Status configureKernel(HostKind kind) {
    std::vector<std::pair<std::string, std::string>> settings = {
        // The document is IPv4; neighbour discovery would only be noise in its captures.
        {"net/ipv6/conf/all/disable_ipv6", "1"},
        {"net/ipv6/conf/default/disable_ipv6", "1"},
        {"net/ipv4/conf/all/rp_filter", "0"},
        {"net/ipv4/conf/default/rp_filter", "0"},
        {"net/ipv4/conf/all/send_redirects", "0"},
        {"net/ipv4/conf/default/send_redirects", "0"},
        // Where br_netfilter exists it would translate on the bridge port already, and a capture on cbr0 would show
        // packets half translated. Isolated ports make it unnecessary, and without it all kernels show the same.
        {"net/bridge/bridge-nf-call-iptables", "0"},
    };
    if (kind == HostKind::node || kind == HostKind::loadBalancer) settings.emplace_back("net/ipv4/ip_forward", "1");
    // The load balancer spreads connections, not hosts: hash addresses and ports.
    if (kind == HostKind::loadBalancer) settings.emplace_back("net/ipv4/fib_multipath_hash_policy", "1");
    for (const auto &[key, value] : settings) {
        auto status = writeSysctl(key, value);
        // A kernel without IPv6 or br_netfilter has nothing to switch off.
        const bool optional = key.starts_with("net/ipv6") || key.starts_with("net/bridge");
        if (!status && !(optional && status.error().code == base::ErrorCode::notFound)) return status;
    }
    return {};
}

} // namespace

LabHost *Topology::find(const std::string &name) {
    auto found = std::ranges::find(m_hosts, name, &LabHost::name);
    return found == m_hosts.end() ? nullptr : &*found;
}

base::Result<Topology> Topology::build(const std::vector<HostSpec> &hosts) {
    auto nameSpace = NetworkNamespace::current(kFabric);
    if (!nameSpace) return std::unexpected(nameSpace.error());
    auto links = Links::open();
    if (!links) return std::unexpected(links.error());
    Topology topology(std::move(*nameSpace), std::move(*links));
    if (auto status = topology.buildFabric(); !status) return std::unexpected(status.error());
    for (const bool pods : {false, true}) {
        for (const auto &spec : hosts) {
            if ((spec.kind == HostKind::pod) != pods) continue;
            auto made = pods ? topology.addPod(spec) : topology.addHost(spec);
            if (!made) return std::unexpected(made.error());
        }
    }
    if (auto status = topology.routePods(); !status) return std::unexpected(status.error());
    return topology;
}

base::Status Topology::buildFabric() {
    if (auto status = configureKernel(HostKind::outside); !status) return status;
    return m_fabricLinks.addBridge(kFabric, packet::MacAddress{0x0a, 0x58, 0, 0, 0, 1}, kMtu);
}

base::Result<LabHost *> Topology::addHost(const HostSpec &spec) {
    if (find(spec.name) != nullptr)
        return base::fail(base::ErrorCode::invalidInput, "two hosts have this name", "build host", spec.name);
    auto nameSpace = NetworkNamespace::create(spec.name);
    if (!nameSpace) return std::unexpected(nameSpace.error());
    InNamespace inside(*nameSpace);
    auto links = Links::open();
    if (!links) return std::unexpected(links.error());
    LabHost &host = m_hosts.emplace_back(
        LabHost{spec.name, spec.kind, spec.address, std::move(*nameSpace), std::move(*links), spec.podRange, spec.nodeName});
    if (auto status = configureKernel(spec.kind); !status) return std::unexpected(status.error());
    if (auto status = host.links.setUp("lo"); !status) return std::unexpected(status.error());
    if (spec.kind == HostKind::pod) return &host;
    if (auto status = attachToFabric(host); !status) return std::unexpected(status.error());
    if (spec.kind == HostKind::node)
        if (auto status = buildBridge(host); !status) return std::unexpected(status.error());
    return &host;
}

base::Status Topology::attachToFabric(LabHost &host) {
    const auto mac = macFor(host.address);
    const std::string port = fmt::format("port{}", m_hosts.size());
    if (auto status = m_fabricLinks.addVeth({port, nullptr}, kFabric, {"eth0", &mac}, host.nameSpace, kMtu); !status)
        return status;
    const packet::IpPrefix own{host.address, static_cast<std::uint8_t>(host.kind == HostKind::outside ? 32 : 24)};
    if (auto status = host.links.addAddress("eth0", own); !status) return status;
    if (auto status = host.links.setUp("eth0"); !status) return status;
    host.interfaces.emplace_back("eth0");
    // Everybody is on the one segment. A default route is also what makes a node look up service addresses at all.
    return host.links.replaceRoute(defaultRoute(), "eth0");
}

base::Status Topology::buildBridge(LabHost &node) {
    const auto address = bridgeAddress(node.podRange);
    if (auto status = node.links.addBridge(kBridge, macFor(address), kMtu); !status) return status;
    if (auto status = node.links.addAddress(kBridge, {address, node.podRange.length}); !status) return status;
    node.interfaces.emplace_back(kBridge);
    // Ports are isolated (Links::isolatePort), so the node itself answers ARP between its pods (RFC 3069), and at once:
    // the kernel would wait a random time of up to 0.8 s first.
    if (auto status = writeSysctl(std::string("net/ipv4/neigh/") + kBridge + "/proxy_delay", "0"); !status) return status;
    return writeSysctl(std::string("net/ipv4/conf/") + kBridge + "/proxy_arp_pvlan", "1");
}

base::Status Topology::routePods() {
    for (auto &host : m_hosts) {
        if (host.kind == HostKind::pod) continue;
        for (const auto &node : m_hosts) {
            if (node.kind != HostKind::node || &node == &host) continue;
            const packet::IpAddress gateway[] = {node.address};
            if (auto status = host.links.replaceRoute(node.podRange, "eth0", gateway); !status) return status;
        }
    }
    return {};
}

base::Status Topology::routeVip(const packet::IpAddress &vip, const packet::IpAddress &loadBalancer) {
    const packet::IpAddress gateway[] = {loadBalancer};
    for (auto &host : m_hosts) {
        if (host.kind != HostKind::outside) continue;
        if (auto status = host.links.replaceRoute(hostPrefix(vip), "eth0", gateway); !status) return status;
    }
    return {};
}

base::Result<LabHost *> Topology::addPod(const HostSpec &spec) {
    LabHost *node = find(spec.nodeName);
    if (node == nullptr || node->kind != HostKind::node)
        return base::fail(base::ErrorCode::invalidInput,
                          fmt::format("spec.nodeName \"{}\" is not a node of this cluster", spec.nodeName), "build pod",
                          spec.name);
    if (!node->podRange.contains(spec.address))
        return base::fail(base::ErrorCode::invalidInput,
                          fmt::format("status.podIP {} is outside {}'s podCIDR {}", spec.address.toString(), node->name,
                                      node->podRange.toString()),
                          "build pod", spec.name);
    auto made = addHost(spec);
    if (!made) return made;
    LabHost &pod = **made;
    const auto mac = macFor(spec.address);
    const std::string port = portName(spec.address);
    if (auto status = node->links.addVeth({port, nullptr}, kBridge, {"eth0", &mac}, pod.nameSpace, kMtu); !status)
        return std::unexpected(status.error());
    if (auto status = node->links.isolatePort(port); !status) return std::unexpected(status.error());
    node->interfaces.push_back(port);
    pod.interfaces.emplace_back("eth0");
    if (auto status = pod.links.addAddress("eth0", {spec.address, node->podRange.length}); !status)
        return std::unexpected(status.error());
    if (auto status = pod.links.setUp("eth0"); !status) return std::unexpected(status.error());
    const packet::IpAddress gateway[] = {bridgeAddress(node->podRange)};
    if (auto status = pod.links.replaceRoute(defaultRoute(), "eth0", gateway); !status)
        return std::unexpected(status.error());
    return &pod;
}

base::Status Topology::removePod(const std::string &name) {
    LabHost *pod = find(name);
    if (pod == nullptr || pod->kind != HostKind::pod)
        return base::fail(base::ErrorCode::notFound, "no such pod", "remove pod", name);
    if (LabHost *node = find(pod->nodeName)) {
        const std::string port = portName(pod->address);
        if (auto status = node->links.deleteLink(port); !status) return status;
        std::erase(node->interfaces, port);
    }
    m_hosts.remove_if([&](const LabHost &host) { return &host == pod; });
    return {};
}

} // namespace natlens::lab
