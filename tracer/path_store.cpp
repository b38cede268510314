#include "tracer/path_store.h"

#include "tracer/connection_evidence.h"
#include "tracer/path/telling.h"
#include "tracer/proxied_parts.h"

#include <algorithm>
#include <optional>
#include <utility>

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
                     const RuleTraceLog &rules, std::size_t keepLegs, ParallelFor parallel)
    : m_legs(&legs)
    , m_keepLegs(keepLegs)
    , m_parallel(std::move(parallel))
    , m_points(&points)
    , m_sources{legs, flows, points, translations, rules, m_roles}
    , m_finder(legs, flows, points, translations)
    , m_annotator(points, m_cluster, m_facts) {}

bool PathStore::addFacts(std::string_view host, Timestamp time, std::string_view json) {
    const NodeFacts *known = m_facts.at(host, time);
    const Timestamp previous = known != nullptr && known->time <= time ? known->time : Timestamp();
    if (!m_facts.add(host, time, json)) return false;
    // Counters tell about what happened before them: about every path that ended since the host's last reading.
    for (const auto &[id, entry] : m_entries)
        if (entry.path && (undecided(*entry.path) || entry.path->lastSeen >= previous)) m_refresh.insert(id);
    return true;
}

bool PathStore::addClusterState(Timestamp time, std::string_view json) {
    const bool first = m_cluster.isEmpty();
    if (!m_cluster.apply(time, json)) return false;
    // Paths that began before keep the state they were judged by, unless there was none.
    for (const auto &[id, entry] : m_entries)
        if (first || (entry.path && entry.path->firstSeen >= time)) m_refresh.insert(id);
    return true;
}

void PathStore::addNodeRules(std::string_view node, const proxycore::NodeRules &rules) {
    m_cluster.addRules(node, rules);
    for (const auto &[id, entry] : m_entries)
        m_refresh.insert(id);
}

/// Where captures do not tell which way packets went, it helps to know what all of a host's have in common.
void PathStore::noteTalk(const Leg &leg) {
    std::optional<packet::Tuple> tuple;
    std::optional<HostIndex> before;
    for (const FlowIndex index : m_sources.flows.of(leg)) {
        const Flow &flow = m_sources.flows[index];
        if (flow.kind != Flow::Kind::packets || flow.pass.facing != Facing::unknown) continue;
        const HostIndex host = m_points->points()[flow.point.value].host;
        if (std::exchange(before, host) == host || m_points->common(host) == CapturePoints::Common::none) continue;
        if (!tuple) tuple = m_legs->tuple(leg);
        if (isToMany(tuple->dst.ip) || isToMany(tuple->src.ip)) return;
        if (m_points->noteTalk(host, tuple->src.ip, tuple->dst.ip)) m_judgeAgain = true;
    }
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
            else {
                m_groups.remove(old);
                m_entries.erase(entry);
            }
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
        const std::size_t known = m_annotator.known();
        const std::size_t mixed = m_points->mixedPoints();
        std::size_t addresses = 0;
        for (const Host &host : m_points->hosts())
            addresses += host.addresses.size();
        for (const std::uint32_t id : todo) {
            Entry &entry = m_entries[id];
            const PathBuilder builder(m_sources, moment);
            Path path = builder.build(entry.connection);
            path.id = fmt::format("p{}", id);
            const StitchedEvidence evidence(entry.connection, m_sources, moment);
            m_groups.update(id,
                            annotateParts(m_annotator, path, entry.connection, builder, m_sources, moment, evidence));
            const auto &shared = m_groups.of(id);
            path.findings.insert(path.findings.end(), shared.begin(), shared.end());
            news = learn(path) || news;
            if (!entry.path || !(*entry.path == path)) entry.path = std::make_shared<const Path>(std::move(path));
        }
        Annotator::nameHosts(*m_points, m_roles, m_cluster);
        for (const Host &host : m_points->hosts())
            addresses -= host.addresses.size();
        if (!news && addresses == 0 && m_annotator.known() == known && m_points->mixedPoints() == mixed) return;
        todo = allIds();
    }
}

/// Findings about several paths come last, when all of them are as they will be published.
void PathStore::judgeGroups() {
    const auto changed = m_groups.judge([&](std::uint32_t id) -> const Path * {
        const auto entry = m_entries.find(id);
        return entry == m_entries.end() ? nullptr : entry->second.path.get();
    });
    const auto isShared = [](const Finding &finding) {
        return std::ranges::any_of(diagnoses(),
                                   [&](const auto *d) { return d->code == finding.code && d->judge != nullptr; });
    };
    for (const std::uint32_t id : changed) {
        const auto entry = m_entries.find(id);
        if (entry == m_entries.end() || !entry->second.path) continue;
        Path path = *entry->second.path;
        std::erase_if(path.findings, isShared);
        const auto &shared = m_groups.of(id);
        path.findings.insert(path.findings.end(), shared.begin(), shared.end());
        entry->second.path = std::make_shared<const Path>(std::move(path));
    }
}

/// What was kept was for looking at meanwhile; now all connections are gone through, and some are kept as examples.
void PathStore::archiveAll(const Moment &moment) {
    for (const auto &[id, entry] : m_entries)
        m_groups.remove(id);
    m_entries.clear();
    m_stale.clear();
    m_refresh.clear();
    Annotator::nameHosts(*m_points, m_roles, m_cluster);
    const PathArchive::Sources sources{*m_legs,   m_sources.flows, m_sources.translations, m_sources.rules, m_finder,
                                       m_cluster, m_facts};
    m_archive = std::make_unique<PathArchive>(sources, Facts(*m_points, m_roles, m_annotator), moment, m_parallel);
    m_archive->make(m_lastId);
    *m_points = m_archive->facts().points;
    m_roles = m_archive->facts().roles;
}

void PathStore::addPaths(Snapshot &next) const {
    next.partial = m_partial;
    if (m_archive) {
        next.paths = m_archive->examples(m_keepLegs);
        return;
    }
    for (const auto &[id, entry] : m_entries)
        next.paths.push_back(entry.path);
    std::ranges::stable_sort(next.paths, {}, [](const auto &path) { return path->firstSeen; });
}

std::shared_ptr<const Snapshot> PathStore::publish(Snapshot next, const Moment &moment,
                                                   const std::function<std::shared_ptr<const AllPaths>()> &all) {
    auto touched = m_legs->takeDirty();
    m_finder.learn(touched, m_parallel);
    for (const LegIndex leg : touched)
        noteTalk((*m_legs)[leg]);
    m_partial = m_partial || m_legs->size() > m_keepLegs;
    if (m_partial && moment.ended) {
        touched = {}; // as large as all that is touched, and of no more use
        archiveAll(moment);
    } else if (m_partial) {
        std::erase_if(touched, [&](LegIndex leg) { return leg >= m_keepLegs; });
    }
    reconnect(touched);
    std::set<std::uint32_t> todo;
    todo.swap(m_stale);
    for (const std::uint32_t id : std::exchange(m_refresh, {}))
        if (m_entries.contains(id)) todo.insert(id);
    if (std::exchange(m_judgeAgain, false)) todo = allIds();
    todo.merge(waiting(moment));
    Annotator::nameHosts(*m_points, m_roles, m_cluster);
    rebuild(todo, moment);
    judgeGroups();
    next.version = m_published ? m_published->version + 1 : 1;
    addPaths(next);
    if (m_archive) {
        next.all = all();
        for (const auto &path : next.paths) { // hosts that nobody captured on are known for these paths only
            for (const Hop &hop : path->hops)
                m_points->hostIndex(hop.host);
            if (path->endpoint) m_points->hostIndex(path->endpoint->host);
        }
    }
    next.hosts = m_points->hosts();
    for (Host &host : next.hosts) {
        host.role = m_roles.of(host.name);
        host.roleInferred = m_roles.inferred(host.name);
    }
    for (const auto &point : m_points->points())
        if (point.known) next.points.push_back(point.status);
    m_published = std::make_shared<const Snapshot>(std::move(next));
    return m_published;
}

} // namespace natlens::tracer
