#include "tracer/proxied_parts.h"

#include "tracer/connection_evidence.h"

#include <algorithm>

namespace natlens::tracer {

std::vector<Connection> partsOf(const Connection &connection) {
    std::vector<Connection> parts(1);
    for (const Step &step : connection.steps) {
        parts.back().steps.push_back(step);
        if (!step.next || !step.next->proxied) continue;
        parts.back().steps.back().next.reset();
        parts.emplace_back();
    }
    // Earlier translations belong to one of them; to which does not matter to what is asked of the parts.
    parts.front().attempts = connection.attempts;
    parts.front().halves = connection.halves;
    return parts;
}

FindingInput annotateParts(Annotator &annotator, Path &path, const Connection &connection, const PathBuilder &builder,
                           const PathSources &sources, const Moment &moment, const ConnectionEvidence &evidence) {
    const auto isProxied = [](const Step &step) { return step.next && step.next->proxied; };
    if (std::ranges::none_of(connection.steps, isProxied)) return annotator.annotate(path, builder, evidence);
    std::vector<Path> parts;
    for (const Connection &one : partsOf(connection)) {
        parts.push_back(builder.build(one));
        parts.back().id = path.id;
        (void)annotator.annotate(parts.back(), builder, StitchedEvidence(one, sources, moment));
    }
    return annotator.annotateProxied(path, parts, evidence);
}

} // namespace natlens::tracer
