#include "tracer/connection_evidence.h"

#include <algorithm>
#include <tuple>

namespace natlens::tracer {

namespace {

Sight::Facing facingOf(Facing facing) {
    switch (facing) {
    case Facing::in: return Sight::Facing::in;
    case Facing::out: return Sight::Facing::out;
    case Facing::unknown: break;
    }
    return Sight::Facing::unknown;
}

bool isCooked(packet::LinkType type) {
    return type == packet::LinkType::linuxSll || type == packet::LinkType::linuxSll2;
}

} // namespace

void StitchedEvidence::add(const Leg &of, const Flow &flow, unsigned leg, Direction direction, bool attempt) const {
    const auto &point = m_sources.points.points()[flow.point.value];
    const auto &flows = m_sources.flows;
    const FlowExtra &extra = flows.extra(flow);
    const packet::Tuple tuple = flows.tuple(of, flow);
    Sight sight;
    sight.host = point.status.host;
    sight.interface = point.status.interface;
    sight.direction = direction;
    sight.leg = leg;
    sight.attempt = attempt;
    sight.icmp = flow.kind == Flow::Kind::icmpError;
    sight.cooked = isCooked(point.linkType);
    sight.src = sight.icmp ? SocketAddress{extra.icmpSource, 0} : tuple.src;
    sight.dst = tuple.dst;
    sight.tcpFlags = flows.flags(flow);
    if (flow.hasIsn) sight.isn = of.isn[flow.side];
    sight.syn = flow.hasIsn;
    sight.reset = extra.rstTime;
    sight.resetPacket = extra.rstNumber;
    sight.payloadBytes = flow.payloadBytes();
    for (const Mark &mark : flows.marks(flow))
        sight.openings.push_back({mark.time, mark.ipId});
    std::ranges::sort(sight.openings, {}, &Sight::Opening::time);
    for (const Pass *pass = &flow.pass; pass != nullptr; pass = flows.next(*pass)) {
        sight.facing = facingOf(pass->facing);
        sight.packets = pass->packets;
        sight.first = pass->first;
        sight.last = pass->last;
        sight.firstPacket = pass->number();
        const bool twice = extra.duplicateTtl == pass->ttl && extra.duplicateFacing == pass->facing;
        sight.duplicates = twice ? extra.duplicates : 0;
        sight.duplicatePacket = extra.duplicateNumber;
        m_sights->push_back(sight);
    }
}

const std::vector<Sight> &StitchedEvidence::sights() const {
    if (m_sights) return *m_sights;
    m_sights.emplace();
    const auto &legs = m_sources.legs;
    for (unsigned step = 0; step < m_connection.steps.size(); ++step) {
        const Step &at = m_connection.steps[step];
        if (at.leg == kNone) continue;
        const Leg &leg = legs[at.leg];
        for (const FlowIndex i : m_sources.flows.of(leg)) {
            const Flow &flow = m_sources.flows[i];
            add(leg, flow, step, m_sources.flows.tuple(leg, flow) == at.request ? Direction::request : Direction::reply,
                false);
        }
    }
    for (const LegIndex attempt : m_connection.attempts) {
        const Leg &leg = legs[attempt];
        const packet::Tuple request = legs.request(leg);
        for (const FlowIndex i : m_sources.flows.of(leg)) {
            const Flow &flow = m_sources.flows[i];
            add(leg, flow, 1, m_sources.flows.tuple(leg, flow) == request ? Direction::request : Direction::reply,
                true);
        }
    }
    std::ranges::sort(*m_sights, {}, [](const Sight &s) {
        return std::tuple(s.direction, s.leg, s.first, s.firstPacket.value, s.host, s.interface);
    });
    return *m_sights;
}

std::vector<TrackedConnection> StitchedEvidence::tracked(const packet::Tuple &original) const {
    std::vector<TrackedConnection> found;
    for (const std::uint32_t i : m_sources.translations.withOriginal(original)) {
        const Translation &entry = m_sources.translations[i];
        found.push_back({.host = entry.host,
                         .original = entry.original,
                         .translated = entry.translated,
                         .time = entry.time,
                         .packet = entry.packet,
                         .seenReply = entry.seenReply,
                         .late = entry.late});
    }
    return found;
}

} // namespace natlens::tracer
