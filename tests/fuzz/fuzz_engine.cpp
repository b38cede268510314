// Any bytes as a conversation with the NAT engine: packets (each given its size exactly, so that a sanitizer sees every
// read outside), pauses and changes of plan. The promises of packet_engine.h hold after each.
#include "capture/packet/decode.h"
#include "proxycore/engine/packet_engine.h"
#include "require.h"

#include <set>

using namespace natlens;
using namespace natlens::proxycore;

namespace {

constexpr std::size_t kMostConnections = 16;

class Routing final : public NodeRouting {
public:
    [[nodiscard]] NodeRoute route(const IpAddress &destination) const override {
        if (destination.isV6()) return {true, false, *IpAddress::parse("fd00:240::4")};
        return {destination.bytes[0] != 127, false, IpAddress::v4(10, 240, 0, 4)};
    }
};

class Counting final : public RandomSource {
public:
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) override { return (m_next += 7) % bound; }

private:
    std::uint32_t m_next = 0;
};

/// Service "web" with its address in 10.0/fd00:0, port 80, node port 32080, for all protocols; with or without
/// endpoints.
ProxyPlan planOf(IpFamily family, bool hasEndpoints, Mode mode) {
    const bool isV6 = family == IpFamily::v6;
    const auto ip = [](const char *text) { return *IpAddress::parse(text); };
    ClusterState state;
    Node node;
    node.name = "node1";
    node.addresses = {{"InternalIP", isV6 ? "fd00:240::4" : "10.240.0.4"}};
    state.put(node);
    Service service;
    service.name = {"default", "web"};
    service.type = ServiceType::nodePort;
    service.clusterIPs = {ip(isV6 ? "fd00::2" : "10.0.0.2")};
    service.clientIpAffinity = mode == Mode::iptables;
    EndpointSlice slice;
    slice.name = {"default", "web-1"};
    slice.serviceName = "web";
    slice.labels[std::string(kServiceNameLabel)] = "web";
    slice.addressType = isV6 ? AddressType::ipv6 : AddressType::ipv4;
    for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
        const auto name = packet::toString(protocol);
        service.ports.push_back(
            {.name = name, .protocol = protocol, .port = 80, .targetPort = "80", .nodePort = 32080});
        slice.ports.push_back({.name = name, .protocol = protocol, .port = Port{8080}});
    }
    for (const char *address : {isV6 ? "fd00:180::1" : "10.180.0.1", isV6 ? "fd00:180::2" : "10.180.0.2"}) {
        Endpoint endpoint;
        endpoint.addresses = {ip(address)};
        endpoint.nodeName = "node1";
        endpoint.ready = endpoint.serving = hasEndpoints;
        slice.endpoints.push_back(endpoint);
    }
    state.put(service);
    state.put(slice);
    return makePlan(state, {}, {.nodeName = "node1", .localAddresses = {}, .mode = mode, .family = family});
}

void check(const PacketEngine &engine) {
    std::set<packet::Tuple> tuples;
    const auto views = engine.connections();
    REQUIRE(engine.connectionCount() <= kMostConnections);
    for (const auto &view : views) {
        REQUIRE(view.timeout.count() >= 0);
        const auto protocol = view.original.protocol;
        if (protocol != Protocol::tcp && protocol != Protocol::udp) continue;
        REQUIRE(tuples.insert(view.original).second);
        if (view.reply != view.original) REQUIRE(tuples.insert(view.reply).second);
        REQUIRE((view.reply.reversed() != view.original) == (view.sourceNat || view.destinationNat));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const ProxyPlan plans[] = {
        planOf(IpFamily::v4, true, Mode::iptables), planOf(IpFamily::v4, false, Mode::nftables),
        planOf(IpFamily::v6, true, Mode::nftables), planOf(IpFamily::v6, false, Mode::iptables)};
    const Routing routing;
    Counting random;
    PacketEngine::Options options;
    options.maximumConnections = kMostConnections;
    PacketEngine engine(routing, random, options);
    long balance = 0; // of connections, as a listener counts them
    engine.listen([&](ConnectionChange change, const ConnectionView &) {
        balance += change == ConnectionChange::added ? 1 : change == ConnectionChange::destroyed ? -1 : 0;
    });
    engine.setPlan(plans[0]);
    engine.setPlan(plans[2]);
    base::Timestamp now{1'700'000'000'000'000'000};

    // Each step: what, how long after the last one, length of the packet, packet.
    while (size >= 4) {
        const unsigned what = data[0], pause = data[1];
        const std::size_t length = std::min<std::size_t>(data[2] | (data[3] & 7U) << 8, size - 4);
        std::vector<std::byte> packet(length);
        for (std::size_t i = 0; i < length; ++i)
            packet[i] = std::byte{data[4 + i]};
        data += 4 + length;
        size -= 4 + length;
        now = now + std::chrono::milliseconds(pause * pause);
        if (what % 16 == 15) engine.setPlan(plans[pause % 4]);
        const PacketOrigin origin{what % 4 == 1 ? "" : "eth0", what % 4 == 1};
        PacketAction action{};
        if (what % 8 == 7) {
            const std::span<std::byte> one(packet);
            engine.processBatch({&one, 1}, origin, now, {&action, 1});
        } else {
            action = engine.process(packet, origin, now);
        }
        REQUIRE(packet.size() == length);
        for (const auto &made : engine.generated())
            REQUIRE(packet::decode(packet::LinkType::rawIp, made).family != packet::IpFamily::none);
        REQUIRE(action != PacketAction::drop || !packet.empty() || engine.generated().empty());
        REQUIRE(balance == static_cast<long>(engine.connectionCount()));
        check(engine);
    }
    engine.expire(now + std::chrono::hours(48));
    REQUIRE(engine.connectionCount() == 0 && balance == 0);
    return 0;
}
