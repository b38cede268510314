// D02: policy Local is set, and the client's address is still lost on external IPs.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD02{
    .code = "D02",
    .title = "External IPs treated as policy Cluster in spite of Local",
    .severity = Severity::warning,
    .what = "A request to an external IP of a Service with policy Local arrives at the endpoint with a node's address.",
    .why = "Old kube-proxies masquerade whatever comes for an external IP, whatever the policy says.",
    .field = "spec.externalIPs with spec.externalTrafficPolicy: Local",
    .fix = "Use a kube-proxy that applies the policy to external IPs, or reach the Service by its load balancer IP or "
           "node port.",
    .cost = "With the policy in force, nodes without an endpoint drop requests to the external IP.",
    .evidence =
        "the request before and after the node's source translation, and the Service's policy from cluster state",
    .reference = "https://github.com/kubernetes/kubernetes/issues/62537",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.service || input.service->via != Via::externalIP || !input.service->localOnly()) return std::nullopt;
    if (!path.endpoint || path.sourcePreserved.value_or(true) || fromPod(input) || fromNode(input)) return std::nullopt;
    const Hop *hop = hopWith(path, Nat::snat);
    if (hop == nullptr || nodeName(input, hop->host).empty()) return std::nullopt;
    Finding result = finding(
        kD02, fmt::format(
                  "{} has policy Local, and still {} replaced the client's {} by {} on the way from the external IP {} "
                  "to {}. kube-proxy of today would have kept it.",
                  serviceInWords(input), hop->host, path.client.address.ip.toString(),
                  path.seenByEndpoint->ip.toString(), path.requested.toString(), path.endpoint->address.toString()));
    addEvidence(result, hop->in);
    addEvidence(result, hop->out);
    return result;
}

} // namespace

} // namespace natlens::tracer
