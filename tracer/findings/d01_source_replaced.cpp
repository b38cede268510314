// D01: "my pod sees the node's address instead of the client's".
#include "tracer/findings/finding.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

bool fromOutside(const FindingInput &input) {
    const Path &path = input.path;
    const Via via = path.service ? path.service->via : Via::none;
    if (via == Via::clusterIP) return false;
    return !(input.cluster && input.cluster->podWith(path.client.address.ip));
}

} // namespace

std::optional<Finding> findSourceReplaced(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind != PathKind::service || !fromOutside(input)) return std::nullopt;
    if (!path.endpoint || !path.seenByEndpoint || path.sourcePreserved.value_or(true)) return std::nullopt;
    if (path.endpoint->address.ip == path.client.address.ip) return std::nullopt; // hairpin: must be masqueraded
    const auto hop = std::ranges::find_if(path.hops, [](const Hop &h) {
        return h.direction == Direction::request && std::ranges::find(h.nat, Nat::snat) != h.nat.end();
    });
    if (hop == path.hops.end()) return std::nullopt;
    const bool known = input.service.has_value();
    // With the Local policy somebody else masquerades; that is another finding.
    if (known && input.service->localOnly()) return std::nullopt;

    Finding finding;
    finding.code = "D01";
    finding.severity = Severity::warning;
    finding.field = policyField(input.service, false);
    const auto facts = input.traced.find(hop->host);
    const bool traced = facts != input.traced.end() && facts->second.external;
    const std::string who = serviceInWords(input);
    const std::string cause =
        known || traced
            ? fmt::format(
                  "{} has {}: any node may pass the request on to any endpoint, so {} masquerades it to make the "
                  "answer come back through itself, even where the endpoint is its own.",
                  who, finding.field, hop->host)
            : fmt::format(
                  "Very likely {} has {} (the default), with which kube-proxy masquerades what comes from outside "
                  "so that the answer returns through the same node. Without cluster state this is inferred.",
                  who, finding.field);
    finding.text = fmt::format("The endpoint {} sees {} instead of the client's {}: {} replaced the source address. {}",
                               path.endpoint->address.toString(), path.seenByEndpoint->ip.toString(),
                               path.client.address.ip.toString(), hop->host, cause);
    finding.fix =
        fmt::format("Set {} on {}. Cost: only nodes that run an endpoint answer (others drop the request; a load "
                    "balancer leaves them out by their failing health check), and load is spread by node, not "
                    "by endpoint.",
                    policyField(input.service, true), who);
    for (const auto &end : {hop->in, hop->out})
        if (end && end->packet.value != 0) finding.packets.push_back(end->packet);
    return finding;
}

} // namespace natlens::tracer
