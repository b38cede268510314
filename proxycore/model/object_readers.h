// One Kubernetes object from its JSON. For the .cpp files of this folder only.
#pragma once

#include "proxycore/model/json_fields.h"
#include "proxycore/model/json_scan.h"

#include <optional>
#include <vector>

namespace natlens::proxycore::detail {

/// Nothing when the object must be left out (reported).
[[nodiscard]] std::optional<Service> readService(const Fields &object, const Fields &metadata, ObjectName name);
[[nodiscard]] std::optional<EndpointSlice> readEndpointSlice(const Fields &object, const Fields &metadata,
                                                             ObjectName name);

/// What an Endpoints object says, as EndpointSlices: one for each subset and family, named "endpoints/NAME/...".
[[nodiscard]] std::vector<EndpointSlice> readEndpoints(const Fields &object, const Fields &metadata,
                                                       const ObjectName &name);

/// TCP when absent; nothing when (reported) wrong.
[[nodiscard]] std::optional<Protocol> readProtocol(const Fields &fields);

[[nodiscard]] Node readNode(const Fields &object, std::string name);
[[nodiscard]] Pod readPod(const Fields &object, ObjectName name);

} // namespace natlens::proxycore::detail
