// All paths, made anew only where something changed, and published as snapshots.
#pragma once

#include "tracer/annotator.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::tracer {

/// Lives on the tracer's thread; published snapshots may be read on any.
class PathStore final {
public:
    PathStore(LegTable &legs, const FlowTable &flows, CapturePoints &points, const TranslationLog &translations,
              const RuleTraceLog &rules);

    /// True if it could be read.
    bool addClusterState(Timestamp time, std::string_view json);
    /// Capture loss makes drops doubtful: everything undecided or dropped is judged again.
    void dropsChanged() { m_judgeAgain = true; }

    /// Brings the paths up to date and publishes them with the given counters.
    std::shared_ptr<const Snapshot> publish(Snapshot next, const Moment &moment);
    [[nodiscard]] const std::shared_ptr<const Snapshot> &published() const { return m_published; }

private:
    /// One connection and what was last made of it.
    struct Entry {
        Connection connection;
        std::shared_ptr<const Path> path;
    };

    void reconnect(const std::vector<LegIndex> &touched);
    void rebuild(const std::set<std::uint32_t> &ids, const Moment &moment);
    [[nodiscard]] std::set<std::uint32_t> waiting(const Moment &moment) const;
    [[nodiscard]] bool learn(const Path &path);
    [[nodiscard]] std::set<std::uint32_t> allIds() const;

    LegTable *m_legs;
    CapturePoints *m_points;
    HostRoles m_roles;
    PathSources m_sources;
    LinkFinder m_finder;
    ClusterContext m_cluster;
    Annotator m_annotator;
    std::map<std::uint32_t, Entry> m_entries; ///< by path id
    std::set<std::uint32_t> m_stale;
    std::uint32_t m_lastId = 0;
    bool m_judgeAgain = false;
    std::shared_ptr<const Snapshot> m_published;
};

} // namespace natlens::tracer
