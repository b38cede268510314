// A recording for benchmarks: many connections through a node port with SNAT and DNAT, seen at five capture points.
//
// usage: natlens-bench-capture FILE.pcapng PACKETS
//
// Deterministic. 64 connections are always under way together, each with ten TCP segments (handshake, one HTTP
// exchange, close), each segment seen six times on its way: client, node2 in, node2 out, node1, its bridge, pod.
// Checksums are left zero, as a capture on a host with offload has them.

#include "capture/file/pcapng_writer.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstdlib>
#include <vector>

namespace {

using namespace natlens;

enum Flag : std::uint8_t { fin = 1, syn = 2, push = 8, ack = 16 };

struct Endpoint {
    std::uint32_t ip = 0;
    std::uint16_t port = 0;
};

/// One segment as the connection's two ends mean it, before any translation.
struct Segment {
    bool request = true;
    std::uint8_t flags = 0;
    std::uint32_t sequence = 0, acknowledgement = 0; ///< relative to the initial numbers
    std::string_view payload;
};

constexpr std::string_view kGet =
    "GET / HTTP/1.1\r\nHost: 10.240.0.5:32080\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 24\r\n\r\n"
                                     "client_address=10.240.0.5";
constexpr auto kGetSize = static_cast<std::uint32_t>(kGet.size());
constexpr auto kAnswerSize = static_cast<std::uint32_t>(kAnswer.size());

constexpr Segment kSegments[] = {
    {true, syn, 0, 0, {}},
    {false, syn | ack, 0, 1, {}},
    {true, ack, 1, 1, {}},
    {true, push | ack, 1, 1, kGet},
    {false, ack, 1, 1 + kGetSize, {}},
    {false, push | ack, 1, 1 + kGetSize, kAnswer},
    {true, ack, 1 + kGetSize, 1 + kAnswerSize, {}},
    {true, fin | ack, 1 + kGetSize, 1 + kAnswerSize, {}},
    {false, fin | ack, 1 + kAnswerSize, 2 + kGetSize, {}},
    {true, ack, 2 + kGetSize, 2 + kAnswerSize, {}},
};

/// The places of one segment's way, from the client to the pod, and whether it is translated there already.
struct Place {
    std::uint32_t point;
    bool translated;
    std::uint8_t requestTtl, replyTtl;
};
constexpr Place kPlaces[] = {{0, false, 64, 61}, {1, false, 64, 61}, {1, true, 63, 62},
                             {2, true, 63, 62},  {3, true, 62, 63},  {4, true, 62, 64}};
constexpr const char *kPoints[] = {"client/eth0", "node2/eth0", "node1/eth0", "node1/cbr0", "source-ip-app/eth0"};

constexpr std::uint32_t kNode2 = 0x0af00005, kPod = 0x0ab40188; // 10.240.0.5, 10.180.1.136
constexpr unsigned kTogether = 64;

/// Appends big-endian numbers.
class Bytes final {
public:
    void u8(std::uint32_t v) { m_bytes.push_back(static_cast<std::byte>(v)); }
    void u16(std::uint32_t v) { u8(v >> 8), u8(v & 255); }
    void u32(std::uint32_t v) { u16(v >> 16), u16(v & 0xffff); }
    void text(std::string_view v) {
        for (const char c : v)
            u8(static_cast<unsigned char>(c));
    }
    void clear() { m_bytes.clear(); }
    [[nodiscard]] std::span<const std::byte> span() const { return m_bytes; }

private:
    std::vector<std::byte> m_bytes;
};

void writeFrame(Bytes &out, const Segment &s, Endpoint from, Endpoint to, unsigned ttl, std::uint32_t connection,
                std::uint32_t step) {
    const bool isSyn = (s.flags & syn) != 0;
    const std::uint32_t isn = connection * 2654435761U + (s.request ? 0U : 0x10000000U);
    const std::uint32_t peerIsn = connection * 2654435761U + (s.request ? 0x10000000U : 0U);
    const auto options = isSyn ? 20U : 12U;
    out.clear();
    out.u32(0x02000000), out.u16(0x0001), out.u32(0x02000000), out.u16(0x0002), out.u16(0x0800); // Ethernet
    out.u16(0x4500), out.u16(40 + options + static_cast<std::uint32_t>(s.payload.size()));       // IPv4
    out.u16((connection * 16 + step) & 0xffff), out.u16(0x4000), out.u8(ttl), out.u8(6), out.u16(0);
    out.u32(from.ip), out.u32(to.ip);
    out.u16(from.port), out.u16(to.port), out.u32(isn + s.sequence); // TCP
    out.u32((s.flags & ack) ? peerIsn + s.acknowledgement : 0);
    out.u8((20 + options) / 4 << 4), out.u8(s.flags), out.u16(64240), out.u32(0);
    if (isSyn) out.u32(0x020405b4), out.u32(0x01030307); // maximum segment size, window scale
    out.u16(0x0101), out.u16(0x080a), out.u32(connection * 7919 + step), out.u32(isSyn && s.request ? 0 : step);
    out.text(s.payload);
}

int run(const char *path, std::uint64_t packets) {
    base::UniqueFd fd(::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) return fmt::print(stderr, "cannot write {}\n", path), 2;
    file::PcapngWriter writer(std::move(fd), "natlens-bench-capture");
    for (const char *name : kPoints) {
        file::CapturePoint point;
        point.name = name;
        point.snapLength = 65535;
        if (auto added = writer.addPoint(point); !added) return fmt::print(stderr, "{}\n", added.error().sentence()), 2;
    }

    Bytes frame;
    base::Timestamp time{1'700'000'000'000'000'000};
    std::uint64_t written = 0;
    for (std::uint32_t batch = 0; written < packets; ++batch)
        for (std::uint32_t step = 0; step < std::size(kSegments); ++step)
            for (std::uint32_t i = 0; i < kTogether; ++i) {
                const std::uint32_t connection = batch * kTogether + i;
                const Segment &segment = kSegments[step];
                // A client's port is not used again for 50,000 connections; then comes the next client address.
                const Endpoint client{0x6884014f + connection / 50'000,
                                      static_cast<std::uint16_t>(10'000 + connection % 50'000)};
                const Endpoint requested{kNode2, 32080}, pod{kPod, 8080};
                const Endpoint masquerade{kNode2, static_cast<std::uint16_t>(1'024 + connection % 60'000)};
                for (std::size_t p = 0; p < std::size(kPlaces); ++p) {
                    const Place &place = kPlaces[segment.request ? p : std::size(kPlaces) - 1 - p];
                    const Endpoint near = place.translated ? masquerade : client;
                    const Endpoint far = place.translated ? pod : requested;
                    writeFrame(frame, segment, segment.request ? near : far, segment.request ? far : near,
                               segment.request ? place.requestTtl : place.replyTtl, connection, step);
                    time = time + std::chrono::nanoseconds(500);
                    file::PacketView packet;
                    packet.point = base::CapturePointId{place.point};
                    packet.time = time;
                    packet.originalLength = static_cast<std::uint32_t>(frame.span().size());
                    packet.data = frame.span();
                    if (auto done = writer.writePacket(packet); !done)
                        return fmt::print(stderr, "{}\n", done.error().sentence()), 2;
                    ++written;
                }
            }
    if (auto done = writer.flush(); !done) return fmt::print(stderr, "{}\n", done.error().sentence()), 2;
    fmt::print("{}\n", written);
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    char *end = nullptr;
    const auto packets = argc == 3 ? std::strtoull(argv[2], &end, 10) : 0;
    if (argc != 3 || *end != '\0' || packets == 0)
        return fmt::print(stderr, "usage: natlens-bench-capture FILE.pcapng PACKETS\n"), 2;
    return run(argv[1], packets);
}
