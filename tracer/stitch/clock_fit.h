// How two clocks relate, from packets that both of their hosts saw.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace natlens::tracer {

/// Where in the source a packet was seen: its capture point and the how-manieth packet of that point it is, from 0.
/// After a clock was set back the same reading comes twice; this tells the two apart.
struct SightPlace {
    base::CapturePointId point;
    std::uint32_t ordinal = 0;
};

/// One packet seen by two hosts, with the readings of their clocks. Which of them it met first is known from its time
/// to live or from the capture, never from the clocks.
struct ClockSample {
    base::Timestamp here, there;
    SightPlace herePlace = {}, therePlace = {};
    bool hereFirst = true;
};

/// A straight line from one clock to another: there = here + offset + skew * (here - origin).
struct ClockLine {
    base::Timestamp origin;  ///< a reading of the clock here
    std::int64_t offset = 0; ///< nanoseconds that the clock there is ahead at `origin`
    double skew = 0;         ///< by how much it runs faster: 1e-6 is one part per million

    [[nodiscard]] base::Timestamp toThere(base::Timestamp here) const;
    [[nodiscard]] base::Timestamp toHere(base::Timestamp there) const;
};

/// A stretch of time in which one line holds.
struct ClockPiece {
    enum class Sides : std::uint8_t { both, upper, lower };

    ClockLine line;
    Sides sides = Sides::both; ///< upper: packets went one way only; the clock there may be further behind, not ahead
    std::int64_t bound = 0;    ///< nanoseconds: the truth is at most this far off; meaningless with one side
    std::int64_t boundWithin = 0; ///< the same between the first and the last sample
    double skewBound = 0;         ///< the same for the skew; limited by kMaxSkew
    bool equal = false;           ///< nothing contradicts equal clocks: `line` is the identity
    std::size_t samples = 0;
    base::Timestamp hereFrom, hereTo, thereFrom;                           ///< readings at the first and last sample
    std::map<base::CapturePointId, std::uint32_t> hereStarts, thereStarts; ///< first sample of each point
};

struct ClockFit {
    std::vector<ClockPiece> pieces; ///< in order of time; several after a clock was set. Empty: no relation was found
    std::size_t samples = 0;
    std::size_t outliers = 0;   ///< samples that contradict the rest
    std::int64_t tolerance = 0; ///< nanoseconds by which samples may contradict causality; part of each bound
};

/// Readings of the clock here between which bounds must hold, also before the first and after the last sample.
struct ClockSpan {
    base::Timestamp from{INT64_MAX}, to{INT64_MIN};
};

/// Quartz clocks are within 100 ppm, and no time daemon slews faster than this (adjtime: 500 ppm).
inline constexpr double kMaxSkew = 500e-6;

/// Finds the lines that every sample allows: a packet that passed here first says that the clock there is at most
/// `there - here` ahead, one that passed there first that it is at least that much. All (offset, skew) that fit form a
/// convex polygon; the answer is the middle of it, and the bound how far away its border is (so two-way exchange bounds
/// the offset as in NTP, RFC 5905 section 8, and many samples bound the skew as the convex hull of Zhang, Liu and Xia
/// does). With samples of one direction it is the line that Moon, Skelly and Towsley's linear program finds: as close
/// to the quickest packets as it can be. When no line fits any more, and what follows agrees with that, the clock was
/// set: a new piece begins. Single contradictions are outliers.
/// `resolution`: nanoseconds that a reading may be too small by (1000 for microsecond files).
/// The result depends on the set of samples only, not on their order.
[[nodiscard]] ClockFit fitClocks(std::span<const ClockSample> samples, std::int64_t resolution,
                                 const ClockSpan &span = {});

} // namespace natlens::tracer
