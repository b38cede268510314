// D32: connects fail at high rates: no source port is left to masquerade with.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD32{
    .code = "D32",
    .title = "No port is left for source translation",
    .severity = Severity::error,
    .what = "A node that would masquerade a request takes it in and sends nothing on, and its connection tracking "
            "reports failed insertions; or it took a port that is a node port, and the answer does not go on to the "
            "client.",
    .why = "All connections to one endpoint that a node masquerades share its address; each needs a port of its own. "
           "When all ports "
           "towards that endpoint are taken, the packet is dropped.",
    .field = "masquerade (spec.externalTrafficPolicy: Cluster), its port range",
    .fix = "Keep client addresses (policy Local), spread over more nodes or endpoints, widen the range of ports.",
    .cost = "With policy Local, nodes without an endpoint drop requests.",
    .evidence = "a request masqueraded with a port that is a Service's node port, repeated, whose answer came back to "
                "the node and "
                "went no further; or a request dropped where cluster state predicts a masquerade, and the node's "
                "insert_failed or drop "
                "counter risen while "
                "its table is not full",
    .reference = "https://github.com/kubernetes/kubernetes/issues/139276",
    .find = find,
};

namespace {

/// The port that a node chose to masquerade with is a node port as well, and the answer went to that Service: it came
/// back to the node and did not go on to the client.
std::optional<Finding> findClash(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.cluster || path.attempts < 2) return std::nullopt;
    for (const Hop &hop : path.hops) {
        if (hop.direction != Direction::request || !has(hop.nat, Nat::snat) || hop.inferred || !hop.in || !hop.out)
            continue;
        if (nodeName(input, hop.host).empty()) continue;
        const auto clash = input.cluster->service(path.protocol, hop.out->src);
        if (!clash || clash->via != Via::nodePort) continue;
        const auto back = std::ranges::find_if(path.hops, [&](const Hop &each) {
            return each.direction == Direction::reply && each.host == hop.host && each.in && !each.out &&
                   each.in->dst == hop.out->src;
        });
        const bool reachedClient = std::ranges::any_of(path.hops, [&](const Hop &each) {
            const auto &end = each.in ? each.in : each.out;
            return each.direction == Direction::reply && end && end->dst == path.client.address;
        });
        if (back == path.hops.end() || reachedClient) continue;
        Finding result = finding(
            kD32,
            fmt::format("{} masqueraded the request of {} with port {}, which is the node port of Service {}: the "
                        "answer came back to {} and did not go on to the client.",
                        hop.host, path.client.address.toString(), hop.out->src.port, clash->service->name.toString(),
                        hop.out->src.toString()));
        result.fix =
            "Keep node ports out of the range that masquerading takes ports from (net.ipv4.ip_local_port_range, "
            "--service-node-port-range).";
        addEvidence(result, hop.out);
        addEvidence(result, back->in);
        return result;
    }
    return std::nullopt;
}

std::optional<Finding> find(const FindingInput &input) {
    if (auto clash = findClash(input)) return clash;
    const Path &path = input.path;
    if (!path.isRequestDropped() || !input.facts || !input.cluster) return std::nullopt;
    const Hop *hop = entryHop(input);
    if (hop == nullptr || hop->host != path.droppedAt || !hop->nat.empty()) return std::nullopt;
    const auto prediction = predict(input, *hop, *input.cluster);
    if (!prediction || prediction->verdict != proxycore::Verdict::forwarded || !prediction->masqueradeKnown)
        return std::nullopt;
    bool masquerade = false;
    for (const auto &endpoint : prediction->endpoints)
        masquerade = masquerade || endpoint.masquerade;
    const auto rise = input.facts->rise(hop->host, path.firstSeen, path.lastSeen);
    if (!masquerade || !rise || rise->insertFailed + rise->drop == 0) return std::nullopt;
    const NodeFacts *facts = input.facts->at(hop->host, path.lastSeen);
    if (const auto most = facts ? facts->sysctl("net.netfilter.nf_conntrack_max") : std::nullopt;
        most && rise->count * 20 >= static_cast<std::uint64_t>(*most) * 19)
        return std::nullopt; // the table is full: D31
    Finding result = finding(
        kD32,
        fmt::format(
            "{} dropped the request of {} to {}, which it should have masqueraded: {} entries could not be inserted "
            "into "
            "its connection tracking meanwhile, though the table is not full. No source port was left towards the "
            "endpoint.",
            hop->host, path.client.address.toString(), path.requested.toString(), rise->insertFailed + rise->drop));
    addEvidence(result, hop->in);
    return result;
}

} // namespace

} // namespace natlens::tracer
