// D13: "with externalTrafficPolicy Local, some nodes time out".
#include "tracer/findings/finding.h"

#include <algorithm>

namespace natlens::tracer {

std::optional<Finding> findNoLocalEndpoint(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind != PathKind::service || path.outcome != Outcome::dropped || path.droppedAt.empty())
        return std::nullopt;
    const Via via = path.service ? path.service->via : Via::none;
    if (via == Via::clusterIP) return std::nullopt;
    const auto hop = std::ranges::find_if(
        path.hops, [&](const Hop &h) { return h.direction == Direction::request && h.host == path.droppedAt; });
    if (hop == path.hops.end()) return std::nullopt;

    const std::string &node = path.droppedAt;
    const auto found = input.traced.find(node);
    const bool traced = found != input.traced.end() && found->second.dropped && found->second.localOnly;
    if (found != input.traced.end() && found->second.dropped && !found->second.localOnly) return std::nullopt;
    bool predicted = false;
    std::string elsewhere;
    if (input.service && input.cluster) {
        const auto count = input.cluster->endpoints(*input.service, node);
        predicted = input.service->localOnly() && count.readyOnNode == 0;
        // Cluster state that says otherwise is believed unless the kernel itself says so.
        if (!predicted && !traced) return std::nullopt;
        for (const auto &name : count.nodes)
            elsewhere += (elsewhere.empty() ? "" : ", ") + name;
    }

    Finding finding;
    finding.code = "D13";
    finding.severity = Severity::error;
    finding.field = policyField(input.service, true);
    const std::string who = serviceInWords(input);
    std::string cause;
    if (predicted || traced) {
        cause = fmt::format("{} has {}, and {} has no ready endpoint of it, so it drops the request without an answer.",
                            who, finding.field, node);
        if (!elsewhere.empty()) cause += fmt::format(" Endpoints are on {}.", elsewhere);
    } else {
        cause =
            fmt::format("The likeliest reason is {} on {} while {} runs no endpoint of it. Without cluster state or a "
                        "rule trace this is inferred: a firewall would look the same.",
                        finding.field, who, node);
    }
    finding.text =
        fmt::format("{} took the request to {} in and sent nothing on. {}", node, path.requested.toString(), cause);
    finding.fix =
        fmt::format("Send requests only to nodes that run an endpoint (a load balancer knows them by "
                    "healthCheckNodePort), or run an endpoint on {} as well. Or set {}: every node answers then, "
                    "but the endpoint no longer sees the client's address.",
                    node, policyField(input.service, false));
    if (hop->in && hop->in->packet.value != 0) finding.packets.push_back(hop->in->packet);
    return finding;
}

} // namespace natlens::tracer
