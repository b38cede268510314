// What a TCP stream began with: enough to find the stream that somebody passed it on as.
#pragma once

#include "capture/base/timestamp.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace natlens::tracer {

/// The first bytes of one direction of a connection, behind a PROXY protocol header if there is one. Sequence numbers
/// say nothing about a stream that somebody else sends on; bytes at fixed offsets do. Only the first segment is looked
/// at: programs that pass bytes on write what they have read. Of several sights of it (other capture points, sent again
/// longer) the longest counts, so that their order does not matter.
struct StreamOpening {
    std::array<std::uint32_t, 2> packedTime{}; ///< see time(): halves, so that no room is lost between openings
    std::uint32_t begin : 22 = 0;              ///< hash of the first kShort bytes, or of all if there are fewer
    std::uint32_t header : 10 = 0;             ///< bytes of PROXY protocol before, at most kMostHeader
    std::uint32_t more : 23 = 0;               ///< hash of the first `length` bytes
    std::uint32_t length : 9 = 0;              ///< how many were captured, at most kLong

    static constexpr std::uint32_t kMostHeader = 1023; ///< no more of a payload is looked at
    static constexpr std::size_t kShort = 24; ///< what a snap length of 96 leaves of IPv4 and TCP with timestamps
    static constexpr std::size_t kLong = 256;

    /// Of the segment, the earliest sight of it; zero: only the header was seen yet.
    [[nodiscard]] base::Timestamp time() const { return std::bit_cast<base::Timestamp>(packedTime); }

    void learn(std::span<const std::byte> payload, base::Timestamp when);

    enum class Likeness : std::uint8_t { different, alike, equal };
    /// `alike`: the first kShort bytes agree and no more can be compared.
    [[nodiscard]] Likeness compare(const StreamOpening &other) const;
};
static_assert(sizeof(StreamOpening) == 16); // counted in docs/performance.md

} // namespace natlens::tracer
