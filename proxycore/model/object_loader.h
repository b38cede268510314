// Objects into a cluster state: all of them, or those that have a say in one flow. For the .cpp files of this folder
// only.
#pragma once

#include "capture/base/parallel.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/model/object_finder.h"

#include <variant>

namespace natlens::proxycore::detail {

struct ServiceRange {
    std::vector<IpPrefix> prefixes;
};

/// What an item says. Without a name, or (all but removed ones) without a value, it must be left out (reported).
struct ReadObject {
    ObjectName name;
    /// Several EndpointSlices: what an Endpoints object says.
    std::variant<std::monostate, Node, Pod, Service, EndpointSlice, std::vector<EndpointSlice>, ServiceRange> value;
};

/// Of an object that is to be removed only the name is read.
[[nodiscard]] ReadObject readItem(const Item &item, Reporter &reporter);

/// Reads every object, one after the other.
void loadAll(ClusterState &state, const JsonDocument &document, const std::vector<Item> &items);

/// Checks every object and reads those that have a say in the flow. What is reported goes behind state.problems, as
/// loadAll() would report it. False, and nothing is reported, when a part cannot be had: an object occurs twice or is
/// removed, and the one that counts may be the one that does not concern the flow.
[[nodiscard]] bool loadPart(ClusterState &state, const JsonDocument &document, const std::vector<Item> &items,
                            const FlowEnds &ends, const base::ParallelFor &parallel);

} // namespace natlens::proxycore::detail
