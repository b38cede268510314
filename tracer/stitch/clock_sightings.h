// Packets that can be recognised at other hosts, with the readings of the clocks they were seen by.
#pragma once

#include "tracer/stitch/clock_fit.h"
#include "tracer/stitch/flow.h"

#include <vector>

namespace natlens::tracer {

/// One recognisable packet at one capture point.
struct ClockSight {
    std::uint64_t fingerprint = 0; ///< equal on both sides of a NAT
    base::Timestamp time;
    SightPlace place;
    std::uint64_t addresses = 0; ///< of the two IP addresses, whatever the direction
    bool fromSmaller = false;    ///< the source is the smaller of the two addresses
    std::uint8_t ttl = 0;
    Facing facing = Facing::unknown;
    std::uint8_t rank = 0; ///< survives thinning out down to this level
};

/// Collects a bounded number of sights of one file. What is kept is decided by what NAT leaves alone, so that every
/// host keeps the same packets (trajectory sampling, RFC 5475 section 6.2), openings of connections before others.
class ClockSightings final {
public:
    explicit ClockSightings(std::size_t capacity = 100'000)
        : m_capacity(capacity) {}

    void add(const SightPlace &place, base::Timestamp time, Facing facing, packet::LinkType linkType,
             std::uint32_t originalLength, std::span<const std::byte> captured);

    [[nodiscard]] const std::vector<ClockSight> &sights() const { return m_sights; }
    /// Sights of a lower rank were left out.
    [[nodiscard]] std::uint8_t level() const { return m_level; }
    /// Of all packets, also of those that are not kept.
    [[nodiscard]] const ClockSpan &span() const { return m_span; }
    /// Nanoseconds: all readings are multiples of it (1, 1000, 1000000).
    [[nodiscard]] std::int64_t resolution() const { return m_sights.empty() ? 1 : m_resolution; }

private:
    void thinOut();

    std::size_t m_capacity;
    std::vector<ClockSight> m_sights;
    std::uint8_t m_level = 0;
    ClockSpan m_span;
    std::int64_t m_resolution = 1'000'000;
};

} // namespace natlens::tracer
