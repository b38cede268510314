// All paths, made anew only where something changed, and published as snapshots.
#pragma once

#include "tracer/annotator.h"
#include "tracer/group_findings.h"
#include "tracer/path_archive.h"

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
              const RuleTraceLog &rules, std::size_t keepLegs, ParallelFor parallel);

    /// True if it could be read.
    bool addClusterState(Timestamp time, std::string_view json);
    void addNodeRules(std::string_view node, const proxycore::NodeRules &rules);
    /// What a host told of itself.
    bool addFacts(std::string_view host, Timestamp time, std::string_view json);
    /// Capture loss makes drops doubtful: everything undecided or dropped is judged again.
    void dropsChanged() { m_judgeAgain = true; }

    /// Brings the paths up to date and publishes them with the given counters.
    /// `all` makes what Snapshot::all points to: archive(), and what keeps it alive.
    std::shared_ptr<const Snapshot> publish(Snapshot next, const Moment &moment,
                                            const std::function<std::shared_ptr<const AllPaths>()> &all);
    [[nodiscard]] const std::shared_ptr<const Snapshot> &published() const { return m_published; }
    void forgetPublished() { m_published.reset(); }
    /// All paths, when there are more than are kept and the source has ended; null otherwise.
    [[nodiscard]] const PathArchive *archive() const { return m_archive.get(); }

private:
    /// One connection and what was last made of it.
    struct Entry {
        Connection connection;
        std::shared_ptr<const Path> path;
    };

    void archiveAll(const Moment &moment);
    void addPaths(Snapshot &next) const;
    void noteTalk(const Leg &leg);
    void reconnect(const std::vector<LegIndex> &touched);
    void rebuild(const std::set<std::uint32_t> &ids, const Moment &moment);
    void judgeGroups();
    [[nodiscard]] std::set<std::uint32_t> waiting(const Moment &moment) const;
    [[nodiscard]] bool learn(const Path &path);
    [[nodiscard]] std::set<std::uint32_t> allIds() const;

    LegTable *m_legs;
    const std::size_t m_keepLegs;
    ParallelFor m_parallel;
    CapturePoints *m_points;
    HostRoles m_roles;
    PathSources m_sources;
    LinkFinder m_finder;
    ClusterContext m_cluster;
    FactsLog m_facts;
    GroupFindings m_groups;
    Annotator m_annotator;
    std::map<std::uint32_t, Entry> m_entries; ///< by path id
    std::set<std::uint32_t> m_stale;          ///< connections found anew since the last snapshot
    std::set<std::uint32_t> m_refresh;        ///< to be judged again: something was said that concerns them
    std::uint32_t m_lastId = 0;
    bool m_judgeAgain = false;
    bool m_partial = false; ///< there are more legs than are kept
    std::unique_ptr<PathArchive> m_archive;
    std::shared_ptr<const Snapshot> m_published;
};

} // namespace natlens::tracer
