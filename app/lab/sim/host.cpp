#include "app/lab/sim/network.h"
#include "capture/packet/rewrite.h"

#include <algorithm>

namespace natlens::lab::sim {
namespace {

using packet::LinkType;

/// Type and code of an ICMP or ICMPv6 error.
struct IcmpError {
    std::uint8_t type, code;
};
constexpr IcmpError kHostUnreachable{3, 1}, kAddressUnreachable6{1, 3}, kTimeExceeded{11, 0}, kTimeExceeded6{3, 0},
    kPortUnreachable{3, 3}, kPortUnreachable6{1, 4};

/// How much of a packet an error quotes, so that the error itself is no longer than every path can carry (RFC 1812, RFC
/// 4443).
constexpr std::size_t kQuoted = 548, kQuoted6 = 1232;

} // namespace

Host::Host(Network &network, HostSpec spec)
    : m_network(network), m_spec(std::move(spec)),
      m_tcp(network.m_events, network.m_random,
            [this](std::vector<std::byte> ipPacket) { handle(std::move(ipPacket), {}); }),
      m_udp(network.m_events, network.m_random,
            [this](std::vector<std::byte> ipPacket) { handle(std::move(ipPacket), {}); }),
      m_sctp(network.m_events, network.m_random,
             [this](std::vector<std::byte> ipPacket) { handle(std::move(ipPacket), {}); }) {
    if (m_spec.kind != HostKind::node) {
        m_addresses = m_spec.addresses.own;
        add("eth0", m_spec.addresses.mac());
        return;
    }
    m_addresses = nodeAddresses(m_spec.addresses);
    m_conntrack = network.m_recorder.addConntrack(m_spec.name);
    add("lo", {});
    add("eth0", m_spec.addresses.mac());
    add(kBridge, m_spec.addresses.bridgeMac());
    for (const auto family : kFamilies) {
        if (!m_spec.addresses.has(family)) continue;
        auto &engine = m_engines[family] = std::make_unique<proxycore::PacketEngine>(*this, network.m_random, network.m_options);
        engine->listen([this](proxycore::ConnectionChange change, const proxycore::ConnectionView &connection) {
            m_network.m_recorder.conntrack(m_conntrack, change, connection);
        });
    }
}

proxycore::PacketEngine *Host::engine(packet::IpFamily family) {
    const auto found = m_engines.find(family);
    return found == m_engines.end() ? nullptr : found->second.get();
}

Host::~Host() = default;

Host::Interface &Host::add(const std::string &name, const packet::MacAddress &mac) {
    const auto point = m_network.m_recorder.addInterface(m_spec.name, name, mac);
    return *m_interfaces.emplace_back(std::make_unique<Interface>(Interface{name, mac, point}));
}

Host::Interface &Host::interface(const std::string &name) {
    return **std::ranges::find(m_interfaces, name, [](const auto &one) { return one->name; });
}

bool Host::isLocal(const packet::IpAddress &address) const {
    return address.isLoopback() || std::ranges::find(m_addresses, address) != m_addresses.end();
}

packet::IpAddress Host::sourceFor(const packet::IpAddress &destination) const {
    if (isLocal(destination)) return destination;
    return sourceTowards(destination, m_spec.addresses);
}

proxycore::NodeRoute Host::route(const packet::IpAddress &destination) const {
    return {.reachable = true, .local = isLocal(destination), .source = sourceFor(destination)};
}

void Host::route(const packet::IpAddress &destination, std::vector<packet::IpAddress> gateways) {
    if (gateways.empty())
        m_routes.erase(destination);
    else
        m_routes[destination] = std::move(gateways);
}

void Host::handle(std::vector<std::byte> ipPacket, const std::string &interface) {
    const bool own = interface.empty();
    auto *engine = this->engine(familyOf(ipPacket));
    if (engine == nullptr) return forward(std::move(ipPacket), own);
    const auto action = engine->process(ipPacket, {interface, own}, m_network.m_events.now());
    const auto generated = engine->generated(); // copied: routing them may call the engine again
    if (action == proxycore::PacketAction::forward) forward(std::move(ipPacket), own);
    for (const auto &made : generated) forward(made, true);
}

void Host::forward(std::vector<std::byte> ipPacket, bool ownPacket) {
    const auto packet = packet::decode(LinkType::rawIp, ipPacket);
    if (isLocal(packet.tuple.dst.ip)) {
        // What a host sends to itself goes over lo, where it is seen once.
        m_network.m_events.after(m_network.latency() / 4, [this, ownPacket, bytes = std::move(ipPacket)] {
            if (ownPacket && m_spec.kind == HostKind::node) {
                m_network.record(interface("lo"), frameOf({}, {}, bytes), file::PacketDirection::unknown);
            }
            deliver(bytes);
        });
        return;
    }
    if (!ownPacket) {
        const bool router = m_spec.kind == HostKind::node || m_spec.kind == HostKind::loadBalancer;
        if (!router) return;
        if (packet.ttl <= 1) return answerWithError(ipPacket, Trouble::timeExceeded);
        const auto changed = packet::rewrite(
            LinkType::rawIp, ipPacket,
            {.srcIp = {}, .dstIp = {}, .srcPort = {}, .dstPort = {}, .ttl = static_cast<std::uint8_t>(packet.ttl - 1)});
        if (!changed) return;
    }
    transmit(std::move(ipPacket));
}

void Host::deliver(const std::vector<std::byte> &ipPacket) {
    const auto packet = packet::decode(LinkType::rawIp, ipPacket);
    if (packet.isSctp() && !packet.hasQuoted) return m_sctp.receive(packet, ipPacket);
    if (packet.tuple.protocol != packet::Protocol::udp || packet.hasQuoted) return m_tcp.receive(ipPacket);
    if (!m_udp.receive(packet, ipPacket)) answerWithError(ipPacket, Trouble::portUnreachable);
}

void Host::transmit(std::vector<std::byte> ipPacket) {
    const auto packet = packet::decode(LinkType::rawIp, ipPacket);
    const auto &destination = packet.tuple.dst.ip;
    if (m_spec.kind == HostKind::pod) return m_network.fromPod(*this, std::move(ipPacket));
    if (m_spec.kind == HostKind::node && m_spec.addresses.hasPod(destination))
        return m_network.toPod(*this, destination, std::move(ipPacket));
    auto nextHop = destination;
    if (const auto found = m_routes.find(destination); found != m_routes.end()) {
        // One gateway for each connection, as the kernel's multipath hash over addresses and ports.
        const auto hash = packet::hashValue(packet.tuple);
        nextHop = found->second[hash % found->second.size()];
    } else {
        for (const auto *host : m_network.hosts())
            if (host->spec().kind == HostKind::node && host->spec().addresses.hasPod(destination))
                nextHop = host->spec().addresses.primary(destination.family);
    }
    m_network.overSegment(*this, nextHop, std::move(ipPacket));
}

/// An ICMP error to the sender of a packet that went no further (RFC 792, RFC 1812, RFC 4443).
void Host::answerWithError(std::span<const std::byte> ipPacket, Trouble trouble) {
    const auto packet = packet::decode(LinkType::rawIp, ipPacket);
    const auto &to = packet.tuple.src.ip;
    const auto from = trouble == Trouble::portUnreachable ? packet.tuple.dst.ip : sourceFor(to);
    if (packet.hasQuoted || to.isNone() || from.isNone()) return; // never an error about an error
    const bool v6 = to.isV6();
    const auto error = trouble == Trouble::unreachable    ? (v6 ? kAddressUnreachable6 : kHostUnreachable)
                       : trouble == Trouble::timeExceeded ? (v6 ? kTimeExceeded6 : kTimeExceeded)
                                                          : (v6 ? kPortUnreachable6 : kPortUnreachable);
    packet::PacketBuilder builder;
    builder.ip(from, to);
    builder.icmpError(error.type, error.code, ipPacket.subspan(0, std::min(ipPacket.size(), v6 ? kQuoted6 : kQuoted)));
    handle(builder.buildIp(), {});
}

} // namespace natlens::lab::sim
