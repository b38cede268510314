// A packet on its way into the tracer: decoded, not yet counted.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "capture/packet/tunnel.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace natlens::tracer {

/// Which way a packet crossed its interface, where the capture says so.
enum class Crossing : std::uint8_t { unknown, inbound, outbound };

/// Which way a packet crossed the border of its host: into it or out of it.
enum class Facing : std::uint8_t { unknown, in, out };

/// A packet as it was captured.
struct CapturedPacket {
    packet::LinkType linkType = packet::LinkType::ethernet;
    base::CapturePointId point;
    base::Timestamp time;
    base::PacketNumber number;
    Crossing crossing = Crossing::unknown;
    std::uint32_t originalLength = 0;
    std::span<const std::byte> captured;
};

/// A tuple in few bytes: IPv4 addresses as they are, others as numbers that AddressTable gave them.
struct PackedTuple {
    std::array<std::uint32_t, 2> ip{}; ///< 0: source, 1: destination
    std::array<packet::Port, 2> port{};
    packet::Protocol protocol = packet::Protocol::none;
    bool isV6 = false;

    bool operator==(const PackedTuple &) const = default;
    [[nodiscard]] PackedTuple reversed() const { return {{ip[1], ip[0]}, {port[1], port[0]}, protocol, isV6}; }
};

/// What few packets have.
struct PacketDetails {
    std::array<packet::IpAddress, 2> ip;        ///< those that a PackedTuple has no room for
    packet::IpAddress icmpSource;               ///< who sent the ICMP error
    std::optional<packet::Encapsulation> outer; ///< the tunnel that the packet was taken out of
    std::uint64_t fragmentOf = 0; ///< of point, addresses, protocol and id, which all fragments share; 0: it is none
};

/// Room for details, at places that stay.
class DetailsStore final {
public:
    [[nodiscard]] PacketDetails &add() {
        if (m_used == m_chunks.size() * kChunk) m_chunks.push_back(std::make_unique<PacketDetails[]>(kChunk));
        PacketDetails &details = m_chunks[m_used / kChunk][m_used % kChunk];
        ++m_used;
        return details = {};
    }
    void clear() { m_used = 0; }

private:
    static constexpr std::size_t kChunk = 64;
    std::vector<std::unique_ptr<PacketDetails[]>> m_chunks;
    std::size_t m_used = 0;
};

/// Of a longer payload no more than this is looked at: so much has to be copied where the packet itself cannot stay.
inline constexpr std::size_t kPayloadLookedAt = 1024;

/// One packet at one capture point: all that anybody asks of it. Made in any thread, which is one half of the work that
/// a packet is; the other half is Tracer::addPackets(). One thread writes what another one reads, and that costs by
/// cache lines: a decoded packet has four, this has one and a half.
struct Observation {
    /// Decodes in place. `details` must live as long as this is used.
    Observation(const CapturedPacket &packet, DetailsStore &details);

    /// The captured part, kPayloadLookedAt bytes at most; must live until the packet has been added.
    [[nodiscard]] std::span<const std::byte> payload() const { return {payloadData, payloadSize}; }
    [[nodiscard]] bool isSyn() const;    ///< a TCP segment that opens a connection
    [[nodiscard]] bool isSynAck() const; ///< the answer to one

    base::Timestamp time;
    base::PacketNumber number;
    std::uint64_t hash = 0; ///< LegTable::hashOf() its addresses; 0: it belongs to no leg
    const std::byte *payloadData = nullptr;
    const PacketDetails *details = nullptr; ///< null: none, as nearly all
    /// As legs have it, the smaller socket address first; which one sent the packet is `side`. Of an ICMP error: what
    /// it quotes, reversed. Where `isV6`, the addresses are those of `details`.
    PackedTuple tuple;
    base::CapturePointId point;
    // Not in the order of packet::DecodedPacket: else all of them would be read at once, of which each has just been
    // written alone, and that waits for the store buffer.
    std::uint32_t tcpSeq = 0;        ///< not TCP: StreamSamples::datagramHash()
    std::uint32_t payloadLength = 0; ///< on the wire
    std::uint32_t tcpAck = 0;
    std::uint16_t payloadHash = 0; ///< StreamSamples::payloadHash()
    std::uint16_t payloadSize = 0;
    std::uint32_t tcpTsVal = 0;
    std::uint16_t ipId = 0;
    std::uint8_t ttl = 0;
    std::uint8_t tcpFlags = 0;
    std::uint32_t tcpOptionsHash = 0; ///< see packet::DecodedPacket
    /// Hashes of the Ethernet addresses; 0: it had none, or one that several machines share.
    std::uint8_t macFrom = 0, macTo = 0;
    Facing facing = Facing::unknown; ///< also from a Linux cooked header
    std::uint8_t side : 1 = 0;       ///< of `tuple`, that the packet comes from
    bool isTcp : 1 = false;          ///< with a whole header
    bool isIcmpError : 1 = false;    ///< one that quotes a packet
    bool hasTcpTimestamp : 1 = false;
    bool isLaterFragment : 1 = false; ///< without ports: counted where `details` says that its first one was seen
    bool isCut : 1 = false;           ///< not all of it was captured
    bool isMalformed : 1 = false;     ///< could not be decoded to its end
    bool isAbort : 1 = false;         ///< SCTP: refuses an association, or ends it at once
};
static_assert(sizeof(Observation) == 96);

inline bool Observation::isSyn() const {
    using packet::TcpFlags;
    return isTcp && (tcpFlags & (TcpFlags::syn | TcpFlags::ack)) == TcpFlags::syn;
}
inline bool Observation::isSynAck() const {
    using packet::TcpFlags;
    return isTcp && (tcpFlags & (TcpFlags::syn | TcpFlags::ack)) == (TcpFlags::syn | TcpFlags::ack);
}

} // namespace natlens::tracer
