// D26: a connection attempt that is older than the Service never succeeds.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD26{
    .code = "D26",
    .title = "A connection attempt older than the Service stays untranslated",
    .severity = Severity::warning,
    .what = "A client repeats its SYN to a Service address. It began before the Service existed, and is not translated "
            "now either.",
    .why = "The first SYN made an entry in connection tracking without a translation; rules are asked for the first "
           "packet only, so "
           "repetitions follow the entry and not the new rule.",
    .field = "connection tracking of the node (SYN_SENT, UNREPLIED)",
    .fix =
        "Delete the entry (conntrack -D -p tcp --orig-dst ADDRESS), or let the client try again with a new connection.",
    .cost = "None worth mentioning.",
    .evidence = "a SYN before and one after the Service appeared in cluster state, and a tracked connection without "
                "translation",
    .reference = "https://github.com/kubernetes/kubernetes/issues/101607",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.protocol != Protocol::tcp || path.attempts < 2 || !input.history || !input.evidence) return std::nullopt;
    if (path.outcome == Outcome::delivered || hopWith(path, Nat::dnat) != nullptr || input.service) return std::nullopt;
    const ClusterView *now = input.history->at(path.lastSeen);
    const auto match = now ? now->service(path.protocol, path.requested) : std::nullopt;
    if (!match || now->endpoints(*match, "").ready == 0) return std::nullopt;
    const packet::Tuple asked{path.protocol, path.client.address, path.requested};
    const auto entries = input.evidence->tracked(asked);
    const auto stale =
        std::ranges::find_if(entries, [](const auto &e) { return e.original == e.translated && !e.seenReply; });
    if (stale == entries.end()) return std::nullopt;
    // A SYN after the Service was there.
    const Sight *repeated = nullptr;
    for (const Sight &sight : input.evidence->sights()) {
        if (sight.direction != Direction::request || sight.host != stale->host || sight.facing != Sight::Facing::in)
            continue;
        const auto late = std::ranges::any_of(sight.openings, [&](const auto &opening) {
            const auto view = input.history->at(opening.time);
            return view->service(path.protocol, path.requested).has_value() && opening.time > stale->time;
        });
        if (late) repeated = &sight;
    }
    if (repeated == nullptr) return std::nullopt;
    Finding result = finding(
        kD26,
        fmt::format(
            "{} was asked from {} before Service {} existed; {} tracks that attempt without a translation, and the "
            "repeated SYNs follow it instead of the Service's rule.",
            path.requested.toString(), path.client.address.toString(), match->service->name.toString(), stale->host));
    addEvidence(result, repeated->firstPacket);
    addEvidence(result, stale->packet);
    return result;
}

} // namespace

} // namespace natlens::tracer
