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
/// Fragments of one packet that come before its first: 64 KiB are fewer on any usual link.
constexpr std::size_t kMostOfOne = 64;
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
    const Spot spot(seen);
    LegIndex newest = m_legs->recent(tuple, seen), *head = nullptr;
    if (newest == kNone) {
        head = &m_legs->newest(tuple, seen);
        m_legs->setRecent(seen, newest = *head);
    }
    if (newest != kNone) {
        Leg &leg = (*m_legs)[newest];
        const FlowIndex index = find(newest, leg, spot);
        if (index != kNone && belongsToNewest(leg, m_flows[index], seen) &&
            (leg.older == kNone || !m_legs->isLate(leg, seen))) {
            leg.flows = index;
            return count({newest, index}, seen);
        }
    }
    if (!head) head = &m_legs->newest(tuple, seen);
    const LegIndex leg = m_legs->legFor(*head, tuple, seen);
    m_legs->setRecent(seen, *head);
    FlowIndex index = find(leg, (*m_legs)[leg], spot);
    if (index == kNone) index = create(leg, spot);
    (*m_legs)[leg].flows = index;
    count({leg, index}, seen);
}

/// Whose a fragment without ports is, its first one tells. Some senders begin with the last one.
void FlowTable::addFragment(const Observation &seen) {
    const std::uint64_t key = seen.details->fragmentOf;
    if (const auto found = m_fragmented.find(key); found != m_fragmented.end())
        return countFragment(found->second, seen);
    if (m_early.size() >= kMostEarly) m_early.clear();
    auto &early = m_early[key];
    if (!early.empty() && seen.time - early.front().time > kReorderWindow) early.clear(); // of another packet
    if (early.size() == kMostOfOne) return;
    Observation &kept = early.emplace_back(seen);
    kept.details = nullptr; // it goes, and so does the payload
    kept.payloadData = nullptr;
    kept.payloadSize = 0;
}

void FlowTable::countFragment(Place place, const Observation &seen) {
    Flow &flow = m_flows[place.flow];
    Pass &pass = passFor(flow, seen);
    if (pass.packets == 0 || seen.time < pass.first) {
        keepFirstMark(flow, pass);
        pass.first = seen.time;
        pass.setNumber(seen.number);
        pass.ipId = seen.ipId;
    }
    pass.last = std::max(pass.last, seen.time);
    ++pass.packets;
    ++extraOf(flow).laterFragments;
    flow.addPayload(seen.payloadLength);
    flow.cut = flow.cut || seen.isCut;
    m_legs->touch(place.leg);
}

/// The first fragment is there: further ones are its flow's, those that came a little before it, too.
void FlowTable::beginFragments(Place place, const Observation &first) {
    const std::uint64_t key = first.details->fragmentOf;
    if (m_fragmented.size() >= kMostFragmented) m_fragmented.clear();
    m_fragmented.insert_or_assign(key, place);
    const auto early = m_early.extract(key);
    if (early.empty()) return;
    for (const Observation &fragment : early.mapped())
        if (first.time - fragment.time <= kReorderWindow) countFragment(place, fragment);
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

base::Timestamp FlowTable::last(const Leg &leg) const {
    base::Timestamp time = leg.first;
    for (const FlowIndex i : of(leg))
        time = std::max(time, last(m_flows[i]));
    return time;
}

/// The quick answer for nearly all packets; false means "look closer", not "no".
bool FlowTable::belongsToNewest(const Leg &leg, const Flow &flow, const Observation &seen) const {
    if (seen.time + kReorderWindow < flow.pass.first) return false;
    if (flow.kind == Flow::Kind::icmpError) return true;
    if (!seen.isTcp) return seen.time - last(flow) < kIdleLimit;
    return !(seen.tcpFlags & TcpFlags::syn) || (flow.hasIsn && leg.isn[flow.side] == seen.tcpSeq);
}

/// The flow of a leg that packets of this spot belong to.
FlowIndex FlowTable::find(LegIndex index, const Leg &leg, const Spot &spot) const {
    const FlowIndex newest = leg.flows;
    if (newest == kNone) return kNone;
    FlowIndex i = newest;
    unsigned walked = 0;
    do {
        if (Spot(m_flows[i]) == spot) return i;
        i = m_flows[i].next;
        if (++walked == kNear && !m_lastOfMany.empty() && m_lastOfMany.contains(index)) [[unlikely]] {
            const auto found = m_many.find({index, spot});
            return found == m_many.end() ? kNone : found->second;
        }
    } while (i != newest);
    return kNone;
}

FlowIndex FlowTable::create(LegIndex leg, const Spot &spot) {
    const FlowIndex index = m_flows.add();
    Flow &flow = m_flows[index];
    flow.point = spot.point;
    flow.kind = spot.kind;
    flow.side = spot.side & 1;
    append(leg, index);
    return index;
}

/// Makes a new flow the last one of its leg.
void FlowTable::append(LegIndex legIndex, FlowIndex index) {
    const FlowIndex newest = (*m_legs)[legIndex].flows;
    Flow &flow = m_flows[index];
    if (newest == kNone) {
        flow.next = index;
        flow.isFirst = true;
        return;
    }
    if (const auto many = m_lastOfMany.find(legIndex); many != m_lastOfMany.end()) [[unlikely]] {
        flow.next = std::exchange(m_flows[many->second].next, index);
        many->second = index;
        m_many.emplace(Key{legIndex, Spot(flow)}, index);
        return;
    }
    FlowIndex last = newest;
    while (!m_flows[m_flows[last].next].isFirst)
        last = m_flows[last].next;
    flow.next = std::exchange(m_flows[last].next, index);
    unsigned count = 1;
    for (FlowIndex i = flow.next; i != index; i = m_flows[i].next)
        ++count;
    if (count <= kFew) return;
    m_lastOfMany.emplace(legIndex, index);
    FlowIndex i = index;
    do {
        m_many.emplace(Key{legIndex, Spot(m_flows[i])}, i);
        i = m_flows[i].next;
    } while (i != index);
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
        std::uint32_t &next = pass == &flow.pass && hasExtra(flow) ? extraOf(flow).passes : pass->next;
        if (next == kNone) {
            next = m_passes.add();
            m_passes[next].ttl = ttl;
            m_passes[next].facing = seen.facing;
        }
        pass = &m_passes[next];
    }
    return *pass;
}

/// Before a pass forgets its first packet for an earlier one.
void FlowTable::keepFirstMark(Flow &flow, const Pass &pass) {
    if (&pass != &flow.pass || !flow.firstIsMark) return;
    const Mark before = firstMark(flow);
    flow.firstIsMark = false;
    addMark(flow, before);
}

void FlowTable::count(Place place, const Observation &seen) {
    Flow &flow = m_flows[place.flow];
    Pass &pass = passFor(flow, seen);
    if (pass.packets == 0 || seen.time < pass.first) {
        keepFirstMark(flow, pass);
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
        if (seen.isTcp)
            addTcp(place, pass, seen);
        else if (seen.isAbort) [[unlikely]]
            noteReset(flow, seen);
        mark(flow, isFirst, seen);
        if (seen.details && seen.details->fragmentOf != 0) [[unlikely]]
            beginFragments(place, seen);
    }
    m_legs->learn(place.leg, flow.side, seen);
}

void FlowTable::addDuplicate(Flow &flow, const Pass &pass, const Observation &seen) {
    FlowExtra &extra = extraOf(flow);
    if (extra.duplicates++ != 0) return;
    extra.duplicateNumber = seen.number;
    extra.duplicateTtl = pass.ttl;
    extra.duplicateFacing = pass.facing;
}

void FlowTable::noteReset(Flow &flow, const Observation &seen) {
    FlowExtra &extra = extraOf(flow);
    if (extra.rstTime.nanoseconds == 0 || seen.time < extra.rstTime) extra.rstNumber = seen.number;
    keepEarliest(extra.rstTime, seen.time);
}

void FlowTable::addTcp(Place place, Pass &pass, const Observation &seen) {
    const Leg &leg = (*m_legs)[place.leg];
    Flow &flow = m_flows[place.flow];
    pass.flags |= seen.tcpFlags;
    std::uint32_t isn = leg.isn[flow.side];
    constexpr std::uint8_t kRare = TcpFlags::syn | TcpFlags::fin | TcpFlags::rst;
    if (seen.tcpFlags & kRare) {
        if (seen.isSyn() && pass.syns != Pass::kMostSyns && !seenBefore(flow, seen)) ++pass.syns;
        if (seen.tcpFlags & TcpFlags::rst) noteReset(flow, seen);
        if (seen.tcpFlags & TcpFlags::syn) {
            isn = seen.tcpSeq;
            flow.hasIsn = true;
        }
    }
    if (!(seen.tcpFlags & (TcpFlags::syn | TcpFlags::rst))) noteEnd(leg, flow, seen);
    if (seen.tcpFlags & TcpFlags::fin) noteAcknowledged(place, seen);
    if (seen.payloadSize != 0) peek(flow, isn, seen);
    if ((seen.tcpFlags & TcpFlags::fin) && mayBeHttp(flow))
        m_http.end(flow.http, isn + 1, seen.tcpSeq + seen.payloadLength);
}

/// Where a segment ends further on than all bytes together that were seen, some of them were not, or not yet. The one
/// that ends last is noted in whatever order they come. Where the stream begins, another capture point may have seen.
void FlowTable::noteEnd(const Leg &leg, Flow &flow, const Observation &seen) {
    if (!leg.hasIsn(flow.side)) return;
    const std::uint32_t begin = seen.tcpSeq - leg.isn[flow.side] - 1;
    keepEnd(flow, begin, std::uint64_t{begin} + seen.payloadLength + ((seen.tcpFlags & TcpFlags::fin) != 0));
}

/// What the other side sent last may be missing with nothing behind it: who says its own last word has received it.
void FlowTable::noteAcknowledged(Place by, const Observation &seen) {
    const Leg &leg = (*m_legs)[by.leg];
    const Flow &last = m_flows[by.flow];
    const std::uint8_t other = 1 - last.side;
    if (!leg.hasIsn(other) || !(seen.tcpFlags & TcpFlags::ack)) return;
    const FlowIndex flow = find(by.leg, leg, Spot(last.point, Flow::Kind::packets, other));
    const std::uint32_t end = seen.tcpAck - leg.isn[other] - 1;
    if (flow != kNone) keepEnd(m_flows[flow], end, end);
}

void FlowTable::keepEnd(Flow &flow, std::uint32_t begin, std::uint64_t end) {
    constexpr std::uint32_t kFar = std::uint32_t{1} << 30; // more than any window, and far from going round
    if (begin >= 2 * kFar || flow.payloadBytes() >= kFar || end <= bytesOf(flow)) return;
    FlowExtra &extra = extraOf(flow);
    extra.streamEnd = std::max(extra.streamEnd, end);
}

/// As sequence numbers count them: a FIN is one.
std::uint64_t FlowTable::bytesOf(const Flow &flow) const {
    return flow.payloadBytes() + ((flags(flow) & TcpFlags::fin) != 0);
}

std::uint64_t FlowTable::missingBytes(const Flow &flow) const {
    const std::uint64_t end = extra(flow).streamEnd, seen = bytesOf(flow);
    // One may be the FIN.
    const std::uint64_t least = seen + ((flags(flow) & TcpFlags::fin) == 0);
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
    if (!hasExtra(flow)) {
        const std::uint32_t index = m_extras.add();
        m_extras[index].passes = std::exchange(flow.pass.next, index | kHasExtra);
    }
    return m_extras[flow.pass.next & ~kHasExtra];
}

const FlowExtra &FlowTable::extra(const Flow &flow) const {
    static const FlowExtra kNothing;
    return hasExtra(flow) ? m_extras[flow.pass.next & ~kHasExtra] : kNothing;
}

/// The mark that a flow with `firstIsMark` has in itself.
Mark FlowTable::firstMark(const Flow &flow) {
    const bool tcp = flow.markIsTcp;
    return Mark{.time = flow.pass.first,
                .payloadHash = tcp ? 0 : flow.stamp,
                .tsVal = tcp ? flow.stamp : 0,
                .optionsHash = flow.optionsHash,
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
    const auto optionsHash = static_cast<std::uint16_t>(seen.tcpOptionsHash ^ seen.tcpOptionsHash >> 16);
    if (isFirst) {
        flow.firstIsMark = true;
        flow.hasTs = seen.hasTcpTimestamp;
        flow.markIsTcp = tcp;
        flow.stamp = tcp ? seen.tcpTsVal : seen.tcpSeq;
        flow.optionsHash = optionsHash;
        return;
    }
    addMark(flow, Mark{.time = seen.time,
                       .payloadHash = tcp ? 0 : seen.tcpSeq,
                       .tsVal = seen.tcpTsVal,
                       .optionsHash = optionsHash,
                       .ipId = seen.ipId,
                       .ttl = seen.ttl,
                       .facing = seen.facing,
                       .hasTs = seen.hasTcpTimestamp});
}

void FlowTable::peek(Flow &flow, std::uint32_t isn, const Observation &seen) {
    if (mayBeHttp(flow)) return m_http.add(flow.http, isn + 1, seen.tcpSeq, seen.payload());
    if (flow.http == kNotHttp) return;
    // Without the SYN only a segment that begins like HTTP can be the beginning.
    const std::uint32_t base = flow.hasIsn ? isn + 1 : seen.tcpSeq;
    if (seen.tcpSeq - base >= HttpPeek::kLimit) return;
    const bool begins = seen.tcpSeq == base && seen.payloadSize >= 4;
    if (begins && !HttpPeek::looksLikeHttp(seen.payload())) {
        if (flow.hasIsn) flow.http = kNotHttp;
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
