// Endpoints that no Pod object stands for: a cluster file often has none, and a lab needs hosts that answer.
#pragma once

#include "proxycore/model/cluster_state.h"

namespace natlens::lab {

/// Nodes that pods and endpoints name get an object, as do clusters without any node; nodes without an address get one:
/// that of a pod on the host's network, else one of 198.18.0.0/15 (RFC 2544: networks of tests).
void addMissingNodes(proxycore::ClusterState &state);

/// "pod-10-1-1-5".
[[nodiscard]] std::string nameFor(std::string_view kind, const packet::IpAddress &address);

/// Endpoints of no node: addresses that neither a pod nor a node has.
[[nodiscard]] std::vector<packet::IpAddress> outsideEndpoints(const proxycore::ClusterState &state);

/// Adds a Pod for every endpoint address that none has: named as the endpoint's targetRef says, else after its address
/// ("pod-10-1-1-5", "pod-fd00-10-1--5"). It runs where the endpoint says, else on the node whose podCIDR has the
/// address. Endpoints at the same place of a Service's IPv4 and IPv6 slices, on one node, are one pod.
void addPodsOfEndpoints(proxycore::ClusterState &state);

} // namespace natlens::lab
