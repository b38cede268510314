#include "tracer/stitch/link_finder.h"

#include <algorithm>
#include <map>
#include <set>

namespace natlens::tracer {

using packet::Protocol;
using packet::Tuple;

/// Links found so far for one closed set of legs. Ordered containers: the result must not depend on memory layout.
struct LinkFinder::Work {
    std::vector<LegIndex> legs;
    std::map<LegIndex, std::map<LegIndex, Link>> down; ///< every accepted translation, attempts included
    std::map<LegIndex, LegIndex> up;
    std::map<LegIndex, std::pair<Tuple, Link>> origin; ///< conntrack knows a tuple before this leg that nobody saw
    std::map<LegIndex, std::vector<std::string>> notes;
    std::map<LegIndex, LegIndex> halves; ///< legs between two translations, and the leg after both
};

namespace {

/// Forwarding takes microseconds; a second is an eternity in which another packet may look the same.
constexpr std::chrono::seconds kMaxDelay{1};
constexpr double kAccept = 4;

std::uint64_t identity(const Mark &mark) {
    return (std::uint64_t{mark.tsVal} << 16 | mark.ipId) ^ mark.payloadHash;
}

bool portsLookReversed(const Tuple &tuple) {
    return tuple.src.port != 0 && tuple.src.port < tuple.dst.port;
}

} // namespace

LinkFinder::LinkFinder(const LegTable &legs, const FlowTable &flows, const CapturePoints &points,
                       const TranslationLog &translations)
    : m_legs(&legs)
    , m_flows(&flows)
    , m_points(&points)
    , m_translations(&translations) {}

Tuple LinkFinder::requestTuple(LegIndex index) const {
    const Leg &leg = (*m_legs)[index];
    const Tuple forward = leg.tuple, backward = leg.tuple.reversed();
    if (leg.initiator >= 0) return leg.initiator == 0 ? forward : backward;
    const auto known = [&](const Tuple &tuple) {
        return !m_translations->withOriginal(tuple).empty() || !m_translations->withTranslated(tuple).empty();
    };
    if (known(forward) != known(backward)) return known(forward) ? forward : backward;
    std::array<base::Timestamp, 2> first{};
    bool quoted = false;
    for (const FlowIndex i : leg.flows) {
        const Flow &flow = (*m_flows)[i];
        const int side = flow.side;
        if (flow.kind == Flow::Kind::icmpError) {
            // The quoted packet is what was asked, whether we saw it or not.
            if (leg.flows.size() == 1) return m_flows->tuple(flow).reversed();
            quoted = true;
            continue;
        }
        if (const auto *http = m_flows->http(flow)) return (http->status == 0) == (side == 0) ? forward : backward;
        auto &time = first[static_cast<std::size_t>(side)];
        if (const auto begin = m_flows->first(flow); time.nanoseconds == 0 || begin < time) time = begin;
    }
    const bool oneSided = first[0].nanoseconds == 0 || first[1].nanoseconds == 0;
    if (oneSided && quoted) return first[0].nanoseconds != 0 ? forward : backward;
    if (leg.tuple.protocol == Protocol::tcp) return portsLookReversed(forward) ? backward : forward;
    if (oneSided) {
        const Tuple seen = first[0].nanoseconds != 0 ? forward : backward;
        return seen.src.port < 1024 && seen.dst.port >= 1024 ? seen.reversed() : seen;
    }
    if (first[0] != first[1]) return first[0] < first[1] ? forward : backward;
    return portsLookReversed(forward) ? backward : forward;
}

bool LinkFinder::entryIsOf(const Translation &entry, LegIndex index) const {
    const Leg &leg = (*m_legs)[index];
    if (entry.late) return leg.first <= entry.time;
    if (entry.time + kReorderWindow < leg.first) return false;
    // The newest leg that had begun when the entry was made.
    for (LegIndex i = m_legs->newest(leg.tuple); i != kNone && i != index; i = (*m_legs)[i].older)
        if ((*m_legs)[i].first <= entry.time && (*m_legs)[i].first > leg.first) return false;
    return true;
}

/// The leg that a conntrack entry joins `leg` with, kNone if no packet showed it.
LegIndex LinkFinder::partner(const Translation &entry, LegIndex index, const Tuple &other) const {
    const Leg &leg = (*m_legs)[index];
    const auto isnOf = [](const Leg &l) -> std::optional<std::uint32_t> {
        if (l.initiator < 0 || !l.hasIsn[static_cast<std::size_t>(l.initiator)]) return std::nullopt;
        return l.isn[static_cast<std::size_t>(l.initiator)];
    };
    const auto isn = isnOf(leg);
    for (LegIndex i = m_legs->newest(other); i != kNone; i = (*m_legs)[i].older) {
        const auto theirs = isnOf((*m_legs)[i]);
        if (isn && theirs ? *isn == *theirs : entryIsOf(entry, i)) return i;
    }
    return kNone;
}

/// What conntrack joins a leg with.
SmallVector<LegIndex, 4> LinkFinder::partners(LegIndex index) const {
    SmallVector<LegIndex, 4> found;
    const Tuple request = requestTuple(index);
    const auto add = [&](const Translation &entry, const Tuple &other) {
        if (!entry.isNat()) return;
        if (const LegIndex leg = partner(entry, index, other); leg != kNone) found.push_back(leg);
    };
    for (const auto i : m_translations->withOriginal(request))
        add((*m_translations)[i], (*m_translations)[i].translated);
    for (const auto i : m_translations->withTranslated(request))
        add((*m_translations)[i], (*m_translations)[i].original);
    return found;
}

std::vector<LegIndex> LinkFinder::closure(const std::vector<LegIndex> &touched) const {
    std::set<LegIndex> seen(touched.begin(), touched.end());
    std::vector<LegIndex> open(seen.begin(), seen.end());
    const auto visit = [&](LegIndex index) {
        if (seen.insert(index).second) open.push_back(index);
    };
    while (!open.empty()) {
        const LegIndex index = open.back();
        open.pop_back();
        visitNeighbours(index, visit);
    }
    return {seen.begin(), seen.end()};
}

void LinkFinder::linkByConntrack(Work &work) const {
    for (const LegIndex index : work.legs) {
        const Tuple request = requestTuple(index);
        for (const auto i : m_translations->withTranslated(request)) {
            const Translation &entry = (*m_translations)[i];
            if (!entry.isNat()) continue;
            Link link{.host = entry.host, .evidence = {EvidenceKind::conntrack}, .confidence = 1, .translation = i};
            const LegIndex up = partner(entry, index, entry.original);
            if (up == kNone) {
                if (entryIsOf(entry, index)) work.origin.insert_or_assign(index, std::pair(entry.original, link));
                continue;
            }
            if (up == index || work.up.contains(index)) continue;
            // What the packets say as well is told beside it.
            if (const auto seen = compare(up, index))
                link.evidence.insert(link.evidence.end(), seen->link.evidence.begin(), seen->link.evidence.end());
            work.up[index] = up;
            work.down[up].insert_or_assign(index, std::move(link));
        }
    }
}

std::vector<LinkFinder::Sight> LinkFinder::sights(LegIndex index, bool reply) const {
    std::vector<Sight> found;
    const Leg &leg = (*m_legs)[index];
    const Tuple request = requestTuple(index);
    for (const FlowIndex i : leg.flows) {
        const Flow &flow = (*m_flows)[i];
        if (flow.kind != Flow::Kind::packets || (m_flows->tuple(flow) == request) == reply) continue;
        for (const Mark &mark : m_flows->marks(flow))
            found.push_back({m_points->points()[flow.point.value].host, mark});
    }
    return found;
}

/// Looks for one packet on both legs. False: what was seen contradicts a translation from `up` to `down`.
bool LinkFinder::compareSights(Candidate &candidate, bool reply) const {
    // Request packets meet `up` first, replies meet `down` first.
    const auto before = sights(reply ? candidate.down : candidate.up, reply);
    const auto after = sights(reply ? candidate.up : candidate.down, reply);
    if (before.empty() || after.empty()) return true;
    bool sharedHost = false, forwarded = false, sameTs = false, sameId = false, sameOptions = false, bothTs = false,
         bothId = false;
    int lowestBefore = 255, highestAfter = 0;
    std::string host;
    std::set<std::uint64_t> shared;
    for (const Sight &b : before)
        lowestBefore = std::min<int>(lowestBefore, b.mark.ttl);
    for (const Sight &a : after)
        highestAfter = std::max<int>(highestAfter, a.mark.ttl);
    for (const Sight &b : before) {
        for (const Sight &a : after) {
            const bool tsFits = b.mark.hasTs && a.mark.hasTs && b.mark.tsVal == a.mark.tsVal;
            const bool idFits = b.mark.ipId != 0 && b.mark.ipId == a.mark.ipId;
            bothTs = bothTs || (b.mark.hasTs && a.mark.hasTs);
            bothId = bothId || (b.mark.ipId != 0 && a.mark.ipId != 0);
            sameTs = sameTs || tsFits;
            sameId = sameId || idFits;
            sameOptions = sameOptions || b.mark.optionsHash == a.mark.optionsHash;
            if (identity(a.mark) == identity(b.mark)) shared.insert(identity(a.mark));
            if (a.host != b.host) continue;
            sharedHost = true;
            const auto delay = a.mark.time - b.mark.time;
            if (a.mark.ttl + 1 == b.mark.ttl && delay >= std::chrono::nanoseconds(0) && delay < kMaxDelay &&
                b.mark.facing != Facing::out && a.mark.facing != Facing::in) {
                forwarded = true;
                host = m_points->host(a.host).name;
            }
        }
    }
    if (sharedHost && !forwarded) return false;
    if (!sharedHost && highestAfter >= lowestBefore) return false;
    candidate.score += forwarded ? 3 : 1 - 0.25 * (lowestBefore - highestAfter);
    if (bothTs) candidate.score += sameTs ? 2 : -2;
    if (bothId) candidate.score += sameId ? 2 : -1;
    if (sameOptions) candidate.score += 1;
    if (!reply) candidate.shared.assign(shared.begin(), shared.end());
    if (!host.empty()) candidate.link.host = host;
    auto &evidence = candidate.link.evidence;
    const auto say = [&](EvidenceKind kind) {
        if (std::ranges::find(evidence, kind) == evidence.end()) evidence.push_back(kind);
    };
    if (sameTs) say(EvidenceKind::tcpTimestamp);
    if (sameId) say(EvidenceKind::ipId);
    return true;
}

std::optional<LinkFinder::Candidate> LinkFinder::compare(LegIndex up, LegIndex down) const {
    const Leg &a = (*m_legs)[up], &b = (*m_legs)[down];
    if (a.tuple.protocol != b.tuple.protocol || a.tuple == b.tuple) return std::nullopt;
    Candidate candidate{.up = up, .down = down};
    auto &evidence = candidate.link.evidence;
    if (a.tuple.protocol == Protocol::tcp) {
        if (a.initiator < 0 || b.initiator < 0) return std::nullopt;
        const auto ai = static_cast<std::size_t>(a.initiator), bi = static_cast<std::size_t>(b.initiator);
        if (!a.hasIsn[ai] || !b.hasIsn[bi] || a.isn[ai] != b.isn[bi]) return std::nullopt;
        candidate.score = 1;
        evidence.push_back(EvidenceKind::tcpIsn);
        if (a.hasIsn[1 - ai] && b.hasIsn[1 - bi]) {
            if (a.isn[1 - ai] != b.isn[1 - bi]) return std::nullopt;
            candidate.score += 4;
        }
    } else {
        const bool sharesKey = std::ranges::any_of(
            a.keys, [&](std::uint64_t key) { return std::ranges::find(b.keys, key) != b.keys.end(); });
        if (!sharesKey) return std::nullopt;
        candidate.score = 2;
    }
    if (!compareSights(candidate, false) || !compareSights(candidate, true)) return std::nullopt;
    if (candidate.score < kAccept) return std::nullopt;
    if (a.tuple.protocol != Protocol::tcp) evidence.push_back(EvidenceKind::payload);
    std::ranges::sort(evidence);
    candidate.link.confidence = std::min(0.98, 0.6 + 0.035 * candidate.score);
    return candidate;
}

void LinkFinder::linkBySight(Work &work) const {
    const std::set<LegIndex> inside(work.legs.begin(), work.legs.end());
    // Best upstream leg of each leg, if there is one that is better than all others.
    std::map<LegIndex, std::vector<Candidate>> downstream;
    for (const LegIndex down : work.legs) {
        if (work.up.contains(down) || work.origin.contains(down)) continue;
        std::set<LegIndex> ups;
        for (const std::uint64_t key : (*m_legs)[down].keys) {
            const auto &members = *m_legs->withKey(key);
            if (members.size() > kMaxGroup) {
                work.notes[down].push_back(fmt::format("ambiguous: {} connections begin alike", members.size()));
                continue;
            }
            ups.insert(members.begin(), members.end());
        }
        ups.erase(down);
        std::vector<Candidate> candidates;
        for (const LegIndex up : ups)
            if (inside.contains(up))
                if (auto candidate = compare(up, down)) candidates.push_back(std::move(*candidate));
        if (candidates.empty()) continue;
        std::ranges::stable_sort(candidates, std::ranges::greater{}, &Candidate::score);
        const auto best = candidates.front().score;
        const auto equals = std::ranges::count_if(candidates, [&](const auto &c) { return c.score >= best - 0.01; });
        if (equals > 1) {
            work.notes[down].push_back(fmt::format("ambiguous: {} candidates for where it came from", equals));
            continue;
        }
        downstream[candidates.front().up].push_back(std::move(candidates.front()));
    }
    for (auto &[up, candidates] : downstream) {
        // Conntrack has said where this leg goes; others that look right belong to hosts further on.
        if (work.down.contains(up)) continue;
        // What was seen between the two translations of one host is no other way.
        const auto whole = candidates;
        std::erase_if(candidates, [&](const Candidate &half) {
            return std::ranges::any_of(whole,
                                       [&](const Candidate &c) { return isHalf(half.down, up, c.down, c.link.host); });
        });
        std::set<std::uint64_t> packets;
        std::size_t total = 0;
        for (const auto &candidate : candidates) {
            packets.insert(candidate.shared.begin(), candidate.shared.end());
            total += std::max<std::size_t>(candidate.shared.size(), 1);
        }
        // One SYN can leave a host only once. Several partners are fine if each took another retransmission of it.
        if (candidates.size() > 1 && packets.size() < total) {
            work.notes[up].push_back(fmt::format("ambiguous: {} candidates for where it went", candidates.size()));
            continue;
        }
        for (auto &candidate : candidates) {
            work.up[candidate.down] = up;
            work.down[up].insert_or_assign(candidate.down, std::move(candidate.link));
        }
    }
}

bool LinkFinder::isHalf(LegIndex leg, LegIndex up, LegIndex down, const std::string &host) const {
    const Tuple before = requestTuple(up), after = requestTuple(down);
    if (leg == up || leg == down || before.src == after.src || before.dst == after.dst) return false;
    if (requestTuple(leg) != Tuple{before.protocol, before.src, after.dst}) return false;
    const auto &keys = (*m_legs)[leg].keys;
    const auto sharesKey = [&](LegIndex other) {
        const auto &theirs = (*m_legs)[other].keys;
        return std::ranges::any_of(keys,
                                   [&](std::uint64_t key) { return std::ranges::find(theirs, key) != theirs.end(); });
    };
    const auto onHost = [&](FlowIndex flow) {
        return m_points->host(m_points->points()[(*m_flows)[flow].point.value].host).name == host;
    };
    return (sharesKey(up) || sharesKey(down)) && std::ranges::all_of((*m_legs)[leg].flows, onHost);
}

void LinkFinder::findHalves(Work &work) const {
    for (const auto &[down, up] : work.up) {
        const std::string &host = work.down.at(up).at(down).host;
        const Tuple half{requestTuple(up).protocol, requestTuple(up).src, requestTuple(down).dst};
        for (LegIndex leg = m_legs->newest(half); leg != kNone; leg = (*m_legs)[leg].older) {
            if (work.up.contains(leg) || work.down.contains(leg) || !std::ranges::binary_search(work.legs, leg))
                continue;
            if (isHalf(leg, up, down, host)) work.halves.emplace(leg, down);
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
        connection.steps.push_back(Step{.leg = leg, .request = requestTuple(leg)});
        const auto below = work.down.find(leg);
        if (below == work.down.end()) break;
        // The last translation is the connection's; earlier ones are attempts.
        const auto last = std::ranges::max_element(below->second, [&](const auto &x, const auto &y) {
            const Leg &a = (*m_legs)[x.first], &b = (*m_legs)[y.first];
            return a.first != b.first ? a.first < b.first : a.tuple < b.tuple;
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

std::vector<Connection> LinkFinder::connect(const std::vector<LegIndex> &touched) const {
    Work work;
    work.legs = closure(touched);
    std::erase_if(work.legs, [&](LegIndex index) { return (*m_legs)[index].flows.empty(); });
    linkByConntrack(work);
    linkBySight(work);
    findHalves(work);
    std::vector<Connection> connections;
    std::set<LegIndex> placed;
    for (const auto &[half, down] : work.halves)
        placed.insert(half);
    for (const LegIndex index : work.legs) {
        if (placed.contains(index)) continue;
        LegIndex root = index;
        std::set<LegIndex> way;
        for (auto up = work.up.find(root); up != work.up.end() && way.insert(root).second; up = work.up.find(root))
            root = up->second;
        auto connection = follow(root, work);
        for (const auto &step : connection.steps)
            placed.insert(step.leg);
        placed.insert(connection.attempts.begin(), connection.attempts.end());
        if (!placed.contains(index)) {
            connections.push_back(std::move(connection));
            connection = follow(index, work);
            placed.insert(index);
        }
        connections.push_back(std::move(connection));
    }
    return connections;
}

} // namespace natlens::tracer
