// What is remembered of packets: flows at one capture point, and legs, which are all flows with one pair of addresses.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "capture/packet/decode.h"
#include "tracer/stitch/http_peek.h"
#include "tracer/stitch/pool.h"
#include "tracer/stitch/stream_samples.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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
    std::span<const std::byte> payload; ///< captured part
};

/// What tells one packet from all others and survives NAT: kept for the packets that open a connection (SYN, SYN-ACK,
/// the first datagrams), retransmissions included.
struct Mark {
    base::Timestamp time;
    std::uint64_t payloadHash = 0; ///< not TCP: of the first 64 bytes and the length
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
    std::uint64_t packets = 0;
    std::uint32_t next = kNone;
    std::uint32_t syns = 0; ///< SYN without ACK
    std::uint16_t ipId = 0; ///< of the first packet
    std::uint8_t ttl = 0;
    Facing facing = Facing::unknown;
};

/// One direction of a connection at one capture point.
struct Flow {
    enum class Kind : std::uint8_t { packets, icmpError };

    packet::Tuple tuple; ///< of an ICMP error: the quoted one, reversed
    base::CapturePointId point;
    Kind kind = Kind::packets;
    std::uint8_t flags = 0; ///< all TCP flags seen
    std::uint8_t icmpType = 0, icmpCode = 0;
    bool hasIsn = false;
    bool noHttp = false; ///< the stream began with something else
    std::uint32_t isn = 0;
    LegIndex leg = kNone;
    FlowIndex older = kNone;      ///< the previous flow with this tuple at this point
    std::uint32_t passes = kNone; ///< list of Pass
    std::uint64_t packets = 0, payloadBytes = 0;
    base::Timestamp first, last;
    base::Timestamp rstTime, finTime, dataTime; ///< of the first such packet; zero: none
    base::PacketNumber rstNumber;
    packet::IpAddress icmpSource; ///< who sent the ICMP error
    std::vector<Mark> marks;      ///< at most kMaxMarks
    std::unique_ptr<HttpPeek> http;

    static constexpr std::size_t kMaxMarks = 8;
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
    std::array<StreamSamples::Set, 2> samples; ///< TCP: of what each side sent
    std::vector<FlowIndex> flows;
    std::vector<std::uint64_t> keys; ///< under which likely partners across a NAT are found
    std::uint32_t pathId = 0;        ///< of the path this leg belonged to last; 0 none
};

/// Side of a leg that a directional tuple comes from.
[[nodiscard]] inline int sideOf(const Leg &leg, const packet::Tuple &tuple) {
    return tuple.src == leg.tuple.src && tuple.dst == leg.tuple.dst ? 0 : 1;
}

} // namespace natlens::tracer
