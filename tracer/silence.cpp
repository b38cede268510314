#include "tracer/silence.h"

#include "tracer/path/telling.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace natlens::tracer {

namespace {

/// TCP answers everything, were it with a reset. A datagram has an answer only where a Service is asked for one.
bool isAnswered(const Path &path) {
    if (isToMany(path.requested.ip)) return false;
    return path.protocol == Protocol::tcp || path.protocol == Protocol::sctp || path.kind == PathKind::service;
}

/// Which way it crossed the host's interface is no mere assumption.
bool isKnownToEnter(const Path &path, const Hop &hop, const FindingInput &input, const CapturePoints &points) {
    const auto first = std::ranges::find(path.hops, Direction::request, &Hop::direction);
    if (&*first != &hop) return true; // another host passed it on
    const Host *host = points.findHost(hop.host);
    if (host && std::ranges::binary_search(host->addresses, hop.in->dst.ip)) return true;
    return std::ranges::any_of(input.evidence->sights(), [&](const Sight &sight) {
        return sight.direction == Direction::request && sight.host == hop.host && sight.facing == Sight::Facing::in;
    });
}

/// The host's end of one pod's interface, as network plugins name it.
bool isOfOnePod(std::string_view interface) {
    constexpr std::array<std::string_view, 7> kPrefixes{"veth", "cali", "lxc", "eni", "gke", "azv", "tap"};
    return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return interface.starts_with(prefix); });
}

/// A working capture point of the host on another interface, or on all of them. What one pod's shows says nothing of
/// the others.
bool isSeenWithin(const Hop &hop, const FindingInput &input, const CapturePoints &points) {
    for (const CapturePointInfo &point : points.points()) {
        const CapturePointStatus &status = point.status;
        if (!point.known || status.evidence || status.host != hop.host || status.packets == 0) continue;
        if (status.interface == "any") return true;
        if (status.interface == "lo" || isOfOnePod(status.interface)) continue;
        const auto here = [&](const Sight &sight) {
            return sight.host == hop.host && sight.interface == status.interface;
        };
        if (std::ranges::none_of(input.evidence->sights(), here)) return true;
    }
    return false;
}

/// Connection tracking enters a connection when its first packet has passed all rules: it was listened to, and has
/// none.
bool isUntracked(const Path &path, const Hop &hop, const FindingInput &input, const CapturePoints &points) {
    const bool heard = std::ranges::any_of(points.points(), [&](const CapturePointInfo &point) {
        return point.known && point.status.host == hop.host && point.status.interface == "conntrack";
    });
    if (!heard || points.eventsLostAt(hop.host, path.firstSeen, path.lastSeen) != 0) return false;
    const auto entries = input.evidence->tracked({path.protocol, hop.in->src, hop.in->dst});
    return std::ranges::none_of(entries, [&](const TrackedConnection &entry) { return entry.host == hop.host; });
}

/// All endpoints run elsewhere: it would have left by the way it came, or not at all.
bool hasNoEndpoint(const Hop &hop, const FindingInput &input) {
    if (!input.cluster || !input.service) return false;
    std::string node = input.cluster->hasNode(hop.host) ? hop.host : std::string();
    if (const Host *host = input.evidence->host(hop.host))
        for (const IpAddress &address : host->addresses)
            if (node.empty()) node = input.cluster->nodeWith(address);
    return !node.empty() && input.cluster->endpoints(*input.service, node).readyOnNode == 0;
}

} // namespace

void judgeSilence(Path &path, const FindingInput &input, const CapturePoints &points, bool servedElsewhere) {
    if (path.outcome != Outcome::unanswered || path.endpoint) return;
    Hop *last = nullptr;
    for (Hop &hop : path.hops)
        if (hop.direction == Direction::request) last = &hop;
    if (!last || !last->in || last->out) return;
    const bool entered = isKnownToEnter(path, *last, input, points);
    const bool shown = servedElsewhere || hasNoEndpoint(*last, input) || isSeenWithin(*last, input, points) ||
                       isUntracked(path, *last, input, points);
    if (!isAnswered(path)) return;
    if (!entered || !shown) {
        path.notes.push_back(fmt::format("no answer was seen at {}; what became of the request {} was not captured",
                                         last->host, entered ? "in it" : "behind it"));
        return;
    }
    path.outcome = Outcome::dropped;
    path.droppedAt = last->host;
    last->confidence = path.attempts > 1 ? 0.8 : 0.7;
    for (Segment &segment : path.segments)
        if (segment.direction == Direction::request && segment.to == last->host) segment.lost = true;
}

} // namespace natlens::tracer
