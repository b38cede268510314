// How fast a recorded capture is read and decoded, in packets per second (items) and bytes per second.
#include "capture/file/pcapng_writer.h"
#include "capture/file/reader.h"
#include "capture/packet/builder.h"

#include <benchmark/benchmark.h>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using namespace natlens;

namespace {

constexpr int kPackets = 200'000;

/// A pcapng of many connections with small packets, as request and response traffic makes it.
const std::vector<std::byte> &capture() {
    static const std::vector<std::byte> bytes = [] {
        const int fd = ::memfd_create("bench", MFD_CLOEXEC);
        const int copy = fd < 0 ? -1 : ::dup(fd);
        if (copy < 0) std::abort();
        {
            file::PcapngWriter writer{base::UniqueFd(copy)};
            file::CapturePoint point;
            point.name = "node1/eth0";
            const auto id = writer.addPoint(point);
            packet::PacketBuilder builder;
            builder.payload("GET / HTTP/1.1\r\nHost: echo\r\n\r\n").timestamps(1, 2);
            for (int i = 0; i < kPackets; ++i) {
                const auto data = builder
                                      .ip(packet::IpAddress::v4(0x0a000000U + static_cast<std::uint32_t>(i % 251)),
                                          packet::IpAddress::v4(10, 96, 0, 1))
                                      .tcp(static_cast<packet::Port>(1024 + i % 60'000), 80, packet::TcpFlags::ack)
                                      .seq(static_cast<std::uint32_t>(i))
                                      .build();
                file::PacketView view;
                view.point = id.value();
                view.time.nanoseconds = i;
                view.originalLength = static_cast<std::uint32_t>(data.size());
                view.data = data;
                if (!writer.writePacket(view)) std::abort();
            }
        }
        std::vector<std::byte> all(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)));
        if (::pread(fd, all.data(), all.size(), 0) != static_cast<ssize_t>(all.size())) std::abort();
        ::close(fd);
        return all;
    }();
    return bytes;
}

enum class Work { readOnly, decode, fingerprint };

template<Work work>
class Sink final : public file::StreamSink {
public:
    std::uint64_t sum = 0;
    void onCapturePoint(base::CapturePointId, const file::CapturePoint &) override {}
    void onStatistics(const file::PointStatistics &) override {}
    void onPacket(const file::PacketView &view) override {
        sum += view.originalLength;
        if constexpr (work != Work::readOnly) {
            const auto packet = packet::decode(packet::LinkType::ethernet, view.data, view.originalLength);
            sum += packet.tcpSeq;
            if constexpr (work == Work::fingerprint)
                sum += packet::natInvariantFingerprint(packet, view.data) ^ packet::hashValue(packet.tuple);
        }
    }
};

template<Work work>
void replay(benchmark::State &state) {
    const auto &bytes = capture();
    for (auto _ : state) {
        Sink<work> sink;
        file::Reader reader(sink, {"bench", 0, 1});
        if (!reader.feed(bytes) || !reader.finish()) state.SkipWithError("the capture cannot be read");
        benchmark::DoNotOptimize(sink.sum);
    }
    state.SetItemsProcessed(state.iterations() * kPackets);
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

BENCHMARK(replay<Work::readOnly>)->Name("read");
BENCHMARK(replay<Work::decode>)->Name("read, decode");
BENCHMARK(replay<Work::fingerprint>)->Name("read, decode, fingerprint, tuple hash");

} // namespace

BENCHMARK_MAIN();
