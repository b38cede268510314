// What is remembered of packets: flows, each one direction at one capture point.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "tracer/stitch/observation.h"
#include "tracer/stitch/pool.h"

#include <cstdint>

namespace natlens::tracer {

using FlowIndex = std::uint32_t;
using LegIndex = std::uint32_t;

/// What tells one packet from all others and survives NAT: kept for the packets that open a connection (SYN, SYN-ACK,
/// the first datagrams), retransmissions included.
struct Mark {
    base::Timestamp time;
    std::uint32_t payloadHash = 0; ///< not TCP: of the first bytes, the length and the IP id
    std::uint32_t tsVal = 0;
    std::uint16_t optionsHash = 0;
    std::uint16_t ipId = 0;
    std::uint8_t ttl = 0;
    Facing facing = Facing::unknown;
    bool hasTs = false;
};

/// The packets of a flow that crossed its interface at one time to live. A host with one interface sees each packet
/// that it forwards twice there, going in and (TTL one less) going out: two passes.
struct Pass {
    base::Timestamp first, last;
    std::uint32_t numberLow = 0; ///< of the first packet: see number()
    std::uint8_t numberHigh = 0;
    std::uint8_t ttl = 0;
    std::uint8_t syns : 6 = 0; ///< SYN without ACK; kMostSyns at most
    Facing facing : 2 = Facing::unknown;
    std::uint8_t flags = 0; ///< all TCP flags seen
    std::uint32_t packets = 0;
    std::uint32_t next = kNone; ///< FlowTable's own: the next pass, or what few flows have
    std::uint16_t ipId = 0;     ///< of the first packet
    std::uint16_t lastIpId = 0; ///< of the newest packet
    std::uint16_t tunnel = 0;   ///< of the first packet, see FlowTable::tunnel
    /// Hashes of the first packet's Ethernet addresses; 0: it had none, or one that several machines share.
    std::uint8_t macFrom = 0, macTo = 0;

    static constexpr unsigned kMostSyns = 63;

    /// A few packets with a time to live of their own (a reset made on the way) are no pass of the stream; `all` are
    /// the flow's.
    [[nodiscard]] bool isStray(std::uint64_t all) const { return std::uint64_t{packets} * 8 < all; }
    /// Of the first packet. 40 bits are kept: more packets than anybody reads.
    [[nodiscard]] base::PacketNumber number() const {
        return base::PacketNumber{std::uint64_t{numberHigh} << 32 | numberLow};
    }
    void setNumber(base::PacketNumber number) {
        numberLow = static_cast<std::uint32_t>(number.value);
        numberHigh = static_cast<std::uint8_t>(number.value >> 32);
    }
};

/// What few flows have: further marks, resets, ICMP errors, packets that came twice.
struct FlowExtra {
    base::Timestamp rstTime; ///< of the first reset (SCTP: ABORT); zero: none
    base::PacketNumber rstNumber;
    packet::IpAddress icmpSource;  ///< who sent the ICMP error
    std::uint8_t duplicateTtl = 0; ///< the pass of the first duplicate
    Facing duplicateFacing = Facing::unknown;
    std::uint32_t duplicates = 0;       ///< the same IP id again at once, which no retransmission has
    base::PacketNumber duplicateNumber; ///< of the first of them
    std::uint64_t streamEnd = 0;        ///< how far the stream is known to go where not all before was seen, or not yet
    std::uint32_t laterFragments = 0;   ///< of its packets: those that are no datagrams of their own
    std::uint32_t marks = kNone;        ///< FlowTable's own: further marks
    std::uint32_t passes = kNone;       ///< FlowTable's own: further passes
};

/// One direction of a connection at one capture point. There may be millions: everything that can be had from its leg,
/// or that few flows have, lies elsewhere and is asked of FlowTable. One cache line.
struct Flow {
    enum class Kind : std::uint8_t { packets, icmpError };

    Pass pass; ///< the first of its passes
    base::CapturePointId point;
    FlowIndex next = kNone;     ///< of the same leg, in a circle; see FlowTable::of
    std::uint32_t http = kNone; ///< FlowTable's own
    std::uint32_t payloadLow = 0;
    /// Of the packet that opened it, if `firstIsMark`: the TCP timestamp, or a hash of the payload.
    std::uint32_t stamp = 0;
    std::uint16_t optionsHash = 0; ///< of the same packet's TCP options
    std::uint8_t payloadHigh = 0;
    std::uint8_t side : 1 = 0; ///< the side of the leg that its packets come from: 0 leg's src, 1 its dst
    Kind kind : 1 = Kind::packets;
    bool hasIsn : 1 = false;      ///< a SYN of its own was seen: the number is its leg's
    bool firstIsMark : 1 = false; ///< the first packet of `pass` is a mark
    bool hasTs : 1 = false;       ///< that mark has a TCP timestamp
    bool markIsTcp : 1 = false;
    bool isFirst : 1 = false; ///< of its leg
    bool cut : 1 = false;     ///< of some packet not all was captured

    /// Sum of all packets. 40 bits are kept: a terabyte, which nothing adds to any more.
    [[nodiscard]] std::uint64_t payloadBytes() const { return std::uint64_t{payloadHigh} << 32 | payloadLow; }
    void addPayload(std::uint32_t bytes) {
        constexpr std::uint64_t kMost = (std::uint64_t{1} << 40) - 1;
        const std::uint64_t sum = payloadBytes() + bytes;
        const std::uint64_t kept = sum < kMost ? sum : kMost;
        payloadLow = static_cast<std::uint32_t>(kept);
        payloadHigh = static_cast<std::uint8_t>(kept >> 32);
    }

    static constexpr unsigned kMaxMarks = 8;
};
static_assert(sizeof(Pass) == 40 && sizeof(Flow) == 64); // counted in docs/performance.md

} // namespace natlens::tracer
