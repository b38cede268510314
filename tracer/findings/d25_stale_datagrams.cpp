// D25: UDP into the void after a pod has gone.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD25{
    .code = "D25",
    .title = "Datagrams still go to an endpoint that is gone",
    .severity = Severity::error,
    .what =
        "A UDP client keeps its socket; its datagrams go on to a pod that no longer exists, and nothing comes back.",
    .why = "A tracked UDP connection keeps its translation as long as datagrams refresh it; rules do not apply to it "
           "any more. "
           "kube-proxy deletes such entries, but not always (the last endpoint gone, a node port, an old version).",
    .field = "EndpointSlice; connection tracking of the node",
    .fix = "Delete the stale entries (conntrack -D -p udp --orig-dst ADDRESS), update kube-proxy, let the client open "
           "a new socket.",
    .cost = "Other UDP conversations with that address start anew.",
    .evidence = "datagrams after the endpoint left the EndpointSlice, translated to it and unanswered",
    .reference = "https://github.com/kubernetes/kubernetes/issues/125467",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.protocol != Protocol::udp || !input.history || !input.evidence) return std::nullopt;
    const ClusterView *now = input.history->at(path.lastSeen);
    const auto match = now ? now->service(path.protocol, path.requested) : std::nullopt;
    const auto to = lastDestination(path);
    if (!match || !to || now->serves(*match, *to)) return std::nullopt;
    // Gone since the last change of the cluster: what was asked after it, and what came back after it.
    Timestamp gone = input.history->changedBefore(path.lastSeen);
    while (gone.nanoseconds != 0) {
        const Timestamp before = gone + std::chrono::nanoseconds(-1);
        const Timestamp earlier = input.history->changedBefore(before);
        if (earlier.nanoseconds == 0) break;
        const auto older = input.history->at(before)->service(path.protocol, path.requested);
        if (older && input.history->at(before)->serves(*older, *to)) break;
        gone = earlier;
    }
    const Sight *asked = nullptr;
    for (const Sight &sight : input.evidence->sights()) {
        if (sight.icmp || sight.last <= gone) continue;
        if (sight.direction == Direction::reply) return std::nullopt;
        if (sight.leg == 0 && sight.facing != Sight::Facing::out) asked = &sight;
    }
    if (asked == nullptr) return std::nullopt;
    const Hop *hop = hopWith(path, Nat::dnat);
    Finding result = finding(
        kD25,
        fmt::format(
            "{} still sends datagrams from {} to {}, which is no endpoint of Service {} any more: the entry in its "
            "connection tracking outlived the endpoint.",
            hop ? hop->host : "a node", path.client.address.toString(), to->toString(),
            match->service->name.toString()));
    addEvidence(result, asked->firstPacket);
    if (hop != nullptr) addEvidence(result, hop->out);
    return result;
}

} // namespace

} // namespace natlens::tracer
