// Paths that a person would call the same, counted.
#pragma once

#include "tracer/path/summary.h"

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace natlens::tracer {

/// Collects groups of paths and of findings. Memory grows with the kinds of paths, and no further than kMost groups.
class PathGroups final {
public:
    static constexpr std::size_t kMost = 10'000;

    /// What counting a path changed: enough to count another one like it. Valid until this collection is moved.
    struct Counted {
        std::size_t group = 0; ///< kMost: the rest
        Outcome outcome = Outcome::incomplete;
        std::vector<std::string> findings = {}; ///< their keys
    };

    /// Ids are known only when all is collected: until then a path is known by its place.
    void add(const Path &path, std::uint64_t place, Counted *counted = nullptr);
    /// Another one of the same group, with the same findings.
    void addLike(const Counted &first, std::uint64_t packets, Timestamp lastSeen, std::uint64_t place);
    /// Takes over another collection whose places come after all of this one's.
    void add(PathGroups &&later, std::uint64_t placesBefore);
    /// The summary, with `idOf(place)` for the examples.
    template<class IdOf>
    [[nodiscard]] Summary finish(IdOf &&idOf);

private:
    static constexpr std::size_t kExamples = 3;

    struct Group {
        PathGroup group;
        std::vector<std::uint64_t> places;
    };
    struct Found {
        std::string key; ///< the code, and the hosts that it is about
        FindingGroup group;
        std::vector<std::uint64_t> places;
    };
    void count(Group &group, std::uint64_t packets, Timestamp lastSeen, std::uint64_t place);
    void count(Found &found, std::uint64_t place);
    /// The findings with this key, begun with `first` where there are none yet.
    Found &findingWith(const std::string &key, const Finding &first);
    void sortGroups();

    std::unordered_map<std::string, std::size_t> m_index;
    std::vector<Group> m_groups;
    std::optional<Group> m_rest;
    std::vector<Found> m_findings; ///< by key
    std::uint64_t m_connections = 0;
    std::array<std::uint64_t, 6> m_outcomes{};
};

template<class IdOf>
Summary PathGroups::finish(IdOf &&idOf) {
    sortGroups();
    Summary summary;
    summary.connections = m_connections;
    summary.outcomes = m_outcomes;
    summary.hasRest = m_rest.has_value();
    if (m_rest) m_groups.push_back(std::move(*m_rest));
    const auto named = [&](auto &from) {
        for (const std::uint64_t place : from.places)
            from.group.examples.push_back(idOf(place));
        return std::move(from.group);
    };
    for (Group &group : m_groups)
        summary.groups.push_back(named(group));
    for (Found &found : m_findings)
        summary.findings.push_back(named(found));
    return summary;
}

} // namespace natlens::tracer
