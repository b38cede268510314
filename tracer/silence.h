// Whether a request that nobody answered may be called dropped.
#pragma once

#include "tracer/findings/finding.h"
#include "tracer/stitch/capture_points.h"

namespace natlens::tracer {

/// Turns `unanswered` into `dropped` where the evidence allows it (docs/adr/0006): the packet is known to have gone
/// into the last host that showed it, it is of a kind that is answered, and what that host would have passed on would
/// have been seen. Otherwise says what was not captured. `servedElsewhere`: requests to the same port were seen to
/// arrive at an endpoint that is captured. Rule traces have had their say before.
void judgeSilence(Path &path, const FindingInput &input, const CapturePoints &points, bool servedElsewhere);

} // namespace natlens::tracer
