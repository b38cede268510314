// One connection of the wide text picture: its hosts below each other.
#pragma once

#include "tracer/path/path.h"

#include <string>
#include <vector>

namespace natlens::diagram {

/// `hosts` as the request visited them, "" where nobody captured. `width`: columns, at least 60. Lines end in '\n' and
/// hold no control characters.
[[nodiscard]] std::string drawColumn(const tracer::Path &path, const std::vector<std::string> &hosts, int width);

} // namespace natlens::diagram
