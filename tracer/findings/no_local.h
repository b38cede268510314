// Requests dropped for want of a local endpoint, told apart by what was there before. For D13 and D15.
#pragma once

#include "tracer/findings/helpers.h"

#include <optional>

namespace natlens::tracer {

/// When the node that dropped the request lost its last ready endpoint, if that was less than two minutes before.
[[nodiscard]] std::optional<Timestamp> lostLocalEndpoint(const FindingInput &input);

} // namespace natlens::tracer
