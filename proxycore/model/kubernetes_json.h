// Kubernetes JSON in and out. Objects may be bare: defaults that an API server would have filled in are filled in here.
#pragma once

#include "capture/base/parallel.h"
#include "capture/base/result.h"
#include "proxycore/model/cluster_state.h"

#include <string>
#include <string_view>

namespace natlens::proxycore {

/// The addresses of a flow whose fate is asked for.
struct FlowEnds {
    IpAddress source;
    packet::SocketAddress destination;
};

/// Reads a `List` (or ServiceList, NodeList, ...), one object, a watch event, or several of these one after the other
/// (JSON Lines). Kinds used: Node, Pod, Service, EndpointSlice, Endpoints, ServiceCIDR; others are passed over.
/// Endpoints become EndpointSlices (isOfEndpoints()) of Services that have none of their own. Broken JSON is an Error
/// with file, line and column. Wrong types and absurd values make a Problem in `ClusterState::problems`; the field or
/// the object is left out and the rest is used. After a thousand Problems the rest is not listed. Of two objects with
/// the same kind and name the last one is kept (and a Problem reported).
///
/// With `ends`, only what has a say in that flow is kept: the Nodes, the service ranges, Services that may take its
/// destination or have its source as an endpoint, and their EndpointSlices. Everything is checked and reported on all
/// the same, and a plan made from the part decides about the flow as a plan made from the whole. The result does not
/// depend on `parallel`.
[[nodiscard]] base::Result<ClusterState> readClusterState(std::string_view text, std::string_view fileName,
                                                          const FlowEnds *ends = nullptr,
                                                          const base::ParallelFor &parallel = base::oneByOne);

/// Whether the Service may take the flow's destination, on some node, or has its address or port for something else.
[[nodiscard]] bool concerns(const Service &service, const FlowEnds &ends);
/// Whether this is the address of one of the slice's endpoints.
[[nodiscard]] bool hasEndpoint(const EndpointSlice &slice, const IpAddress &ip);

/// Applies {"type":"ADDED|MODIFIED|DELETED","object":{...}}, a plain object (as ADDED), or a List of objects.
/// BOOKMARK and ERROR events change nothing.
[[nodiscard]] base::Status applyWatchEvent(ClusterState &state, std::string_view json);

enum class WatchEventType { added, modified, deleted };

/// The object as Kubernetes would print it, compact, with kind and apiVersion; reading it back gives an equal object.
[[nodiscard]] std::string toJson(const Node &node);
[[nodiscard]] std::string toJson(const Pod &pod);
[[nodiscard]] std::string toJson(const Service &service);
[[nodiscard]] std::string toJson(const EndpointSlice &slice);
/// A `List` of everything in the state.
[[nodiscard]] std::string toJson(const ClusterState &state);

/// One watch event around any of the above: watchEvent(WatchEventType::modified, toJson(service)).
[[nodiscard]] std::string watchEvent(WatchEventType type, std::string_view objectJson);

} // namespace natlens::proxycore
