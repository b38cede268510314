// Whether two legs carry the same packets: by what NAT leaves alone, whatever the topology says.
#pragma once

#include "tracer/stitch/leg_table.h"

#include <cstdint>
#include <vector>

namespace natlens::tracer {

using packet::Protocol;

/// What two legs have in common.
struct Kinship {
    bool reversed = false;   ///< side 0 of the one is side 1 of the other
    unsigned isns = 0;       ///< initial sequence numbers that both know and that agree
    unsigned segments = 0;   ///< samples that both have
    unsigned payloads = 0;   ///< of these, with payload, which agrees
    unsigned timestamps = 0; ///< of these, with equal TCP timestamps (or IP ids)
    unsigned fewest = 0;     ///< samples of the leg that has fewer
    bool contradicts = false;
    std::vector<std::uint32_t> shared = {}; ///< sequence numbers (or hashes) of the common samples, sorted

    /// Enough to take both for one conversation as far as numbers go. One equal number is not: scans use one initial
    /// sequence number for many ports; lengths are not evidence at all.
    [[nodiscard]] bool identifies(Protocol protocol) const;
};

/// Compares two legs of one protocol. Samples are looked at only where initial sequence numbers do not decide.
[[nodiscard]] Kinship kinshipOf(const LegTable &legs, LegIndex a, LegIndex b);

} // namespace natlens::tracer
