#include "tracer/stitch/link_finder.h"

#include "tracer/stitch/link_work.h"

#include <algorithm>
#include <set>

namespace natlens::tracer {

using packet::Protocol;
using packet::Tuple;

namespace {

/// Samples of each side under which a leg is found; those that others most likely keep as well.
constexpr std::size_t kIndexed = 8;

bool isTcp(const Leg &leg) {
    return leg.isTcp();
}

} // namespace

LinkFinder::LinkFinder(const LegTable &legs, const FlowTable &flows, const CapturePoints &points,
                       const TranslationLog &translations)
    : m_legs(&legs)
    , m_flows(&flows)
    , m_points(&points)
    , m_translations(&translations)
    , m_judge(legs, flows, points, translations)
    , m_proxyJudge(legs, flows, points)
    , m_proxies(legs, m_proxyJudge) {}

bool LinkFinder::entryIsOf(const Translation &entry, LegIndex index) const {
    const Leg &leg = (*m_legs)[index];
    if (entry.late) return leg.first <= entry.time;
    if (entry.time + kReorderWindow < leg.first) return false;
    // The newest leg that had begun when the entry was made.
    for (LegIndex i = m_legs->newest(m_legs->tuple(leg)); i != kNone && i != index; i = (*m_legs)[i].older)
        if ((*m_legs)[i].first <= entry.time && (*m_legs)[i].first > leg.first) return false;
    return true;
}

/// The leg that a conntrack entry joins `leg` with, kNone if no packet showed it.
LegIndex LinkFinder::partner(const Translation &entry, LegIndex index, const Tuple &other) const {
    const Leg &leg = (*m_legs)[index];
    const auto isnOf = [](const Leg &l) -> std::optional<std::uint32_t> {
        if (l.initiator < 0 || !l.hasIsn(static_cast<std::size_t>(l.initiator))) return std::nullopt;
        return l.isn[static_cast<std::size_t>(l.initiator)];
    };
    const auto isn = isnOf(leg);
    for (LegIndex i = m_legs->newest(other); i != kNone; i = (*m_legs)[i].older) {
        const auto theirs = isnOf((*m_legs)[i]);
        if (isn && theirs ? *isn == *theirs : entryIsOf(entry, i)) return i;
    }
    return kNone;
}

void LinkFinder::indexSamples(SampleIndex &into, LegIndex index) {
    for (const std::size_t side : {0U, 1U}) {
        const auto samples = m_legs->samples().of((*m_legs)[index].samples(side));
        for (std::size_t i = 0; i < std::min(kIndexed, samples.size()); ++i)
            into.add(samples[i].seq, index);
    }
}

void LinkFinder::learn(const std::vector<LegIndex> &touched, const base::ParallelFor &parallel) {
    m_proxies.learn(touched, parallel);
    for (const LegIndex i : touched)
        if (!isTcp((*m_legs)[i])) indexSamples(m_datagrams, i);
    const auto needsSamples = [&](LegIndex i) { return isTcp((*m_legs)[i]) && (*m_legs)[i].initiator < 0; };
    if (m_streamsNeeded) {
        for (const LegIndex i : touched)
            if (isTcp((*m_legs)[i])) indexSamples(m_streams, i);
    } else if (std::ranges::any_of(touched, needsSamples)) {
        m_streamsNeeded = true;
        for (LegIndex i = 0; i < m_legs->size(); ++i)
            if (isTcp((*m_legs)[i])) indexSamples(m_streams, i);
    }
}

std::size_t LinkFinder::visitBySamples(LegIndex index, const std::function<void(LegIndex)> &visit) const {
    const Leg &leg = (*m_legs)[index];
    const SampleIndex &samples = isTcp(leg) ? m_streams : m_datagrams;
    std::size_t crowd = 0;
    std::vector<LegIndex> members;
    for (const std::size_t side : {0U, 1U}) {
        for (const StreamSample &sample : m_legs->samples().of(leg.samples(side))) {
            members.clear();
            samples.each(sample.seq, [&](LegIndex other) {
                // Where both began in view their initial sequence numbers have said it all.
                if (!isTcp(leg) || leg.initiator < 0 || (*m_legs)[other].initiator < 0) members.push_back(other);
            });
            if (members.size() > kMaxGroup)
                crowd = std::max(crowd, members.size());
            else
                std::ranges::for_each(members, visit);
        }
    }
    return crowd;
}

std::vector<LegIndex> LinkFinder::kinOf(LegIndex index, std::size_t *crowd) const {
    std::set<LegIndex> found;
    const std::size_t many = visitKin(index, [&](LegIndex other) { found.insert(other); });
    if (crowd) *crowd = many;
    found.erase(index);
    return {found.begin(), found.end()};
}

/// What conntrack joins a leg with.
SmallVector<LegIndex, 4> LinkFinder::partners(LegIndex index) const {
    SmallVector<LegIndex, 4> found;
    const Tuple request = m_judge.sense(index).request;
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
        const Tuple &request = work.request(index);
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
            if (work.senses.contains(up))
                if (const auto seen = m_judge.compare(up, work.request(up), index, request))
                    link.evidence.insert(link.evidence.end(), seen->evidence.begin(), seen->evidence.end());
            work.up[index] = up;
            work.down[up].insert_or_assign(index, std::move(link));
        }
    }
}

std::vector<Connection> LinkFinder::connect(const std::vector<LegIndex> &touched) const {
    Work work{.legs = closure(touched)};
    std::erase_if(work.legs, [&](LegIndex index) { return (*m_legs)[index].flows == kNone; });
    findSenses(work);
    linkByConntrack(work);
    linkBySight(work);
    findHalves(work);
    linkProxied(work);
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
