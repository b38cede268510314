// How connections end: PathBuilder's judgement, kept apart because it must be careful.
#include "tracer/path/conventions.h"
#include "tracer/path/telling.h"
#include "tracer/stitch/path_draft.h"

#include <algorithm>

namespace natlens::tracer {

using packet::Protocol;
using packet::TcpFlags;

namespace {

/// Without an answer for this long a request has not been answered (a SYN is repeated after one second, RFC 6298).
constexpr std::chrono::milliseconds kPatience{950};
/// A packet takes less from the client to the endpoint or back.
constexpr std::chrono::milliseconds kNotOnItsWay{300};

/// What all flows of one direction of a connection said, at any capture point.
struct Summary {
    std::uint8_t flags = 0;
    std::uint64_t packets = 0, payloadBytes = 0;
    bool synAck = false, pureAck = false;
    bool cut = false; ///< not all of some packet was captured
    Timestamp rst, first, last;
    [[nodiscard]] bool fin() const { return (flags & TcpFlags::fin) != 0; }
};

void keepEarliest(Timestamp &kept, Timestamp time) {
    if (time.nanoseconds != 0 && (kept.nanoseconds == 0 || time < kept)) kept = time;
}

Summary summarise(const Connection &connection, Direction direction, const LegTable &legs, const FlowTable &flows) {
    Summary summary;
    for (const Step &step : connection.steps) {
        if (step.leg == kNone) continue;
        for (const FlowIndex i : flows.of(legs[step.leg])) {
            const Flow &flow = flows[i];
            if (flow.kind != Flow::Kind::packets ||
                (flows.tuple(legs[step.leg], flow) == step.request) != (direction == Direction::request))
                continue;
            const std::uint8_t flags = flows.flags(flow);
            summary.flags |= flags;
            summary.packets = std::max<std::uint64_t>(summary.packets, flows.packets(flow));
            summary.payloadBytes = std::max(summary.payloadBytes, flow.payloadBytes());
            summary.cut = summary.cut || flow.cut;
            summary.synAck = summary.synAck || (direction == Direction::reply && flow.hasIsn);
            summary.pureAck = summary.pureAck || ((flags & TcpFlags::ack) && !(flags & TcpFlags::rst));
            keepEarliest(summary.rst, flows.extra(flow).rstTime);
            keepEarliest(summary.first, flows.first(flow));
            for (const Pass *pass = &flow.pass; pass; pass = flows.next(*pass))
                summary.last = std::max(summary.last, pass->last);
        }
    }
    return summary;
}

} // namespace

bool PathBuilder::closed(const Connection &connection) const {
    const auto request = summarise(connection, Direction::request, m_sources.legs, m_sources.flows);
    const auto reply = summarise(connection, Direction::reply, m_sources.legs, m_sources.flows);
    const bool reset = ((request.flags | reply.flags) & TcpFlags::rst) != 0;
    const bool finished = (request.flags & reply.flags & TcpFlags::fin) != 0;
    return (reset || finished) && m_moment.now - std::max(request.last, reply.last) > kReorderWindow;
}

void PathBuilder::decide(Draft &draft) const {
    Path &path = draft.path;
    const auto request = summarise(draft.connection, Direction::request, m_sources.legs, m_sources.flows);
    const auto reply = summarise(draft.connection, Direction::reply, m_sources.legs, m_sources.flows);
    const bool icmp = !draft.reply.empty() && ((draft.reply.front().in && draft.reply.front().in->icmp) ||
                                               (draft.reply.front().out && draft.reply.front().out->icmp));
    const bool tcp = path.protocol == Protocol::tcp, sctp = path.protocol == Protocol::sctp;
    // Who refuses an association says nothing before (RFC 9260 section 5.1).
    const bool aborted = sctp && reply.rst.nanoseconds != 0 && reply.rst <= reply.first;
    // An acknowledgement by the client proves that it was answered, even where nobody captured the answer.
    const bool answered =
        tcp ? reply.synAck || request.pureAck || reply.payloadBytes > 0 : reply.packets > 0 && !aborted;
    if (answered && !icmp) {
        path.outcome = Outcome::delivered;
        const bool resetByServer = reply.rst.nanoseconds != 0 && !request.fin() && !reply.fin();
        const bool resetByClient =
            request.rst.nanoseconds != 0 && !reply.fin() && !request.fin() && reply.payloadBytes == 0;
        if ((tcp && (resetByServer || resetByClient)) || (sctp && resetByServer)) path.outcome = Outcome::reset;
        setEndpoint(draft);
        const bool acknowledged = request.pureAck || request.fin() || request.rst.nanoseconds != 0;
        const bool askedAgain =
            !acknowledged && reply.payloadBytes == 0 && path.attempts > 1 && request.last - reply.first >= kNotOnItsWay;
        // The newest answer may still be on its way, and of one alone nothing else tells.
        const bool waited = m_moment.now - reply.last >= kNotOnItsWay;
        const bool unheard = tcp ? askedAgain && (waited || m_moment.ended) : waited && isUnheardAtClient(draft);
        if (path.outcome == Outcome::delivered && unheard) decideLostReply(draft);
        return;
    }
    if (tcp && !icmp && !draft.request.empty() && (request.flags | reply.flags) == 0 && request.cut) {
        path.outcome = Outcome::incomplete;
        path.notes.emplace_back(
            "packets were cut by the snap length within their TCP headers: capture with a longer one "
            "(128 bytes are enough) to see whether they were answered");
        return;
    }
    if (icmp || aborted || (tcp && reply.rst.nanoseconds != 0)) {
        path.outcome = Outcome::rejected;
        const auto &from = draft.reply.front();
        const std::string &host = m_sources.points.host(from.host).name;
        path.notes.push_back(fmt::format("rejected at {} with {}", host,
                                         icmp      ? "an ICMP error"
                                         : aborted ? "an SCTP ABORT"
                                                   : "a TCP reset"));
        // The endpoint itself may refuse (nothing listens there); a node that refuses is not the endpoint.
        const bool translated = draft.connection.steps.size() > 1;
        const bool reached =
            !draft.request.empty() && draft.request.back().host == from.host && !draft.request.back().out;
        if (reached && (translated || m_sources.roles.of(host) == HostRole::pod)) setEndpoint(draft);
        return;
    }
    decideUnanswered(draft);
}

/// A note for each host of the way whose captures lost packets while the path lived. Returns how many they lost.
std::uint64_t PathBuilder::noteDrops(Path &path, std::initializer_list<const std::vector<Visit> *> ways) const {
    std::uint64_t lost = 0;
    std::vector<HostIndex> asked;
    for (const auto *way : ways)
        for (const Visit &visit : *way) {
            if (std::ranges::find(asked, visit.host) != asked.end()) continue;
            asked.push_back(visit.host);
            const auto &name = m_sources.points.host(visit.host).name;
            const auto drops = m_sources.points.dropsAt(name, path.firstSeen, path.lastSeen);
            if (drops != 0) path.notes.push_back(fmt::format("capture lost {} packets at {}", drops, name));
            lost += drops;
        }
    return lost;
}

/// No answer came to the client, whose own packets were captured.
bool PathBuilder::isUnheardAtClient(const Draft &draft) {
    if (draft.request.empty() || draft.reply.empty() || isToMany(draft.path.requested.ip)) return false;
    const Visit &client = draft.request.front();
    return client.out && !client.in && !client.assumed && isInitialTtl(client.out->ttl) &&
           std::ranges::none_of(draft.reply, [&](const Visit &visit) { return visit.host == client.host; });
}

/// The endpoint answered and the client did not get it. Where the answer went into a host that had passed the request
/// on, and did not come out where the request had come in, it was lost there; else nobody knows where.
void PathBuilder::decideLostReply(Draft &draft) const {
    Path &path = draft.path;
    if (draft.request.empty() || draft.reply.empty()) return;
    const Visit &last = draft.reply.back();
    if (noteDrops(path, {&draft.request, &draft.reply}) != 0) {
        path.outcome = Outcome::incomplete;
        return;
    }
    const std::string &host = m_sources.points.host(last.host).name;
    const bool seenOnBothSides = std::ranges::any_of(
        draft.request, [&](const Visit &visit) { return visit.host == last.host && visit.in && visit.out; });
    const std::string_view again = path.attempts > 1 ? ", and the client asked again" : "";
    if (last.in && !last.out && seenOnBothSides) {
        path.outcome = Outcome::dropped;
        path.droppedAt = host;
        path.dropDirection = Direction::reply;
        draft.dropConfidence = path.attempts > 1 ? 0.8 : 0.7;
        path.notes.push_back(fmt::format("the answer went into {} and did not come out{}", host, again));
        return;
    }
    if (path.protocol != Protocol::tcp) { // nothing but a capture says so, and it may have been of one direction
        path.notes.push_back(fmt::format("no answer was captured at {}; it was last seen at {}",
                                         m_sources.points.host(draft.request.front().host).name, host));
        return;
    }
    path.outcome = Outcome::unanswered;
    path.notes.push_back(fmt::format("the client did not get the answer, which was last seen at {}{}", host, again));
}

void PathBuilder::decideUnanswered(Draft &draft) const {
    Path &path = draft.path;
    path.outcome = Outcome::incomplete;
    if (draft.request.empty()) return;
    const Visit &last = draft.request.back();
    const std::string &host = m_sources.points.host(last.host).name;
    const std::uint64_t lost = noteDrops(path, {&draft.request});
    const auto from = path.firstSeen + -std::chrono::nanoseconds(kReorderWindow);
    const auto to = path.lastSeen + std::chrono::nanoseconds(kReorderWindow);
    for (const Visit &visit : draft.request) {
        if (!visit.in) continue;
        const auto &name = m_sources.points.host(visit.host).name;
        const packet::Tuple tuple{path.protocol, visit.in->src, visit.in->dst};
        const RuleTrace *trace = m_sources.rules.find(name, tuple, from, to);
        if (trace && trace->rejected()) {
            // The kernel sends few ICMP errors a second: a rejection may look like silence.
            path.outcome = Outcome::rejected;
            path.notes.push_back(fmt::format("rejected at {} by a rule; no error message was seen", name));
            return;
        }
        if (!trace || !trace->dropped()) continue;
        path.outcome = Outcome::dropped;
        path.droppedAt = name;
        draft.dropConfidence = 0.99;
        draft.dropTraced = true;
        return;
    }
    if (lost != 0) return;
    const bool waited = path.attempts > 1 || m_moment.now - last.last >= kPatience;
    if (!waited) {
        if (m_moment.ended) path.notes.push_back("the capture ended before an answer could be expected");
        return;
    }
    path.outcome = Outcome::unanswered;
    // Who left the last host that was captured on reached its endpoint as far as anybody knows. What went into one that
    // is no endpoint and did not come out may have been dropped there: the annotator says, who knows more.
    const bool passedOn = last.out && (last.in || draft.request.size() > 1);
    if (passedOn || (!last.out && m_sources.roles.of(host) == HostRole::pod)) setEndpoint(draft);
}

void PathBuilder::setEndpoint(Draft &draft) const {
    Path &path = draft.path;
    const SocketAddress &address = draft.connection.steps.back().request.dst;
    EndpointEnd end;
    end.address = address;
    const Visit *host = nullptr;
    const Visit *before = nullptr;
    if (!draft.request.empty()) {
        const Visit &last = draft.request.back();
        // Answers that come back with a time to live already used up come from further on.
        const bool forwardsReplies =
            !draft.reply.empty() && draft.reply.front().host == last.host &&
            (draft.reply.front().in.has_value() || !isInitialTtl(draft.reply.front().out->ttl));
        if (!last.out && !forwardsReplies && !last.unsure) {
            host = &last;
            if (draft.request.size() > 1) before = &draft.request[draft.request.size() - 2];
        } else {
            before = &last;
        }
    } else if (!draft.reply.empty()) {
        const Visit &first = draft.reply.front();
        if (!first.in && first.out && isInitialTtl(first.out->ttl)) host = &first;
    }
    if (host) {
        end.host = m_sources.points.host(host->host).name;
    } else {
        const Host *owner = m_sources.points.ownerOf(address.ip);
        end.host = owner ? owner->name : address.ip.toString();
        m_sources.points.hostIndex(end.host);
    }
    // A pod's node is the last host that passed the packet on to it: seen to arrive, or it may have gone on elsewhere.
    // Behind another router the pod is on that one, which nobody captured at.
    if (host && before && before->in && before->out && host->in && host->in->epoch == before->out->epoch &&
        host->in->ttl < before->out->ttl) {
        path.endpoint = std::move(end);
        return;
    }
    if (host && before && before->in && before->out &&
        m_sources.roles.of(m_sources.points.host(before->host).name) != HostRole::loadBalancer)
        end.node = m_sources.points.host(before->host).name;
    else if (host)
        end.node = end.host;
    path.endpoint = std::move(end);
}

/// What source address the endpoint sees is known where nobody could have replaced it behind the last sight of it: that
/// was at the endpoint or next to it, or it had just been sent to an endpoint's own address, beyond which nobody brings
/// the client's address back. What the server itself says of it is told, and believed where it contradicts.
void PathBuilder::setSource(Draft &draft) const {
    Path &path = draft.path;
    const Step &end = draft.connection.steps.back();
    const SocketAddress &seen = end.request.src;
    const bool replaced = seen.ip != path.client.address.ip;
    const auto isEndpoint = [&](const Visit &visit) {
        return m_sources.points.host(visit.host).name == path.endpoint->host;
    };
    const bool there = (!draft.request.empty() && isEndpoint(draft.request.back())) ||
                       (!draft.reply.empty() && isEndpoint(draft.reply.front()));
    bool known = there;
    if (!there && !draft.request.empty()) {
        const Visit &last = draft.request.back();
        const bool nextDoor = !draft.reply.empty() && draft.reply.front().host == last.host && draft.reply.front().in &&
                              isInitialTtl(draft.reply.front().in->ttl);
        const bool toEndpoint = replaced && end.leg != kNone && !isNodePort(end.request.dst.port);
        known = nextDoor || toEndpoint;
    }
    const std::string said = path.http && !there ? path.http->clientAddress : std::string();
    const auto address = IpAddress::parse(said);
    if (known && address && *address != seen.ip) known = false;
    if (known) path.seenByEndpoint = seen;
    if (replaced || (known && !isHalfOfRouter(draft.request))) path.sourcePreserved = !replaced;
    if (known || there) return;
    path.notes.push_back(address ? fmt::format("what the endpoint sees was not captured; it says that it sees {}", said)
                                 : "what the endpoint sees was not captured");
}

void PathBuilder::learnAddresses(const Draft &draft) const {
    const auto &steps = draft.connection.steps;
    auto &points = m_sources.points;
    const auto begins = [](const Visit &visit) {
        return visit.out && !visit.in && !visit.assumed && isInitialTtl(visit.out->ttl);
    };
    if (!draft.request.empty()) {
        const Visit &first = draft.request.front();
        if (begins(first)) points.learnAddress(first.host, first.out->src.ip);
        // Who puts its own address in place of the client's owns that address.
        for (const Visit &visit : draft.request)
            if (visit.in && visit.out && visit.in->src.ip != visit.out->src.ip) {
                points.learnAddress(visit.host, visit.out->src.ip);
                if (visit.in->epoch != visit.out->epoch) points.learnAddress(visit.host, visit.in->dst.ip);
            }
    }
    if (!draft.reply.empty()) {
        const Visit &first = draft.reply.front();
        if (begins(first)) points.learnAddress(first.host, first.out->src.ip);
    }
    if (draft.path.endpoint && !draft.path.client.node.empty() && draft.path.endpoint->host == draft.path.client.node)
        return;
    // Before its answer was seen, one that passes requests on is easily taken for who gets them; what is learned stays.
    const auto &end = draft.path.endpoint;
    const bool answered = end && !draft.reply.empty() && points.host(draft.reply.front().host).name == end->host;
    if (end && steps.size() > 1 && (answered || m_moment.ended))
        points.learnAddress(points.hostIndex(end->host), end->address.ip);
}

} // namespace natlens::tracer
