#include "tracer/stitch/components.h"

#include <algorithm>
#include <numeric>

namespace natlens::tracer {

/// Union-find; the lowest index is the root, so that roots depend on nothing but the sets.
Components::Components(const LegTable &legs, const LinkFinder &finder)
    : m_root(legs.size())
    , m_next(legs.size(), kNone) {
    std::iota(m_root.begin(), m_root.end(), LegIndex{0});
    finder.visitAllNeighbours([&](LegIndex one, LegIndex other) {
        const LegIndex a = find(one), b = find(other);
        m_root[std::max(a, b)] = std::min(a, b);
    });
    std::vector<LegIndex> last(legs.size());
    for (LegIndex leg = 0; leg < legs.size(); ++leg) {
        const LegIndex root = find(leg);
        if (root != leg) m_next[last[root]] = leg;
        last[root] = leg;
    }
    for (LegIndex leg = 0; leg < legs.size(); ++leg)
        m_root[leg] = find(leg);
}

LegIndex Components::find(LegIndex leg) {
    while (m_root[leg] != leg)
        leg = m_root[leg] = m_root[m_root[leg]];
    return leg;
}

std::vector<LegIndex> Components::legsOf(LegIndex root) const {
    std::vector<LegIndex> legs;
    for (LegIndex leg = root; leg != kNone; leg = m_next[leg])
        legs.push_back(leg);
    return legs;
}

} // namespace natlens::tracer
