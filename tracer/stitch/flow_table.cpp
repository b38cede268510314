#include "tracer/stitch/flow_table.h"

#include "capture/base/hash.h"

#include <algorithm>

namespace natlens::tracer {

using packet::TcpFlags;
using packet::Tuple;

namespace {

constexpr unsigned kMaxPasses = 6;
constexpr std::size_t kFirstDatagrams = 4;

void keepEarliest(base::Timestamp &kept, base::Timestamp time) {
    if (kept.nanoseconds == 0 || time < kept) kept = time;
}

} // namespace

bool FlowTable::add(const Observation &seen) {
    const auto &packet = *seen.packet;
    if (packet.family == packet::IpFamily::none || packet.tuple.src.ip.isNone()) return false;
    // A later fragment carries no ports: it cannot be told whose it is, and its first fragment stands for it.
    if (packet.isFragment && packet.fragmentOffset != 0) return true;
    const auto kind = packet.hasQuoted ? Flow::Kind::icmpError : Flow::Kind::packets;
    const Tuple tuple = packet.hasQuoted ? packet.quoted.reversed() : packet.tuple;
    const std::uint64_t place = (std::uint64_t{seen.point.value} << 1) | (kind == Flow::Kind::icmpError ? 1 : 0);
    const auto same = [&](std::uint32_t i) {
        const Flow &flow = m_flows[i];
        return flow.point == seen.point && flow.kind == kind && flow.tuple == tuple;
    };
    std::uint32_t &head = m_index.at(base::mix(packet::hashValue(tuple), place), same);
    FlowIndex index = head;
    if (index == kNone || !belongsToNewest(m_flows[index], seen)) index = find(head, tuple, seen, kind);
    count(m_flows[index], seen);
    return true;
}

/// The quick answer for nearly all packets; false means "look closer", not "no".
bool FlowTable::belongsToNewest(const Flow &flow, const Observation &seen) const {
    const auto &packet = *seen.packet;
    if ((*m_legs)[flow.leg].superseded || seen.time + kReorderWindow < flow.first) return false;
    if (flow.kind == Flow::Kind::icmpError) return true;
    if (!packet.isTcp()) return seen.time - flow.last < kIdleLimit;
    return !(packet.tcpFlags & TcpFlags::syn) || (flow.hasIsn && flow.isn == packet.tcpSeq);
}

FlowIndex FlowTable::find(std::uint32_t &head, const Tuple &tuple, const Observation &seen, Flow::Kind kind) {
    const LegIndex leg = m_legs->legFor(tuple, seen, kind);
    for (FlowIndex i = head; i != kNone; i = m_flows[i].older)
        if (m_flows[i].leg == leg) return i;
    const FlowIndex index = m_flows.add();
    Flow &flow = m_flows[index];
    flow.tuple = tuple;
    flow.point = seen.point;
    flow.kind = kind;
    flow.leg = leg;
    flow.older = head;
    flow.first = flow.last = seen.time;
    head = index;
    (*m_legs)[leg].flows.push_back(index);
    return index;
}

Pass &FlowTable::passFor(Flow &flow, const Observation &seen) {
    const std::uint8_t ttl = seen.packet->ttl;
    std::uint32_t *link = &flow.passes;
    for (unsigned n = 0; *link != kNone; ++n) {
        Pass &pass = m_passes[*link];
        if ((pass.ttl == ttl && pass.facing == seen.facing) || n + 1 == kMaxPasses) return pass;
        link = &pass.next;
    }
    const std::uint32_t index = m_passes.add();
    *link = index;
    Pass &pass = m_passes[index];
    pass.ttl = ttl;
    pass.facing = seen.facing;
    return pass;
}

void FlowTable::count(Flow &flow, const Observation &seen) {
    const auto &packet = *seen.packet;
    Pass &pass = passFor(flow, seen);
    if (pass.packets == 0 || seen.time < pass.first) {
        pass.first = seen.time;
        pass.number = seen.number;
        pass.ipId = packet.ipId;
    }
    pass.last = pass.packets == 0 ? seen.time : std::max(pass.last, seen.time);
    ++pass.packets;
    ++flow.packets;
    flow.first = std::min(flow.first, seen.time);
    flow.last = std::max(flow.last, seen.time);
    if (flow.kind == Flow::Kind::icmpError) {
        flow.icmpType = packet.icmpType;
        flow.icmpCode = packet.icmpCode;
        flow.icmpSource = packet.tuple.src.ip;
        m_legs->learn(flow.leg, flow.tuple, seen, flow.kind);
        return;
    }
    flow.payloadBytes += packet.payloadLength;
    if (packet.payloadLength != 0) keepEarliest(flow.dataTime, seen.time);
    if (packet.isTcp()) {
        flow.flags |= packet.tcpFlags;
        if (packet.isSyn()) ++pass.syns;
        if (packet.tcpFlags & TcpFlags::fin) keepEarliest(flow.finTime, seen.time);
        if (packet.tcpFlags & TcpFlags::rst) {
            if (flow.rstTime.nanoseconds == 0 || seen.time < flow.rstTime) flow.rstNumber = seen.number;
            keepEarliest(flow.rstTime, seen.time);
        }
        if (packet.tcpFlags & TcpFlags::syn) {
            flow.isn = packet.tcpSeq;
            flow.hasIsn = true;
        }
        if (!seen.payload.empty()) peek(flow, seen);
    }
    mark(flow, seen);
    m_legs->learn(flow.leg, flow.tuple, seen, flow.kind);
}

void FlowTable::mark(Flow &flow, const Observation &seen) {
    const auto &packet = *seen.packet;
    const bool tcp = packet.isTcp();
    const bool wanted = tcp ? (packet.tcpFlags & TcpFlags::syn) != 0 : flow.packets <= kFirstDatagrams;
    if (!wanted || flow.marks.size() == Flow::kMaxMarks) return;
    Mark mark{.time = seen.time,
              .tsVal = packet.tcpTsVal,
              .optionsHash = packet.tcpOptionsHash,
              .ipId = packet.ipId,
              .ttl = packet.ttl,
              .facing = seen.facing,
              .hasTs = packet.hasTcpTimestamp};
    if (!tcp) {
        mark.payloadHash =
            base::hashBytes(seen.payload.first(std::min<std::size_t>(seen.payload.size(), 64)), packet.payloadLength);
        m_legs->addKey(flow.leg, base::mix(base::mix(mark.payloadHash, static_cast<std::uint64_t>(flow.tuple.protocol)),
                                           packet.ipId));
    }
    flow.marks.push_back(mark);
}

void FlowTable::peek(Flow &flow, const Observation &seen) {
    const auto &packet = *seen.packet;
    if (flow.http) {
        if (!flow.http->done()) flow.http->add(packet.tcpSeq, seen.payload);
        return;
    }
    if (flow.noHttp) return;
    // Without the SYN only a segment that begins like HTTP can be the beginning.
    const std::uint32_t base = flow.hasIsn ? flow.isn + 1 : packet.tcpSeq;
    if (packet.tcpSeq - base >= HttpPeek::kLimit) return;
    const bool begins = packet.tcpSeq == base && seen.payload.size() >= 4;
    if (begins && !HttpPeek::looksLikeHttp(seen.payload)) {
        flow.noHttp = flow.hasIsn;
        return;
    }
    if (!begins && !flow.hasIsn) return;
    flow.http = std::make_unique<HttpPeek>(base);
    flow.http->add(packet.tcpSeq, seen.payload);
}

} // namespace natlens::tracer
