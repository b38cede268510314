// D28: DNS answers after five seconds, connections after one: two packets raced for one place in connection tracking.
#include "tracer/findings/helpers.h"

#include <algorithm>
#include <chrono>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD28{
    .code = "D28",
    .title = "The first packet is lost in the translation and its repetition passes",
    .severity = Severity::warning,
    .what = "A query (or SYN) goes into a node and does not come out; sent again, it passes. Lookups take five seconds "
            "now and then.",
    .why = "Two packets that open connections at the same moment are given the same translation, or belong to the same "
           "connection; the "
           "kernel can enter only one of them into its table and drops the other (insert_failed).",
    .field = "connection tracking of the node (insert_failed); masquerade without random ports",
    .fix = "Let masquerading choose ports at random (--random-fully), run a DNS cache on the node, or let resolvers "
           "use single-request.",
    .cost = "Random ports make connections harder to recognise across the translation.",
    .evidence = "the opening packet before the translation and not after it, its repetition on both sides, and either "
                "the node's "
                "insert_failed counter or a twin query on the same socket at the same moment",
    .reference = "https://github.com/kubernetes/kubernetes/issues/56903",
    .find = find,
};

namespace {

constexpr std::chrono::milliseconds kSameMoment{10}, kPause{150};

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    const Hop *hop = hopWith(path, Nat::dnat);
    if (input.evidence == nullptr || hop == nullptr || hop->captureDrops != 0) return std::nullopt;
    const bool tcp = path.protocol == Protocol::tcp;
    if (!tcp && path.protocol != Protocol::udp) return std::nullopt;
    if (tcp && path.attempts < 2) return std::nullopt;
    const Sight *in = nullptr, *out = nullptr;
    for (const Sight &sight : input.evidence->sights()) {
        if (sight.direction != Direction::request || sight.host != hop->host || sight.attempt || sight.icmp) continue;
        if (sight.leg == 0 && sight.facing == Sight::Facing::in && in == nullptr) in = &sight;
        if (sight.leg > 0 && sight.facing == Sight::Facing::out && out == nullptr) out = &sight;
    }
    if (in == nullptr || out == nullptr || in->openings.size() < 2 || out->openings.empty()) return std::nullopt;
    const auto passed = [&](const Sight::Opening &opening) {
        return std::ranges::any_of(out->openings, [&](const auto &o) { return o.ipId == opening.ipId; });
    };
    const auto lost = std::ranges::find_if_not(in->openings, passed);
    if (lost == in->openings.end() || lost->ipId == 0) return std::nullopt;
    // Later than it was lost, something of the same connection passed.
    const bool repeated =
        std::ranges::any_of(in->openings, [&](const auto &o) { return passed(o) && o.time - lost->time >= kPause; });
    const bool twin = !tcp && std::ranges::any_of(in->openings, [&](const auto &o) {
        const auto apart = o.time > lost->time ? o.time - lost->time : lost->time - o.time;
        return &o != &*lost && passed(o) && apart <= kSameMoment;
    });
    const auto rise = input.facts ? input.facts->rise(hop->host, path.firstSeen, path.lastSeen) : std::nullopt;
    const bool counted = rise && rise->insertFailed != 0;
    if (!repeated || (!counted && !twin)) return std::nullopt;
    const auto later = std::chrono::duration_cast<std::chrono::milliseconds>(in->openings.back().time - lost->time);
    Finding result = finding(
        kD28,
        fmt::format(
            "{} took {} of {} to {} in, and it did not come out; sent again {} ms later it passed.{}", hop->host,
            tcp ? "a SYN" : "a datagram", path.client.address.toString(), path.requested.toString(), later.count(),
            counted ? fmt::format(" The node's connection tracking failed to insert {} entries meanwhile.",
                                  rise->insertFailed)
                    : " It was sent at the same moment as another on the same socket; that both raced is inferred."));
    addEvidence(result, in->firstPacket);
    addEvidence(result, out->firstPacket);
    return result;
}

} // namespace

} // namespace natlens::tracer
