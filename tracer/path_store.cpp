#include "tracer/path_store.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

/// Roles and addresses learned from some paths change others; two more rounds are enough for what they can change.
constexpr int kRounds = 3;

bool undecided(const Path &path) {
    return !path.settled || path.outcome == Outcome::incomplete || path.outcome == Outcome::dropped ||
           path.outcome == Outcome::unanswered;
}

} // namespace

PathStore::PathStore(LegTable &legs, const FlowTable &flows, CapturePoints &points, const TranslationLog &translations,
                     const RuleTraceLog &rules)
    : m_legs(&legs)
    , m_points(&points)
    , m_sources{legs, flows, points, translations, rules, m_roles}
    , m_finder(legs, flows, points, translations)
    , m_annotator(points, m_cluster) {}

bool PathStore::addClusterState(Timestamp time, std::string_view json) {
    const bool first = m_cluster.latest() == nullptr;
    if (!m_cluster.apply(time, json)) return false;
    // Paths that began before keep the state they were judged by, unless there was none.
    for (const auto &[id, entry] : m_entries)
        if (first || (entry.path && entry.path->firstSeen >= time)) m_stale.insert(id);
    return true;
}

/// Finds the connections of all touched legs and gives each the id it had, or a new one.
void PathStore::reconnect(const std::vector<LegIndex> &touched) {
    for (auto &connection : m_finder.connect(touched)) {
        std::set<std::uint32_t> before;
        const auto collect = [&](LegIndex leg) {
            if (leg != kNone && (*m_legs)[leg].pathId != 0) before.insert((*m_legs)[leg].pathId);
        };
        for (const auto &step : connection.steps)
            collect(step.leg);
        for (const auto *others : {&connection.attempts, &connection.halves})
            for (const LegIndex leg : *others)
                collect(leg);
        // An id stays with the connection that still has its first leg.
        std::uint32_t id = 0;
        for (const std::uint32_t old : before) {
            const auto entry = m_entries.find(old);
            if (entry == m_entries.end() || m_stale.contains(old)) continue;
            if (id == 0)
                id = old;
            else
                m_entries.erase(entry);
        }
        if (id == 0) id = ++m_lastId;
        for (const auto &step : connection.steps)
            if (step.leg != kNone) (*m_legs)[step.leg].pathId = id;
        for (const auto *others : {&connection.attempts, &connection.halves})
            for (const LegIndex leg : *others)
                (*m_legs)[leg].pathId = id;
        m_entries[id].connection = std::move(connection);
        m_stale.insert(id);
    }
}

/// What this path says about others. True if they may have to be judged anew.
bool PathStore::learn(const Path &path) {
    return m_roles.learn(path);
}

std::set<std::uint32_t> PathStore::allIds() const {
    std::set<std::uint32_t> ids;
    for (const auto &[id, entry] : m_entries)
        ids.insert(id);
    return ids;
}

std::set<std::uint32_t> PathStore::waiting(const Moment &moment) const {
    std::set<std::uint32_t> ids;
    for (const auto &[id, entry] : m_entries) {
        if (!entry.path) continue;
        if (moment.ended ? !entry.path->settled : undecided(*entry.path) && !entry.path->settled) ids.insert(id);
    }
    return ids;
}

void PathStore::rebuild(const std::set<std::uint32_t> &ids, const Moment &moment) {
    std::set<std::uint32_t> todo = ids;
    for (int round = 0; round < kRounds && !todo.empty(); ++round) {
        bool news = false;
        std::size_t addresses = 0;
        for (const Host &host : m_points->hosts())
            addresses += host.addresses.size();
        for (const std::uint32_t id : todo) {
            Entry &entry = m_entries[id];
            const PathBuilder builder(m_sources, moment);
            Path path = builder.build(entry.connection);
            path.id = fmt::format("p{}", id);
            m_annotator.annotate(path, builder);
            news = learn(path) || news;
            if (!entry.path || !(*entry.path == path)) entry.path = std::make_shared<const Path>(std::move(path));
        }
        Annotator::nameHosts(*m_points, m_roles, m_cluster);
        std::size_t known = 0;
        for (const Host &host : m_points->hosts())
            known += host.addresses.size();
        if (!news && known == addresses) return;
        todo = allIds();
    }
}

std::shared_ptr<const Snapshot> PathStore::publish(Snapshot next, const Moment &moment) {
    reconnect(m_legs->takeDirty());
    std::set<std::uint32_t> todo;
    todo.swap(m_stale);
    if (std::exchange(m_judgeAgain, false)) todo = allIds();
    todo.merge(waiting(moment));
    Annotator::nameHosts(*m_points, m_roles, m_cluster);
    rebuild(todo, moment);
    next.version = m_published ? m_published->version + 1 : 1;
    next.hosts = m_points->hosts();
    for (Host &host : next.hosts) {
        host.role = m_roles.of(host.name);
        host.roleInferred = m_roles.inferred(host.name);
    }
    for (const auto &point : m_points->points())
        if (point.known) next.points.push_back(point.status);
    for (const auto &[id, entry] : m_entries)
        next.paths.push_back(entry.path);
    std::ranges::stable_sort(next.paths, {}, [](const auto &path) { return path->firstSeen; });
    m_published = std::make_shared<const Snapshot>(std::move(next));
    return m_published;
}

} // namespace natlens::tracer
