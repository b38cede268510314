// The part of a report that tells of connections, one by one and in sum.
#pragma once

#include "tracer/path/snapshot.h"

#include <string>

namespace natlens::cli {

/// A heading, facts and a table of hops for each path of `shown`, and what the rest of `snapshot` has in common.
/// Markdown;
/// "" without paths.
[[nodiscard]] std::string connectionsSection(const tracer::Snapshot &snapshot, const tracer::Snapshot &shown);

} // namespace natlens::cli
