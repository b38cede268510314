// Which paths to show where there are too many.
#pragma once

#include "tracer/path/snapshot.h"

#include <cstddef>
#include <string_view>

namespace natlens::diagram {

/// More than this in one picture nobody can tell apart.
inline constexpr std::size_t kDrawnPaths = 100;

/// The snapshot with at most `most` paths, in their order: the most telling (see tracer::Telling), some of every kind
/// before many of one; `selected` in any case. Of those that say nothing of any Service one of a kind and few at all,
/// where there are others, and none to many hosts at once.
[[nodiscard]] tracer::Snapshot withPaths(const tracer::Snapshot &snapshot, std::size_t most,
                                         std::string_view selected = {});

} // namespace natlens::diagram
