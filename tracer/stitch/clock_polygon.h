// Private to the clock fit: all lines that a set of samples allows.
#pragma once

#include <algorithm>
#include <vector>

namespace natlens::tracer::detail {

/// A line over a stretch of time, by its values (nanoseconds) at the beginning and at the end.
struct LineEnds {
    double begin = 0, end = 0;
    [[nodiscard]] double at(double share) const { return begin + (end - begin) * share; }
};

/// A convex set of lines: those within `limit` of zero whose ends differ by at most `slope`. Each sample cuts a part
/// off (Sutherland and Hodgman's clipping against one half-plane). Usually has three to ten corners.
class ClockPolygon final {
public:
    ClockPolygon(double limit, double slope)
        : m_corners{
              {-limit, -limit - slope}, {limit, limit - slope}, {limit, limit + slope}, {-limit, -limit + slope}} {}

    /// Keeps the lines that are at most (`upper`) or at least `value` at this share of the stretch, 0 to 1.
    /// False, changing nothing: there would be none left.
    [[nodiscard]] bool cut(double share, double value, bool upper) {
        const auto beyond = [&](const LineEnds &line) {
            return upper ? line.at(share) - value : value - line.at(share);
        };
        if (std::ranges::all_of(m_corners, [&](const LineEnds &c) { return beyond(c) <= 0; })) return true;
        std::vector<LineEnds> kept;
        kept.reserve(m_corners.size() + 1);
        for (std::size_t i = 0; i < m_corners.size(); ++i) {
            const LineEnds &a = m_corners[i], &b = m_corners[(i + 1) % m_corners.size()];
            const double da = beyond(a), db = beyond(b);
            if (da <= 0) kept.push_back(a);
            if ((da < 0 && db > 0) || (da > 0 && db < 0)) {
                const double part = da / (da - db);
                kept.push_back({a.begin + (b.begin - a.begin) * part, a.end + (b.end - a.end) * part});
            }
        }
        if (kept.empty()) return false;
        m_corners = std::move(kept);
        return true;
    }
    /// Whether some line would be left.
    [[nodiscard]] bool allows(double share, double value, bool upper) const {
        return std::ranges::any_of(
            m_corners, [&](const LineEnds &c) { return upper ? c.at(share) <= value : c.at(share) >= value; });
    }
    [[nodiscard]] const std::vector<LineEnds> &corners() const { return m_corners; }

private:
    std::vector<LineEnds> m_corners;
};

} // namespace natlens::tracer::detail
