#include "tracer/stitch/clock_fit.h"

#include "tracer/stitch/clock_polygon.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <tuple>

namespace natlens::tracer {

using base::Timestamp;
using detail::ClockPolygon;
using detail::LineEnds;
using std::chrono::nanoseconds;

namespace {

/// Further apart than this from the beginning of their own piece no two readings of one pair of clocks are: a day.
constexpr double kLimit = 1e14;
/// After a contradiction this many further samples say whether it is one packet's fault or the clock's.
constexpr std::size_t kLookAhead = 8;
/// A piece of fewer samples is no evidence that a clock was set.
constexpr std::size_t kSmallestPiece = 3;
/// Smaller jumps than this nobody sets a clock by; they mean that readings are taken less exactly than assumed.
constexpr std::int64_t kSmallestStep = 1'000'000;
/// What captures are found to be exact to: the resolution first, then the jitter of software time stamps, of
/// interrupts put together, and of temperature over hours.
constexpr std::array<std::int64_t, 6> kTolerances{0, 5'000, 20'000, 100'000, 500'000, 2'000'000};
constexpr std::size_t kMaxPieces = 16;
/// With packets of one direction only, equal clocks are believed if the quickest packet took less than this.
constexpr std::int64_t kPlausibleDelay = 200'000'000;
/// Samples further than this (and than twenty times the usual distance) from those around them are wrong matches.
constexpr std::int64_t kFarOff = 250'000'000;
/// An answer that may be wrong by more than this is none: no packet takes seconds both ways.
constexpr std::int64_t kVague = 1'000'000'000;

/// Over less than this a clock that runs wrong is not told from delays that change, if it need not run wrong.
constexpr double kShort = 10e9;

using Samples = std::vector<const ClockSample *>;

std::int64_t difference(const ClockSample &sample) {
    return (sample.there - sample.here).count();
}

/// A stretch of time with its samples put in proportion.
struct Stretch {
    Timestamp begin;
    double length = 1; ///< nanoseconds, at least 1
    std::int64_t base = 0;
    double tolerance = 0;

    Stretch(const Samples &samples, std::size_t from, std::int64_t tolerated)
        : begin(samples.front()->here)
        , length(std::max(1.0, static_cast<double>((samples.back()->here - samples.front()->here).count())))
        , base(difference(*samples[from]))
        , tolerance(static_cast<double>(tolerated)) {}

    [[nodiscard]] ClockPolygon everything() const { return {kLimit, kMaxSkew * length + 1}; }
    [[nodiscard]] double share(const ClockSample &sample) const {
        return static_cast<double>((sample.here - begin).count()) / length;
    }
    [[nodiscard]] double value(const ClockSample &sample) const {
        const auto relative = static_cast<double>(difference(sample) - base);
        return sample.hereFirst ? relative + tolerance : relative - tolerance;
    }
    [[nodiscard]] bool cut(ClockPolygon &polygon, const ClockSample &sample) const {
        return polygon.cut(share(sample), value(sample), sample.hereFirst);
    }
};

template<class Value>
std::int64_t median(std::vector<Value> &values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

/// Leaves out what lies far from the samples around it: the two sights were not of one packet.
Samples withoutStrays(const Samples &all) {
    constexpr std::size_t kAround = 16;
    if (all.size() < 5) return all;
    Samples kept;
    std::vector<std::int64_t> around, distances;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::size_t from = i < kAround ? 0 : i - kAround, to = std::min(all.size(), i + kAround + 1);
        around.clear();
        distances.clear();
        for (std::size_t j = from; j < to; ++j)
            around.push_back(difference(*all[j]));
        const std::int64_t centre = median(around);
        for (std::size_t j = from; j < to; ++j)
            distances.push_back(std::abs(difference(*all[j]) - centre));
        const std::int64_t usual = median(distances);
        if (std::abs(difference(*all[i]) - centre) <= std::max(kFarOff, 20 * usual)) kept.push_back(all[i]);
    }
    return kept;
}

/// Samples in order, cut where the clock was set.
std::vector<Samples> intoPieces(const Samples &all, std::int64_t tolerance) {
    std::vector<Samples> pieces;
    for (std::size_t i = 0; i < all.size();) {
        const Stretch stretch(all, i, tolerance);
        ClockPolygon polygon = stretch.everything();
        Samples piece;
        for (; i < all.size(); ++i) {
            if (stretch.cut(polygon, *all[i])) {
                piece.push_back(all[i]);
                continue;
            }
            // Of the same direction only: a clock that was set forward contradicts packets of one direction and makes
            // those of the other look slow.
            std::size_t asked = 0, agree = 0;
            for (std::size_t j = i + 1; j < all.size() && asked < kLookAhead; ++j) {
                if (all[j]->hereFirst != all[i]->hereFirst) continue;
                ++asked;
                if (polygon.allows(stretch.share(*all[j]), stretch.value(*all[j]), all[j]->hereFirst)) ++agree;
            }
            if (2 * agree < asked) break;
        }
        pieces.push_back(std::move(piece));
    }
    const bool someAreLarge =
        std::ranges::any_of(pieces, [](const Samples &piece) { return piece.size() >= kSmallestPiece; });
    if (someAreLarge)
        std::erase_if(pieces, [](const Samples &piece) { return piece.size() < kSmallestPiece; });
    else if (pieces.size() > 1)
        pieces.clear(); // a few samples that contradict each other say nothing
    return pieces;
}

bool allFit(const Samples &samples, std::int64_t tolerance) {
    const Stretch stretch(samples, 0, tolerance);
    ClockPolygon polygon = stretch.everything();
    return std::ranges::all_of(samples, [&](const ClockSample *sample) { return stretch.cut(polygon, *sample); });
}

/// What only wrong matches had torn apart becomes one again.
void rejoin(std::vector<Samples> &pieces, std::int64_t tolerance) {
    for (std::size_t i = 0; i + 1 < pieces.size();) {
        Samples both = pieces[i];
        both.insert(both.end(), pieces[i + 1].begin(), pieces[i + 1].end());
        if (!allFit(both, tolerance)) {
            ++i;
            continue;
        }
        pieces[i] = std::move(both);
        pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
}

ClockPiece::Sides sidesOf(const Samples &samples) {
    const auto isUpper = [](const ClockSample *sample) { return sample->hereFirst; };
    if (std::ranges::all_of(samples, isUpper)) return ClockPiece::Sides::upper;
    return std::ranges::none_of(samples, isUpper) ? ClockPiece::Sides::lower : ClockPiece::Sides::both;
}

/// Equal clocks would explain every sample.
bool couldBeEqual(const Samples &samples, ClockPiece::Sides sides, std::int64_t tolerance) {
    std::int64_t quickest = std::numeric_limits<std::int64_t>::max();
    for (const ClockSample *sample : samples) {
        const std::int64_t delay = sample->hereFirst ? difference(*sample) : -difference(*sample);
        if (delay < -tolerance) return false;
        quickest = std::min(quickest, delay);
    }
    return sides == ClockPiece::Sides::both || quickest < kPlausibleDelay;
}

/// With one direction: the line that comes closest to the quickest packets.
LineEnds closest(const ClockPolygon &polygon, double share, ClockPiece::Sides sides) {
    return std::ranges::max(polygon.corners(), {}, [&](const LineEnds &corner) {
        return sides == ClockPiece::Sides::upper ? corner.at(share) : -corner.at(share);
    });
}

/// The lines without a slope that the samples allow: the lowest and the highest of them.
std::optional<std::pair<double, double>> levelLines(const ClockPolygon &polygon) {
    std::optional<std::pair<double, double>> range;
    const auto &corners = polygon.corners();
    for (std::size_t i = 0; i < corners.size(); ++i) {
        const LineEnds &a = corners[i], &b = corners[(i + 1) % corners.size()];
        const double slope = a.end - a.begin, next = b.end - b.begin;
        if ((slope < 0) == (next < 0) && slope != 0) continue;
        const double level = slope == next ? a.begin : a.begin + (b.begin - a.begin) * slope / (slope - next);
        if (!range) range = {level, level};
        range->first = std::min(range->first, level);
        range->second = std::max(range->second, level);
    }
    return range;
}

ClockPiece pieceOf(const Samples &samples, std::int64_t tolerance, const ClockSpan &span = {}) {
    const Stretch stretch(samples, 0, tolerance);
    ClockPolygon polygon = stretch.everything();
    double share = 0;
    for (const ClockSample *sample : samples) {
        (void)stretch.cut(polygon, *sample);
        share += stretch.share(*sample) / static_cast<double>(samples.size());
    }
    ClockPiece piece;
    piece.sides = sidesOf(samples);
    piece.samples = samples.size();
    piece.hereFrom = samples.front()->here;
    piece.hereTo = samples.back()->here;
    piece.thereFrom = samples.front()->there;
    const auto starts = [](auto &map, const SightPlace &place) {
        const auto [found, isNew] = map.try_emplace(place.point, place.ordinal);
        if (!isNew) found->second = std::min(found->second, place.ordinal);
    };
    for (const ClockSample *sample : samples) {
        starts(piece.hereStarts, sample->herePlace);
        starts(piece.thereStarts, sample->therePlace);
    }
    const auto &corners = polygon.corners();
    const auto [lowBegin, highBegin] = std::ranges::minmax(corners, {}, &LineEnds::begin);
    const auto [lowEnd, highEnd] = std::ranges::minmax(corners, {}, &LineEnds::end);
    LineEnds chosen{(lowBegin.begin + highBegin.begin) / 2, (lowEnd.end + highEnd.end) / 2};
    if (piece.sides != ClockPiece::Sides::both) chosen = closest(polygon, share, piece.sides);
    // Over a short time a slope that need not be there is not claimed: most clocks run well, and any slope would do.
    if (const auto level = levelLines(polygon); level && stretch.length < kShort) {
        if (piece.sides == ClockPiece::Sides::both)
            chosen.begin = chosen.end = (level->first + level->second) / 2;
        else
            chosen.begin = chosen.end = piece.sides == ClockPiece::Sides::upper ? level->second : level->first;
    }
    piece.equal = couldBeEqual(samples, piece.sides, tolerance);
    const auto base = static_cast<double>(stretch.base);
    if (piece.equal) chosen = {-base, -base};
    const auto shareOf = [&](Timestamp time) {
        return static_cast<double>((time - stretch.begin).count()) / stretch.length;
    };
    const double from = std::min(0.0, shareOf(std::min(span.from, piece.hereFrom))),
                 to = std::max(1.0, shareOf(std::max(span.to, piece.hereTo)));
    double worst = 0, worstWithin = 0;
    for (const LineEnds &corner : corners) {
        for (const double at : {0.0, 1.0})
            worstWithin = std::max(worstWithin, std::abs(corner.at(at) - chosen.at(at)));
        for (const double at : {from, to})
            worst = std::max(worst, std::abs(corner.at(at) - chosen.at(at)));
        const double skewed = (corner.end - corner.begin) - (chosen.end - chosen.begin);
        piece.skewBound = std::max(piece.skewBound, std::abs(skewed) / stretch.length);
    }
    piece.skewBound = std::min(piece.skewBound, 2 * kMaxSkew);
    piece.bound = static_cast<std::int64_t>(std::ceil(worst)) + tolerance;
    piece.boundWithin = static_cast<std::int64_t>(std::ceil(worstWithin)) + tolerance;
    piece.line.origin = stretch.begin;
    piece.line.offset = piece.equal ? 0 : stretch.base + std::llround(chosen.begin);
    piece.line.skew = (chosen.end - chosen.begin) / stretch.length;
    return piece;
}

/// The last packets before a piece that looked slow by the old line, and do not by the new one, belong to the new one.
void moveBorders(std::vector<Samples> &pieces, std::int64_t tolerance) {
    for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
        const ClockLine before = pieceOf(pieces[i], tolerance).line, after = pieceOf(pieces[i + 1], tolerance).line;
        const auto distance = [](const ClockLine &line, const ClockSample &sample) {
            return std::abs((sample.there - line.toThere(sample.here)).count());
        };
        while (pieces[i].size() > 1) {
            const ClockSample &last = *pieces[i].back();
            if (distance(before, last) <= distance(after, last)) break;
            pieces[i + 1].insert(pieces[i + 1].begin(), &last);
            pieces[i].pop_back();
        }
    }
}

/// The readings are less exact than the tolerance says.
bool needsMoreTolerance(const ClockFit &fit) {
    if (fit.pieces.size() > kMaxPieces || fit.outliers > std::max<std::size_t>(1, fit.samples / 20)) return true;
    for (std::size_t i = 1; i < fit.pieces.size(); ++i) {
        const Timestamp when = fit.pieces[i].hereFrom;
        const auto jump = fit.pieces[i].line.toThere(when) - fit.pieces[i - 1].line.toThere(when);
        if (std::abs(jump.count()) < kSmallestStep) return true;
    }
    return false;
}

} // namespace

Timestamp ClockLine::toThere(Timestamp here) const {
    const auto passed = static_cast<double>((here - origin).count());
    return here + nanoseconds(offset) + nanoseconds(std::llround(passed * skew));
}

Timestamp ClockLine::toHere(Timestamp there) const {
    const Timestamp level{(there - Timestamp{offset}).count()};
    const auto passed = static_cast<double>((level - origin).count());
    return level + nanoseconds(-std::llround(passed * skew / (1 + skew)));
}

ClockFit fitClocks(std::span<const ClockSample> samples, std::int64_t resolution, const ClockSpan &span) {
    ClockFit best;
    if (samples.empty()) return best;
    Samples ordered;
    for (const ClockSample &sample : samples)
        ordered.push_back(&sample);
    std::ranges::sort(ordered, {}, [](const ClockSample *s) { return std::tuple(s->here, s->there, s->hereFirst); });
    const Samples kept = withoutStrays(ordered);
    for (const std::int64_t extra : kTolerances) {
        ClockFit fit;
        fit.samples = samples.size();
        fit.tolerance = std::max(resolution, extra);
        auto pieces = intoPieces(kept, fit.tolerance);
        rejoin(pieces, fit.tolerance);
        moveBorders(pieces, fit.tolerance);
        std::size_t used = 0;
        for (const Samples &piece : pieces) {
            used += piece.size();
            // Before the first and behind the last sample the lines go on; where the clock was set they do not.
            ClockSpan reach;
            if (&piece == &pieces.front()) reach.from = span.from;
            if (&piece == &pieces.back()) reach.to = span.to;
            fit.pieces.push_back(pieceOf(piece, fit.tolerance, reach));
        }
        fit.outliers = fit.samples - used;
        const bool good = !needsMoreTolerance(fit);
        if (good || best.pieces.empty() || fit.outliers < best.outliers) best = std::move(fit);
        if (good) break;
    }
    // Where a third contradicts the rest, or next to everything would do, nothing is known.
    const bool vague = std::ranges::any_of(best.pieces, [](const ClockPiece &piece) {
        return piece.sides == ClockPiece::Sides::both && piece.boundWithin > kVague;
    });
    if (vague || best.outliers * 3 > best.samples || best.pieces.size() > kMaxPieces) best.pieces.clear();
    return best;
}

} // namespace natlens::tracer
