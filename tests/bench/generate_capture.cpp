// Recordings for benchmarks: HTTP through a node port, seen at five capture points, or at the client only.
//
// usage: natlens-bench-capture FILE PACKETS [nat|single] [CONNECTIONS]
//
// Deterministic. FILE.pcapng or, for `single`, FILE.pcap. Without CONNECTIONS each has ten TCP segments: handshake, one
// HTTP exchange, close; with it the exchanges are repeated until there are PACKETS (rounded up to whole exchanges).
// 64 connections are always under way together. `nat`: each segment is seen six times on its way: client, node2 in,
// node2 out (SNAT and DNAT), node1, its bridge, pod. Checksums are left zero, as a capture on a host with offload has
// them.

#include "capture/file/pcapng_writer.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
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
    std::uint32_t sequence = 0, acknowledgement = 0; ///< relative to the initial numbers, before the repetitions
    std::string_view payload;
};

constexpr std::string_view kGet =
    "GET / HTTP/1.1\r\nHost: 10.240.0.5:32080\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 24\r\n\r\n"
                                     "client_address=10.240.0.5";
constexpr auto kGetSize = static_cast<std::uint32_t>(kGet.size());
constexpr auto kAnswerSize = static_cast<std::uint32_t>(kAnswer.size());

constexpr Segment kBegin[] = {{true, syn, 0, 0, {}}, {false, syn | ack, 0, 1, {}}, {true, ack, 1, 1, {}}};
constexpr Segment kExchange[] = {{true, push | ack, 1, 1, kGet},
                                 {false, ack, 1, 1 + kGetSize, {}},
                                 {false, push | ack, 1, 1 + kGetSize, kAnswer},
                                 {true, ack, 1 + kGetSize, 1 + kAnswerSize, {}}};
/// After the last exchange, whose size is counted with the repetitions.
constexpr Segment kEnd[] = {{true, fin | ack, 1, 1, {}}, {false, fin | ack, 1, 2, {}}, {true, ack, 2, 2, {}}};

/// The places of one segment's way, from the client to the pod, and whether it is translated there already.
struct Place {
    std::uint32_t point;
    bool translated;
    std::uint8_t requestTtl, replyTtl;
};
constexpr Place kPlaces[] = {{0, false, 64, 61}, {1, false, 64, 61}, {1, true, 63, 62},
                             {2, true, 63, 62},  {3, true, 62, 63},  {4, true, 62, 64}};
constexpr const char *kPoints[] = {"client/eth0", "node2/eth0", "node1/eth0", "node1/cbr0", "source-ip-app/eth0"};

/// What is to be written.
struct Plan {
    std::uint32_t connections = 0, exchanges = 1;
    bool nat = true;
    [[nodiscard]] std::size_t places() const { return nat ? std::size(kPlaces) : 1; }
    [[nodiscard]] std::size_t points() const { return nat ? std::size(kPoints) : 1; }
};

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

/// Where frames go: pcapng with several points, or a classic pcap with one.
class Recording {
public:
    virtual ~Recording() = default;
    virtual bool write(std::uint32_t point, base::Timestamp time, std::span<const std::byte> frame) = 0;
    virtual bool finish() = 0;
};

class PcapngRecording final : public Recording {
public:
    PcapngRecording(base::UniqueFd fd, std::size_t points)
        : m_writer(std::move(fd), "natlens-bench-capture") {
        for (std::size_t i = 0; i < points; ++i) {
            file::CapturePoint point;
            point.name = kPoints[i];
            point.snapLength = 65535;
            m_good = m_good && m_writer.addPoint(point).has_value();
        }
    }
    bool write(std::uint32_t point, base::Timestamp time, std::span<const std::byte> frame) override {
        file::PacketView packet;
        packet.point = base::CapturePointId{point};
        packet.time = time;
        packet.originalLength = static_cast<std::uint32_t>(frame.size());
        packet.data = frame;
        return m_good && m_writer.writePacket(packet).has_value();
    }
    bool finish() override { return m_good && m_writer.flush().has_value(); }

private:
    file::PcapngWriter m_writer;
    bool m_good = true;
};

/// Microseconds, this machine's byte order, Ethernet.
class PcapRecording final : public Recording {
public:
    explicit PcapRecording(base::UniqueFd fd)
        : m_file(::fdopen(fd.release(), "wb")) {
        const std::uint32_t header[] = {0xa1b2c3d4, 4U << 16 | 2U, 0, 0, 65535, 1};
        put(header, sizeof(header));
    }
    ~PcapRecording() override { std::fclose(m_file); }
    PcapRecording(const PcapRecording &) = delete;
    PcapRecording &operator=(const PcapRecording &) = delete;
    bool write(std::uint32_t, base::Timestamp time, std::span<const std::byte> frame) override {
        const auto length = static_cast<std::uint32_t>(frame.size());
        const auto microseconds = static_cast<std::uint64_t>(time.nanoseconds) / 1000;
        const std::uint32_t header[] = {static_cast<std::uint32_t>(microseconds / 1'000'000),
                                        static_cast<std::uint32_t>(microseconds % 1'000'000), length, length};
        put(header, sizeof(header));
        put(frame.data(), frame.size());
        return m_good;
    }
    bool finish() override { return std::fflush(m_file) == 0 && m_good; }

private:
    void put(const void *data, std::size_t size) { m_good = std::fwrite(data, 1, size, m_file) == size && m_good; }
    std::FILE *m_file;
    bool m_good = true;
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

/// One segment of one connection, at every place on its way.
class Sender final {
public:
    Sender(Recording &recording, const Plan &plan)
        : m_recording(recording)
        , m_plan(plan) {}

    bool send(const Segment &segment, std::uint32_t connection, std::uint32_t step) {
        // A client's port is not used again for 50,000 connections; then comes the next client address.
        const Endpoint client{0x6884014f + connection / 50'000,
                              static_cast<std::uint16_t>(10'000 + connection % 50'000)};
        const Endpoint requested{kNode2, 32080}, pod{kPod, 8080};
        const Endpoint masquerade{kNode2, static_cast<std::uint16_t>(1'024 + connection % 60'000)};
        const std::size_t places = m_plan.places();
        for (std::size_t p = 0; p < places; ++p) {
            const Place &place = kPlaces[segment.request ? p : places - 1 - p];
            const Endpoint near = place.translated ? masquerade : client;
            const Endpoint far = place.translated ? pod : requested;
            writeFrame(m_frame, segment, segment.request ? near : far, segment.request ? far : near,
                       segment.request ? place.requestTtl : place.replyTtl, connection, step);
            m_time = m_time + std::chrono::nanoseconds(500);
            if (!m_recording.write(place.point, m_time, m_frame.span())) return false;
            ++written;
        }
        return true;
    }
    std::uint64_t written = 0;

private:
    Recording &m_recording;
    const Plan &m_plan;
    Bytes m_frame;
    base::Timestamp m_time{1'700'000'000'000'000'000};
};

bool writeAll(Sender &sender, const Plan &plan) {
    for (std::uint32_t first = 0; first < plan.connections; first += kTogether) {
        const std::uint32_t end = std::min(first + kTogether, plan.connections);
        std::uint32_t step = 0;
        const auto sendAll = [&](const Segment &segment, std::uint32_t exchange) {
            Segment moved = segment;
            const std::uint32_t gets = exchange * kGetSize, answers = exchange * kAnswerSize;
            moved.sequence += segment.request ? gets : answers;
            moved.acknowledgement += segment.request ? answers : gets;
            for (std::uint32_t connection = first; connection < end; ++connection)
                if (!sender.send(moved, connection, step)) return false;
            ++step;
            return true;
        };
        for (const Segment &segment : kBegin)
            if (!sendAll(segment, 0)) return false;
        for (std::uint32_t exchange = 0; exchange < plan.exchanges; ++exchange)
            for (const Segment &segment : kExchange)
                if (!sendAll(segment, exchange)) return false;
        for (const Segment &segment : kEnd)
            if (!sendAll(segment, plan.exchanges)) return false;
    }
    return true;
}

int run(std::string_view path, std::uint64_t packets, Plan plan) {
    const std::uint64_t segments = (packets + plan.places() - 1) / plan.places();
    constexpr std::uint64_t kFrame = std::size(kBegin) + std::size(kEnd), kEach = std::size(kExchange);
    if (plan.connections == 0) {
        plan.connections = static_cast<std::uint32_t>((segments + kFrame + kEach - 1) / (kFrame + kEach));
    } else {
        const std::uint64_t each = (segments + plan.connections - 1) / plan.connections;
        plan.exchanges = each > kFrame + kEach ? static_cast<std::uint32_t>((each - kFrame + kEach - 1) / kEach) : 1;
    }
    base::UniqueFd fd(::open(std::string(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) return fmt::print(stderr, "cannot write {}\n", path), 2;
    std::unique_ptr<Recording> recording;
    if (path.ends_with(".pcap"))
        recording = std::make_unique<PcapRecording>(std::move(fd));
    else
        recording = std::make_unique<PcapngRecording>(std::move(fd), plan.points());
    Sender sender(*recording, plan);
    if (!writeAll(sender, plan) || !recording->finish()) return fmt::print(stderr, "writing {} failed\n", path), 2;
    fmt::print("{} {}\n", sender.written, plan.connections);
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    const auto number = [&](int i) { return argc > i ? std::strtoull(argv[i], nullptr, 10) : 0; };
    const std::string_view path = argc > 1 ? argv[1] : "", shape = argc > 3 ? argv[3] : "nat";
    Plan plan;
    plan.nat = shape == "nat";
    plan.connections = static_cast<std::uint32_t>(number(4));
    if (number(2) == 0 || argc > 5 || (shape != "nat" && shape != "single") || (plan.nat && path.ends_with(".pcap")))
        return fmt::print(stderr, "usage: natlens-bench-capture FILE PACKETS [nat|single] [CONNECTIONS]\n"), 2;
    return run(path, number(2), plan);
}
