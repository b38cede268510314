// LinkFinder's work where conntrack was not asked: candidates, the best of them, and what may not be guessed.
#include "tracer/stitch/link_work.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace natlens::tracer {

using packet::Tuple;

namespace {

/// A difference of scores that means that packets differ, not that fewer were seen.
constexpr double kClear = 2;
/// Pairs of addresses that one packet has on its way, translated again after it was sent again included.
constexpr std::size_t kMostSteps = 8;

} // namespace

/// Legs whose direction is not certain run as the surest leg does that carries the same packets.
void LinkFinder::findSenses(Work &work) const {
    for (const LegIndex index : work.legs)
        work.senses.emplace(index, m_judge.sense(index));
    const auto own = work.senses;
    for (auto &[index, sense] : work.senses) {
        if (sense.strength == Sense::certain) continue;
        const Tuple tuple = m_legs->tuple((*m_legs)[index]);
        auto best = std::tuple(sense.strength, tuple);
        for (const LegIndex other : kinOf(index)) {
            const auto theirs = own.find(other);
            if (theirs == own.end()) continue;
            const Leg &kin = (*m_legs)[other];
            const auto rank = std::tuple(theirs->second.strength, m_legs->tuple(kin));
            if (std::get<0>(rank) < std::get<0>(best) ||
                (std::get<0>(rank) == std::get<0>(best) && !(std::get<1>(rank) < std::get<1>(best))))
                continue;
            const Kinship kinship = kinshipOf(*m_legs, index, other);
            if (!kinship.identifies(tuple.protocol)) continue;
            best = rank;
            const bool forward = (m_legs->sideOf(kin, theirs->second.request) == 0) != kinship.reversed;
            sense.request = forward ? tuple : tuple.reversed();
        }
    }
}

/// The only leg that `down` can have come from, judged by packets.
std::optional<Verdict> LinkFinder::bestUp(LegIndex down, Work &work) const {
    std::size_t crowd = 0;
    std::vector<Verdict> verdicts;
    const auto kin = kinOf(down, &crowd);
    for (const LegIndex up : kin)
        if (work.senses.contains(up))
            if (auto verdict = m_judge.compare(up, work.request(up), down, work.request(down)))
                verdicts.push_back(std::move(*verdict));
    // One opening packet at so many addresses is a scan's, whatever else of it agrees.
    if (kin.size() > kMostSteps) std::erase_if(verdicts, [](const Verdict &verdict) { return verdict.byOpening; });
    if (crowd != 0) work.notes[down].push_back(fmt::format("ambiguous: {} connections begin alike", crowd));
    if (verdicts.empty()) return std::nullopt;
    // All that speaks for the best must speak for the others less, unless they are further up the same way.
    const auto order = [](const Verdict &v) { return std::pair(v.score + v.closeness, v.score); };
    std::ranges::stable_sort(verdicts, std::ranges::greater{}, order);
    const Verdict &best = verdicts.front();
    const auto rivals = std::ranges::count_if(verdicts, [&](const Verdict &other) {
        if (other.up == best.up || other.score <= best.score - kClear) return false;
        return order(other) == order(best) ||
               !m_judge.compare(other.up, work.request(other.up), best.up, work.request(best.up));
    });
    if (rivals == 0) return std::move(verdicts.front());
    work.notes[down].push_back(fmt::format("ambiguous: {} candidates for where it came from", rivals + 1));
    return std::nullopt;
}

void LinkFinder::linkBySight(Work &work) const {
    std::map<LegIndex, std::vector<Verdict>> downstream;
    for (const LegIndex down : work.legs) {
        if (work.up.contains(down) || work.origin.contains(down)) continue;
        if (auto best = bestUp(down, work)) downstream[best->up].push_back(std::move(*best));
    }
    for (auto &[up, verdicts] : downstream) {
        // Conntrack has said where this leg goes; others that look right belong to hosts further on.
        if (work.down.contains(up)) continue;
        // What was seen between the two translations of one host is no other way.
        const auto whole = verdicts;
        std::erase_if(verdicts, [&](const Verdict &half) {
            return std::ranges::any_of(
                whole, [&](const Verdict &v) { return isHalf(work, half.down, half.up, v.down, v.host); });
        });
        std::set<std::uint64_t> packets;
        std::size_t total = 0;
        for (const auto &verdict : verdicts) {
            packets.insert(verdict.shared.begin(), verdict.shared.end());
            total += std::max<std::size_t>(verdict.shared.size(), 1);
        }
        // One SYN can leave a host only once. Several partners are fine if each took another retransmission of it.
        if (verdicts.size() > 1 && packets.size() < total) {
            work.notes[up].push_back(fmt::format("ambiguous: {} candidates for where it went", verdicts.size()));
            continue;
        }
        for (auto &verdict : verdicts) {
            if (verdict.byOneDatagram)
                work.notes[verdict.down].emplace_back("joined by one datagram alone, which may be chance");
            work.up[verdict.down] = up;
            work.down[up].insert_or_assign(verdict.down, Link{.host = std::move(verdict.host),
                                                              .evidence = std::move(verdict.evidence),
                                                              .confidence = verdict.confidence()});
        }
    }
}

bool LinkFinder::isHalf(const Work &work, LegIndex leg, LegIndex up, LegIndex down, const std::string &host) const {
    const Tuple &before = work.request(up), &after = work.request(down);
    if (leg == up || leg == down || before.src == after.src || before.dst == after.dst) return false;
    if (work.request(leg) != Tuple{before.protocol, before.src, after.dst}) return false;
    const auto kin = [&](LegIndex other) {
        const Kinship found = kinshipOf(*m_legs, leg, other);
        return !found.contradicts && found.isns + found.segments != 0;
    };
    if (!kin(up) && !kin(down)) return false;
    for (const FlowIndex i : m_flows->of((*m_legs)[leg]))
        if (m_points->host(m_points->points()[(*m_flows)[i].point.value].host).name != host) return false;
    return true;
}

void LinkFinder::findHalves(Work &work) const {
    for (const auto &[down, up] : work.up) {
        if (!work.senses.contains(up)) continue;
        const std::string &host = work.down.at(up).at(down).host;
        const Tuple half{work.request(up).protocol, work.request(up).src, work.request(down).dst};
        for (LegIndex leg = m_legs->newest(half); leg != kNone; leg = (*m_legs)[leg].older) {
            if (work.up.contains(leg) || work.down.contains(leg) || !work.senses.contains(leg)) continue;
            if (isHalf(work, leg, up, down, host)) work.halves.emplace(leg, down);
        }
    }
}

Connection LinkFinder::follow(LegIndex root, const Work &work) const {
    Connection connection;
    std::set<LegIndex> visited;
    const auto noteOf = [&](LegIndex leg) {
        if (const auto found = work.notes.find(leg); found != work.notes.end())
            connection.notes.insert(connection.notes.end(), found->second.begin(), found->second.end());
    };
    if (const auto origin = work.origin.find(root); origin != work.origin.end())
        connection.steps.push_back(Step{.leg = kNone, .request = origin->second.first, .next = origin->second.second});
    const auto abandon = [&](auto &&self, LegIndex leg) -> void {
        if (!visited.insert(leg).second) return;
        connection.attempts.push_back(leg);
        if (const auto below = work.down.find(leg); below != work.down.end())
            for (const auto &[next, link] : below->second)
                self(self, next);
    };
    LegIndex leg = root;
    while (leg != kNone && visited.insert(leg).second) {
        noteOf(leg);
        connection.steps.push_back(Step{.leg = leg, .request = work.request(leg)});
        const auto below = work.down.find(leg);
        if (below == work.down.end()) break;
        // The last translation is the connection's; earlier ones are attempts.
        const auto last = std::ranges::max_element(below->second, [&](const auto &x, const auto &y) {
            const Leg &a = (*m_legs)[x.first], &b = (*m_legs)[y.first];
            return a.first != b.first ? a.first < b.first : m_legs->tuple(a) < m_legs->tuple(b);
        });
        for (const auto &[other, link] : below->second)
            if (other != last->first) abandon(abandon, other);
        connection.steps.back().next = last->second;
        leg = last->first;
    }
    for (const auto &[half, down] : work.halves)
        if (visited.contains(down)) connection.halves.push_back(half);
    return connection;
}

} // namespace natlens::tracer
