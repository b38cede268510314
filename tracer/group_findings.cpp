#include "tracer/group_findings.h"

#include <algorithm>

namespace natlens::tracer {

void GroupFindings::remove(std::uint32_t id) {
    const auto found = m_places.find(id);
    if (found == m_places.end()) return;
    for (const Place &place : found->second) {
        const GroupId group{place.diagnosis, place.key.value};
        auto &members = m_groups[group];
        (place.key.side == GroupKey::Side::first ? members.first : members.second).erase(id);
        m_stale.insert(group);
    }
    m_places.erase(found);
}

void GroupFindings::update(std::uint32_t id, const FindingInput &input) {
    const auto all = diagnoses();
    std::vector<Place> places;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i]->keys != nullptr)
            for (const GroupKey &key : all[i]->keys(input))
                places.push_back({i, key});
    if (const auto known = m_places.find(id); known != m_places.end() && known->second != places) remove(id);
    if (places.empty()) return;
    for (const Place &place : places) {
        const GroupId group{place.diagnosis, place.key.value};
        auto &members = m_groups[group];
        (place.key.side == GroupKey::Side::first ? members.first : members.second).insert(id);
        m_stale.insert(group);
    }
    m_places[id] = std::move(places);
}

std::set<std::uint32_t> GroupFindings::judge(const PathOf &pathOf) {
    std::set<std::uint32_t> changed;
    for (const GroupId &id : m_stale) {
        Group &group = m_groups[id];
        const Diagnosis &diagnosis = *diagnoses()[id.first];
        RelatedPaths paths;
        const auto fill = [&](const std::set<std::uint32_t> &ids, std::vector<const Path *> &into) {
            for (const std::uint32_t member : ids)
                if (const Path *path = pathOf(member)) into.push_back(path);
            std::ranges::sort(into, {}, [](const Path *p) { return std::pair(p->firstSeen, p->client.address); });
            if (into.size() > kMostMembers) into.resize(kMostMembers);
        };
        fill(group.first, paths.first);
        // Most groups have one side only: nothing to compare.
        fill(group.second, paths.second);
        std::map<std::uint32_t, std::vector<Finding>> found;
        for (auto &one : diagnosis.judge(paths)) {
            const auto number = static_cast<std::uint32_t>(std::stoul(one.path->id.substr(1)));
            found[number].push_back(std::move(one.finding));
        }
        if (found == group.found) continue;
        for (const auto *side : {&found, &group.found})
            for (const auto &[path, findings] : *side)
                changed.insert(path);
        group.found = std::move(found);
        if (group.first.empty() && group.second.empty()) m_groups.erase(id);
    }
    m_stale.clear();
    std::set<std::uint32_t> others;
    for (const std::uint32_t id : changed)
        collect(id, others);
    return others;
}

void GroupFindings::collect(std::uint32_t id, std::set<std::uint32_t> &changed) {
    std::vector<Finding> all;
    if (const auto places = m_places.find(id); places != m_places.end())
        for (const Place &place : places->second) {
            const auto group = m_groups.find({place.diagnosis, place.key.value});
            if (group == m_groups.end()) continue;
            const auto found = group->second.found.find(id);
            if (found == group->second.found.end()) continue;
            for (const Finding &finding : found->second)
                if (std::ranges::find(all, finding) == all.end()) all.push_back(finding);
        }
    std::ranges::stable_sort(all, {}, &Finding::code);
    auto &known = m_findings[id];
    if (known == all) return;
    known = std::move(all);
    changed.insert(id);
}

const std::vector<Finding> &GroupFindings::of(std::uint32_t id) const {
    static const std::vector<Finding> kNone;
    const auto found = m_findings.find(id);
    return found == m_findings.end() ? kNone : found->second;
}

} // namespace natlens::tracer
