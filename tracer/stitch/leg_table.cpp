#include "tracer/stitch/leg_table.h"

#include "capture/base/hash.h"

#include <algorithm>
#include <utility>

namespace natlens::tracer {

using packet::Protocol;
using packet::TcpFlags;
using packet::Tuple;

namespace {

/// Serial number arithmetic (RFC 1982): `later` is not before `earlier`.
bool notBefore(std::uint32_t later, std::uint32_t earlier) {
    return static_cast<std::int32_t>(later - earlier) >= 0;
}

/// Sequence and acknowledgement numbers fit to what is known of the leg.
bool numbersFit(const Leg &leg, int side, const Observation &seen) {
    const auto own = static_cast<std::size_t>(side), other = 1 - own;
    const bool reset = seen.tcpFlags & TcpFlags::rst;
    if (leg.hasIsn(own) && !reset && !notBefore(seen.tcpSeq, leg.isn[own])) return false;
    return !(leg.hasIsn(other) && (seen.tcpFlags & TcpFlags::ack) && !notBefore(seen.tcpAck, leg.isn[other]));
}

} // namespace

LegIndex LegTable::newest(const Tuple &tuple) const {
    const Tuple key = tuple.src <= tuple.dst ? tuple : tuple.reversed();
    const auto packed = m_addresses.find(key);
    if (!packed) return kNone;
    const std::uint64_t hash = packed->isV6 ? hashOf(key.src.ip, key.dst.ip, *packed) : hashOf(*packed);
    return m_index.find(hash, [&](std::uint32_t i) { return m_legs[i].has(*packed, 0); });
}

LegIndex &LegTable::alikeAt(std::uint32_t isn) {
    return m_alikeIndex.at(base::mix(0x544350, isn), [&](std::uint32_t i) { return isnOf(m_legs[i]) == isn; });
}

void LegTable::rest() {
    m_alikeIndex = {};
    m_rested = true;
}

std::vector<LegIndex> LegTable::takeDirty() {
    for (const LegIndex first : std::exchange(m_news, {})) {
        LegIndex i = first;
        do {
            m_legs[i].news = false;
            touch(i);
            i = m_legs[i].alike;
        } while (i != first);
    }
    std::vector<LegIndex> dirty;
    dirty.swap(m_dirty);
    for (const LegIndex index : dirty)
        m_legs[index].dirty = false;
    return dirty;
}

LegIndex LegTable::create(const PackedTuple &tuple, base::Timestamp time, std::uint32_t &head) {
    const LegIndex index = m_legs.add();
    Leg &leg = m_legs[index];
    leg.ip = tuple.ip;
    leg.port = tuple.port;
    leg.protocol = tuple.protocol;
    leg.isV6 = tuple.isV6;
    leg.first = time;
    if (!leg.isTcp()) leg.setLast(time);
    leg.older = head;
    head = index;
    return index;
}

LegIndex LegTable::forSyn(LegIndex newestLeg, int side, const Observation &seen) {
    const auto own = static_cast<std::size_t>(side);
    for (LegIndex i = newestLeg; i != kNone; i = m_legs[i].older) {
        const Leg &leg = m_legs[i];
        if (leg.hasIsn(own) && leg.isn[own] == seen.tcpSeq && leg.initiator != 1 - side) return i;
    }
    // A connection whose later packets came first (another capture point began later, or the order is a little wrong).
    for (LegIndex i = newestLeg; i != kNone; i = m_legs[i].older) {
        const Leg &leg = m_legs[i];
        if (!leg.hasIsn(own) && leg.initiator != 1 - side && leg.first + kReorderWindow >= seen.time) return i;
    }
    return kNone;
}

LegIndex LegTable::forSynAck(LegIndex newestLeg, int side, const Observation &seen) {
    const auto own = static_cast<std::size_t>(side), other = 1 - own;
    for (LegIndex i = newestLeg; i != kNone; i = m_legs[i].older) {
        const Leg &leg = m_legs[i];
        if (leg.hasIsn(other) && leg.isn[other] == seen.tcpAck - 1 && leg.initiator != side) return i;
    }
    for (LegIndex i = newestLeg; i != kNone; i = m_legs[i].older) {
        const Leg &leg = m_legs[i];
        if (!leg.hasIsn(other) && leg.initiator != side && leg.first + kReorderWindow >= seen.time) return i;
    }
    return kNone;
}

LegIndex LegTable::forLater(LegIndex newestLeg, int side, const Observation &seen) {
    LegIndex possible = kNone;
    for (LegIndex i = newestLeg; i != kNone; i = m_legs[i].older) {
        const Leg &leg = m_legs[i];
        if (seen.isTcp ? !numbersFit(leg, side, seen)
                       : !seen.isIcmpError && !leg.isTcp() &&
                             (leg.last() + kIdleLimit < seen.time || seen.time + kIdleLimit < leg.first))
            continue;
        if (leg.first <= seen.time + kReorderWindow) return i;
        possible = i;
    }
    return possible;
}

bool LegTable::isLate(const Leg &newest, const Observation &seen) const {
    if (!seen.isTcp || (seen.tcpFlags & TcpFlags::syn) || seen.time - newest.first >= kStragglers ||
        numbersFit(newest, seen.side, seen))
        return false;
    for (LegIndex i = newest.older; i != kNone; i = m_legs[i].older)
        if (numbersFit(m_legs[i], seen.side, seen)) return true;
    return false;
}

LegIndex LegTable::legFor(LegIndex &head, const PackedTuple &tuple, const Observation &seen) {
    const int side = seen.side;
    LegIndex found = kNone;
    if (head != kNone) {
        if (seen.isSyn())
            found = forSyn(head, side, seen);
        else if (seen.isSynAck())
            found = forSynAck(head, side, seen);
        else
            found = forLater(head, side, seen);
    }
    return found != kNone ? found : create(tuple, seen.time, head);
}

/// Files a leg whose initiator has become known where its partners across a NAT are filed, too.
void LegTable::addAlike(LegIndex index) {
    if (std::exchange(m_rested, false)) [[unlikely]]
        for (LegIndex i = 0; i < m_legs.size(); ++i)
            if (m_legs[i].alike != kNone)
                if (LegIndex &place = alikeAt(isnOf(m_legs[i])); place == kNone || m_legs[i].news) place = i;
    Leg &leg = m_legs[index];
    const std::uint32_t isn = isnOf(leg);
    const LegIndex before = std::exchange(alikeAt(isn), index);
    leg.alike = index;
    if (before == kNone) return; // alone: touched itself
    std::swap(leg.alike, m_legs[before].alike);
    leg.news = true;
    if (!m_legs[before].news) m_news.push_back(index);
    m_legs[before].news = false;
    if (const auto crowd = m_crowds.find(isn); crowd != m_crowds.end()) {
        ++crowd->second;
        return;
    }
    std::size_t count = 1;
    for (LegIndex i = leg.alike; i != index; i = m_legs[i].alike)
        ++count;
    if (count > kCrowd) m_crowds.emplace(isn, count);
}

void LegTable::sample(Leg &leg, int side, const Observation &seen) {
    const auto own = static_cast<std::size_t>(side);
    auto set = leg.samples(own);
    if (!StreamSamples::wants(set, seen.tcpSeq)) return;
    m_samples.keep(set, StreamSample{.seq = seen.tcpSeq,
                                     .payload = seen.payloadHash,
                                     .stamp = seen.isTcp ? StreamSample::stampOf(seen.tcpTsVal) : seen.ipId});
    leg.setSamples(own, set);
}

/// The first bytes of a stream, or, behind a PROXY protocol header that came alone, the next ones.
void LegTable::open(LegIndex index, int side, std::uint32_t offset, const Observation &seen) {
    const auto own = static_cast<std::size_t>(side);
    std::uint32_t &place = m_legs[index].openings;
    auto payload = seen.payload();
    if (payload.empty() || (offset != 0 && (place == kNone || m_openings[place].sides[own].header != offset))) return;
    if (place == kNone) place = m_openings.add();
    StreamOpening &opening = m_openings[place].sides[own];
    if (offset == 0) {
        const std::string_view text(reinterpret_cast<const char *>(payload.data()), payload.size());
        const auto [preface, incomplete] = readPreface(text);
        if (preface.version != 0) {
            m_prefaces.insert_or_assign(index, preface);
            opening.header = static_cast<std::uint32_t>(preface.length) & StreamOpening::kMostHeader;
            payload = payload.subspan(preface.length);
        }
    }
    opening.learn(payload, seen.time);
}

void LegTable::learn(LegIndex index, int side, const Observation &seen) {
    Leg &leg = m_legs[index];
    if (seen.time < leg.first) leg.first = seen.time;
    if (!leg.isTcp() && seen.time > leg.last()) leg.setLast(seen.time);
    touch(index);
    if (seen.isIcmpError) return;
    if (!seen.isTcp) return sample(leg, side, seen);
    if (!(seen.tcpFlags & TcpFlags::syn)) {
        if (seen.payloadLength == 0 && !(seen.tcpFlags & TcpFlags::fin)) return;
        sample(leg, side, seen);
        const auto own = static_cast<std::size_t>(side);
        if (const std::uint32_t offset = seen.tcpSeq - leg.isn[own] - 1; leg.hasIsn(own) && offset < kLongestPreface)
            open(index, side, offset, seen);
        return;
    }
    leg.setIsn(static_cast<std::size_t>(side), seen.tcpSeq);
    const int initiator = seen.isSyn() ? side : 1 - side;
    const auto first = static_cast<std::size_t>(initiator);
    if (!leg.hasIsn(first)) leg.setIsn(first, seen.tcpAck - 1);
    if (leg.initiator >= 0) return;
    leg.initiator = initiator == 0 ? 0 : 1;
    addAlike(index);
}

} // namespace natlens::tracer
