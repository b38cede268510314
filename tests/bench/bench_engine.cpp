// The NAT engine on one core: packets of 100,000 live connections, and new connections, beside 10 to 10,000 Services.
#include "capture/base/hash.h"
#include "capture/packet/builder.h"
#include "proxycore/engine/packet_engine.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <map>
#include <unordered_map>

using namespace natlens;
using namespace natlens::proxycore;
using packet::PacketBuilder;
using packet::TcpFlags;

namespace {

constexpr std::size_t kConnections = 100'000, kBatch = 64;

class Routing final : public NodeRouting {
public:
    [[nodiscard]] NodeRoute route(const IpAddress &) const override {
        return {true, false, IpAddress::v4(10, 240, 0, 4)};
    }
};

class Random final : public RandomSource {
public:
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) override {
        m_state = m_state * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<std::uint32_t>((m_state >> 32) * bound >> 32);
    }

private:
    std::uint64_t m_state = 42;
};

IpAddress vip(unsigned n) {
    return IpAddress::v4(10, 64, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n));
}

/// `count` Services with two endpoints each; `moved`: one endpoint of the middle one stands elsewhere.
ProxyPlan planOf(unsigned count, bool moved = false, const ProxyPlan *previous = nullptr) {
    ClusterState state;
    Node node;
    node.name = "node1";
    node.addresses = {{"InternalIP", "10.240.0.4"}};
    state.put(node);
    for (unsigned n = 0; n < count; ++n) {
        Service service;
        service.name = {"default", "service-" + std::to_string(n)};
        service.clusterIPs = {vip(n)};
        service.ports = {{.name = "", .protocol = Protocol::tcp, .port = 80, .targetPort = "8080", .nodePort = 0}};
        EndpointSlice slice;
        slice.name = {"default", service.name.name + "-1"};
        slice.serviceName = service.name.name;
        slice.labels[std::string(kServiceNameLabel)] = service.name.name;
        slice.ports = {{.name = "", .protocol = Protocol::tcp, .port = Port{8080}}};
        for (unsigned e = 0; e < 2; ++e) {
            Endpoint endpoint;
            const bool other = moved && n == count / 2 && e == 1;
            endpoint.addresses = {IpAddress::v4(10, static_cast<std::uint8_t>(other ? 190 : 180 + e),
                                                static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n))};
            endpoint.ready = endpoint.serving = true;
            endpoint.nodeName = "node2";
            slice.endpoints.push_back(endpoint);
        }
        state.put(service);
        state.put(slice);
    }
    ProxyConfig config;
    config.clusterCIDRs = {*IpPrefix::parse("10.180.0.0/16")};
    return makePlan(state, config, {.nodeName = "node1", .localAddresses = {}, .mode = Mode::nftables}, previous);
}

const ProxyPlan &cachedPlan(unsigned count) {
    static std::map<unsigned, ProxyPlan> plans;
    const auto found = plans.find(count);
    return found != plans.end() ? found->second : plans.emplace(count, planOf(count)).first->second;
}

PacketBuilder segment(std::uint32_t n, unsigned services, std::uint8_t flags) {
    const auto client = IpAddress::v4(0x0b000000U + n / 1000);
    return PacketBuilder().ip(client, vip(n % services)).tcp(static_cast<Port>(20'000 + n % 1000), 80, flags).seq(1000);
}

/// Packets one after the other in one buffer, as a ring holds them.
struct Ring {
    std::vector<std::byte> bytes;
    std::vector<std::span<std::byte>> packets;

    void fill(const std::vector<std::vector<std::byte>> &from) {
        std::size_t size = 0;
        for (const auto &one : from)
            size += one.size();
        bytes.reserve(size);
        packets.clear();
        for (const auto &one : from)
            bytes.insert(bytes.end(), one.begin(), one.end());
        std::size_t at = 0;
        for (const auto &one : from) {
            packets.emplace_back(bytes.data() + at, one.size());
            at += one.size();
        }
    }
};

struct Fixture {
    Routing routing;
    Random random;
    PacketEngine engine{routing, random, {.maximumConnections = 2'000'000}};
    base::Timestamp now{1'700'000'000'000'000'000};
};

/// 100,000 connections with handshake done, masqueraded; then their packets, both ways in turn, in random order. Every
/// packet is put back before it is sent again, which is part of the time measured.
void established(benchmark::State &state, bool batch) {
    const auto services = static_cast<unsigned>(state.range(0));
    Fixture fixture;
    auto &engine = fixture.engine;
    engine.setPlan(cachedPlan(services));
    std::vector<std::vector<std::byte>> wanted;
    const auto send = [&](const PacketBuilder &builder) {
        auto bytes = builder.buildIp();
        if (engine.process(bytes, {.inputInterface = "eth0"}, fixture.now) != PacketAction::forward) std::abort();
        return packet::decode(packet::LinkType::rawIp, bytes).tuple;
    };
    for (std::uint32_t n = 0; n < kConnections; ++n) {
        const auto out = send(segment(n, services, TcpFlags::syn));
        const auto back = PacketBuilder().ip(out.dst.ip, out.src.ip);
        send(PacketBuilder(back).tcp(out.dst.port, out.src.port, TcpFlags::syn | TcpFlags::ack).seq(5000).ack(1001));
        send(segment(n, services, TcpFlags::ack).seq(1001).ack(5001));
        wanted.push_back(
            n % 2 == 0
                ? segment(n, services, TcpFlags::ack).seq(1001).ack(5001).buildIp()
                : PacketBuilder(back).tcp(out.dst.port, out.src.port, TcpFlags::ack).seq(5001).ack(1001).buildIp());
    }
    for (std::size_t i = wanted.size() - 1; i > 0; --i)
        std::swap(wanted[i], wanted[fixture.random.below(static_cast<std::uint32_t>(i + 1))]);
    Ring fresh, ring;
    fresh.fill(wanted);
    ring.fill(wanted);
    std::array<PacketAction, kBatch> actions{};
    const PacketOrigin origin{.inputInterface = "eth0"};
    std::size_t at = 0, forwarded = 0, sent = 0;
    for (auto _ : state) {
        if (at + kBatch > ring.packets.size()) at = 0;
        const std::span group(ring.packets.data() + at, kBatch);
        const auto first = static_cast<std::size_t>(group.front().data() - ring.bytes.data());
        const auto end = static_cast<std::size_t>(group.back().data() + group.back().size() - ring.bytes.data());
        std::memcpy(ring.bytes.data() + first, fresh.bytes.data() + first, end - first);
        fixture.now = fixture.now + std::chrono::microseconds(6);
        if (batch) {
            engine.processBatch(group, origin, fixture.now, actions);
            forwarded += actions[kBatch - 1] == PacketAction::forward ? 1 : 0;
        } else {
            for (const auto packet : group)
                actions[0] = engine.process(packet, origin, fixture.now);
            forwarded += actions[0] == PacketAction::forward ? 1 : 0;
        }
        at += kBatch;
        ++sent;
    }
    if (forwarded != sent || engine.connectionCount() != kConnections) state.SkipWithError("connections were lost");
    state.SetItemsProcessed(static_cast<std::int64_t>(sent * kBatch));
}

/// The engine's peer: the same packets put back, and each looked up in the standard library's table, as a program that
/// does nothing but find the connection of a packet would do it.
void lookedUp(benchmark::State &state) {
    const auto services = static_cast<unsigned>(state.range(0));
    Random random;
    std::vector<std::vector<std::byte>> wanted;
    std::unordered_map<std::uint64_t, std::uint32_t> table;
    // Addresses and ports of an IPv4 packet without options: 12 bytes from the 12th on.
    const auto keyOf = [](const std::byte *packet) {
        std::uint64_t addresses = 0;
        std::uint32_t ports = 0;
        std::memcpy(&addresses, packet + 12, sizeof addresses);
        std::memcpy(&ports, packet + 20, sizeof ports);
        return base::mix(addresses, ports);
    };
    for (std::uint32_t n = 0; n < kConnections; ++n) {
        wanted.push_back(segment(n, services, TcpFlags::ack).seq(1001).ack(5001).buildIp());
        table[keyOf(wanted.back().data())] = n;
    }
    for (std::size_t i = wanted.size() - 1; i > 0; --i)
        std::swap(wanted[i], wanted[random.below(static_cast<std::uint32_t>(i + 1))]);
    Ring fresh, ring;
    fresh.fill(wanted);
    ring.fill(wanted);
    std::size_t at = 0, sent = 0;
    std::uint64_t found = 0;
    for (auto _ : state) {
        if (at + kBatch > ring.packets.size()) at = 0;
        const std::span group(ring.packets.data() + at, kBatch);
        const auto first = static_cast<std::size_t>(group.front().data() - ring.bytes.data());
        const auto end = static_cast<std::size_t>(group.back().data() + group.back().size() - ring.bytes.data());
        std::memcpy(ring.bytes.data() + first, fresh.bytes.data() + first, end - first);
        for (const auto packet : group)
            found += table.find(keyOf(packet.data())) != table.end() ? 1 : 0;
        at += kBatch;
        ++sent;
    }
    if (found != sent * kBatch) state.SkipWithError("not found");
    state.SetItemsProcessed(static_cast<std::int64_t>(sent * kBatch));
}

/// SYNs of ever new clients while 100,000 connections live; each is given up after its time, so that as many end.
void newConnections(benchmark::State &state, bool batch) {
    const auto services = static_cast<unsigned>(state.range(0));
    Fixture fixture;
    auto &engine = fixture.engine;
    engine.setPlan(cachedPlan(services));
    std::vector<std::vector<std::byte>> wanted;
    for (std::uint32_t n = 0; n < 4 * kConnections; ++n)
        wanted.push_back(segment(n, services, TcpFlags::syn).buildIp());
    Ring fresh, ring;
    fresh.fill(wanted);
    ring.fill(wanted);
    std::array<PacketAction, kBatch> actions{};
    const PacketOrigin origin{.inputInterface = "eth0"};
    // A SYN lives for 120 s: at this pace 100,000 of them live at any time.
    const std::chrono::nanoseconds pace(std::chrono::nanoseconds(std::chrono::seconds(120)) / (kConnections / kBatch));
    std::size_t at = 0, sent = 0;
    const auto turn = [&] {
        if (at + kBatch > ring.packets.size()) at = 0;
        const std::span group(ring.packets.data() + at, kBatch);
        const auto first = static_cast<std::size_t>(group.front().data() - ring.bytes.data());
        const auto end = static_cast<std::size_t>(group.back().data() + group.back().size() - ring.bytes.data());
        std::memcpy(ring.bytes.data() + first, fresh.bytes.data() + first, end - first);
        fixture.now = fixture.now + pace;
        if (batch)
            engine.processBatch(group, origin, fixture.now, actions);
        else
            for (const auto packet : group)
                actions[0] = engine.process(packet, origin, fixture.now);
        at += kBatch;
    };
    for (std::size_t i = 0; i < kConnections / kBatch * 2; ++i)
        turn();
    for (auto _ : state) {
        turn();
        ++sent;
    }
    if (engine.connectionCount() < kConnections * 9 / 10) state.SkipWithError("too few connections live");
    state.SetItemsProcessed(static_cast<std::int64_t>(sent * kBatch));
}

void changeOfOneEndpoint(benchmark::State &state) {
    const auto services = static_cast<unsigned>(state.range(0));
    const ProxyPlan &one = cachedPlan(services);
    const ProxyPlan other = planOf(services, true, &one);
    Fixture fixture;
    fixture.engine.setPlan(one);
    bool turn = false;
    for (auto _ : state)
        fixture.engine.setPlan((turn = !turn) ? other : one);
}

BENCHMARK(lookedUp)->Arg(10'000);
BENCHMARK_CAPTURE(established, batches, true)->Arg(10)->Arg(1'000)->Arg(10'000);
BENCHMARK_CAPTURE(established, single, false)->Arg(10)->Arg(1'000)->Arg(10'000);
BENCHMARK_CAPTURE(newConnections, batches, true)->Arg(10)->Arg(1'000)->Arg(10'000);
BENCHMARK_CAPTURE(newConnections, single, false)->Arg(10)->Arg(1'000)->Arg(10'000);
BENCHMARK(changeOfOneEndpoint)->Arg(10)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
