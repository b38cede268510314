// What an explanation cannot know without kube-proxy's configuration: which sources it takes for pods of the cluster.
#pragma once

#include "proxycore/engine/explain.h"

#include <string>

namespace natlens::session {

/// A sentence where the decision would be another one with a clusterCIDR, of which `config` says nothing; else "".
[[nodiscard]] std::string remarkOnLocalSources(const proxycore::ClusterState &state, const proxycore::ProxyConfig &config,
                                               const proxycore::ExplainRequest &request,
                                               const proxycore::Decision &decision);

} // namespace natlens::session
