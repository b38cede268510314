#include "tracer/stitch/flow_table.h"

#include "capture/base/hash.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace natlens::tracer {

using packet::TcpFlags;
using packet::Tuple;

namespace {

constexpr unsigned kMaxPasses = 6;
constexpr std::size_t kFirstDatagrams = 4;
/// The same IP id again within this time is the same packet again: retransmissions get a new one and come later.
constexpr std::chrono::milliseconds kAtOnce{1};
/// Fragmented packets at a time: their fragments follow each other at once.
constexpr std::size_t kMostFragmented = 65536;
/// The same without the first fragment, which may never come (a filter for ports lets no other through, or only those).
constexpr std::size_t kMostEarly = 4096;

void keepEarliest(base::Timestamp &kept, base::Timestamp time) {
    if (kept.nanoseconds == 0 || time < kept) kept = time;
}

} // namespace

void FlowTable::add(const Observation &seen) {
    if (seen.hash == 0) return;
    if (seen.isLaterFragment) [[unlikely]]
        return addFragment(seen);
    const PackedTuple tuple = m_legs->pack(seen);
    LegIndex &newest = m_legs->newest(tuple, seen);
    if (newest != kNone) {
        Leg &leg = (*m_legs)[newest];
        const FlowIndex index = find(leg, seen);
        if (index != kNone && belongsToNewest(m_flows[index], seen) &&
            (leg.older == kNone || !m_legs->isLate(leg, seen))) {
            leg.flows = index;
            return count(index, seen);
        }
    }
    const LegIndex leg = m_legs->legFor(newest, tuple, seen);
    FlowIndex index = find((*m_legs)[leg], seen);
    if (index == kNone) index = create(leg, seen);
    (*m_legs)[leg].flows = index;
    count(index, seen);
}

/// Whose a fragment without ports is, its first one tells. Some senders begin with the last one.
void FlowTable::addFragment(const Observation &seen) {
    const std::uint64_t key = seen.details->fragmentOf;
    if (const auto found = m_fragmented.find(key); found != m_fragmented.end())
        return countFragment(m_flows[found->second], seen);
    if (m_early.size() >= kMostEarly) m_early.clear();
    auto &early = m_early[key];
    if (!early.empty() && seen.time - early.front().time > kReorderWindow) early.clear(); // of another packet
    Observation &kept = early.emplace_back(seen);
    kept.details = nullptr; // it goes, and so does the payload
    kept.payloadData = nullptr;
    kept.payloadSize = 0;
}

void FlowTable::countFragment(Flow &flow, const Observation &seen) {
    Pass &pass = passFor(flow, seen);
    if (pass.packets == 0 || seen.time < pass.first) {
        pass.first = seen.time;
        pass.setNumber(seen.number);
        pass.ipId = seen.ipId;
    }
    pass.last = std::max(pass.last, seen.time);
    ++pass.packets;
    ++extraOf(flow).laterFragments;
    flow.addPayload(seen.payloadLength);
    flow.cut = flow.cut || seen.isCut;
    m_legs->touch(flow.leg);
}

/// The first fragment is there: further ones are its flow's, those that came a little before it, too.
void FlowTable::beginFragments(FlowIndex index, const Observation &first) {
    const std::uint64_t key = first.details->fragmentOf;
    if (m_fragmented.size() >= kMostFragmented) m_fragmented.clear();
    m_fragmented.insert_or_assign(key, index);
    const auto early = m_early.extract(key);
    if (early.empty()) return;
    for (const Observation &fragment : early.mapped())
        if (first.time - fragment.time <= kReorderWindow) countFragment(m_flows[index], fragment);
}

base::Timestamp FlowTable::first(const Flow &flow) const {
    base::Timestamp time = flow.pass.first;
    for (const Pass *pass = next(flow.pass); pass; pass = next(*pass))
        time = std::min(time, pass->first);
    return time;
}

base::Timestamp FlowTable::last(const Flow &flow) const {
    base::Timestamp time = flow.pass.last;
    for (const Pass *pass = next(flow.pass); pass; pass = next(*pass))
        time = std::max(time, pass->last);
    return time;
}

/// The quick answer for nearly all packets; false means "look closer", not "no".
bool FlowTable::belongsToNewest(const Flow &flow, const Observation &seen) const {
    if (seen.time + kReorderWindow < flow.pass.first) return false;
    if (flow.kind == Flow::Kind::icmpError) return true;
    if (!seen.isTcp) return seen.time - last(flow) < kIdleLimit;
    return !(seen.tcpFlags & TcpFlags::syn) || (flow.hasIsn && flow.isn == seen.tcpSeq);
}

/// The flow of a leg that the packet belongs to.
FlowIndex FlowTable::find(const Leg &leg, const Observation &seen) const {
    const auto kind = seen.isIcmpError ? Flow::Kind::icmpError : Flow::Kind::packets;
    FlowIndex i = leg.flows;
    if (i == kNone) return kNone;
    do {
        const Flow &flow = m_flows[i];
        if (flow.point == seen.point && flow.kind == kind && flow.side == seen.side) return i;
        i = flow.next;
    } while (i != leg.flows);
    return kNone;
}

/// A new flow, the last one of its leg.
FlowIndex FlowTable::create(LegIndex legIndex, const Observation &seen) {
    const FlowIndex index = m_flows.add();
    Flow &flow = m_flows[index];
    flow.point = seen.point;
    flow.kind = seen.isIcmpError ? Flow::Kind::icmpError : Flow::Kind::packets;
    flow.leg = legIndex;
    flow.side = seen.side;
    FlowIndex last = (*m_legs)[legIndex].flows;
    if (last == kNone) {
        flow.next = index;
        flow.isFirst = true;
        return index;
    }
    while (!m_flows[m_flows[last].next].isFirst)
        last = m_flows[last].next;
    flow.next = std::exchange(m_flows[last].next, index);
    return index;
}

/// A number for the tunnel; 0 ("in none") for those that are too many. Only the last few are looked through, so that a
/// mesh of very many nodes may store some twice.
std::uint16_t FlowTable::remember(const packet::Encapsulation &tunnel) {
    constexpr std::size_t kLookedThrough = 64;
    packet::Encapsulation stored = tunnel;
    stored.tuple.src.port = stored.tuple.dst.port = 0;
    stored.ttl = 0;
    for (std::size_t i = m_tunnels.size(); i != 0 && m_tunnels.size() - i < kLookedThrough; --i)
        if (m_tunnels[i - 1] == stored) return static_cast<std::uint16_t>(i);
    if (m_tunnels.size() == std::numeric_limits<std::uint16_t>::max()) return 0;
    m_tunnels.push_back(stored);
    return static_cast<std::uint16_t>(m_tunnels.size());
}

Pass &FlowTable::passFor(Flow &flow, const Observation &seen) {
    const std::uint8_t ttl = seen.ttl;
    Pass *pass = &flow.pass;
    if (pass->packets == 0) {
        pass->ttl = ttl;
        pass->facing = seen.facing;
    }
    for (unsigned n = 1; pass->ttl != ttl || pass->facing != seen.facing; ++n) {
        if (n == kMaxPasses) return *pass;
        if (pass->next == kNone) {
            const std::uint32_t index = m_passes.add();
            pass->next = index;
            m_passes[index].ttl = ttl;
            m_passes[index].facing = seen.facing;
        }
        pass = &m_passes[pass->next];
    }
    return *pass;
}

void FlowTable::count(FlowIndex index, const Observation &seen) {
    Flow &flow = m_flows[index];
    Pass &pass = passFor(flow, seen);
    if (pass.packets == 0 || seen.time < pass.first) {
        if (&pass == &flow.pass && flow.firstIsMark) {
            const Mark before = firstMark(flow); // the pass will not remember this packet any more
            flow.firstIsMark = false;
            addMark(flow, before);
        }
        pass.first = seen.time;
        pass.setNumber(seen.number);
        pass.ipId = seen.ipId;
        pass.tunnel = 0;
        pass.macFrom = seen.macFrom;
        pass.macTo = seen.macTo;
        if (seen.details && seen.details->outer) [[unlikely]] {
            pass.tunnel = remember(*seen.details->outer);
            pass.macFrom = pass.macTo = 0;
        }
    }
    const auto apart = seen.time < pass.last ? pass.last - seen.time : seen.time - pass.last;
    if (seen.ipId != 0 && seen.ipId == pass.lastIpId && apart < kAtOnce) addDuplicate(flow, pass, seen);
    pass.lastIpId = seen.ipId;
    pass.last = pass.packets == 0 ? seen.time : std::max(pass.last, seen.time);
    const bool isFirst = pass.packets == 0 && &pass == &flow.pass;
    ++pass.packets;
    if (flow.kind == Flow::Kind::icmpError) {
        extraOf(flow).icmpSource = seen.details->icmpSource;
    } else {
        flow.addPayload(seen.payloadLength);
        flow.cut = flow.cut || seen.isCut;
        if (seen.isTcp) addTcp(index, pass, seen);
        mark(flow, isFirst, seen);
        if (seen.details && seen.details->fragmentOf != 0) [[unlikely]]
            beginFragments(index, seen);
    }
    m_legs->learn(flow.leg, flow.side, seen);
}

void FlowTable::addDuplicate(Flow &flow, const Pass &pass, const Observation &seen) {
    FlowExtra &extra = extraOf(flow);
    if (extra.duplicates++ != 0) return;
    extra.duplicateNumber = seen.number;
    extra.duplicateTtl = pass.ttl;
    extra.duplicateFacing = pass.facing;
}

void FlowTable::addTcp(FlowIndex index, Pass &pass, const Observation &seen) {
    Flow &flow = m_flows[index];
    flow.flags |= seen.tcpFlags;
    constexpr std::uint8_t kRare = TcpFlags::syn | TcpFlags::fin | TcpFlags::rst;
    if (seen.tcpFlags & kRare) {
        if (seen.isSyn() && pass.syns != 0xff && !seenBefore(flow, seen)) ++pass.syns;
        if (seen.tcpFlags & TcpFlags::rst) {
            FlowExtra &extra = extraOf(flow);
            if (extra.rstTime.nanoseconds == 0 || seen.time < extra.rstTime) extra.rstNumber = seen.number;
            keepEarliest(extra.rstTime, seen.time);
        }
        if (seen.tcpFlags & TcpFlags::syn) {
            flow.isn = seen.tcpSeq;
            flow.hasIsn = true;
        }
    }
    if (!(seen.tcpFlags & (TcpFlags::syn | TcpFlags::rst))) noteEnd(flow, seen);
    if (seen.tcpFlags & TcpFlags::fin) noteAcknowledged(index, seen);
    if (seen.payloadSize != 0) peek(flow, seen);
    if ((seen.tcpFlags & TcpFlags::fin) && flow.http != kNone)
        m_http.end(flow.http, flow.isn + 1, seen.tcpSeq + seen.payloadLength);
}

/// Where a segment ends further on than all bytes together that were seen, some of them were not, or not yet. The one
/// that ends last is noted in whatever order they come. Where the stream begins, another capture point may have seen.
void FlowTable::noteEnd(Flow &flow, const Observation &seen) {
    const Leg &leg = (*m_legs)[flow.leg];
    if (!leg.hasIsn(flow.side)) return;
    const std::uint32_t begin = seen.tcpSeq - leg.isn[flow.side] - 1;
    keepEnd(flow, begin, std::uint64_t{begin} + seen.payloadLength + ((seen.tcpFlags & TcpFlags::fin) != 0));
}

/// What the other side sent last may be missing with nothing behind it: who says its own last word has received it.
void FlowTable::noteAcknowledged(FlowIndex by, const Observation &seen) {
    const Flow &last = m_flows[by];
    const Leg &leg = (*m_legs)[last.leg];
    const std::uint8_t other = 1 - last.side;
    if (!leg.hasIsn(other) || !(seen.tcpFlags & TcpFlags::ack)) return;
    for (FlowIndex i = last.next; i != by; i = m_flows[i].next) {
        Flow &flow = m_flows[i];
        if (flow.point != last.point || flow.side != other || flow.kind != Flow::Kind::packets) continue;
        const std::uint32_t end = seen.tcpAck - leg.isn[other] - 1;
        return keepEnd(flow, end, end);
    }
}

void FlowTable::keepEnd(Flow &flow, std::uint32_t begin, std::uint64_t end) {
    constexpr std::uint32_t kFar = std::uint32_t{1} << 30; // more than any window, and far from going round
    if (begin >= 2 * kFar || flow.payloadBytes() >= kFar || end <= bytesOf(flow)) return;
    FlowExtra &extra = extraOf(flow);
    extra.streamEnd = std::max(extra.streamEnd, end);
}

/// As sequence numbers count them: a FIN is one.
std::uint64_t FlowTable::bytesOf(const Flow &flow) {
    return flow.payloadBytes() + ((flow.flags & TcpFlags::fin) != 0);
}

std::uint64_t FlowTable::missingBytes(const Flow &flow) const {
    const std::uint64_t end = extra(flow).streamEnd, seen = bytesOf(flow);
    // One may be the FIN.
    const std::uint64_t least = seen + ((flow.flags & TcpFlags::fin) == 0);
    return least < end ? end - seen : 0;
}

/// The same packet once more: caught twice, or by two capture points that one file mixes. A SYN that is sent again has
/// another timestamp and IP id.
bool FlowTable::seenBefore(const Flow &flow, const Observation &seen) const {
    return std::ranges::any_of(marks(flow), [&](const Mark &mark) {
        return mark.ttl == seen.ttl && mark.ipId == seen.ipId && mark.tsVal == seen.tcpTsVal &&
               (mark.ipId != 0 || mark.hasTs);
    });
}

FlowExtra &FlowTable::extraOf(Flow &flow) {
    if (flow.extra == kNone) flow.extra = m_extras.add();
    return m_extras[flow.extra];
}

const FlowExtra &FlowTable::extra(const Flow &flow) const {
    static const FlowExtra kNothing;
    return flow.extra == kNone ? kNothing : m_extras[flow.extra];
}

/// The mark that `pass` and `opening` say together.
Mark FlowTable::firstMark(const Flow &flow) {
    const bool tcp = flow.markIsTcp;
    return Mark{.time = flow.pass.first,
                .payloadHash = tcp ? 0 : flow.opening,
                .tsVal = tcp ? static_cast<std::uint32_t>(flow.opening >> 32) : 0,
                .optionsHash = tcp ? static_cast<std::uint32_t>(flow.opening) : 0,
                .ipId = flow.pass.ipId,
                .ttl = flow.pass.ttl,
                .facing = flow.pass.facing,
                .hasTs = flow.hasTs};
}

SmallVector<Mark, 2> FlowTable::marks(const Flow &flow) const {
    SmallVector<Mark, 2> all;
    if (flow.firstIsMark) all.push_back(firstMark(flow));
    for (std::uint32_t i = extra(flow).marks; i != kNone; i = m_marks[i].next)
        all.push_back(m_marks[i].mark);
    return all;
}

void FlowTable::addMark(Flow &flow, const Mark &mark) {
    std::uint32_t *link = &extraOf(flow).marks;
    unsigned count = flow.firstIsMark ? 1 : 0;
    for (; *link != kNone; link = &m_marks[*link].next)
        ++count;
    if (count >= Flow::kMaxMarks) return;
    const std::uint32_t index = m_marks.add();
    m_marks[index].mark = mark;
    *link = index;
}

void FlowTable::mark(Flow &flow, bool isFirst, const Observation &seen) {
    const bool tcp = seen.isTcp;
    const bool wanted =
        tcp ? (seen.tcpFlags & TcpFlags::syn) != 0 : packets(flow) - extra(flow).laterFragments <= kFirstDatagrams;
    if (!wanted) return;
    const std::uint64_t payloadHash = tcp ? 0 : seen.tcpSeq;
    if (isFirst) {
        flow.firstIsMark = true;
        flow.hasTs = seen.hasTcpTimestamp;
        flow.markIsTcp = tcp;
        flow.opening = tcp ? std::uint64_t{seen.tcpTsVal} << 32 | seen.tcpOptionsHash : payloadHash;
        return;
    }
    addMark(flow, Mark{.time = seen.time,
                       .payloadHash = payloadHash,
                       .tsVal = seen.tcpTsVal,
                       .optionsHash = seen.tcpOptionsHash,
                       .ipId = seen.ipId,
                       .ttl = seen.ttl,
                       .facing = seen.facing,
                       .hasTs = seen.hasTcpTimestamp});
}

void FlowTable::peek(Flow &flow, const Observation &seen) {
    if (flow.http != kNone) return m_http.add(flow.http, flow.isn + 1, seen.tcpSeq, seen.payload());
    if (flow.noHttp) return;
    // Without the SYN only a segment that begins like HTTP can be the beginning.
    const std::uint32_t base = flow.hasIsn ? flow.isn + 1 : seen.tcpSeq;
    if (seen.tcpSeq - base >= HttpPeek::kLimit) return;
    const bool begins = seen.tcpSeq == base && seen.payloadSize >= 4;
    if (begins && !HttpPeek::looksLikeHttp(seen.payload())) {
        flow.noHttp = flow.hasIsn;
        return;
    }
    if (!begins && !flow.hasIsn) return;
    if (flow.hasIsn) {
        flow.http = m_http.begin(base, seen.tcpSeq, seen.payload());
    } else {
        flow.http = m_http.beginAlone(base);
        m_http.add(flow.http, base, seen.tcpSeq, seen.payload());
    }
}

} // namespace natlens::tracer
