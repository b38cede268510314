// Small numbers with a meaning, so that they cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>

namespace natlens::base {

/// Index of a capture point within one source, counted from 0 in the order in which they appear.
struct CapturePointId {
    std::uint32_t value = 0;
    auto operator<=>(const CapturePointId &) const = default;
};

/// Number of a packet within one source, counted from 1 in file order, as Wireshark shows it ("frame.number").
/// 0 means "none".
struct PacketNumber {
    std::uint64_t value = 0;
    auto operator<=>(const PacketNumber &) const = default;
};

} // namespace natlens::base
