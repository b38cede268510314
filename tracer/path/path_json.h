// Paths as JSON Lines, schema natlens.path/1 (resources/schema/natlens.path-1.schema.json).
#pragma once

#include "tracer/path/path.h"

#include <string>

namespace natlens::tracer {

/// One path as one line of JSON without a newline. Every field is always present, null where unknown.
/// Hops: the hosts between the client and the endpoint, and the host where the connection ended if it is not a pod.
[[nodiscard]] std::string toJsonLine(const Path &path);

} // namespace natlens::tracer
