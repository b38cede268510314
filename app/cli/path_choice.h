// What is said where not all paths are shown.
#pragma once

#include "tracer/diagram/choice.h"

#include <cstdint>
#include <string>

namespace natlens::cli {

using diagram::kDrawnPaths;
using diagram::withPaths;

/// For standard error where a picture of `chosen` shows fewer than there are; "" where it shows all.
[[nodiscard]] std::string remarkOnChoice(const tracer::Snapshot &snapshot, const tracer::Snapshot &chosen);

/// How many paths the source has, whether or not the snapshot holds them all.
[[nodiscard]] std::uint64_t pathCount(const tracer::Snapshot &snapshot);

} // namespace natlens::cli
