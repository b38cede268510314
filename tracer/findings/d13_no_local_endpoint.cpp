// D13: "with externalTrafficPolicy Local, some nodes time out".
#include "tracer/findings/no_local.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD13{
    .code = "D13",
    .title = "Policy Local, and a node without an endpoint drops the request",
    .severity = Severity::error,
    .what = "A node takes a request from outside in and sends nothing on; the client times out.",
    .why = "With externalTrafficPolicy Local a node uses only endpoints of its own; without a ready one it drops.",
    .field = "spec.externalTrafficPolicy: Local",
    .fix = "Send requests only to nodes that run an endpoint (a load balancer knows them by healthCheckNodePort), or "
           "run an endpoint "
           "on every node.",
    .cost = "Setting spec.externalTrafficPolicy: Cluster instead lets every node answer, but the endpoint no longer "
            "sees the client's "
            "address.",
    .evidence = "a request that goes into a node and does not come out while the capture lost nothing; cluster state "
                "or a rule trace "
                "for certainty",
    .reference = "https://github.com/kubernetes/kubernetes/issues/66354",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind != PathKind::service || !path.isRequestDropped() || path.droppedAt.empty()) return std::nullopt;
    if (path.client.node == path.droppedAt) return std::nullopt; // it came back to its sender: D20
    const Via via = viaOf(path);
    if (via == Via::clusterIP) return std::nullopt;
    const Hop *hop = requestHop(path, path.droppedAt);
    if (hop == nullptr) return std::nullopt;
    if (input.cluster && lostLocalEndpoint(input)) return std::nullopt; // D15 says more
    // Translated before it was lost: an endpoint had been chosen.
    if (hopWith(path, Nat::dnat) != nullptr && input.service) return std::nullopt;

    const std::string &node = path.droppedAt;
    const auto found = input.traced.find(node);
    const bool traced = found != input.traced.end() && found->second.dropped && found->second.localOnly;
    const bool otherwise = found != input.traced.end() && found->second.dropped && !found->second.localOnly;
    bool predicted = false;
    std::string elsewhere;
    if (input.service && input.cluster) {
        const auto count = input.cluster->endpoints(*input.service, node);
        predicted = input.service->localOnly() && count.readyOnNode == 0 && count.unplaced == 0;
        // Cluster state that says otherwise is believed unless the kernel itself says so.
        if (!predicted && !traced && count.unplaced == 0) return std::nullopt;
        for (const auto &name : count.nodes)
            elsewhere += (elsewhere.empty() ? "" : ", ") + name;
    }
    // The rule that dropped it has a name only with nftables; with iptables the cluster state must say which it was.
    if (otherwise && !predicted) return std::nullopt;

    const std::string who = serviceInWords(input), field = policyField(input.service, true);
    std::string cause;
    if (predicted || traced) {
        cause = fmt::format("{} has {}, and {} has no ready endpoint of it, so it drops the request without an answer.",
                            who, field, node);
        if (!elsewhere.empty()) cause += fmt::format(" Endpoints are on {}.", elsewhere);
    } else {
        cause =
            fmt::format("The likeliest reason is {} on {} while {} runs no endpoint of it. Without cluster state or a "
                        "rule trace this is inferred: a firewall would look the same.",
                        field, who, node);
    }
    Finding result = finding(kD13, fmt::format("{} took the request to {} in and sent nothing on. {}", node,
                                               path.requested.toString(), cause));
    result.field = field;
    result.fix = fmt::format("Send requests only to nodes that run an endpoint (a load balancer knows them by "
                             "healthCheckNodePort), or run an endpoint on {} as well.",
                             node);
    result.cost =
        fmt::format("Setting {} instead lets every node answer, but the endpoint no longer sees the client's address.",
                    policyField(input.service, false));
    addEvidence(result, hop->in);
    return result;
}

} // namespace

} // namespace natlens::tracer
