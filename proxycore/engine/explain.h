// `natlens explain` and `natlens rules`: from objects and a question to an answer in words or JSON.
#pragma once

#include "capture/base/result.h"
#include "proxycore/engine/decision.h"

#include <optional>
#include <string>
#include <vector>

namespace natlens::proxycore {

struct ExplainRequest {
    std::string nodeName;
    std::vector<IpAddress> nodeAddresses; ///< local to the node besides those of its Node object
    Mode mode = Mode::iptables;
    FlowQuery flow;
};

/// Makes the plan of the destination's family and decides. Errors: unknown node (names those there are), source and
/// destination of different families, a protocol that Services do not have.
[[nodiscard]] base::Result<Decision> explain(const ClusterState &state, const ProxyConfig &config,
                                             const ExplainRequest &request);

/// One JSON object, schema natlens.explain/1.
[[nodiscard]] std::string toExplainJson(const Decision &decision);
/// The same for people: the verdict in one line, the endpoints, the steps numbered.
[[nodiscard]] std::string toExplainText(const Decision &decision);

/// Checks that the node is in the state; the error says which ones are.
[[nodiscard]] base::Status requireNode(const ClusterState &state, const std::string &nodeName);

} // namespace natlens::proxycore
