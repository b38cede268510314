// What a node's settings and counters say, as JSON for the recording (docs/recording-facts.md).
#pragma once

#include "app/lab/namespaces.h"
#include "proxycore/model/proxy_config.h"

#include <string>

namespace natlens::lab {

/// Reads the node's sysctls and connection tracking counters. `config` is what its kube-proxy was told.
[[nodiscard]] std::string nodeFacts(const NetworkNamespace &node, const proxycore::ProxyConfig &config);

} // namespace natlens::lab
