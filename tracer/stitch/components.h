// Which legs have to be looked at together to find their connections.
#pragma once

#include "tracer/stitch/link_finder.h"

#include <vector>

namespace natlens::tracer {

/// The legs of a source that has ended, in sets that have nothing to do with each other: what LinkFinder::connect()
/// finds in one set does not depend on any other. Most sets are one connection. Eight bytes a leg. Immutable.
class Components final {
public:
    Components(const LegTable &legs, const LinkFinder &finder);

    /// The leg with the lowest index of each set, in order.
    [[nodiscard]] const std::vector<LegIndex> &roots() const { return m_roots; }
    [[nodiscard]] LegIndex rootOf(LegIndex leg) const { return m_root[leg]; }
    /// In order.
    [[nodiscard]] std::vector<LegIndex> legsOf(LegIndex root) const;

private:
    [[nodiscard]] LegIndex find(LegIndex leg);

    std::vector<LegIndex> m_root; ///< by leg
    std::vector<LegIndex> m_next; ///< the next leg of the same set, kNone at the last
    std::vector<LegIndex> m_roots;
};

} // namespace natlens::tracer
