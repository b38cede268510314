// D15: timeouts on each rollout with policy Local: the load balancer still sends to a node whose endpoint has just
// gone.
#include "tracer/findings/no_local.h"

#include <chrono>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);
constexpr std::chrono::minutes kRecently{2};

} // namespace

const Diagnosis kD15{
    .code = "D15",
    .title = "Requests still come to a node whose last endpoint has just gone",
    .severity = Severity::error,
    .what =
        "With policy Local, a node that had an endpoint until a moment ago drops requests that are still sent to it.",
    .why = "A load balancer notices only after several failed health checks that the node has no endpoint any more.",
    .field = "spec.externalTrafficPolicy: Local with spec.healthCheckNodePort",
    .fix = "Let pods end slowly: a preStop pause longer than the load balancer's checks need (interval times "
           "threshold), so that "
           "terminating endpoints serve meanwhile.",
    .cost = "Rollouts take that much longer.",
    .evidence =
        "the dropped request, and cluster state in which the node had a ready endpoint less than two minutes before",
    .reference = "https://github.com/kubernetes/kubernetes/issues/85643",
    .find = find,
};

std::optional<Timestamp> lostLocalEndpoint(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.service || !input.service->localOnly() || !input.history || !input.cluster) return std::nullopt;
    if (viaOf(path) == Via::clusterIP || !path.isRequestDropped()) return std::nullopt;
    const auto node = nodeName(input, path.droppedAt);
    if (node.empty() || input.cluster->endpoints(*input.service, node).readyOnNode != 0) return std::nullopt;
    const auto from = path.firstSeen + -std::chrono::nanoseconds(kRecently);
    // Back through the states: the first that had one ended when the next began.
    for (Timestamp at = input.history->changedBefore(path.firstSeen); at.nanoseconds != 0 && at >= from;) {
        const Timestamp before = at + std::chrono::nanoseconds(-1);
        if (input.history->changedBefore(before).nanoseconds == 0) return std::nullopt;
        const ClusterView *view = input.history->at(before);
        const auto match = view->service(path.protocol, path.requested);
        if (match && view->endpoints(*match, node).readyOnNode != 0) return at;
        at = input.history->changedBefore(before);
    }
    return std::nullopt;
}

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind != PathKind::service) return std::nullopt;
    const auto lost = lostLocalEndpoint(input);
    const Hop *hop = requestHop(path, path.droppedAt);
    if (!lost || hop == nullptr) return std::nullopt;
    const auto later = std::chrono::duration_cast<std::chrono::milliseconds>(path.firstSeen - *lost);
    Finding result = finding(
        kD15,
        fmt::format(
            "{} dropped the request to {}: its last ready endpoint of {} had gone {} ms before, and with {} it uses no "
            "others. Whoever chose this node did not know yet.",
            path.droppedAt, path.requested.toString(), serviceInWords(input), later.count(),
            policyField(input.service, true)));
    addEvidence(result, hop->in);
    return result;
}

} // namespace

} // namespace natlens::tracer
