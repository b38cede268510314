// What tracing costs: packets of established connections, and whole short connections through two nodes.
#include "capture/packet/builder.h"
#include "tracer/tracer.h"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

using namespace natlens;
using packet::TcpFlags;

namespace {

struct Frame {
    unsigned point;
    std::int64_t time;
    std::vector<std::byte> bytes;
};

constexpr const char *kPoints[] = {"client/eth0", "node2/eth0", "node1/eth0", "node1/cbr0", "source-ip-app/eth0"};

/// One connection: client -> node2 (SNAT and DNAT) -> node1 -> pod, and back; `data` segments of payload each way.
void addConnection(std::vector<Frame> &frames, unsigned n, unsigned data) {
    const auto client = packet::IpAddress::v4(104, 132, static_cast<std::uint8_t>(n >> 14), 79);
    const auto node2 = packet::IpAddress::v4(10, 240, 0, 5), pod = packet::IpAddress::v4(10, 180, 1, 136);
    const auto clientPort = static_cast<packet::Port>(1024 + n % 16384),
               snatPort = static_cast<packet::Port>(1024 + (n * 7919) % 64000);
    struct Stop {
        unsigned point;
        std::uint8_t ttl;
        bool outside;
    };
    static const std::vector<Stop> request = {{0, 64, true},  {1, 64, true},  {1, 63, false},
                                              {2, 63, false}, {3, 62, false}, {4, 62, false}};
    static const std::vector<Stop> reply = {{4, 64, false}, {3, 64, false}, {2, 63, false},
                                            {1, 63, false}, {1, 62, true},  {0, 62, true}};
    std::int64_t time = 1'700'000'000'000'000'000 + n * 100'000LL;
    std::uint32_t seq = n * 2654435761u, ack = n * 40503u + 17;
    std::uint16_t id = static_cast<std::uint16_t>(n);
    const auto send = [&](bool back, std::uint8_t flags, std::size_t length) {
        const std::string payload(length, 'x');
        for (const Stop &stop : back ? reply : request) {
            packet::PacketBuilder builder;
            const auto outerSrc = stop.outside ? client : node2, innerDst = stop.outside ? node2 : pod;
            const packet::Port src = stop.outside ? clientPort : snatPort, dst = stop.outside ? 32080 : 8080;
            if (back)
                builder.ip(innerDst, outerSrc).tcp(dst, src, flags).seq(ack).ack(seq);
            else
                builder.ip(outerSrc, innerDst).tcp(src, dst, flags).seq(seq).ack(ack);
            builder.ttl(stop.ttl).ipId(id).timestamps(n, n).payload(payload);
            if (flags & TcpFlags::syn) builder.mss(1460).sackPermitted().windowScale(7);
            frames.push_back({stop.point, time += 1000, builder.build()});
        }
        ++id;
        auto &own = back ? ack : seq;
        own += static_cast<std::uint32_t>(length + ((flags & (TcpFlags::syn | TcpFlags::fin)) ? 1 : 0));
    };
    send(false, TcpFlags::syn, 0);
    send(true, TcpFlags::syn | TcpFlags::ack, 0);
    for (unsigned i = 0; i < data; ++i) {
        send(false, TcpFlags::ack, 100);
        send(true, TcpFlags::ack, 1000);
    }
    send(false, TcpFlags::ack | TcpFlags::fin, 0);
    send(true, TcpFlags::ack | TcpFlags::fin, 0);
}

void traceAll(benchmark::State &state) {
    const auto connections = static_cast<unsigned>(state.range(0)), data = static_cast<unsigned>(state.range(1));
    std::vector<Frame> frames;
    for (unsigned n = 0; n < connections; ++n)
        addConnection(frames, n, data);
    std::size_t paths = 0;
    for (auto _ : state) {
        tracer::Tracer tracer;
        for (unsigned i = 0; i < std::size(kPoints); ++i)
            tracer.addCapturePoint(base::CapturePointId{i}, kPoints[i], packet::LinkType::ethernet);
        std::uint64_t number = 0;
        for (const Frame &frame : frames)
            tracer.addPacket(base::CapturePointId{frame.point}, base::Timestamp{frame.time},
                             base::PacketNumber{++number}, tracer::Crossing::unknown,
                             static_cast<std::uint32_t>(frame.bytes.size()), frame.bytes);
        tracer.finish();
        paths = tracer.snapshot()->paths.size();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * frames.size()));
    state.counters["packets"] = static_cast<double>(frames.size());
    state.counters["paths"] = static_cast<double>(paths); // equals the connections: nothing is lost or doubled
}

} // namespace

// connections, data segments each way
BENCHMARK(traceAll)
    ->Args({1000, 1})
    ->Args({10000, 1})
    ->Args({100, 500})
    ->Args({1000, 500})
    ->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
