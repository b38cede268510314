#include "tracer/stitch/path_builder.h"
#include "tracer/path/conventions.h"
#include "tracer/stitch/path_draft.h"

#include <algorithm>

namespace natlens::tracer {

using packet::Protocol;
using packet::Tuple;

namespace {

std::optional<Encapsulation> encapsulationOf(const packet::Encapsulation *tunnel) {
    if (!tunnel) return std::nullopt;
    return Encapsulation{packet::toString(*tunnel), tunnel->id, tunnel->tuple.src.ip, tunnel->tuple.dst.ip};
}

HopEnd endOf(const Sighting &sight, const CapturePoints &points, const FlowTable &flows) {
    return HopEnd{.interface = points.interface(sight.point),
                  .time = sight.first,
                  .src = sight.src,
                  .dst = sight.dst,
                  .ttl = sight.ttl,
                  .packet = sight.number,
                  .encapsulation = encapsulationOf(flows.tunnel(sight.tunnel))};
}

std::vector<Nat> natBetween(const Tuple &before, const Tuple &after) {
    std::vector<Nat> nat;
    if (before.src != after.src) nat.push_back(Nat::snat);
    // An echo has one number for both sides, and it is the sender's.
    const bool isEcho = before.protocol == Protocol::icmp || before.protocol == Protocol::icmpv6;
    if (isEcho ? before.dst.ip != after.dst.ip : before.dst != after.dst) nat.push_back(Nat::dnat);
    return nat;
}

/// Nothing where a host is seen on both sides of a proxy: that one may add to what it passes on.
std::optional<int> epochOf(const Visit &visit) {
    if (visit.in && visit.out && visit.in->epoch != visit.out->epoch) return std::nullopt;
    return visit.in ? visit.in->epoch : visit.out->epoch;
}

/// What travels on a step in a direction.
Tuple travelling(const Tuple &request, Direction direction) {
    return direction == Direction::request ? request : request.reversed();
}

} // namespace

Path PathBuilder::build(const Connection &connection) const {
    Draft draft{.connection = connection};
    draft.request = findWay(connection, Direction::request, m_sources.legs, m_sources.flows, m_sources.points);
    draft.reply =
        findWay(connection, Direction::reply, m_sources.legs, m_sources.flows, m_sources.points, draft.request);
    if (std::ranges::any_of(draft.request, &Visit::tied))
        draft.request =
            findWay(connection, Direction::request, m_sources.legs, m_sources.flows, m_sources.points, draft.reply);
    faceLoneHost(draft.request, draft.reply, m_sources.points);
    Path &path = draft.path;
    const Tuple &asked = connection.steps.front().request;
    path.protocol = asked.protocol;
    path.client.address = asked.src;
    path.requested = asked.dst;
    path.notes = connection.notes;
    if (isHalfOfRouter(draft.request))
        path.notes.push_back(
            fmt::format("what came into {} was not captured: the client may have been another one, whose "
                        "address was replaced there",
                        m_sources.points.host(draft.request.front().host).name));
    else if (!draft.request.empty() && draft.request.front().out && !draft.request.front().in)
        path.client.node = m_sources.points.host(draft.request.front().host).name;
    else if (draft.request.empty() && !draft.reply.empty() && draft.reply.back().in && !draft.reply.back().out)
        path.client.node = m_sources.points.host(draft.reply.back().host).name;
    addCounts(draft);
    addHttp(draft);
    decide(draft);
    draft.requestShown = shown(draft, Direction::request);
    draft.replyShown = shown(draft, Direction::reply);
    addHops(draft, Direction::request);
    addHops(draft, Direction::reply);
    addSegments(draft, Direction::request);
    addSegments(draft, Direction::reply);
    if (path.endpoint) setSource(draft);
    for (const LegIndex attempt : connection.attempts) {
        const Leg &leg = m_sources.legs[attempt];
        path.notes.push_back(
            fmt::format("an earlier attempt was translated to {}", m_sources.legs.request(leg).toString()));
    }
    path.settled = m_moment.ended || closed(connection);
    learnAddresses(draft);
    return path;
}

/// The first that is seen of a request is that a host sends, in its own name, what others have sent to it.
bool PathBuilder::isHalfOfRouter(const std::vector<Visit> &request) const {
    if (request.empty() || !request.front().out || request.front().in) return false;
    const Sighting &out = *request.front().out;
    return !isInitialTtl(out.ttl) && m_sources.points.owns(request.front().host, out.src.ip);
}

Hop PathBuilder::hopOf(const Draft &draft, const Visit &visit, Direction direction) const {
    const auto &points = m_sources.points;
    const auto &steps = draft.connection.steps;
    Hop hop;
    hop.host = points.host(visit.host).name;
    hop.role = m_sources.roles.of(hop.host);
    hop.direction = direction;
    if (const auto &clock = points.host(visit.host).clock; clock && clock->changesTimes()) hop.clock = clock;
    if (visit.in) hop.in = endOf(*visit.in, points, m_sources.flows);
    if (visit.out) hop.out = endOf(*visit.out, points, m_sources.flows);
    hop.captureDrops = points.dropsAt(hop.host, draft.path.firstSeen, draft.path.lastSeen);
    addDoubts(hop, draft, visit, direction);
    const auto say = [&](EvidenceKind kind) {
        if (std::ranges::find(hop.evidence, kind) == hop.evidence.end()) hop.evidence.push_back(kind);
    };
    const auto addLink = [&](const Step &from, const Step &to) {
        hop.nat = from.next->proxied ? std::vector{Nat::proxied} : natBetween(from.request, to.request);
        hop.evidence = from.next->evidence;
        hop.confidence = from.next->confidence;
    };
    if (visit.in && visit.out) {
        const unsigned low = std::min(visit.in->step, visit.out->step),
                       high = std::max(visit.in->step, visit.out->step);
        if (low != high) {
            addLink(steps[low], steps[low + 1]);
        } else {
            hop.confidence = 0.99;
            if (m_sources.translations.tracksUnchanged(hop.host, steps[low].request)) {
                say(EvidenceKind::conntrack);
                hop.confidence = 1;
            }
            const LegIndex leg = steps[low].leg;
            if (leg != kNone && m_sources.legs[leg].hasIsn(0) && m_sources.legs[leg].hasIsn(1))
                say(EvidenceKind::tcpIsn);
            if (visit.in->ipId != 0 && visit.in->ipId == visit.out->ipId) say(EvidenceKind::ipId);
            say(EvidenceKind::tuple);
        }
    } else {
        hop.confidence = 0.99;
        // A host that translates what it sends itself: only conntrack knows what it was before.
        const auto &edge = visit.out ? visit.out : visit.in;
        if (edge && edge->step == 1 && steps.front().leg == kNone && steps.front().next->host == hop.host) {
            addLink(steps[0], steps[1]);
        }
    }
    return hop;
}

/// Of a host's capture points the one that saw most of the stream says how much is missing.
PathBuilder::Shown PathBuilder::shown(const Draft &draft, Direction direction) const {
    Shown shown;
    for (const Visit &visit : direction == Direction::request ? draft.request : draft.reply)
        if (const auto epoch = epochOf(visit)) {
            std::uint64_t &most = shown.mostBytes[*epoch];
            most = std::max(most, visit.payloadBytes.value_or(0));
        }
    for (const Step &step : draft.connection.steps) {
        if (step.leg == kNone) continue;
        const Leg &leg = m_sources.legs[step.leg];
        for (const FlowIndex i : m_sources.flows.of(leg)) {
            const Flow &flow = m_sources.flows[i];
            if (flow.kind != Flow::Kind::packets ||
                (m_sources.flows.tuple(leg, flow) == step.request) != (direction == Direction::request))
                continue;
            const HostIndex host = m_sources.points.points()[flow.point.value].host;
            const std::uint64_t missing = m_sources.flows.missingBytes(flow);
            Unseen &unseen = shown.unseen.try_emplace(host, missing).first->second;
            unseen.bytes = std::min(unseen.bytes, missing);
            unseen.cut = unseen.cut || flow.cut;
        }
    }
    return shown;
}

/// What this host's captures do not show: nobody should conclude anything from its absence.
void PathBuilder::addDoubts(Hop &hop, const Draft &draft, const Visit &visit, Direction direction) const {
    const auto &points = m_sources.points;
    if (points.isInferred(visit.host))
        hop.doubts.push_back("the file mixes several capture points: this host was told from others by time to live");
    if (hop.captureDrops != 0) hop.doubts.push_back(fmt::format("the capture lost {} packets", hop.captureDrops));
    if (const auto events = points.eventsLostAt(hop.host, draft.path.firstSeen, draft.path.lastSeen))
        hop.doubts.push_back(fmt::format("{} conntrack or trace events were lost", events));
    if (visit.tied)
        hop.doubts.emplace_back("its packets came at the same time and with the same time to live as a neighbour's: "
                                "which of the two was first is not known");
    const Shown &shown = direction == Direction::request ? draft.requestShown : draft.replyShown;
    const auto epoch = epochOf(visit);
    const std::uint64_t most = epoch ? shown.mostBytes.at(*epoch) : 0;
    const bool fewer = epoch && visit.payloadBytes && *visit.payloadBytes < most;
    if (fewer)
        hop.doubts.push_back(fmt::format("shows {} of {} bytes of the {} that were seen", *visit.payloadBytes, most,
                                         direction == Direction::request ? "request" : "reply"));
    const auto found = shown.unseen.find(visit.host);
    const Unseen unseen = found == shown.unseen.end() ? Unseen() : found->second;
    if (unseen.bytes != 0 && !fewer)
        hop.doubts.push_back(
            fmt::format("{} bytes of the {} are missing that later packets count or acknowledge: the capture lost "
                        "packets, or did not see them come",
                        unseen.bytes, direction == Direction::request ? "request" : "reply"));
    if (unseen.cut) hop.doubts.emplace_back("packets were cut by the snap length: what they carry beyond is not known");
}

/// Where a translation happened that nobody saw both sides of: at the address that was asked, if that one was
/// replaced. Where only the source was, the one asked had no part in it: it is who the new source belongs to, or
/// anybody between those who saw the packets before and after.
std::string PathBuilder::placeOf(const Draft &draft, unsigned step) const {
    const Step &from = draft.connection.steps[step], &to = draft.connection.steps[step + 1];
    if (!from.next->host.empty()) return from.next->host;
    if (from.next->proxied || from.request.dst.ip != to.request.dst.ip ||
        from.request.dst.port != to.request.dst.port) {
        const Host *owner = m_sources.points.ownerOf(from.request.dst.ip);
        return owner ? owner->name : from.request.dst.ip.toString();
    }
    const auto crossing = [&](const std::vector<Visit> &way) -> std::pair<const Visit *, const Visit *> {
        for (std::size_t i = 1; i < way.size(); ++i) {
            const Sighting &before = way[i - 1].out ? *way[i - 1].out : *way[i - 1].in;
            const Sighting &after = way[i].in ? *way[i].in : *way[i].out;
            if (std::min(before.step, after.step) == step && std::max(before.step, after.step) == step + 1)
                return {&way[i - 1], &way[i]};
        }
        return {};
    };
    auto [before, after] = crossing(draft.request);
    if (!before) std::tie(after, before) = crossing(draft.reply);
    if (!before) return from.request.dst.ip.toString();
    const HostIndex near = before->host, far = after->host;
    const Host *owner = m_sources.points.ownerOf(to.request.src.ip);
    if (owner && owner != m_sources.points.ownerOf(to.request.dst.ip)) {
        const HostIndex index = m_sources.points.hostIndex(owner->name);
        const bool elsewhere = index != near && index != far &&
                               std::ranges::any_of(draft.request, [&](const Visit &v) { return v.host == index; });
        if (!elsewhere) return owner->name;
    }
    return placeBetween(m_sources.points.host(near).name, m_sources.points.host(far).name);
}

/// A translation that happened where nobody captured: between two hosts that were seen.
std::optional<Hop> PathBuilder::hiddenTranslation(const Draft &draft, const Visit &before, const Visit &after,
                                                  Direction direction) const {
    const Sighting &out = before.out ? *before.out : *before.in, &in = after.in ? *after.in : *after.out;
    if (out.step == in.step || out.icmp != in.icmp) return std::nullopt;
    const auto &steps = draft.connection.steps;
    const Step &from = steps[std::min(out.step, in.step)], &to = steps[std::min(out.step, in.step) + 1];
    Hop hop;
    hop.direction = direction;
    hop.inferred = true;
    hop.nat = from.next->proxied ? std::vector{Nat::proxied} : natBetween(from.request, to.request);
    hop.evidence = from.next->evidence;
    hop.confidence = from.next->confidence;
    hop.host = placeOf(draft, std::min(out.step, in.step));
    hop.role = from.next->proxied ? m_sources.roles.of(hop.host) : HostRole::node;
    const Tuple entering = travelling(direction == Direction::request ? from.request : to.request, direction);
    const Tuple leaving = travelling(direction == Direction::request ? to.request : from.request, direction);
    hop.in.emplace();
    hop.in->src = entering.src;
    hop.in->dst = entering.dst;
    hop.in->ttl = out.ttl;
    hop.out.emplace();
    hop.out->src = leaving.src;
    hop.out->dst = leaving.dst;
    hop.out->ttl = in.ttl;
    return hop;
}

/// Where the host that translated was seen on the other side, what is hidden is only its own second side.
bool PathBuilder::completes(Hop &hop, const Hop &hidden) {
    if (hop.host != hidden.host || hop.in.has_value() == hop.out.has_value() || !hop.nat.empty()) return false;
    (hop.in ? hop.out : hop.in) = hop.in ? hidden.out : hidden.in;
    hop.nat = hidden.nat;
    hop.evidence = hidden.evidence;
    hop.confidence = hidden.confidence;
    return true;
}

/// One router alone lies between the sight before a translation and the one behind it, which is of its far side: where
/// it sends requests from, and where their answers come in.
bool PathBuilder::isDoneBy(const Draft &draft, const Visit &before, const Visit &after, Direction direction) {
    const auto sends = [](const Visit &from, const Visit &router) {
        return from.out && router.out && !router.in && !router.assumed && from.out->ttl == router.out->ttl + 1;
    };
    if (direction == Direction::request) return sends(before, after);
    if (!before.in || before.out) return false;
    for (std::size_t i = 1; i < draft.request.size(); ++i)
        if (draft.request[i].host == before.host) return sends(draft.request[i - 1], draft.request[i]);
    return false;
}

void PathBuilder::addHops(Draft &draft, Direction direction) const {
    const auto &way = direction == Direction::request ? draft.request : draft.reply;
    auto &hops = draft.path.hops;
    for (std::size_t i = 0; i < way.size(); ++i) {
        Hop hop = hopOf(draft, way[i], direction);
        if (direction == draft.path.dropDirection && draft.path.droppedAt == hop.host && !hop.out) {
            hop.confidence = draft.dropConfidence;
            if (draft.dropTraced) hop.evidence.push_back(EvidenceKind::ruleTrace);
        }
        auto hidden = i > 0 ? hiddenTranslation(draft, way[i - 1], way[i], direction) : std::nullopt;
        const bool proxied = hidden && hidden->nat == std::vector{Nat::proxied};
        if (hidden && !proxied && isDoneBy(draft, way[i - 1], way[i], direction))
            hidden->host = direction == Direction::request ? hop.host : hops.back().host;
        const bool shown =
            hidden && !proxied &&
            ((!hops.back().out && completes(hops.back(), *hidden)) || (!hop.in && completes(hop, *hidden)));
        if (hidden && !shown) {
            if (hidden->nat == std::vector{Nat::snat} && (hidden->host == hop.host || hidden->host == hops.back().host))
                hidden->host = direction == Direction::request ? placeBetween(hops.back().host, hop.host)
                                                               : placeBetween(hop.host, hops.back().host);
            m_sources.points.hostIndex(hidden->host);
            hops.push_back(std::move(*hidden));
        }
        hops.push_back(std::move(hop));
    }
}

void PathBuilder::addSegments(Draft &draft, Direction direction) const {
    Path &path = draft.path;
    const auto &way = direction == Direction::request ? draft.request : draft.reply;
    if (way.empty()) return;
    const auto visitOf = [&](const std::string &host) -> const Visit * {
        for (const Visit &visit : way)
            if (m_sources.points.host(visit.host).name == host) return &visit;
        return nullptr;
    };
    const auto add = [&](const std::string &from, const std::string &to, const HopEnd &end, double confidence) {
        const Visit *sender = visitOf(from), *receiver = visitOf(to);
        Segment segment;
        segment.from = from;
        segment.to = to;
        segment.direction = direction;
        segment.src = end.src;
        segment.dst = end.dst;
        const auto take = [&](std::uint64_t packets, Timestamp first, Timestamp last) {
            segment.packets = std::max(segment.packets, packets);
            if (segment.firstSeen.nanoseconds == 0 || first < segment.firstSeen) segment.firstSeen = first;
            segment.lastSeen = std::max(segment.lastSeen, last);
        };
        if (sender && sender->out) take(sender->packetsOut, sender->out->first, sender->last);
        if (receiver && receiver->in) take(receiver->packetsIn, receiver->in->first, receiver->last);
        segment.lost = direction == path.dropDirection && !path.droppedAt.empty() && to == path.droppedAt;
        segment.confidence = confidence;
        if (segment.packets != 0) path.segments.push_back(std::move(segment));
    };
    std::vector<const Hop *> hops;
    for (const Hop &hop : path.hops)
        if (hop.direction == direction) hops.push_back(&hop);
    // Beyond the first and the last host that was captured on, there is still somebody.
    if (const Hop &first = *hops.front(); first.in) {
        const bool fromEndpoint = direction == Direction::reply && path.endpoint;
        add(fromEndpoint ? path.endpoint->host : std::string(), first.host, *first.in, first.confidence);
    }
    for (std::size_t i = 0; i + 1 < hops.size(); ++i) {
        const Hop &from = *hops[i], &to = *hops[i + 1];
        const auto &end = to.in ? to.in : from.out ? from.out : to.out ? to.out : from.in;
        const double confidence = from.inferred || to.inferred ? std::min(from.confidence, to.confidence) : 1;
        add(from.host, to.host, *end, confidence);
    }
    if (const Hop &last = *hops.back(); last.out) {
        const bool toEndpoint = direction == Direction::request && path.endpoint;
        if (toEndpoint || direction == Direction::reply || hops.size() > 1 || !path.client.node.empty())
            add(last.host, toEndpoint ? path.endpoint->host : std::string(), *last.out, last.confidence);
    }
}

void PathBuilder::addCounts(Draft &draft) const {
    Path &path = draft.path;
    std::map<HostIndex, std::uint64_t> packets;
    std::uint32_t syns = 0;
    for (const auto *way : {&draft.request, &draft.reply}) {
        for (const Visit &visit : *way) {
            packets[visit.host] += std::max(visit.packetsIn, visit.packetsOut);
            syns = std::max(syns, visit.syns);
            if (path.firstSeen.nanoseconds == 0 || visit.first < path.firstSeen) path.firstSeen = visit.first;
            path.lastSeen = std::max(path.lastSeen, visit.last);
        }
    }
    for (const auto &[host, count] : packets)
        path.packets = std::max(path.packets, count);
    path.attempts = std::max(1u, syns);
}

void PathBuilder::addHttp(Draft &draft) const {
    HttpExchange exchange;
    bool passedOn = false;
    const auto takeClient = [&](const HttpFirstLines &lines) {
        exchange.forwardedFor = lines.forwardedFor;
        exchange.headersSeen = lines.headersSeen;
        exchange.proxyVersion = lines.proxyVersion;
        exchange.proxySource = lines.proxySource;
    };
    for (const Step &step : draft.connection.steps) {
        if (step.leg == kNone) continue;
        bool told = false;
        const Leg &leg = m_sources.legs[step.leg];
        for (const FlowIndex i : m_sources.flows.of(leg)) {
            const Flow &flow = m_sources.flows[i];
            const HttpFirstLines *lines = m_sources.flows.http(flow);
            if (!lines) continue;
            const bool request = m_sources.flows.tuple(leg, flow) == step.request;
            if (request && exchange.method.empty()) {
                exchange.method = lines->method;
                exchange.target = lines->target;
                exchange.host = lines->host;
                takeClient(*lines);
            } else if (request && passedOn && !told) {
                takeClient(*lines);
                told = true;
            } else if (!request) {
                if (exchange.status == 0) exchange.status = lines->status;
                if (exchange.clientAddress.empty()) exchange.clientAddress = lines->clientAddress;
            }
        }
        passedOn = passedOn || (step.next && step.next->proxied);
    }
    if (!exchange.method.empty() || exchange.status != 0) draft.path.http = std::move(exchange);
}

const RuleTrace *PathBuilder::traceAt(const Path &path, const Hop &hop) const {
    if (hop.direction != Direction::request) return nullptr;
    const auto from = path.firstSeen + -std::chrono::nanoseconds(kReorderWindow);
    const auto to = path.lastSeen + std::chrono::nanoseconds(kReorderWindow);
    const auto ask = [&](const SocketAddress &src, const SocketAddress &dst) {
        return m_sources.rules.find(hop.host, Tuple{path.protocol, src, dst}, from, to);
    };
    if (hop.in) return ask(hop.in->src, hop.in->dst);
    if (const auto *own = ask(path.client.address, path.requested)) return own;
    return hop.out ? ask(hop.out->src, hop.out->dst) : nullptr;
}

} // namespace natlens::tracer
