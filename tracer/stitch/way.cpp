#include "tracer/stitch/way.h"

#include "tracer/path/conventions.h"
#include "tracer/stitch/way_parts.h"

#include <algorithm>
#include <tuple>

namespace natlens::tracer {

namespace {

/// Passes of one packet follow each other at once; a later one is another packet with another time to live (a reset
/// made by another part of a kernel, a route that changed).
constexpr std::chrono::milliseconds kSamePacket{200};

/// A step of a connection, and how many proxies come before it.
struct Place {
    unsigned step;
    int epoch;
};

/// Resets go to `resets`: who gives a connection up may send one with other addresses and another time to live than the
/// packets it refuses.
void addPasses(std::vector<Sighting> &found, std::vector<Sighting> &resets, const Flow &flow,
               const packet::Tuple &tuple, Place place, const FlowTable &flows, const CapturePoints &points) {
    const Timestamp first = flows.first(flow);
    const bool icmp = flow.kind == Flow::Kind::icmpError;
    const FlowExtra &extra = flows.extra(flow);
    const auto isReset = [&](const Pass &pass) {
        return extra.rstTime.nanoseconds != 0 && pass.number() == extra.rstNumber;
    };
    const bool only = isReset(flow.pass); // its first packet: all passes are those of resets
    for (const Pass *at = &flow.pass; at; at = flows.next(*at)) {
        const Pass &pass = *at;
        if (pass.first - first > kSamePacket) continue;
        (only || isReset(pass) ? resets : found)
            .push_back(
                Sighting{.host = points.points()[flow.point.value].host,
                         .point = flow.point,
                         .step = place.step,
                         .epoch = place.epoch,
                         .ttl = pass.ttl,
                         .facing = pass.facing,
                         .ipId = pass.ipId,
                         .first = pass.first,
                         .last = pass.last,
                         .number = pass.number(),
                         .packets = pass.packets,
                         .payloadBytes = flows.next(flow.pass) ? std::nullopt : std::optional(flow.payloadBytes()),
                         .syns = pass.syns,
                         .src = icmp ? SocketAddress{flows.extra(flow).icmpSource, 0} : tuple.src,
                         .dst = icmp ? SocketAddress{tuple.dst.ip, 0} : tuple.dst,
                         .icmp = icmp,
                         .tunnel = pass.tunnel,
                         .macFrom = pass.macFrom,
                         .macTo = pass.macTo});
    }
}

std::vector<Sighting> findSightings(const Connection &connection, Direction direction, const LegTable &legs,
                                    const FlowTable &flows, const CapturePoints &points) {
    std::vector<Sighting> found, resets, errors;
    found.reserve(16);
    int epoch = 0;
    for (unsigned step = 0; step < connection.steps.size(); ++step) {
        const Step &at = connection.steps[step];
        if (step > 0 && connection.steps[step - 1].next->proxied) epoch += direction == Direction::request ? 1 : -1;
        if (at.leg == kNone) continue;
        for (const FlowIndex i : flows.of(legs[at.leg])) {
            const Flow &flow = flows[i];
            const packet::Tuple tuple = flows.tuple(legs[at.leg], flow);
            if ((tuple == at.request) != (direction == Direction::request)) continue;
            addPasses(flow.kind == Flow::Kind::icmpError ? errors : found, resets, flow, tuple, {step, epoch}, flows,
                      points);
        }
    }
    // A reset shows the way only where nothing else does; an ICMP error is the answer only where there is no other.
    if (found.empty()) found = std::move(resets);
    return direction == Direction::reply && found.empty() ? errors : found;
}

/// Position of a sight in the direction of travel: smaller is earlier.
auto travelOrder(const Sighting &s, Direction direction) {
    const int step = direction == Direction::request ? static_cast<int>(s.step) : -static_cast<int>(s.step);
    return std::tuple(step, -static_cast<int>(s.ttl), s.first, s.point);
}

auto placeOnWay(const HostSights &h) {
    return std::tuple(h.epoch, -h.ttlSum, h.stepSum, !h.leaves);
}

/// Of hosts that saw the packets with one time to live, at one interface each, the one that they come from as far as
/// addresses tell is the first, and the one that they go to the last; else the earlier one is first. Where also times
/// are equal the way of the other direction, which is the same one, decides.
void settleTies(std::vector<HostSights> &hosts, const CapturePoints &points, const std::vector<Visit> &opposite) {
    const auto side = [&](const HostSights &h) {
        const Sighting &front = h.sights.front(), &back = h.sights.back();
        return int{points.owns(h.host, back.dst.ip)} - int{points.owns(h.host, front.src.ip)};
    };
    const auto backwards = [&](const HostSights &h) {
        const auto at = std::ranges::find(opposite, h.host, &Visit::host);
        return at == opposite.end() ? 0 : opposite.begin() - at;
    };
    for (auto begin = hosts.begin(); begin != hosts.end();) {
        auto end = begin + 1;
        while (end != hosts.end() && placeOnWay(*end) == placeOnWay(*begin))
            ++end;
        if (end - begin > 1) {
            const auto key = [&](const HostSights &h) { return std::tuple(side(h), h.first, backwards(h), h.host); };
            std::sort(begin, end, [&](const HostSights &a, const HostSights &b) { return key(a) < key(b); });
            for (auto h = begin + 1; h != end; ++h)
                if (side(*(h - 1)) == side(*h) && (h - 1)->first == h->first) (h - 1)->tied = h->tied = true;
        }
        begin = end;
    }
}

std::vector<HostSights> groupByHost(std::vector<Sighting> sights, Direction direction, const Connection &connection,
                                    CapturePoints &points, const std::vector<Visit> &opposite) {
    std::ranges::sort(sights, {}, [&](const Sighting &s) { return travelOrder(s, direction); });
    std::vector<HostSights> hosts; // few: found faster by looking than by a map
    hosts.reserve(8);
    for (auto &sight : sights) {
        auto at = std::ranges::find(hosts, sight.host, &HostSights::host);
        if (at == hosts.end()) {
            at = hosts.insert(at, HostSights());
            at->host = sight.host;
        }
        at->sights.push_back(std::move(sight));
    }
    std::ranges::sort(hosts, {}, &HostSights::host);
    std::vector<HostSights> ordered;
    ordered.reserve(hosts.size());
    for (HostSights &host : hosts) {
        host.summarise(direction);
        for (HostSights &visit : splitReturns(std::move(host), direction))
            for (HostSights &part : splitMixed(std::move(visit), connection, direction, points))
                ordered.push_back(std::move(part));
    }
    std::ranges::sort(ordered, {}, [](const HostSights &h) { return std::tuple(placeOnWay(h), h.first, h.host); });
    settleTies(ordered, points, opposite);
    return ordered;
}

/// Decides for sights whose direction the capture does not tell: from the host's other sights, or from its place.
void faceUnknown(std::vector<HostSights> &hosts, const CapturePoints &points) {
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        auto &sights = hosts[i].sights;
        const auto &front = sights.front(), &back = sights.back();
        const bool crosses = front.step != back.step || front.ttl != back.ttl;
        Facing single = Facing::in;
        if (!crosses) {
            const auto owns = [&](const IpAddress &ip) { return points.owns(hosts[i].host, ip); };
            const bool begins =
                i == 0 && isInitialTtl(front.ttl) && !owns(front.dst.ip) && (hosts.size() > 1 || owns(front.src.ip));
            const bool leavesForNext = i > 0 && i + 1 < hosts.size() && hosts[i - 1].sights.back().ttl > front.ttl &&
                                       hosts[i + 1].sights.front().ttl == front.ttl;
            const bool fromHere = owns(front.src.ip) && !owns(front.dst.ip); // made or translated here
            const bool toHere = owns(front.dst.ip) && !owns(front.src.ip);
            if (begins || fromHere || (leavesForNext && !toHere)) single = Facing::out;
        }
        // A bridge port may not know what the bridge itself knows.
        hosts[i].assumed = !crosses && hosts.size() == 1;
        for (const auto &sight : sights)
            if (!crosses && sight.facing != Facing::unknown) {
                single = sight.facing;
                hosts[i].assumed = false;
            }
        const auto entry = std::pair(front.step, front.ttl);
        for (auto &sight : sights) {
            if (sight.facing != Facing::unknown) continue;
            if (!crosses)
                sight.facing = single;
            else
                sight.facing = std::pair(sight.step, sight.ttl) == entry ? Facing::in : Facing::out;
        }
    }
}

Visit visitOf(const HostSights &host) {
    Visit visit{.host = host.host};
    visit.assumed = host.assumed;
    visit.tied = host.tied;
    for (const Sighting &sight : host.sights) {
        if (sight.facing == Facing::in) {
            if (!visit.in) visit.in = sight;
            visit.packetsIn = std::max(visit.packetsIn, sight.packets);
        } else {
            visit.out = sight;
            visit.packetsOut = std::max(visit.packetsOut, sight.packets);
        }
        visit.payloadBytes = std::max(visit.payloadBytes, sight.payloadBytes);
        visit.syns = std::max(visit.syns, sight.syns);
        if (visit.first.nanoseconds == 0 || sight.first < visit.first) visit.first = sight.first;
        visit.last = std::max(visit.last, sight.last);
    }
    return visit;
}

} // namespace

void HostSights::summarise(Direction direction) {
    const auto early = std::ranges::min(sights, {}, &Sighting::epoch).epoch;
    int low = 255, high = 0;
    for (const Sighting &sight : sights) {
        if (sight.epoch != early) continue; // a proxy begins anew
        low = std::min<int>(low, sight.ttl);
        high = std::max<int>(high, sight.ttl);
    }
    epoch = early;
    ttlSum = low + high;
    const int steps = static_cast<int>(sights.front().step + sights.back().step);
    stepSum = direction == Direction::request ? steps : -steps;
    leaves = std::ranges::any_of(sights, [](const auto &s) { return s.facing == Facing::out; }) &&
             std::ranges::none_of(sights, [](const auto &s) { return s.facing == Facing::in; });
    first = std::ranges::min(sights, {}, &Sighting::first).first;
}

void faceLoneHost(std::vector<Visit> &request, std::vector<Visit> &reply, const CapturePoints &points) {
    if (reply.size() != 1 || !reply[0].assumed) return;
    if (request.size() > 1) {
        // Where requests end and nobody has passed the answer on yet, it was made.
        if (request.back().host == reply[0].host && !request.back().out && reply[0].in &&
            isInitialTtl(reply[0].in->ttl)) {
            std::swap(reply[0].in, reply[0].out);
            std::swap(reply[0].packetsIn, reply[0].packetsOut);
        }
        return;
    }
    if (!request.empty() && (request[0].host != reply[0].host || !request[0].assumed)) return;
    Visit &back = reply[0];
    const Sighting &answer = back.in ? *back.in : *back.out;
    const Sighting *asked = request.empty() ? nullptr : request[0].in ? &*request[0].in : &*request[0].out;
    const auto own = [&](const IpAddress &address) {
        return points.owns(back.host, address) || points.isCommon(back.host, address);
    };
    const bool ownsClient = own(answer.dst.ip), ownsServer = own(answer.src.ip);
    const bool comesFromAfar = asked && !isInitialTtl(asked->ttl);
    bool clientSide = false;
    if (ownsClient != ownsServer)
        clientSide = ownsClient && !comesFromAfar;
    else if (asked == nullptr)
        return;
    else // A request that nobody has passed on yet and an answer that somebody has.
        clientSide =
            !comesFromAfar && !isInitialTtl(answer.ttl) && points.common(back.host) != CapturePoints::Common::none;
    const auto face = [](Visit &visit, bool goesOut) {
        if (visit.out.has_value() == goesOut) return;
        std::swap(visit.in, visit.out);
        std::swap(visit.packetsIn, visit.packetsOut);
    };
    if (asked) {
        face(request[0], clientSide);
        // Between neighbours the captures of both look the same.
        request[0].unsure = ownsClient == ownsServer && !clientSide && isInitialTtl(answer.ttl) && !comesFromAfar;
    }
    face(back, !clientSide);
}

std::vector<Visit> findWay(const Connection &connection, Direction direction, const LegTable &legs,
                           const FlowTable &flows, CapturePoints &points, const std::vector<Visit> &opposite) {
    auto hosts =
        groupByHost(findSightings(connection, direction, legs, flows, points), direction, connection, points, opposite);
    faceUnknown(hosts, points);
    std::vector<Visit> way;
    way.reserve(hosts.size());
    for (const auto &host : hosts)
        way.push_back(visitOf(host));
    return way;
}

} // namespace natlens::tracer
