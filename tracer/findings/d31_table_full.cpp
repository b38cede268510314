// D31: "nf_conntrack: table full, dropping packet".
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD31{
    .code = "D31",
    .title = "The connection tracking table is full",
    .severity = Severity::error,
    .what = "A node takes new connections in and sends nothing on, while connections that exist go on.",
    .why = "A new connection needs an entry in the table; when it has nf_conntrack_max entries, the packet is dropped.",
    .field = "sysctl net.netfilter.nf_conntrack_max (kube-proxy conntrack.maxPerCore, conntrack.min)",
    .fix = "Raise nf_conntrack_max, or shorten the timeouts of connections that are over.",
    .cost = "About 320 bytes of kernel memory for each entry.",
    .evidence =
        "a request that goes into a node and does not come out, and the node's own count, limit and drop counters",
    .reference = "https://github.com/kubernetes/kubernetes/issues/18604",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (!path.isRequestDropped() || input.facts == nullptr) return std::nullopt;
    const Hop *hop = requestHop(path, path.droppedAt);
    const NodeFacts *facts = input.facts->at(path.droppedAt, path.lastSeen);
    const auto rise = input.facts->rise(path.droppedAt, path.firstSeen, path.lastSeen);
    if (hop == nullptr || facts == nullptr || !rise) return std::nullopt;
    const auto most = facts->sysctl("net.netfilter.nf_conntrack_max");
    if (!most || *most <= 0 || rise->drop + rise->earlyDrop == 0) return std::nullopt;
    // The reading comes a little later than the packet: some entries may have gone meanwhile.
    const auto count = std::max(rise->count, facts->tracking ? facts->tracking->count : 0);
    if (count * 20 < static_cast<std::uint64_t>(*most) * 19) return std::nullopt;
    Finding result = finding(kD31, fmt::format("{} dropped the request to {}: its connection tracking table holds {} "
                                               "entries of {} (nf_conntrack_max), and "
                                               "{} packets were dropped for that meanwhile.",
                                               path.droppedAt, path.requested.toString(), count, *most,
                                               rise->drop + rise->earlyDrop));
    addEvidence(result, hop->in);
    return result;
}

} // namespace

} // namespace natlens::tracer
