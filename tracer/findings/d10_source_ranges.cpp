// D10: loadBalancerSourceRanges ignored, or too strict.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD10{
    .code = "D10",
    .title = "loadBalancerSourceRanges judge the wrong address, or nothing",
    .severity = Severity::warning,
    .what = "A client outside the ranges is answered on the node port, or one inside them is dropped because a load "
            "balancer had "
            "replaced its address.",
    .why = "kube-proxy applies the ranges to the load balancer IP only, never to node ports, and to the source address "
           "that reaches "
           "the node.",
    .field = "spec.loadBalancerSourceRanges",
    .fix = "Close the node port (spec.allocateLoadBalancerNodePorts: false) or filter it by a firewall; let a load "
           "balancer that "
           "replaces addresses do the filtering itself.",
    .cost = "Without node ports, load balancers that target them no longer work.",
    .evidence = "cluster state with ranges; the request answered on the node port, or its source before and after the "
                "load balancer",
    .reference = "https://github.com/kubernetes/kubernetes/issues/33586",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.service || input.service->service->loadBalancerSourceRanges.empty()) return std::nullopt;
    if (fromPod(input) || fromNode(input)) return std::nullopt;
    const auto &ranges = input.service->service->loadBalancerSourceRanges;
    const auto allowed = [&](const IpAddress &ip) {
        return std::ranges::any_of(ranges, [&](const auto &range) { return range.contains(ip); });
    };
    std::string text;
    for (const auto &range : ranges)
        text += (text.empty() ? "" : ", ") + range.toString();
    const auto &client = path.client.address.ip;
    if (viaOf(path) == Via::nodePort && path.outcome == Outcome::delivered && !allowed(client)) {
        Finding result = finding(
            kD10,
            fmt::format(
                "{} is not in the ranges of {} ({}), and was answered all the same: it asked the node port {}, where "
                "kube-proxy does not apply them.",
                client.toString(), serviceInWords(input), text, path.requested.toString()));
        if (const Hop *hop = entryHop(input)) addEvidence(result, hop->in);
        return result;
    }
    // The requested address may have become a node port on the way: what counts is what the node was asked.
    const Hop *dropper = path.isRequestDropped() ? requestHop(path, path.droppedAt) : nullptr;
    if (dropper == nullptr || !dropper->in || viaOf(path) != Via::loadBalancerIP) return std::nullopt;
    const auto &seen = dropper->in->src.ip;
    if (!allowed(client) || allowed(seen) || seen == client) return std::nullopt;
    Finding result =
        finding(kD10, fmt::format("{} is in the ranges of {} ({}), but {} met the request with {} as its source, which "
                                  "is not, and dropped it.",
                                  client.toString(), serviceInWords(input), text, dropper->host, seen.toString()));
    result.severity = Severity::error;
    addEvidence(result, dropper->in);
    return result;
}

} // namespace

} // namespace natlens::tracer
