#include "tracer/likeness.h"

#include "tracer/annotator.h"

#include <algorithm>
#include <tuple>

namespace natlens::tracer {

using packet::TcpFlags;

namespace {

/// Of larger sets too much would have to be compared, and few are like another.
constexpr std::size_t kMostLegs = 4, kMostSeen = 48;
/// Passes of one packet: later ones are other packets (see way.cpp).
constexpr std::chrono::milliseconds kSamePacket{200};
/// From one side of a translation to the other (see leg_judge.cpp).
constexpr std::chrono::seconds kMaxDelay{1};
/// No finding looks further back into the cluster's history.
constexpr std::chrono::minutes kHistory{1};
/// The flags that anybody asks for.
constexpr std::uint8_t kFlags = TcpFlags::syn | TcpFlags::fin | TcpFlags::rst | TcpFlags::ack;

} // namespace

void Likeness::put(const packet::IpAddress &address) {
    put(address.family);
    m_bytes.append(reinterpret_cast<const char *>(address.bytes.data()), address.size());
}

bool Likeness::read(std::span<const LegIndex> legs) {
    m_bytes.clear();
    m_seen.clear();
    m_first = m_last = {};
    m_answered = false;
    if (legs.size() > kMostLegs) return false;
    for (std::uint32_t place = 0; place < legs.size(); ++place)
        if (!addLeg(place, (*m_legs)[legs[place]])) return false;
    if (!m_answered || m_seen.size() > kMostSeen || !compareLegs(legs)) return false;
    addOrder();
    if (legs.size() > 1) compareOpenings();
    return addClusterState();
}

bool Likeness::addLeg(std::uint32_t place, const Leg &leg) {
    if (!leg.isTcp() || leg.initiator < 0 || leg.flows == kNone ||
        (leg.ip[0] == leg.ip[1] && leg.port[0] == leg.port[1]))
        return false;
    put(static_cast<std::uint8_t>(unsigned{leg.initiator != 0} | unsigned{leg.hasIsn(0)} << 1 |
                                  unsigned{leg.hasIsn(1)} << 2 | unsigned{leg.isV6} << 3));
    put(leg.ip);
    put(leg.port[leg.initiator == 0 ? 1 : 0]);
    for (const FlowIndex index : m_flows->of(leg)) {
        const Flow &flow = (*m_flows)[index];
        put(static_cast<std::uint8_t>(!(*m_flows)[flow.next].isFirst));
        if (!addFlow(place, flow, flow.side != leg.initiator)) return false;
    }
    return true;
}

bool Likeness::addFlow(std::uint32_t place, const Flow &flow, bool reply) {
    // A SYN sent again, a reset, a packet caught twice: those are told apart by more than is written here.
    if (flow.kind != Flow::Kind::packets || FlowTable::hasExtra(flow)) return false;
    const CapturePointInfo &point = m_points->points()[flow.point.value];
    if (point.mixed) return false;
    const std::uint8_t flags = m_flows->flags(flow);
    m_answered = m_answered || (reply ? flow.hasIsn : (flags & TcpFlags::ack) != 0);
    put(flow.point.value);
    put(static_cast<std::uint8_t>(flags & kFlags));
    const HttpFirstLines *lines = m_flows->http(flow);
    const unsigned http = !lines ? 0 : lines->method.empty() ? 1 : Annotator::isHealthTarget(lines->target) ? 3 : 2;
    put(static_cast<std::uint16_t>(lines ? lines->status : 0));
    if (lines) m_bytes.append(lines->clientAddress);
    put(std::uint8_t{0});
    put(static_cast<std::uint8_t>(flow.side | reply << 1 | flow.hasIsn << 2 | flow.firstIsMark << 3 | http << 4));
    const Timestamp first = m_flows->first(flow);
    const std::uint32_t packets = m_flows->packets(flow);
    for (const Pass *pass = &flow.pass; pass; pass = m_flows->next(*pass)) {
        if (pass->syns > 1 || pass->first - first > kSamePacket) return false;
        const bool stray = pass->isStray(packets);
        put(static_cast<std::uint8_t>(pass->ttl));
        put(static_cast<std::uint8_t>(static_cast<unsigned>(pass->facing) | unsigned{stray} << 2 |
                                      unsigned{pass->syns} << 3 | unsigned{m_flows->next(*pass) != nullptr} << 4));
        put(pass->tunnel);
        put(pass->macFrom);
        put(pass->macTo);
        m_seen.push_back({.first = pass->first,
                          .number = pass->number().value,
                          .flow = &flow,
                          .leg = place,
                          .host = point.host,
                          .reply = reply,
                          .packets = pass->packets});
        if (m_first.nanoseconds == 0 || pass->first < m_first) m_first = pass->first;
        m_last = std::max(m_last, pass->last);
    }
    return true;
}

/// Which legs may be one connection by their numbers, and what else is said of pairs of them.
bool Likeness::compareLegs(std::span<const LegIndex> legs) {
    for (std::size_t i = 0; i < legs.size(); ++i) {
        const Leg &a = (*m_legs)[legs[i]];
        for (std::size_t j = 0; j < i; ++j) {
            const Leg &b = (*m_legs)[legs[j]];
            const bool reversed = a.initiator != b.initiator;
            if (a.isn[static_cast<std::size_t>(a.initiator)] != b.isn[static_cast<std::size_t>(b.initiator)])
                return false; // a proxy stands between them: what they carry would have to decide
            unsigned agree = 0;
            bool contradicts = false;
            for (std::size_t side = 0; side < 2; ++side) {
                const std::size_t other = reversed ? 1 - side : side;
                if (!a.hasIsn(side) || !b.hasIsn(other)) continue;
                contradicts = contradicts || a.isn[side] != b.isn[other];
                agree += a.isn[side] == b.isn[other];
            }
            if (!contradicts && agree != 2) return false; // samples would have to decide
            const packet::Tuple one = m_legs->request(a), two = m_legs->request(b);
            const auto order = [](const auto &x, const auto &y) { return x < y ? 0U : x == y ? 1U : 2U; };
            put(static_cast<std::uint8_t>(unsigned{contradicts} | unsigned{one.src.port == two.src.port} << 1 |
                                          unsigned{one.src.port == two.dst.port} << 2 |
                                          unsigned{one.dst.port == two.src.port} << 3 | order(a.first, b.first) << 4 |
                                          order(m_legs->tuple(a), m_legs->tuple(b)) << 6));
        }
    }
    return true;
}

/// The order in which everything began. Of what began at the same time the numbers of the packets decide, and the tie
/// is told.
void Likeness::addOrder() {
    std::uint8_t places[kMostSeen];
    const std::size_t count = m_seen.size();
    const auto before = [&](std::uint8_t a, std::uint8_t b) {
        return std::tie(m_seen[a].first, m_seen[a].number) < std::tie(m_seen[b].first, m_seen[b].number);
    };
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t at = i;
        const auto own = static_cast<std::uint8_t>(i);
        for (; at > 0 && before(own, places[at - 1]); --at)
            places[at] = places[at - 1];
        places[at] = own;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const bool tie = i > 0 && m_seen[places[i]].first == m_seen[places[i - 1]].first;
        put(static_cast<std::uint8_t>(places[i] | unsigned{tie} << 7));
    }
}

/// Which opening packets are the same ones, by what LegJudge compares, and whether they are of the same moment.
void Likeness::compareOpenings() {
    for (std::size_t i = 0; i < m_seen.size(); ++i) {
        const Flow &a = *m_seen[i].flow;
        if (!a.firstIsMark) continue;
        std::uint8_t sameStamp = 0, sameId = 0, sameOptions = 0, sameAll = 0;
        for (std::size_t j = 0; j < i; ++j) {
            const Flow &b = *m_seen[j].flow;
            if (!b.firstIsMark || m_seen[i].reply != m_seen[j].reply) continue;
            const auto here = static_cast<std::uint8_t>(j + 1);
            if (sameStamp == 0 && a.hasTs == b.hasTs && a.stamp == b.stamp) sameStamp = here;
            if (sameId == 0 && a.pass.ipId == b.pass.ipId) sameId = here;
            if (sameOptions == 0 && a.optionsHash == b.optionsHash) sameOptions = here;
            if (sameAll == 0 && a.stamp == b.stamp && a.pass.ipId == b.pass.ipId) sameAll = here;
            // Without a falling time to live the order in time decides, wherever it was seen.
            if (m_seen[i].leg == m_seen[j].leg || (a.point != b.point && a.pass.ttl != b.pass.ttl)) continue;
            const auto apart = a.pass.first < b.pass.first ? b.pass.first - a.pass.first : a.pass.first - b.pass.first;
            put(static_cast<std::uint8_t>(apart < kMaxDelay));
        }
        put(std::uint32_t{sameStamp} << 24 | std::uint32_t{sameId} << 16 | std::uint32_t{sameOptions} << 8 | sameAll);
        put(static_cast<std::uint8_t>(a.hasTs | unsigned{a.pass.ipId != 0} << 1));
    }
}

bool Likeness::addClusterState() {
    if (m_cluster->isEmpty()) return true;
    const Timestamp changed = m_cluster->changedBefore(m_first);
    if (changed.nanoseconds != 0 && m_first - changed < kHistory) return false;
    put(m_cluster->at(m_first));
    return true;
}

/// The largest count of any host: what it saw most of in each direction.
std::uint64_t Likeness::packets() const {
    std::uint64_t most = 0;
    for (std::size_t i = 0; i < m_seen.size(); ++i) {
        const HostIndex host = m_seen[i].host;
        std::uint32_t each[2]{};
        for (std::size_t j = 0; j < m_seen.size(); ++j) {
            if (m_seen[j].host != host) continue;
            if (j < i) break; // counted already
            auto &count = each[m_seen[j].reply];
            count = std::max(count, m_seen[j].packets);
        }
        most = std::max(most, std::uint64_t{each[0]} + each[1]);
    }
    return most;
}

} // namespace natlens::tracer
