// Connections that a proxy opened in place of others. For D05 and D08.
#pragma once

#include "tracer/findings/helpers.h"

namespace natlens::tracer {

/// Files a path under the host where it ends (first) and where it begins (second), with what it asked.
[[nodiscard]] std::vector<GroupKey> proxyKeys(const FindingInput &input);

struct Proxied {
    const Path *before, *after; ///< client to proxy, proxy to server
    bool onNode = false;        ///< the proxy is a node of the cluster
};
/// Each request that ended at a host which at once asked the same of somebody else.
[[nodiscard]] std::vector<Proxied> proxiedIn(const RelatedPaths &group);

} // namespace natlens::tracer
