#include "property/random_cluster.h"

namespace natlens::test {
namespace {

IpAddress v4(unsigned a, unsigned b, unsigned c, unsigned d) {
    return IpAddress::v4(static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b), static_cast<std::uint8_t>(c),
                         static_cast<std::uint8_t>(d));
}

Node node(std::string name, const IpAddress &address, unsigned pods, std::string zone) {
    Node result;
    result.name = std::move(name);
    result.addresses = {{"InternalIP", address.toString()}};
    result.podCIDRs = {*IpPrefix::parse("10.1." + std::to_string(pods) + ".0/24")};
    if (!zone.empty()) result.labels[std::string(kZoneLabel)] = std::move(zone);
    return result;
}

} // namespace

RandomCase RandomCluster::next() {
    RandomCase made;
    made.state.put(node("n1", v4(192, 168, 0, 2), 1, oneIn(4) ? "" : "a"));
    made.state.put(node("n2", v4(192, 168, 0, 3), 2, "b"));
    const unsigned count = 1 + below(4);
    for (unsigned i = 0; i < count; ++i) {
        const auto made1 = service(i);
        for (unsigned s = below(5) == 0 ? 0 : 1 + below(2); s > 0; --s) made.state.put(slice(made1, s));
        made.state.put(made1);
    }
    made.config = config();
    return made;
}

ProxyConfig RandomCluster::config() {
    ProxyConfig config;
    if (!oneIn(6)) config.clusterCIDRs = {*IpPrefix::parse("10.1.0.0/16")};
    switch (below(5)) {
    case 0: config.detectLocalMode = DetectLocalMode::nodeCIDR; break;
    case 1:
        config.detectLocalMode = DetectLocalMode::bridgeInterface;
        config.bridgeInterface = "pods0";
        break;
    case 2:
        config.detectLocalMode = DetectLocalMode::interfaceNamePrefix;
        config.interfaceNamePrefix = "pod";
        break;
    default: break;
    }
    config.masqueradeAll = oneIn(6);
    if (oneIn(8)) config.masqueradeBit = 17;
    config.localhostNodePorts = !oneIn(4);
    if (oneIn(5)) config.nodePortAddresses = {oneIn(2) ? "192.168.99.0/24" : "primary"};
    if (oneIn(2)) config.serviceCIDRs = {*IpPrefix::parse("172.30.0.0/16")};
    return config;
}

Service RandomCluster::service(unsigned number) {
    Service made;
    made.name = {"t", "s" + std::to_string(number)};
    constexpr ServiceType kTypes[] = {ServiceType::clusterIP, ServiceType::nodePort, ServiceType::loadBalancer,
                                      ServiceType::loadBalancer, ServiceType::externalName};
    made.type = kTypes[below(oneIn(4) ? 5 : 4)];
    made.clusterIPs = {v4(172, 30, 0, 1 + number)};
    if (oneIn(12)) made.headless = true;
    if (oneIn(12)) made.labels[std::string(kServiceProxyNameLabel)] = "other";
    constexpr Protocol kProtocols[] = {Protocol::tcp, Protocol::tcp, Protocol::udp, Protocol::sctp};
    const unsigned ports = 1 + below(2);
    for (unsigned i = 0; i < ports; ++i) {
        ServicePort port{.name = "p" + std::to_string(i),
                         .protocol = kProtocols[below(4)],
                         .port = static_cast<Port>(80 + i),
                         .targetPort = "",
                         .nodePort = 0};
        const bool hasNodePort = made.type == ServiceType::nodePort || (made.type == ServiceType::loadBalancer && !oneIn(4));
        if (hasNodePort) port.nodePort = static_cast<Port>(30000 + number * 10 + i);
        made.ports.push_back(port);
    }
    if (oneIn(3)) made.externalIPs.push_back(oneIn(2) ? v4(192, 168, 99, 11) : v4(198, 51, 100, 10 + number));
    if (!made.externalIPs.empty() && made.externalIPs.front() == v4(192, 168, 99, 11))
        for (auto &port : made.ports) port.port = static_cast<Port>(port.port + 100 * (number + 1)); // one owner a port
    if (made.type == ServiceType::loadBalancer && !oneIn(5))
        made.ingress.push_back({v4(1, 2, 3, 4 + number), "", oneIn(5) ? IpMode::proxy : IpMode::vip});
    if (made.type != ServiceType::clusterIP || !made.externalIPs.empty()) {
        made.externalTrafficPolicy = oneIn(2) ? TrafficPolicy::local : TrafficPolicy::cluster;
        made.externalTrafficPolicySource = oneIn(3) ? PolicySource::annotation : PolicySource::field;
    }
    made.internalTrafficPolicy = oneIn(4) ? TrafficPolicy::local : TrafficPolicy::cluster;
    made.clientIpAffinity = oneIn(4);
    if (oneIn(2)) made.affinityTimeout = std::chrono::seconds(30);
    if (oneIn(3)) {
        constexpr const char *kRanges[] = {"203.0.113.0/25", "192.168.0.0/24", "10.1.1.0/24", "0.0.0.0/0", "9.9.9.9/32"};
        for (unsigned i = 1 + below(2); i > 0; --i) made.loadBalancerSourceRanges.push_back(*IpPrefix::parse(kRanges[below(5)]));
    }
    if (made.type == ServiceType::loadBalancer && made.externalTrafficPolicy == TrafficPolicy::local)
        made.healthCheckNodePort = static_cast<Port>(31000 + number);
    return made;
}

Endpoint RandomCluster::endpoint() {
    Endpoint made;
    const bool here = oneIn(2);
    const unsigned host = 5 + below(4);
    made.addresses = {v4(10, 1, here ? 1 : 2, host)};
    // The last one never tells where it runs. All Services say the same of one pod: nftables mode's set of hairpins is
    // keyed by address alone, so it would not know which of them to believe.
    if (host != 8) made.nodeName = here ? "n1" : "n2";
    if (oneIn(4)) {
        made.ready = false;
        made.serving = oneIn(2);
        made.terminating = oneIn(2);
    } else if (oneIn(10)) {
        made.terminating = true; // ready for all that (publishNotReadyAddresses)
    }
    return made;
}

EndpointSlice RandomCluster::slice(const Service &service, unsigned number) {
    EndpointSlice made;
    made.name = {"t", service.name.name + "-" + std::to_string(number)};
    made.serviceName = service.name.name;
    made.labels[std::string(kServiceNameLabel)] = service.name.name;
    if (oneIn(20)) made.labels[std::string(kHeadlessLabel)] = "";
    for (const auto &port : service.ports)
        if (!oneIn(10)) made.ports.push_back({.name = port.name, .protocol = port.protocol, .port = Port{8080}});
    const bool zones = oneIn(4), nodes = oneIn(6);
    for (unsigned i = below(4); i > 0; --i) {
        auto one = endpoint();
        if (zones && !oneIn(8)) one.zoneHints = {oneIn(2) ? "a" : "b"};
        if (nodes && !oneIn(8)) one.nodeHints = {oneIn(2) ? "n1" : "n2"};
        made.endpoints.push_back(std::move(one));
    }
    return made;
}

std::vector<RandomPacket> RandomCluster::packets(const RandomCase &made, std::size_t count) {
    struct Target {
        Protocol protocol;
        packet::SocketAddress address;
    };
    std::vector<Target> targets;
    const IpAddress nodeAddresses[] = {v4(192, 168, 0, 2), v4(192, 168, 99, 11), v4(10, 1, 1, 1)};
    for (const auto &[name, service] : made.state.services)
        for (const auto &port : service->ports) {
            targets.push_back({port.protocol, {service->clusterIPs.front(), port.port}});
            for (const auto &ip : service->externalIPs) targets.push_back({port.protocol, {ip, port.port}});
            for (const auto &ingress : service->ingress) targets.push_back({port.protocol, {ingress.ip, port.port}});
            if (port.nodePort == 0) continue;
            for (const auto &ip : nodeAddresses) targets.push_back({port.protocol, {ip, port.nodePort}});
        }
    std::vector<RandomPacket> packets;
    for (std::size_t i = 0; i < count; ++i) {
        auto target = targets[below(static_cast<unsigned>(targets.size()))];
        if (oneIn(12)) target.address.port = static_cast<Port>(target.address.port + 7); // nobody's port
        if (oneIn(16)) target.address.ip = v4(172, 30, 7, 7);                            // nobody's cluster IP
        RandomPacket packet;
        packet.flow.protocol = target.protocol;
        switch (below(6)) {
        case 0:
        case 1: packet.flow.source.ip = v4(203, 0, 113, 1 + below(250)); break;
        case 2: packet.flow.source.ip = oneIn(2) ? v4(10, 1, 2, 5 + below(4)) : v4(192, 168, 0, 3); break;
        case 3:
        case 4:
            packet.way = RandomPacket::Way::pods;
            packet.flow.source.ip = v4(10, 1, 1, 5 + below(5));
            break;
        default:
            packet.way = RandomPacket::Way::local;
            packet.flow.source.ip = v4(192, 168, 0, 2);
            packet.flow.locallyGenerated = true;
            break;
        }
        if (packet.way == RandomPacket::Way::outside) packet.flow.inputInterface = "out0";
        if (packet.way == RandomPacket::Way::pods) packet.flow.inputInterface = "pods0";
        packet.flow.destination = target.address;
        packets.push_back(packet);
    }
    return packets;
}

} // namespace natlens::test
