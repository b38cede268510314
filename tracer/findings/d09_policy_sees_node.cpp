// D09: a NetworkPolicy by address judges a node's address instead of the client's.
#include "tracer/findings/helpers.h"
#include "tracer/path/telling.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD09{
    .code = "D09",
    .title = "A NetworkPolicy judges the translated address",
    .severity = Severity::error,
    .what = "A policy with ipBlock keeps an allowed client out, or lets a forbidden one in, because it sees a node's "
            "address.",
    .why = "Policies are applied at the pod, after source translation: what they see is the address of the node that "
           "masqueraded.",
    .field = "NetworkPolicy spec.ingress[].from[].ipBlock",
    .fix = "Keep the client's address (spec.externalTrafficPolicy: Local), or filter where it is still seen, at the "
           "load balancer.",
    .cost = "With policy Local only nodes with an endpoint answer; allowing the nodes' addresses would let in "
            "everybody they forward.",
    .evidence =
        "the request before and after source translation, and a NetworkPolicy in the cluster state that judges the two "
        "addresses differently",
    .reference = "https://github.com/cloudnativelabs/kube-router/issues/744",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.cluster || input.cluster->policies().empty() || path.kind != PathKind::service) return std::nullopt;
    const Hop *hop = hopWith(path, Nat::snat);
    const auto to = lastDestination(path);
    if (hop == nullptr || !hop->out || !to) return std::nullopt;
    const auto pod = input.cluster->podWith(to->ip);
    if (!pod) return std::nullopt;
    const auto &client = path.client.address.ip, &seen = hop->out->src.ip;
    const auto before = admits(input.cluster->policies(), *pod, client, to->port);
    const auto after = admits(input.cluster->policies(), *pod, seen, to->port);
    if (!before || !after || *before == *after) return std::nullopt;
    // An answer may have been lost on its way back.
    const bool silent =
        path.isRequestDropped() || (path.outcome == Outcome::unanswered && !hasHops(path, Direction::reply));
    const bool blocked = *before && silent && path.droppedAt != hop->host;
    const bool letIn = !*before && path.outcome == Outcome::delivered;
    if (!blocked && !letIn) return std::nullopt;
    Finding result =
        finding(kD09, fmt::format("A NetworkPolicy for pod {} {} {}, but {} had replaced that address by {}, which it "
                                  "{}: the request was {}.",
                                  pod->name.toString(), *before ? "admits" : "does not admit", client.toString(),
                                  hop->host, seen.toString(), *after ? "admits" : "does not admit",
                                  blocked ? "lost on the way to the pod" : "answered"));
    addEvidence(result, hop->in);
    addEvidence(result, hop->out);
    if (const Hop *last = requestHop(path, path.droppedAt)) addEvidence(result, last->in);
    return result;
}

} // namespace

} // namespace natlens::tracer
