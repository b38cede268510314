// Private to the alignment of clocks: which packets two hosts have in common, and whom they met first.
#pragma once

#include "tracer/stitch/clock_alignment.h"

#include <map>
#include <utility>

namespace natlens::tracer {

/// Samples of each pair of hosts; `here` is the host of the smaller index.
using ClockPairs = std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<ClockSample>>;

/// Who saw a packet first is told by the time to live; where that is equal (nothing routes in between) by the direction
/// in which it crossed the interfaces; else by the answers: packets of both directions between two addresses appear to
/// take longer one way than the other, and the sum of both ways cannot be negative.
[[nodiscard]] ClockPairs pairSights(const std::vector<ClockEvidence> &evidence);

} // namespace natlens::tracer
