// Findings about several paths together: groups by key, judged again when a member changes.
#pragma once

#include "tracer/findings/finding.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace natlens::tracer {

/// The result is a function of the members, not of the order in which they came. Cost per changed path: its groups,
/// each of which holds at most kMostMembers paths a side (the earliest). Lives on the tracer's thread.
class GroupFindings final {
public:
    static constexpr std::size_t kMostMembers = 64;

    using PathOf = std::function<const Path *(std::uint32_t id)>;
    /// Takes over the keys of a path that was made anew.
    void update(std::uint32_t id, const FindingInput &input);
    void remove(std::uint32_t id);
    /// Judges what has changed since the last time. Returns the paths whose findings are others now.
    [[nodiscard]] std::set<std::uint32_t> judge(const PathOf &pathOf);
    /// In order of code.
    [[nodiscard]] const std::vector<Finding> &of(std::uint32_t id) const;

private:
    struct Place {
        std::size_t diagnosis = 0;
        GroupKey key;
        auto operator<=>(const Place &other) const {
            return std::tuple(diagnosis, key.value, key.side) <=>
                   std::tuple(other.diagnosis, other.key.value, other.key.side);
        }
        bool operator==(const Place &other) const { return (*this <=> other) == 0; }
    };
    using GroupId = std::pair<std::size_t, std::uint64_t>;
    struct Group {
        std::set<std::uint32_t> first, second; ///< path ids
        std::map<std::uint32_t, std::vector<Finding>> found;
    };
    void collect(std::uint32_t id, std::set<std::uint32_t> &changed);

    std::unordered_map<std::uint32_t, std::vector<Place>> m_places; ///< by path id
    std::map<GroupId, Group> m_groups;
    std::set<GroupId> m_stale;
    std::unordered_map<std::uint32_t, std::vector<Finding>> m_findings; ///< by path id
};

} // namespace natlens::tracer
