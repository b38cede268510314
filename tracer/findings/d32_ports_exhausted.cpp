// D32: connects fail at high rates: no source port is left to masquerade with.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD32{
    .code = "D32",
    .title = "No port is left for source translation",
    .severity = Severity::error,
    .what = "A node that would masquerade a request takes it in and sends nothing on, and its connection tracking "
            "reports failed "
            "insertions.",
    .why = "All connections to one endpoint that a node masquerades share its address; each needs a port of its own. "
           "When all ports "
           "towards that endpoint are taken, the packet is dropped.",
    .field = "masquerade (spec.externalTrafficPolicy: Cluster), its port range",
    .fix = "Keep client addresses (policy Local), spread over more nodes or endpoints, widen the range of ports.",
    .cost = "With policy Local, nodes without an endpoint drop requests.",
    .evidence = "a request dropped where cluster state predicts a masquerade, and the node's insert_failed or drop "
                "counter risen while "
                "its table is not full",
    .reference = "https://github.com/kubernetes/kubernetes/issues/139276",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.outcome != Outcome::dropped || !input.facts || !input.cluster) return std::nullopt;
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
