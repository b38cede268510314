// Endpoints that no Pod object stands for: a cluster file often has none, and a lab needs hosts that answer.
#pragma once

#include "proxycore/model/cluster_state.h"

namespace natlens::lab {

/// Adds a Pod for every endpoint address that none has: named as the endpoint's targetRef says, else after its address
/// ("pod-10-1-1-5", "pod-fd00-10-1--5"). It runs where the endpoint says, else on the node whose podCIDR has the
/// address. Endpoints at the same place of a Service's IPv4 and IPv6 slices, on one node, are one pod.
void addPodsOfEndpoints(proxycore::ClusterState &state);

} // namespace natlens::lab
