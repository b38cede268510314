#include "app/lab/topology.h"

#include "app/lab/kernel_settings.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <thread>

namespace natlens::lab {
namespace {

constexpr const char *kFabric = "fabric";

using packet::IpAddress;
using packet::IpFamily;
using packet::IpPrefix;

IpPrefix defaultRoute(IpFamily family) { return *IpPrefix::parse(family == IpFamily::v6 ? "::/0" : "0.0.0.0/0"); }

} // namespace

LabHost *Topology::find(const std::string &name) {
    auto found = std::ranges::find(m_hosts, name, &LabHost::name);
    if (found == m_hosts.end())
        found = std::ranges::find_if(
            m_hosts, [&](const auto &host) { return host.kind == HostKind::pod && host.pod.toString() == name; });
    return found == m_hosts.end() ? nullptr : &*found;
}

LabHost *Topology::findPod(const proxycore::ObjectName &pod) {
    auto found = std::ranges::find_if(
        m_hosts, [&](const auto &host) { return host.kind == HostKind::pod && host.pod == pod; });
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
    if (auto status = topology.introduceNeighbours(); !status) return std::unexpected(status.error());
    return topology;
}

base::Status Topology::buildFabric() {
    if (auto status = configureKernel({}); !status) return status;
    return m_fabricLinks.addBridge(kFabric, packet::MacAddress{0x0a, 0x58, 0, 0, 0, 1}, kMtu);
}

base::Result<LabHost *> Topology::addHost(const HostSpec &spec) {
    const auto name =
        freeName(spec, [&](const auto &wanted) { return find(wanted) != nullptr; });
    if (find(name) != nullptr)
        return base::fail(base::ErrorCode::invalidInput, "two hosts have this name", "build host", name);
    auto nameSpace = NetworkNamespace::create(name);
    if (!nameSpace) return std::unexpected(nameSpace.error());
    InNamespace inside(*nameSpace);
    auto links = Links::open();
    if (!links) return std::unexpected(links.error());
    LabHost &host = m_hosts.emplace_back(
        LabHost{name, spec.kind, spec.addresses, std::move(*nameSpace), std::move(*links), spec.nodeName, {}, spec.pod});
    const bool forwards = spec.kind == HostKind::node || spec.kind == HostKind::loadBalancer;
    const bool balances = spec.kind == HostKind::loadBalancer;
    const KernelSettings settings{.forwards = forwards, .balances = balances, .ipv6 = spec.addresses.has(IpFamily::v6)};
    if (auto status = configureKernel(settings); !status)
        return std::unexpected(status.error());
    if (auto status = host.links.setUp("lo"); !status) return std::unexpected(status.error());
    if (spec.kind == HostKind::pod) return &host;
    if (auto status = attachToFabric(host); !status) return std::unexpected(status.error());
    if (spec.kind == HostKind::node)
        if (auto status = buildBridge(host); !status) return std::unexpected(status.error());
    return &host;
}

base::Status Topology::attachToFabric(LabHost &host) {
    const auto mac = host.addresses.mac();
    const std::string port = fmt::format("port{}", ++m_ports);
    if (auto status = m_fabricLinks.addVeth({port, nullptr}, kFabric, {"eth0", &mac}, host.nameSpace, kMtu); !status)
        return status;
    for (const auto &address : host.addresses.own) {
        auto own = hostPrefix(address);
        const bool primary = address == host.addresses.primary(address.family);
        if (primary && address.isV4() && host.kind != HostKind::outside) own.length = 24;
        if (auto status = host.links.addAddress("eth0", own, primary); !status) return status;
    }
    if (auto status = host.links.setUp("eth0"); !status) return status;
    host.interfaces.emplace_back("eth0");
    // Everybody is on the one segment. A default route is also what makes a node look up service addresses at all.
    for (const auto family : kFamilies)
        if (host.addresses.has(family))
            if (auto status = host.links.replaceRoute(defaultRoute(family), "eth0"); !status) return status;
    return {};
}

base::Status Topology::buildBridge(LabHost &node) {
    if (auto status = node.links.addBridge(kBridge, node.addresses.bridgeMac(), kMtu); !status) return status;
    for (const auto &range : node.addresses.podRanges) {
        const IpPrefix address{node.addresses.bridge(range.address.family), range.length};
        if (auto status = node.links.addAddress(kBridge, address); !status) return status;
    }
    node.interfaces.emplace_back(kBridge);
    // The ports have no part in IPv6: only the bridge has.
    if (node.addresses.has(IpFamily::v6))
        if (auto status = writeSysctl("net/ipv6/conf/default/disable_ipv6", "1"); !status) return status;
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
            for (const auto &range : node.addresses.podRanges) {
                const IpAddress gateway[] = {node.addresses.primary(range.address.family)};
                if (gateway[0].isNone() || !host.addresses.has(range.address.family)) continue;
                if (auto status = host.links.replaceRoute(range, "eth0", gateway); !status) return status;
            }
        }
    }
    return {};
}

base::Status Topology::introduceNeighbours() {
    for (auto &host : m_hosts) {
        if (host.kind == HostKind::pod || !host.addresses.has(IpFamily::v6)) continue;
        for (const auto &other : m_hosts) {
            if (other.kind == HostKind::pod || &other == &host) continue;
            for (const auto &address : other.addresses.own) {
                if (!address.isV6()) continue;
                if (auto status = host.links.addNeighbour("eth0", address, other.addresses.mac()); !status)
                    return status;
            }
        }
    }
    return {};
}

base::Status Topology::routeVip(const IpAddress &vip, const std::string &router) {
    const LabHost *to = find(router);
    if (to == nullptr || !to->addresses.has(vip.family)) return {};
    const IpAddress gateway[] = {to->addresses.primary(vip.family)};
    for (auto &host : m_hosts) {
        if (host.kind != HostKind::outside || !host.addresses.has(vip.family)) continue;
        if (auto status = host.links.replaceRoute(hostPrefix(vip), "eth0", gateway); !status) return status;
    }
    return {};
}

base::Result<Topology::HostNames> Topology::awaitLinks(std::chrono::milliseconds patience) {
    Waiting all{{"the segment", &m_fabricLinks}};
    for (auto &host : m_hosts) all.emplace_back(host.name, &host.links);
    return await(std::move(all), patience);
}

base::Result<Topology::HostNames> Topology::await(Waiting waiting, std::chrono::milliseconds patience) {
    constexpr std::chrono::milliseconds kPause{1};
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (true) {
        Waiting still;
        for (auto &[name, links] : waiting) {
            const auto ready = links->areReady();
            if (!ready) return std::unexpected(ready.error());
            if (!*ready) still.emplace_back(name, links);
        }
        if (still.empty() || std::chrono::steady_clock::now() > deadline) {
            HostNames names;
            for (auto &[name, links] : still) names.push_back(std::move(name));
            return names;
        }
        waiting = std::move(still);
        std::this_thread::sleep_for(kPause);
    }
}

std::string Topology::linksWarning(const HostNames &missing) {
    if (missing.empty()) return {};
    return fmt::format("warning: the kernel has not brought up the links of {} in time; packets there may get lost "
                       "without anybody having dropped them",
                       fmt::join(missing, ", "));
}

base::Result<LabHost *> Topology::addPod(const HostSpec &spec) {
    LabHost *node = find(spec.nodeName);
    if (node == nullptr || node->kind != HostKind::node)
        return base::fail(base::ErrorCode::invalidInput,
                          fmt::format("spec.nodeName \"{}\" is not a node of this cluster", spec.nodeName), "build pod",
                          spec.name);
    for (const auto &address : spec.addresses.own)
        if (!node->addresses.hasPod(address)) node->addresses.strayPods.push_back(address);
    auto made = addHost(spec);
    if (!made) return made;
    if (auto status = wireUp(**made, *node); !status) return std::unexpected(status.error());
    return made;
}

base::Status Topology::wireUp(LabHost &pod, LabHost &node) {
    const auto mac = pod.addresses.mac();
    const std::string port = portName(pod.addresses);
    if (auto status = node.links.addVeth({port, nullptr}, kBridge, {"eth0", &mac}, pod.nameSpace, kMtu); !status)
        return status;
    if (auto status = node.links.isolatePort(port); !status) return status;
    node.interfaces.push_back(port);
    pod.interfaces.emplace_back("eth0");
    for (const auto &address : pod.addresses.own) {
        // With IPv6 the node is the only neighbour: there is nothing like its answers to ARP between pods.
        auto own = hostPrefix(address);
        const auto range = node.addresses.podRange(address.family);
        if (address.isV4() && range.contains(address)) own.length = range.length;
        if (auto status = pod.links.addAddress("eth0", own); !status) return status;
    }
    if (auto status = pod.links.setUp("eth0"); !status) return status;
    for (const auto family : kFamilies) {
        if (!pod.addresses.has(family)) continue;
        const IpAddress gateway[] = {pod.addresses.gateway(family)};
        if (auto status = pod.links.replaceRoute(defaultRoute(family), "eth0", gateway); !status) return status;
        if (family != IpFamily::v6 && gateway[0] == node.addresses.bridge(family)) continue; // ARP tells
        if (auto status = pod.links.addNeighbour("eth0", gateway[0], node.addresses.bridgeMac()); !status)
            return status;
        for (const auto &address : pod.addresses.own)
            if (address.isV6())
                if (auto status = node.links.addNeighbour(kBridge, address, mac); !status) return status;
    }
    for (const auto &address : pod.addresses.own)
        if (!node.addresses.podRange(address.family).contains(address))
            if (auto status = routeStray(address, node, true); !status) return status;
    return {};
}

base::Status Topology::routeStray(const IpAddress &pod, LabHost &node, bool there) {
    for (auto &host : m_hosts) {
        if (host.kind == HostKind::pod) continue;
        const IpAddress gateway[] = {node.addresses.primary(pod.family)};
        if (&host != &node && (gateway[0].isNone() || !host.addresses.has(pod.family))) continue;
        auto status = !there           ? host.links.deleteRoute(hostPrefix(pod))
                      : &host == &node ? host.links.replaceRoute(hostPrefix(pod), kBridge)
                                       : host.links.replaceRoute(hostPrefix(pod), "eth0", gateway);
        if (!status) return status;
    }
    return {};
}

base::Status Topology::removePod(const std::string &name) {
    LabHost *pod = find(name);
    if (pod == nullptr || pod->kind != HostKind::pod)
        return base::fail(base::ErrorCode::notFound, "no such pod", "remove pod", name);
    if (LabHost *node = find(pod->nodeName)) {
        const std::string port = portName(pod->addresses);
        for (const auto &address : pod->addresses.own) {
            if (address.isV6())
                if (auto status = node->links.deleteNeighbour(kBridge, address); !status) return status;
            if (std::erase(node->addresses.strayPods, address) != 0)
                if (auto status = routeStray(address, *node, false); !status) return status;
        }
        if (auto status = node->links.deleteLink(port); !status) return status;
        std::erase(node->interfaces, port);
    }
    m_hosts.remove_if([&](const LabHost &host) { return &host == pod; });
    return {};
}

} // namespace natlens::lab
