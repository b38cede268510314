// Which paths to show where there are too many.
#pragma once

#include "tracer/path/snapshot.h"

#include <cstddef>
#include <string>

namespace natlens::cli {

/// More than this in one picture nobody can tell apart.
inline constexpr std::size_t kDrawnPaths = 100;

/// The snapshot with at most `most` paths, in their order: those with the gravest findings, then those that did not end
/// well, then those of Services, then the earliest.
[[nodiscard]] tracer::Snapshot withPaths(const tracer::Snapshot &snapshot, std::size_t most);

/// For standard error where a picture shows fewer than there are; "" where it shows all.
[[nodiscard]] std::string remarkOnChoice(const tracer::Snapshot &snapshot);

/// How many paths the source has, whether or not the snapshot holds them all.
[[nodiscard]] std::uint64_t pathCount(const tracer::Snapshot &snapshot);

} // namespace natlens::cli
