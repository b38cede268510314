// A quick look at an object that most likely has no say in a flow. For the .cpp files of this folder only.
#pragma once

#include "proxycore/model/json_document.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/model/object_finder.h"

#include <optional>
#include <string_view>

namespace natlens::proxycore::detail {

/// What is remembered of an object that need not be read.
struct Glance {
    std::string_view nameSpace, name;
    std::string_view serviceName; ///< of an EndpointSlice or Endpoints: "" when it belongs to no Service
};

/// Goes over the object once, each member where it stands. Something is returned only when both are certain: that
/// reading it (object_readers.h) would report nothing, and that it does not concern the flow: a Service that takes
/// neither its destination's address nor its port, an EndpointSlice or Endpoints without its source, any Pod. Whatever
/// is unusual (an escape in a name, a field that occurs twice, a 1.5 annotation, an address that only kube-proxy would
/// accept) is left to the readers.
[[nodiscard]] std::optional<Glance> glanceAt(const JsonValue &object, ObjectKind kind, const FlowEnds &ends);

} // namespace natlens::proxycore::detail
