// D01: "my pod sees the node's address instead of the client's".
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD01{
    .code = "D01",
    .title = "The endpoint sees a node's address instead of the client's",
    .severity = Severity::warning,
    .what = "A request from outside the cluster arrives at the endpoint with the address of a node.",
    .why = "With policy Cluster any node may pass a request on to any endpoint. kube-proxy masquerades it, so that the "
           "answer "
           "comes back through the same node, even where the endpoint is its own.",
    .field = "spec.externalTrafficPolicy: Cluster",
    .fix = "Set spec.externalTrafficPolicy: Local on the Service.",
    .cost = "Only nodes that run an endpoint answer (others drop the request; a load balancer leaves them out by their "
            "failing "
            "health check), and load is spread by node, not by endpoint.",
    .evidence = "the request before and after a node's source translation; cluster state or a rule trace for certainty",
    .reference = "https://github.com/kubernetes/kubernetes/issues/91374",
    .find = find,
};

namespace {

bool fromOutside(const FindingInput &input) {
    return viaOf(input.path) != Via::clusterIP && !fromPod(input);
}

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind != PathKind::service || !fromOutside(input)) return std::nullopt;
    if (!path.endpoint || !path.seenByEndpoint || path.sourcePreserved.value_or(true)) return std::nullopt;
    if (path.endpoint->address.ip == path.client.address.ip) return std::nullopt; // hairpin: must be masqueraded
    const Hop *hop = hopWith(path, Nat::snat);
    if (hop == nullptr) return std::nullopt;
    const bool known = input.service.has_value();
    // A load balancer that replaced it before any node did is no matter of kube-proxy's.
    if (input.cluster && nodeName(input, hop->host).empty()) return std::nullopt;
    // With the Local policy somebody else masquerades; that is another finding.
    if (known && input.service->localOnly()) return std::nullopt;

    const auto facts = input.traced.find(hop->host);
    const bool traced = facts != input.traced.end() && facts->second.external;
    const std::string who = serviceInWords(input), field = policyField(input.service, false);
    const std::string cause =
        known || traced
            ? fmt::format(
                  "{} has {}: any node may pass the request on to any endpoint, so {} masquerades it to make the "
                  "answer come back through itself, even where the endpoint is its own.",
                  who, field, hop->host)
            : fmt::format(
                  "Very likely {} has {} (the default), with which kube-proxy masquerades what comes from outside "
                  "so that the answer returns through the same node. Without cluster state this is inferred.",
                  who, field);
    Finding result = finding(
        kD01, fmt::format("The endpoint {} sees {} instead of the client's {}: {} replaced the source address. {}",
                          path.endpoint->address.toString(), path.seenByEndpoint->ip.toString(),
                          path.client.address.ip.toString(), hop->host, cause));
    result.field = field;
    result.fix = fmt::format("Set {} on {}.", policyField(input.service, true), who);
    addEvidence(result, hop->in);
    addEvidence(result, hop->out);
    return result;
}

} // namespace

} // namespace natlens::tracer
