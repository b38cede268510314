// From recognised packets to one clock for all hosts.
#pragma once

#include "tracer/path/host_clock.h"
#include "tracer/stitch/clock_sightings.h"

#include <string>
#include <vector>

namespace natlens::tracer {

/// Turns readings of one host's clock into readings of the reference's.
class ClockCorrection final {
public:
    /// `place` is where the packet stands in its file; it matters only after a clock was set back.
    [[nodiscard]] base::Timestamp apply(base::Timestamp reading, const SightPlace &place) const;
    [[nodiscard]] bool isIdentity() const { return m_stages.empty(); }

    /// Adds a step towards the reference. `there`: the host is the one that `pieces` call "there".
    void towards(std::vector<ClockPiece> pieces, bool there);

private:
    struct Stage {
        std::vector<ClockPiece> pieces;
        bool there = false;
    };
    [[nodiscard]] static const ClockPiece &pieceFor(const Stage &stage, base::Timestamp reading,
                                                    const SightPlace *place);
    std::vector<Stage> m_stages;
};

/// What came out for one host.
struct HostAlignment {
    ClockCorrection correction;
    HostClock clock;
};

/// What a file says. `hostOf[i]` is the host (index into the names) of the capture point with the id i + firstPoint.
struct ClockEvidence {
    const ClockSightings *sightings = nullptr;
    std::uint32_t firstPoint = 0;
    std::vector<std::uint32_t> hostOf;
};

/// Compares all pairs of hosts that saw the same packets, chooses the reference (the clock that most others agree with;
/// else the first name) and goes from it over the best known pairs. A packet seen by a host in several places within
/// one moment is one sight; one that comes again later is ambiguous and left out. The result depends on what was seen
/// only, not on the order of files or hosts.
[[nodiscard]] std::vector<HostAlignment> alignClocks(const std::vector<std::string> &hosts,
                                                     const std::vector<ClockEvidence> &evidence);

} // namespace natlens::tracer
