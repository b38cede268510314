// D23: requests from inside to the load balancer's address never leave the node.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD23{
    .code = "D23",
    .title = "A request from inside to the load balancer's address does not pass the load balancer",
    .severity = Severity::info,
    .what = "A pod or node asks the load balancer IP, and its own node translates the request to an endpoint at once.",
    .why = "kube-proxy takes the load balancer IP for its own as long as ipMode is VIP (the default). What the load "
           "balancer would "
           "add (TLS, PROXY protocol, its source address) is missing for clients inside.",
    .field = "status.loadBalancer.ingress[].ipMode",
    .fix = "Where the load balancer's work is needed, let it set ipMode: Proxy.",
    .cost = "Requests from inside then take the way through the load balancer and back.",
    .evidence = "the request translated on the client's own node, and cluster state that says whose address was asked",
    .reference = "https://github.com/kubernetes/kubernetes/issues/115931",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.service || input.service->via != Via::loadBalancerIP) return std::nullopt;
    if (!fromPod(input) && !fromNode(input)) return std::nullopt;
    const Hop *hop = hopWith(path, Nat::dnat);
    if (hop == nullptr || nodeName(input, hop->host).empty()) return std::nullopt;
    const auto pod = input.cluster->podWith(path.client.address.ip);
    const auto home = pod ? pod->nodeName : nodeName(input, path.client.node);
    if (nodeName(input, hop->host) != home) return std::nullopt;
    Finding result = finding(
        kD23, fmt::format(
                  "{} asked the load balancer IP {}, and {} itself sent the request to {}: it never left for the load "
                  "balancer.",
                  path.client.node.empty() ? path.client.address.ip.toString() : path.client.node,
                  path.requested.toString(), hop->host, hop->out ? hop->out->dst.toString() : "an endpoint"));
    addEvidence(result, hop->in);
    addEvidence(result, hop->out);
    return result;
}

} // namespace

} // namespace natlens::tracer
