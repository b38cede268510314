// A node with an engine in it, for conversations: packets are built, sent through, verified from scratch and decoded.
#pragma once

#include "capture/packet/builder.h"
#include "capture/packet/checksum.h"
#include "proxycore/engine/packet_engine.h"
#include "proxycore/test_state.h"

#include <QString>
#include <map>
#include <stdexcept>

namespace natlens::proxycore::test {

using packet::PacketBuilder;
using packet::TcpFlags;
using Bytes = std::vector<std::byte>;

constexpr std::uint8_t kSyn = TcpFlags::syn, kAck = TcpFlags::ack, kFin = TcpFlags::fin | TcpFlags::ack,
                       kSynAck = TcpFlags::syn | TcpFlags::ack, kRst = TcpFlags::rst;

/// Where the conversations begin, and what they ask for.
inline constexpr const char *kClientSocket = "104.132.1.79:40000", *kVipSocket = "10.0.1.2:80";

/// For QCOMPARE.
inline QString q(const std::string &text) {
    return QString::fromStdString(text);
}

/// The document's node1: pods on a bridge, the rest by eth0.
class TestRouting final : public NodeRouting {
public:
    [[nodiscard]] NodeRoute route(const IpAddress &destination) const override {
        const bool isV6 = destination.isV6();
        if (destination == ip(isV6 ? "fd00:240::4" : "10.240.0.4")) return {true, true, destination};
        const bool isPod = IpPrefix::parse(isV6 ? "fd00:180:1::/64" : "10.180.1.0/24")->contains(destination);
        if (isV6) return {true, false, ip(isPod ? "fd00:180:1::1" : "fd00:240::4")};
        return {true, false, ip(isPod ? "10.180.1.1" : "10.240.0.4")};
    }
};

/// Says what it is told, then counts on.
class ScriptedRandom final : public RandomSource {
public:
    std::vector<std::uint32_t> script;
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) override {
        if (!script.empty()) {
            const auto value = script.front() % bound;
            script.erase(script.begin());
            return value;
        }
        return m_next++ % bound;
    }

private:
    std::uint32_t m_next = 0;
};

/// Throws when a checksum or a length of an IP packet is wrong.
inline void verify(std::span<const std::byte> bytes) {
    const auto decoded = packet::decode(packet::LinkType::rawIp, bytes);
    const auto require = [](bool good, const char *what) {
        if (!good) throw std::runtime_error(what);
    };
    require(decoded.issue == packet::DecodeIssue::none, "does not decode");
    if (decoded.family == packet::IpFamily::v4)
        require(packet::internetChecksum(bytes.first(20)) == 0, "IPv4 header checksum");
    if (decoded.isFragment || decoded.transportOffset == 0) return;
    const auto segment = bytes.subspan(decoded.transportOffset, decoded.networkLength - decoded.transportOffset);
    const auto protocol = decoded.tuple.protocol;
    if (protocol == Protocol::icmp) require(packet::internetChecksum(segment) == 0, "ICMP checksum");
    if (protocol == Protocol::tcp || protocol == Protocol::udp || protocol == Protocol::icmpv6)
        require(packet::transportChecksum(decoded.tuple.src.ip, decoded.tuple.dst.ip, protocol, segment) == 0,
                "transport checksum");
    if (protocol == Protocol::sctp) {
        Bytes copy(segment.begin(), segment.end());
        std::fill_n(copy.begin() + 8, 4, std::byte{0});
        const std::uint32_t crc = packet::crc32c(copy);
        for (unsigned i = 0; i < 4; ++i)
            require(std::to_integer<std::uint32_t>(segment[8 + i]) == ((crc >> (8 * i)) & 0xff), "SCTP checksum");
    }
    if (decoded.hasQuoted && decoded.family == packet::IpFamily::v4)
        require(packet::internetChecksum(bytes.subspan(decoded.payloadOffset, 20)) == 0, "quoted header checksum");
}

class TestNode {
public:
    TestRouting routing;
    ScriptedRandom random;
    PacketEngine engine;
    base::Timestamp now{1'700'000'000'000'000'000};
    Bytes packet; ///< as it came out last
    PacketAction action = PacketAction::drop;
    packet::DecodedPacket decoded;

    explicit TestNode(PacketEngine::Options options = {})
        : engine(routing, random, options) {}

    void wait(std::chrono::milliseconds time) { now = now + time; }

    /// "TCP a > b" as the packet goes on, "drop", "hold", or "reject: " and the packet that says so.
    std::string send(const PacketBuilder &builder, const PacketOrigin &origin = {.inputInterface = "eth0"}) {
        return sendBytes(builder.buildIp(), origin);
    }
    std::string sendBytes(Bytes bytes, const PacketOrigin &origin = {.inputInterface = "eth0"}) {
        packet = std::move(bytes);
        action = engine.process(packet, origin, now);
        for (const auto &generated : engine.generated())
            verify(generated);
        if (action == PacketAction::drop) return "drop";
        if (action == PacketAction::hold) return "hold";
        if (action == PacketAction::reject)
            return "reject: " + (engine.generated().empty() ? "silent" : describe(engine.generated().front()));
        verify(packet);
        return describe(packet);
    }
    std::string describe(std::span<const std::byte> bytes) {
        decoded = packet::decode(packet::LinkType::rawIp, bytes);
        return decoded.tuple.toString();
    }
};

inline PacketBuilder from(const std::string &source, const std::string &destination) {
    const auto src = *packet::SocketAddress::parse(source), dst = *packet::SocketAddress::parse(destination);
    return PacketBuilder().ip(src.ip, dst.ip);
}
inline PacketBuilder tcp(const std::string &source, const std::string &destination, std::uint8_t flags,
                         std::uint32_t seq = 1000, std::uint32_t ack = 0) {
    return from(source, destination)
        .tcp(packet::SocketAddress::parse(source)->port, packet::SocketAddress::parse(destination)->port, flags)
        .seq(seq)
        .ack(ack);
}
inline PacketBuilder udp(const std::string &source, const std::string &destination, std::string_view text = "hello") {
    return from(source, destination)
        .udp(packet::SocketAddress::parse(source)->port, packet::SocketAddress::parse(destination)->port)
        .payload(text);
}

} // namespace natlens::proxycore::test
