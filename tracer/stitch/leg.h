// All flows with one pair of addresses.
#pragma once

#include "capture/base/timestamp.h"
#include "capture/packet/address.h"
#include "tracer/stitch/flow.h"
#include "tracer/stitch/stream_samples.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace natlens::tracer {

/// One pair of addresses during one connection, in both directions and at all capture points. A connection without
/// NAT is one leg; each translation adds one. There may be millions: what takes room is asked of LegTable.
struct Leg {
    // The tuple, see packed(); the smaller socket address comes first, no direction is meant.
    std::array<std::uint32_t, 2> ip{};
    std::array<packet::Port, 2> port{};
    packet::Protocol protocol = packet::Protocol::none;
    bool isV6 : 1 = false;
    bool hasIsn0 : 1 = false, hasIsn1 : 1 = false;
    std::int8_t initiator : 2 = -1; ///< the side that sent the SYN; -1 unknown
    bool dirty : 1 = false;
    bool news : 1 = false; ///< LegTable's own: one of those that are alike is new; one of them has this
    std::array<std::uint8_t, 2> sampleCounts{};
    std::array<std::uint32_t, 2> isn{}; ///< TCP: initial sequence number of each side; others: last()
    base::Timestamp first;
    LegIndex older = kNone;   ///< the leg that had this tuple before
    FlowIndex flows = kNone;  ///< the one that the newest packet belongs to, see FlowTable::of
    std::uint32_t pathId = 0; ///< of the path this leg belonged to last; 0 none
    // LegTable's own:
    LegIndex alike = kNone; ///< legs that began with the same initial sequence number, in a circle; kNone: it has none
    std::uint32_t openings = kNone; ///< what the sides sent first, once one has sent something
    std::array<std::uint32_t, 2> sampleBlocks{kNone, kNone};
    std::array<std::uint8_t, 2> sampleLevels{};

    [[nodiscard]] PackedTuple packed() const { return {ip, port, protocol, isV6}; }
    [[nodiscard]] bool isTcp() const { return protocol == packet::Protocol::tcp; }
    [[nodiscard]] bool hasIsn(std::size_t side) const { return side == 0 ? hasIsn0 : hasIsn1; }
    void setIsn(std::size_t side, std::uint32_t number) {
        isn[side] = number;
        (side == 0 ? hasIsn0 = true : hasIsn1 = true);
    }
    /// Of the newest packet; not of TCP, whose packets are told apart by their numbers: see FlowTable::last().
    [[nodiscard]] base::Timestamp last() const { return std::bit_cast<base::Timestamp>(isn); }
    void setLast(base::Timestamp time) { isn = std::bit_cast<std::array<std::uint32_t, 2>>(time); }
    /// Whether `tuple`, as it was sent by `side`, is this leg's.
    [[nodiscard]] bool has(const PackedTuple &tuple, std::size_t side) const {
        return ip[side] == tuple.ip[0] && ip[1 - side] == tuple.ip[1] && port[side] == tuple.port[0] &&
               port[1 - side] == tuple.port[1] && protocol == tuple.protocol && isV6 == tuple.isV6;
    }
    /// Samples of what a side sent.
    [[nodiscard]] StreamSamples::Set samples(std::size_t side) const {
        return {sampleBlocks[side], sampleCounts[side], sampleLevels[side]};
    }
    void setSamples(std::size_t side, const StreamSamples::Set &set) {
        sampleBlocks[side] = set.head;
        sampleCounts[side] = set.count;
        sampleLevels[side] = set.level;
    }
};
static_assert(sizeof(Leg) == 64); // counted in docs/performance.md

} // namespace natlens::tracer
