// Which paths to show where there are too many.
#pragma once

#include "tracer/path/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace natlens::diagram {

/// More than this in one picture nobody can tell apart.
inline constexpr std::size_t kDrawnPaths = 100;

/// The snapshot with at most `most` paths, in their order: the most telling (see tracer::Telling), some of every kind
/// before many of one; `selected` in any case. Of those that say nothing of any Service one of a kind and few at all,
/// where there are others, and none to many hosts at once.
[[nodiscard]] tracer::Snapshot withPaths(const tracer::Snapshot &snapshot, std::size_t most,
                                         std::string_view selected = {});

/// For SceneOptions::kinds of a picture that withPaths() has chosen the paths of: how many connections there are of
/// each kind in the whole snapshot, those included that it does not keep. Empty where all paths are drawn. Which way
/// they went is not counted: pictures say "some of" where those that are drawn went several.
[[nodiscard]] std::map<std::string, std::uint64_t> kindsOf(const tracer::Snapshot &snapshot,
                                                           const tracer::Snapshot &chosen);

} // namespace natlens::diagram
