#include "property/random_cluster.h"

namespace natlens::test {
namespace {

Node node(Draws &draws, bool first) {
    Node made;
    made.name = first ? "n1" : "n2";
    const bool onlyFour = first && draws.oneIn(8); // nftables mode then takes node ports on every IPv6 address
    for (const auto family : kFamilies) {
        const auto &world = World::of(family);
        if (family == IpFamily::v6 && onlyFour) continue;
        made.addresses.push_back({"InternalIP", (first ? world.node : world.otherNode).toString()});
        made.podCIDRs.push_back(first ? world.pods : world.otherPods);
    }
    const bool zoned = !draws.oneIn(4);
    if (zoned) made.labels[std::string(kZoneLabel)] = first ? "a" : "b";
    return made;
}

ProxyConfig config(Draws &draws) {
    ProxyConfig made;
    for (const auto family : kFamilies)
        if (!draws.oneIn(6)) made.clusterCIDRs.push_back(World::of(family).clusterRange);
    switch (draws.below(5)) {
    case 2: made.detectLocalMode = DetectLocalMode::nodeCIDR; break;
    case 3:
        made.detectLocalMode = DetectLocalMode::bridgeInterface;
        made.bridgeInterface = "pods0";
        break;
    case 4:
        made.detectLocalMode = DetectLocalMode::interfaceNamePrefix;
        made.interfaceNamePrefix = "pod";
        break;
    default: break;
    }
    made.masqueradeAll = draws.oneIn(6);
    if (draws.oneIn(8)) made.masqueradeBit = 17;
    made.localhostNodePorts = !draws.oneIn(4);
    switch (draws.below(10)) {
    case 5: made.nodePortAddresses = {"192.168.99.0/24"}; break; // of IPv4 alone: IPv6 falls back
    case 6: made.nodePortAddresses = {"192.168.99.0/24", "fd00:99::/64"}; break;
    case 7: made.nodePortAddresses = {"primary"}; break;
    case 8: made.nodePortAddresses = {"0.0.0.0/0", "::/0"}; break;
    case 9: made.nodePortAddresses = {"fd00:10:1:1::/64", "10.1.1.0/24", "127.0.0.0/8"}; break;
    default: break;
    }
    return made;
}

std::vector<ServicePort> ports(Draws &draws, const Service &service, unsigned number) {
    constexpr Protocol kProtocols[] = {Protocol::tcp, Protocol::tcp, Protocol::udp, Protocol::sctp};
    std::vector<ServicePort> made;
    const unsigned count = 1 + draws.below(2);
    for (unsigned i = 0; i < count; ++i) {
        ServicePort port{.name = "p" + std::to_string(i),
                         .protocol = kProtocols[draws.below(4)],
                         .port = static_cast<Port>(80 + i),
                         .targetPort = "",
                         .nodePort = 0};
        const bool balanced = service.type == ServiceType::loadBalancer;
        if (service.type == ServiceType::nodePort || (balanced && service.allocateLoadBalancerNodePorts))
            port.nodePort = static_cast<Port>(30000 + number * 10 + i);
        made.push_back(port);
    }
    return made;
}

std::vector<IpPrefix> sourceRanges(Draws &draws) {
    constexpr const char *kRanges[] = {"203.0.113.0/25",     "192.168.0.0/24", "10.1.1.0/24",      "0.0.0.0/0",
                                       "9.9.9.9/32",         "fd00:192::/64",  "fd00:10:1:1::/64", "::/0",
                                       "2001:db8:203::/121", "fd00:9::9/128"};
    std::vector<IpPrefix> made;
    for (unsigned i = 1 + draws.below(3); i > 0; --i) made.push_back(*IpPrefix::parse(kRanges[draws.below(10)]));
    return made;
}

Service service(Draws &draws, unsigned number) {
    Service made;
    made.name = {"t", "s" + std::to_string(number)};
    constexpr ServiceType kTypes[] = {ServiceType::clusterIP, ServiceType::nodePort, ServiceType::loadBalancer,
                                      ServiceType::loadBalancer, ServiceType::externalName};
    made.type = kTypes[draws.below(draws.oneIn(4) ? 5 : 4)];
    const unsigned families = draws.below(4); // IPv4, IPv6, both ways round
    const auto four = World::of(IpFamily::v4).clusterIp(1 + number),
               six = World::of(IpFamily::v6).clusterIp(1 + number);
    if (families == 0) made.clusterIPs = {four};
    if (families == 1) made.clusterIPs = {six};
    if (families == 2) made.clusterIPs = {four, six};
    if (families == 3) made.clusterIPs = {six, four};
    made.headless = draws.oneIn(12);
    if (draws.oneIn(12)) made.labels[std::string(kServiceProxyNameLabel)] = "other";
    made.allocateLoadBalancerNodePorts = !draws.oneIn(4);
    made.ports = ports(draws, made, number);
    const bool owned = draws.oneIn(6); // an external IP that is the node's own
    const bool external = draws.oneIn(3), balanced = made.type == ServiceType::loadBalancer && !draws.oneIn(5);
    const bool proxied = draws.oneIn(5);
    for (const auto &ip : made.clusterIPs) {
        const auto &world = World::of(ip.family);
        if (external) made.externalIPs.push_back(owned ? world.second : world.externalIp(10 + number));
        if (balanced)
            made.ingress.push_back({world.loadBalancerIp(4 + number), "", proxied ? IpMode::proxy : IpMode::vip});
    }
    if (external && owned)
        for (auto &port : made.ports) port.port = static_cast<Port>(port.port + 100 * (number + 1)); // one owner a port
    if (made.type != ServiceType::clusterIP || external) {
        made.externalTrafficPolicy = draws.oneIn(2) ? TrafficPolicy::local : TrafficPolicy::cluster;
        made.externalTrafficPolicySource = draws.oneIn(3) ? PolicySource::annotation : PolicySource::field;
    }
    made.internalTrafficPolicy = draws.oneIn(4) ? TrafficPolicy::local : TrafficPolicy::cluster;
    made.clientIpAffinity = draws.oneIn(4);
    if (draws.oneIn(2)) made.affinityTimeout = std::chrono::seconds(30);
    if (draws.oneIn(3)) made.loadBalancerSourceRanges = sourceRanges(draws);
    if (made.type == ServiceType::loadBalancer && made.externalTrafficPolicy == TrafficPolicy::local)
        made.healthCheckNodePort = static_cast<Port>(31000 + number);
    return made;
}

Endpoint endpoint(Draws &draws, IpFamily family) {
    Endpoint made;
    const bool here = !draws.oneIn(2);
    const unsigned number = 5 + draws.below(4);
    made.addresses = {World::of(family).pod(here, number)};
    // The last one never tells where it runs; now and then Services disagree about one pod.
    if (number != 8) made.nodeName = here != draws.oneIn(10) ? "n1" : "n2";
    if (draws.oneIn(4)) {
        made.ready = false;
        made.serving = draws.oneIn(2);
        made.terminating = draws.oneIn(2);
    } else if (draws.oneIn(10)) {
        made.terminating = true; // ready for all that (publishNotReadyAddresses)
    }
    return made;
}

EndpointSlice slice(Draws &draws, const Service &service, IpFamily family, unsigned number) {
    const bool six = family == IpFamily::v6;
    EndpointSlice made;
    made.name = {"t", service.name.name + (six ? "-six-" : "-") + std::to_string(number)};
    made.addressType = six ? AddressType::ipv6 : AddressType::ipv4;
    made.serviceName = service.name.name;
    made.labels[std::string(kServiceNameLabel)] = service.name.name;
    if (draws.oneIn(20)) made.labels[std::string(kHeadlessLabel)] = "";
    for (const auto &port : service.ports)
        if (!draws.oneIn(10)) made.ports.push_back({.name = port.name, .protocol = port.protocol, .port = Port{8080}});
    const bool zones = draws.oneIn(4), nodes = draws.oneIn(6);
    for (unsigned i = draws.below(4); i > 0; --i) {
        auto one = endpoint(draws, family);
        if (zones && !draws.oneIn(8)) one.zoneHints = {draws.oneIn(2) ? "b" : "a"};
        if (nodes && !draws.oneIn(8)) one.nodeHints = {draws.oneIn(2) ? "n2" : "n1"};
        made.endpoints.push_back(std::move(one));
    }
    return made;
}

struct Target {
    Protocol protocol;
    packet::SocketAddress address;
};

std::vector<Target> targets(const ClusterState &state) {
    std::vector<Target> all;
    for (const auto &[name, service] : state.services)
        for (const auto &port : service->ports) {
            for (const auto &ip : service->clusterIPs) all.push_back({port.protocol, {ip, port.port}});
            for (const auto &ip : service->externalIPs) all.push_back({port.protocol, {ip, port.port}});
            for (const auto &ingress : service->ingress) all.push_back({port.protocol, {ingress.ip, port.port}});
            if (port.nodePort == 0) continue;
            for (const auto family : kFamilies) { // also of a family that the Service is not of
                const auto &world = World::of(family);
                for (const auto &ip : {world.node, world.second, world.bridge, world.loopback})
                    all.push_back({port.protocol, {ip, port.nodePort}});
            }
        }
    return all;
}

RandomPacket packetTo(Draws &draws, Target target) {
    const auto &world = World::of(target.address.ip.family);
    if (draws.oneIn(12)) target.address.port = static_cast<Port>(target.address.port + 7); // nobody's port
    if (draws.oneIn(16)) target.address.ip = world.unallocated;
    RandomPacket packet;
    packet.flow.protocol = target.protocol;
    packet.flow.destination = target.address;
    const unsigned from = draws.below(6);
    if (target.address.ip.isLoopback() || from == 5) {
        packet.way = RandomPacket::Way::local;
        packet.flow.source.ip = target.address.ip.isLoopback() ? world.loopback : world.node;
        packet.flow.locallyGenerated = true;
    } else if (from >= 3) {
        packet.way = RandomPacket::Way::pods;
        packet.flow.source.ip = world.pod(true, 5 + draws.below(5)); // endpoints among them: hairpins
        packet.flow.inputInterface = "pods0";
    } else {
        packet.flow.source.ip = from < 2         ? world.outside(1 + draws.below(250))
                                : draws.oneIn(2) ? world.otherNode
                                                 : world.pod(false, 5 + draws.below(4));
        packet.flow.inputInterface = "out0";
    }
    return packet;
}

} // namespace

RandomCase makeCase(const CaseNumbers &numbers) {
    RandomCase made;
    Draws around(numbers.surroundings);
    made.config = config(around);
    made.state.put(node(around, true));
    made.state.put(node(around, false));
    std::vector<IpPrefix> ranges;
    for (const auto family : kFamilies)
        if (around.oneIn(2)) ranges.push_back(World::of(family).serviceRange);
    if (!ranges.empty()) made.state.serviceCIDRs[{"", "kubernetes"}] = ranges;
    made.config.allowExternalIPs = !around.oneIn(10);
    made.config.nodeHints = !around.oneIn(6);

    Draws draws(numbers.services);
    const unsigned count = 1 + draws.below(4);
    for (unsigned i = 0; i < count; ++i) {
        const auto one = service(draws, i);
        for (const auto &ip : one.clusterIPs)
            for (unsigned s = (1 + draws.below(5)) / 2; s > 0; --s) made.state.put(slice(draws, one, ip.family, s));
        made.state.put(one);
    }
    const auto all = targets(made.state);
    for (const auto &one : numbers.packets) {
        Draws choices(one);
        const auto target = all[choices.below(static_cast<unsigned>(all.size()))];
        made.packets.push_back(packetTo(choices, target));
    }
    return made;
}

} // namespace natlens::test
