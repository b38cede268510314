#include "tracer/path_groups.h"

#include "tracer/path/telling.h"

#include <algorithm>
#include <iterator>

namespace natlens::tracer {

namespace {

/// What all members have in common, and the ends of the first one.
Path withoutDetails(const Path &path) {
    Path copy = path;
    copy.hops.clear();
    copy.segments.clear();
    for (Finding &finding : copy.findings) {
        Finding brief;
        brief.code = std::move(finding.code);
        brief.severity = finding.severity;
        finding = std::move(brief);
    }
    copy.notes.clear();
    return copy;
}

void takePlaces(std::vector<std::uint64_t> &places, const std::vector<std::uint64_t> &later, std::uint64_t before,
                std::size_t most) {
    for (const std::uint64_t place : later)
        if (places.size() < most) places.push_back(place + before);
}

/// With more kinds of findings than this the others are told by their code alone.
constexpr std::size_t kMostFindings = 200;

/// A finding names the hosts that translated or dropped: with others it says something else.
std::string findingKey(const Path &path, const Finding &finding) {
    std::string key = finding.code;
    for (const Hop &hop : path.hops)
        if (hop.direction == Direction::request && !hop.nat.empty()) key += '/' + hop.host;
    if (!path.droppedAt.empty()) key += (path.isRequestDropped() ? '!' : '?') + path.droppedAt;
    return key;
}

void merge(PathGroup &group, const PathGroup &later) {
    group.severalPorts =
        group.severalPorts || later.severalPorts || group.example.requested.port != later.example.requested.port;
    group.connections += later.connections;
    group.packets += later.packets;
    group.lastSeen = std::max(group.lastSeen, later.lastSeen);
}

} // namespace

void PathGroups::count(Group &group, std::uint64_t packets, Timestamp lastSeen, std::uint64_t place) {
    ++group.group.connections;
    group.group.packets += packets;
    group.group.lastSeen = std::max(group.group.lastSeen, lastSeen);
    if (group.places.size() < kExamples) group.places.push_back(place);
}

void PathGroups::count(Found &found, std::uint64_t place) {
    ++found.group.connections;
    if (found.places.size() < kExamples) found.places.push_back(place);
}

PathGroups::Found &PathGroups::findingWith(const std::string &key, const Finding &first) {
    auto known = std::ranges::lower_bound(m_findings, key, {}, &Found::key);
    if (known != m_findings.end() && known->key == key) return *known;
    if (m_findings.size() >= kMostFindings && key != first.code) return findingWith(first.code, first);
    return *m_findings.insert(known, Found{key, {first, 0, {}}, {}});
}

void PathGroups::addLike(const Counted &first, std::uint64_t packets, Timestamp lastSeen, std::uint64_t place) {
    ++m_connections;
    ++m_outcomes[static_cast<std::size_t>(first.outcome)];
    count(first.group == kMost ? *m_rest : m_groups[first.group], packets, lastSeen, place);
    for (const std::string &key : first.findings)
        count(findingWith(key, {}), place);
}

void PathGroups::add(const Path &path, std::uint64_t place, Counted *counted) {
    ++m_connections;
    ++m_outcomes[static_cast<std::size_t>(path.outcome)];
    thread_local std::string buffer;
    writeKind(path, buffer);
    auto at = m_index.find(buffer);
    Group *group = nullptr;
    if (at != m_index.end()) {
        group = &m_groups[at->second];
    } else if (m_groups.size() < kMost) {
        m_index.emplace(buffer, m_groups.size());
        group = &m_groups.emplace_back();
        group->group.example = withoutDetails(path);
    } else {
        if (!m_rest) m_rest.emplace().group.example = withoutDetails(path);
        group = &*m_rest;
    }
    count(*group, path.packets, path.lastSeen, place);
    if (path.requested.port != group->group.example.requested.port) group->group.severalPorts = true;
    std::vector<std::string> keys;
    for (const Finding &finding : path.findings) {
        Found &found = findingWith(findingKey(path, finding), finding);
        count(found, place);
        if (counted) keys.push_back(found.key);
    }
    if (counted) {
        const bool rest = m_rest && group == &*m_rest;
        *counted = {.group = rest ? kMost : static_cast<std::size_t>(group - m_groups.data()),
                    .outcome = path.outcome,
                    .findings = std::move(keys)};
    }
}

void PathGroups::add(PathGroups &&later, std::uint64_t before) {
    m_connections += later.m_connections;
    for (std::size_t i = 0; i < m_outcomes.size(); ++i)
        m_outcomes[i] += later.m_outcomes[i];
    std::string key;
    for (Group &from : later.m_groups) {
        writeKind(from.group.example, key);
        const auto at = m_index.find(key);
        Group *to = nullptr;
        if (at != m_index.end()) {
            to = &m_groups[at->second];
        } else if (m_groups.size() < kMost) {
            m_index.emplace(key, m_groups.size());
            to = &m_groups.emplace_back();
            to->group.example = std::move(from.group.example);
        } else {
            if (!m_rest) m_rest.emplace().group.example = std::move(from.group.example);
            to = &*m_rest;
        }
        merge(to->group, from.group);
        takePlaces(to->places, from.places, before, kExamples);
    }
    if (later.m_rest) {
        if (!m_rest) m_rest.emplace().group.example = std::move(later.m_rest->group.example);
        merge(m_rest->group, later.m_rest->group);
        takePlaces(m_rest->places, later.m_rest->places, before, kExamples);
    }
    for (Found &from : later.m_findings) {
        Found &known = findingWith(from.key, from.group.finding);
        known.group.connections += from.group.connections;
        takePlaces(known.places, from.places, before, kExamples);
    }
}

void PathGroups::sortGroups() {
    std::ranges::stable_sort(m_groups, {}, [](const Group &g) {
        return std::pair(tellingOf(g.group.example), ~g.group.connections); // the largest first
    });
    m_index.clear();
}

} // namespace natlens::tracer
