// D16: a cluster IP hangs, but only from some nodes.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD16{
    .code = "D16",
    .title = "internalTrafficPolicy Local, and no endpoint on the client's node",
    .severity = Severity::error,
    .what = "A request to a cluster IP is dropped on the client's own node, while clients on other nodes are answered.",
    .why = "With internalTrafficPolicy Local a node uses only endpoints of its own; without a ready one it drops, it "
           "does not reject.",
    .field = "spec.internalTrafficPolicy: Local",
    .fix = "Run an endpoint on every node that has clients (a DaemonSet), or set spec.internalTrafficPolicy: Cluster.",
    .cost = "With Cluster, traffic may cross nodes.",
    .evidence =
        "a request to a cluster IP that goes into a node and does not come out, and cluster state with the policy",
    .reference = "https://github.com/kubernetes/kubernetes/issues/121371",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.service || input.service->via != Via::clusterIP || !input.service->localOnly()) return std::nullopt;
    if (!path.isRequestDropped()) return std::nullopt;
    const auto node = nodeName(input, path.droppedAt);
    const auto count = input.cluster->endpoints(*input.service, node);
    const Hop *hop = requestHop(path, path.droppedAt);
    if (node.empty() || hop == nullptr || count.readyOnNode != 0 || count.unplaced != 0 ||
        count.ready == 0) return std::nullopt;
    std::string elsewhere;
    for (const auto &name : count.nodes)
        elsewhere += (elsewhere.empty() ? "" : ", ") + name;
    Finding result = finding(
        kD16,
        fmt::format("{} dropped the request to cluster IP {}: {} has spec.internalTrafficPolicy: Local, and {} has no "
                    "ready endpoint of it. Endpoints are on {}.",
                    node, path.requested.toString(), serviceInWords(input), node, elsewhere));
    addEvidence(result, hop->in);
    return result;
}

} // namespace

} // namespace natlens::tracer
