// What there is when there are too many paths to list them.
#pragma once

#include "tracer/path/path.h"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::tracer {

/// Paths that a person would call the same: between the same hosts, to the same place, with the same end and findings.
struct PathGroup {
    /// The earliest of them, without hops, segments and notes; of findings code and severity.
    Path example;
    bool severalPorts = false; ///< different ports were asked: the example's is one of them
    std::uint64_t connections = 0;
    std::uint64_t packets = 0;
    Timestamp lastSeen;
    std::vector<std::string> examples; ///< ids of the first three
};

/// One finding and how many paths have it.
struct FindingGroup {
    Finding finding; ///< as the earliest of them has it
    std::uint64_t connections = 0;
    std::vector<std::string> examples; ///< ids of the first three
};

/// All paths of a source that has ended.
struct Summary {
    std::uint64_t connections = 0;
    std::array<std::uint64_t, 6> outcomes{}; ///< by Outcome
    std::vector<PathGroup> groups; ///< the most telling first, of those the largest; last the rest if there are many
    bool hasRest = false;          ///< that last one is of different kinds
    std::vector<FindingGroup> findings; ///< by code
};

/// All paths of a source that has ended, made when they are asked for: memory is that of a few hundred. Usable from any
/// thread, also after the tracer is gone.
class AllPaths {
public:
    virtual ~AllPaths() = default;

    [[nodiscard]] virtual const Summary &summary() const = 0;
    /// Calls `write` for every path, possibly in several threads at once, and `out` on the calling thread with what it
    /// returned, in order of the first packet. Ends early when `out` returns false.
    virtual void forEach(const std::function<std::string(const Path &)> &write,
                         const std::function<bool(std::string_view)> &out) const = 0;
};

} // namespace natlens::tracer
