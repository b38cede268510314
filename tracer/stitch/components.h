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

    [[nodiscard]] LegIndex size() const { return static_cast<LegIndex>(m_root.size()); } ///< legs
    /// It has the lowest index of its set.
    [[nodiscard]] bool isRoot(LegIndex leg) const { return m_root[leg] == leg; }
    [[nodiscard]] LegIndex rootOf(LegIndex leg) const { return m_root[leg]; }
    /// In order.
    [[nodiscard]] std::vector<LegIndex> legsOf(LegIndex root) const;

private:
    [[nodiscard]] LegIndex find(LegIndex leg);

    std::vector<LegIndex> m_root; ///< by leg
    std::vector<LegIndex> m_next; ///< the next leg of the same set, kNone at the last
};

} // namespace natlens::tracer
