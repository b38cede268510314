#include "app/cli/path_choice.h"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>

namespace natlens::cli {
namespace {

/// Smaller is more worth showing.
auto rank(const tracer::Path &path) {
    int gravest = -1;
    for (const tracer::Finding &finding : path.findings)
        gravest = std::max(gravest, static_cast<int>(finding.severity));
    const bool endedWell = path.outcome == tracer::Outcome::delivered;
    return std::tuple(-gravest, endedWell, static_cast<int>(path.kind));
}

} // namespace

std::uint64_t pathCount(const tracer::Snapshot &snapshot) {
    return snapshot.all ? snapshot.all->summary().connections : snapshot.paths.size();
}

std::string remarkOnChoice(const tracer::Snapshot &snapshot) {
    const std::uint64_t drawn = std::min(snapshot.paths.size(), kDrawnPaths);
    if (drawn == pathCount(snapshot)) return {};
    return fmt::format("The picture shows {} of {} connections, those with findings first; --filter chooses others.",
                       drawn, pathCount(snapshot));
}

tracer::Snapshot withPaths(const tracer::Snapshot &snapshot, std::size_t most) {
    tracer::Snapshot chosen = snapshot;
    if (chosen.paths.size() <= most) return chosen;
    std::ranges::stable_sort(chosen.paths, {}, [](const auto &path) { return rank(*path); });
    chosen.paths.resize(most);
    std::ranges::stable_sort(chosen.paths, {}, [](const auto &path) { return path->firstSeen; });
    return chosen;
}

} // namespace natlens::cli
