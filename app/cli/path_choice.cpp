#include "app/cli/path_choice.h"

#include <fmt/format.h>

namespace natlens::cli {

std::uint64_t pathCount(const tracer::Snapshot &snapshot) {
    return snapshot.all ? snapshot.all->summary().connections : snapshot.paths.size();
}

std::string remarkOnChoice(const tracer::Snapshot &snapshot, const tracer::Snapshot &chosen) {
    if (chosen.paths.size() == pathCount(snapshot)) return {};
    return fmt::format("The picture shows {} of {} connections: those with findings first, then those of Services; "
                       "--filter chooses others.",
                       chosen.paths.size(), pathCount(snapshot));
}

} // namespace natlens::cli
