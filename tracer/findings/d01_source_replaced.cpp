// D01: "my pod sees the node's address instead of the client's".
#include "tracer/findings/helpers.h"

#include <vector>

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
    .evidence =
        "the request before and after a source translation; cluster state or a rule trace for certainty, a node port "
        "for likelihood: of any other router only what it did is said",
    .reference = "https://github.com/kubernetes/kubernetes/issues/91374",
    .find = find,
};

namespace {

bool fromOutside(const FindingInput &input) {
    return viaOf(input.path) != Via::clusterIP && !fromPod(input);
}

/// The hops that put another source address in place of the one that came in, in the order of travel.
std::vector<const Hop *> replacements(const Path &path) {
    std::vector<const Hop *> hops;
    for (const Hop &hop : path.hops)
        if (hop.direction == Direction::request && has(hop.nat, Nat::snat)) hops.push_back(&hop);
    return hops;
}

/// What asks a node port, or meets kube-proxy's rules, is a Service; any router may replace a source.
bool showsKubernetes(const FindingInput &input, bool traced) {
    return input.cluster != nullptr || input.service.has_value() || traced || viaOf(input.path) == Via::nodePort;
}

/// "node1 replaced the source address", or each with what it put.
std::string inWords(const std::vector<const Hop *> &hops) {
    if (hops.size() == 1) return hops.front()->host + " replaced the source address.";
    std::string text;
    for (const Hop *hop : hops) {
        const std::string put = hop->out ? hop->out->src.ip.toString() : "another address";
        text += text.empty() ? fmt::format("{} put {} in its place", hop->host, put)
                             : fmt::format(", then {} put {} in the place of that", hop->host, put);
    }
    return text + ".";
}

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind != PathKind::service || !fromOutside(input)) return std::nullopt;
    if (!path.endpoint || !path.seenByEndpoint || path.sourcePreserved.value_or(true)) return std::nullopt;
    if (path.endpoint->address.ip == path.client.address.ip) return std::nullopt; // hairpin: must be masqueraded
    const auto hops = replacements(path);
    if (hops.empty()) return std::nullopt;
    // A load balancer that replaced it before any node did is no matter of kube-proxy's.
    if (input.cluster && nodeName(input, hops.front()->host).empty()) return std::nullopt;
    // What the endpoint sees is what the last of them put.
    const Hop *hop = hops.back();
    const auto facts = input.traced.find(hop->host);
    const bool traced = facts != input.traced.end() && facts->second.external;
    const bool known = input.service.has_value();
    // Cluster state that has no such Service: whoever translates, it is not kube-proxy for one.
    if (input.cluster && !known && !traced) return std::nullopt;
    // With the Local policy somebody else masquerades; that is another finding.
    if (known && input.service->localOnly()) return std::nullopt;

    const bool asService = showsKubernetes(input, traced);
    const std::string who = serviceInWords(input), field = policyField(input.service, false);
    const std::string cause =
        known || traced
            ? fmt::format(
                  "{} has {}: any node may pass the request on to any endpoint, so {} masquerades it to make the "
                  "answer come back through itself, even where the endpoint is its own.",
                  who, field, hop->host)
        : asService
            ? fmt::format(
                  "Very likely {} has {} (the default), with which kube-proxy masquerades what comes from outside "
                  "so that the answer returns through the same node. Without cluster state this is inferred.",
                  who, field)
            : "What was captured does not say why: any router that masquerades does this, and kube-proxy does for a "
              "Service with policy Cluster.";
    Finding result = finding(kD01, fmt::format("The endpoint {} sees {} instead of the client's {}: {} {}",
                                               path.endpoint->address.toString(), path.seenByEndpoint->ip.toString(),
                                               path.client.address.ip.toString(), inWords(hops), cause));
    if (asService) {
        result.field = field;
        result.fix = fmt::format("Set {} on {}.", policyField(input.service, true), who);
    } else {
        result.severity = Severity::info;
        result.field.clear();
        result.fix = fmt::format("Look at the rules of {} that masquerade; if it is a node and this a Service, set {}.",
                                 hop->host, policyField(input.service, true));
    }
    if (hops.size() > 1)
        result.fix += fmt::format(" That alone does not bring it back: {} replaces it before.", hops.front()->host);
    for (const Hop *each : hops) {
        addEvidence(result, each->in);
        addEvidence(result, each->out);
    }
    return result;
}

} // namespace

} // namespace natlens::tracer
