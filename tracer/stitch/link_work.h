// What LinkFinder knows while it works. For its .cpp files only.
#pragma once

#include "tracer/stitch/link_finder.h"

#include <map>

namespace natlens::tracer {

/// Links found so far for one closed set of legs. Ordered containers: the result must not depend on memory layout.
struct LinkFinder::Work {
    std::vector<LegIndex> legs = {};                        ///< sorted
    std::map<LegIndex, Sense> senses = {};                  ///< of all legs
    std::map<LegIndex, std::map<LegIndex, Link>> down = {}; ///< every accepted translation, attempts included
    std::map<LegIndex, LegIndex> up = {};
    /// Conntrack knows a tuple before this leg that nobody saw.
    std::map<LegIndex, std::pair<packet::Tuple, Link>> origin = {};
    std::map<LegIndex, std::vector<std::string>> notes = {};
    std::map<LegIndex, LegIndex> halves = {}; ///< legs between two translations, and the leg after both

    [[nodiscard]] const packet::Tuple &request(LegIndex leg) const { return senses.at(leg).request; }
};

} // namespace natlens::tracer
