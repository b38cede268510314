// LinkFinder's work where a program passed the bytes on: connections that end at a proxy and those that it opened.
#include "tracer/stitch/link_work.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace natlens::tracer {

void LinkFinder::visitAcrossProxies(LegIndex index, const std::function<void(LegIndex)> &visit) const {
    std::vector<LegIndex> found;
    (void)m_proxies.before(index, found);
    for (const LegIndex other : found)
        if (m_proxyJudge.compare(other, index)) visit(other);
    found.clear();
    (void)m_proxies.after(index, found);
    for (const LegIndex other : found)
        if (m_proxyJudge.compare(index, other)) visit(other);
}

/// The only connection that `after` can have been opened for.
std::optional<ProxyVerdict> LinkFinder::bestBefore(LegIndex after, Work &work) const {
    std::vector<LegIndex> found;
    const std::size_t crowd = m_proxies.before(after, found);
    std::ranges::sort(found);
    found.erase(std::ranges::unique(found).begin(), found.end());
    std::vector<ProxyVerdict> verdicts;
    for (const LegIndex before : found) {
        // What is translated further on does not end here.
        if (!work.senses.contains(before) || work.down.contains(before)) continue;
        if (auto verdict = m_proxyJudge.compare(before, after)) verdicts.push_back(std::move(*verdict));
    }
    if (crowd != 0) work.notes[after].push_back(fmt::format("ambiguous: {} connections ask a proxy the same", crowd));
    if (verdicts.empty()) return std::nullopt;
    const auto order = [](const ProxyVerdict &v) { return std::tuple(v.kind, v.inTime, v.asked, v.before); };
    std::ranges::sort(verdicts, std::ranges::greater{}, order);
    const ProxyVerdict &best = verdicts.front();
    const auto rivals = std::ranges::count_if(verdicts, [&](const ProxyVerdict &other) {
        // One proxy behind another: the one before the best is none.
        return other.before != best.before && other.kind == best.kind && other.inTime == best.inTime &&
               !m_proxyJudge.compare(other.before, best.before);
    });
    if (rivals == 0) return std::move(verdicts.front());
    work.notes[after].push_back(fmt::format("ambiguous: a proxy opened this for one of {} connections", rivals + 1));
    return std::nullopt;
}

void LinkFinder::linkProxied(Work &work) const {
    std::map<LegIndex, std::vector<ProxyVerdict>> passedOn;
    for (const LegIndex after : work.legs) {
        if (work.up.contains(after) || work.origin.contains(after) || work.halves.contains(after)) continue;
        if (auto best = bestBefore(after, work)) passedOn[best->before].push_back(std::move(*best));
    }
    for (auto &[before, verdicts] : passedOn) {
        if (verdicts.size() > 1) {
            work.notes[before].push_back(
                fmt::format("ambiguous: a proxy opened one of {} connections for this", verdicts.size()));
            continue;
        }
        ProxyVerdict &verdict = verdicts.front();
        std::set<LegIndex> earlier{before};
        for (auto up = work.up.find(before); up != work.up.end() && earlier.insert(up->second).second;)
            up = work.up.find(up->second);
        if (earlier.contains(verdict.after)) continue; // clocks that are wrong can make a circle of them
        work.up[verdict.after] = before;
        work.down[before].insert_or_assign(verdict.after, Link{.host = std::move(verdict.host),
                                                               .evidence = std::move(verdict.evidence),
                                                               .confidence = verdict.confidence,
                                                               .proxied = true});
    }
}

} // namespace natlens::tracer
