// What is remembered of packets: flows at one capture point, and legs, which are all flows with one pair of addresses.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "capture/packet/decode.h"
#include "capture/packet/tunnel.h"
#include "tracer/path/small_vector.h"
#include "tracer/stitch/pool.h"
#include "tracer/stitch/stream_samples.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace natlens::tracer {

using FlowIndex = std::uint32_t;
using LegIndex = std::uint32_t;

/// Which way a packet crossed the border of its host: into it or out of it.
enum class Facing : std::uint8_t { unknown, in, out };

/// One packet at one capture point. Points into the caller's memory, valid during the call.
struct Observation {
    base::CapturePointId point;
    base::Timestamp time;
    base::PacketNumber number;
    Facing facing = Facing::unknown;
    const packet::DecodedPacket *packet = nullptr;
    std::span<const std::byte> payload;           ///< captured part
    const packet::Encapsulation *outer = nullptr; ///< the tunnel that `packet` was taken out of; null: it was in none
};

/// What tells one packet from all others and survives NAT: kept for the packets that open a connection (SYN, SYN-ACK,
/// the first datagrams), retransmissions included.
struct Mark {
    base::Timestamp time;
    std::uint64_t payloadHash = 0; ///< not TCP: of the first bytes, the length and the IP id
    std::uint32_t tsVal = 0;
    std::uint32_t optionsHash = 0;
    std::uint16_t ipId = 0;
    std::uint8_t ttl = 0;
    Facing facing = Facing::unknown;
    bool hasTs = false;
};

/// The packets of a flow that crossed its interface at one time to live. A host with one interface sees each packet
/// that it forwards twice there, going in and (TTL one less) going out: two passes.
struct Pass {
    base::Timestamp first, last;
    base::PacketNumber number; ///< of the first packet
    std::uint32_t packets = 0;
    std::uint32_t next = kNone;
    std::uint16_t syns = 0; ///< SYN without ACK
    std::uint16_t ipId = 0; ///< of the first packet
    std::uint8_t ttl = 0;
    Facing facing = Facing::unknown;
    std::uint16_t tunnel = 0;   ///< of the first packet, see FlowTable::tunnel
    std::uint16_t lastIpId = 0; ///< of the newest packet
};

/// What few flows have: resets, who sent the ICMP error, packets that came twice.
struct FlowExtra {
    base::Timestamp rstTime; ///< of the first reset; zero: none
    base::PacketNumber rstNumber;
    packet::IpAddress icmpSource;
    std::uint32_t duplicates = 0;       ///< the same IP id again at once, which no retransmission has
    base::PacketNumber duplicateNumber; ///< of the first of them
    std::uint8_t duplicateTtl = 0;      ///< its pass
    Facing duplicateFacing = Facing::unknown;
};

/// One direction of a connection at one capture point. There may be millions: everything that can be had from its leg,
/// or that few flows have, lies elsewhere and is asked of FlowTable.
struct Flow {
    enum class Kind : std::uint8_t { packets, icmpError };

    LegIndex leg = kNone;
    FlowIndex older = kNone; ///< the previous flow with this tuple at this point
    base::CapturePointId point;
    std::uint32_t isn = 0;
    Kind kind = Kind::packets;
    std::uint8_t side = 0;  ///< the side of the leg that its packets come from: 0 leg.tuple.src, 1 leg.tuple.dst
    std::uint8_t flags = 0; ///< all TCP flags seen
    std::uint8_t icmpType = 0, icmpCode = 0;
    bool hasIsn : 1 = false;
    bool noHttp : 1 = false;      ///< the stream began with something else
    bool firstIsMark : 1 = false; ///< the first packet of `pass` is a mark; what `pass` does not say of it is `opening`
    bool hasTs : 1 = false;       ///< that mark has a TCP timestamp
    bool markIsTcp : 1 = false;
    std::uint32_t http = kNone;  ///< FlowTable's own
    std::uint32_t extra = kNone; ///< FlowTable's own
    std::uint32_t marks = kNone; ///< FlowTable's own: further marks
    std::uint32_t packets = 0;
    std::uint64_t opening = 0; ///< TCP: timestamp and hash of the options; others: hash of the payload
    std::uint64_t payloadBytes = 0;
    base::Timestamp finTime; ///< of the first FIN; zero: none
    Pass pass;               ///< the first of its passes

    static constexpr unsigned kMaxMarks = 8;
};

/// One pair of addresses during one connection, in both directions and at all capture points. A connection without
/// NAT is one leg; each translation adds one.
struct Leg {
    packet::Tuple tuple;                ///< the smaller socket address is `src`: no direction is meant
    std::array<std::uint32_t, 2> isn{}; ///< initial sequence number of each side (0: tuple.src, 1: tuple.dst)
    std::array<bool, 2> hasIsn{};
    std::int8_t initiator = -1; ///< the side that sent the SYN; -1 unknown
    bool dirty = false;
    bool superseded = false; ///< a newer leg has the same tuple
    LegIndex older = kNone;
    base::Timestamp first, last;
    std::array<StreamSamples::Set, 2> samples; ///< of what each side sent
    /// LegTable's own: what each side sent first, once it has sent something.
    std::array<std::uint32_t, 2> openings{kNone, kNone};
    SmallVector<FlowIndex, 4> flows;
    SmallVector<std::uint64_t, 1> keys; ///< under which likely partners across a NAT are found
    std::uint32_t pathId = 0;           ///< of the path this leg belonged to last; 0 none
};

/// Equal, without a call: this is asked for every packet.
[[nodiscard]] inline bool same(const packet::SocketAddress &a, const packet::SocketAddress &b) {
    std::uint64_t x[2], y[2];
    std::memcpy(x, a.ip.bytes.data(), sizeof(x));
    std::memcpy(y, b.ip.bytes.data(), sizeof(y));
    return x[0] == y[0] && x[1] == y[1] && a.port == b.port && a.ip.family == b.ip.family;
}

/// Side of a leg that a directional tuple comes from.
[[nodiscard]] inline int sideOf(const Leg &leg, const packet::Tuple &tuple) {
    return same(tuple.src, leg.tuple.src) && same(tuple.dst, leg.tuple.dst) ? 0 : 1;
}

} // namespace natlens::tracer
