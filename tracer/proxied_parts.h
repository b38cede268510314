// A path that goes through a proxy is several connections: each has its Service, its rules and its findings.
#pragma once

#include "tracer/annotator.h"

namespace natlens::tracer {

/// The connections that a proxied one consists of, in order; one if there is no proxy on its way.
[[nodiscard]] std::vector<Connection> partsOf(const Connection &connection);

/// Puts names to the path that `builder` made of `connection`. Of a proxied one each part is looked at as a path of its
/// own: the proxy's request is judged as what it is to the node that meets it. See Annotator::annotate().
[[nodiscard]] FindingInput annotateParts(Annotator &annotator, Path &path, const Connection &connection,
                                         const PathBuilder &builder, const PathSources &sources, const Moment &moment,
                                         const ConnectionEvidence &evidence);

} // namespace natlens::tracer
