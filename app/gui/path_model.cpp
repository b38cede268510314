#include "app/gui/path_model.h"

#include "app/gui/words.h"
#include "tracer/diagram/choice.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/telling.h"

#include <algorithm>
#include <map>

namespace natlens::gui {

using tracer::PathKind;

namespace {

/// The node that a health check asked; the address when no capture point is there.
std::string checkedNode(const tracer::Path &path) {
    if (path.endpoint && !path.endpoint->host.empty()) return path.endpoint->host;
    return path.requested.toString();
}

} // namespace

bool PathModel::sameRow(const Row &a, const Row &b) {
    if (a.latestCheck != b.latestCheck) return false;
    return a.latestCheck ? checkedNode(*a.path) == checkedNode(*b.path) : a.path->id == b.path->id;
}

bool PathModel::matches(std::size_t index) {
    if (m_filter.isEmpty()) return true;
    if (m_matches.size() <= index) m_matches.resize(index + 1);
    const tracer::Path *path = m_snapshot->paths[index].get();
    Match &known = m_matches[index];
    if (known.path != path) {
        const QString words = filterText(*path);
        known = {path, std::ranges::all_of(m_filter, [&](const QString &word) { return words.contains(word); })};
    }
    return known.matches;
}

std::vector<PathModel::Row> PathModel::wantedRows() {
    std::vector<Row> rows;
    if (!m_snapshot) return rows;
    rows.reserve(m_snapshot->paths.size());
    std::map<std::string, PathPointer> latest;
    for (std::size_t i = 0; i < m_snapshot->paths.size(); ++i) {
        const PathPointer &path = m_snapshot->paths[i];
        const bool check = path->kind == PathKind::healthCheck;
        if ((check && m_healthChecks == HealthCheckRows::none) || !matches(i)) continue;
        if (check && m_healthChecks == HealthCheckRows::latestPerNode)
            latest[checkedNode(*path)] = path;
        else
            rows.push_back({path, false});
    }
    for (auto &[node, path] : latest)
        rows.push_back({std::move(path), true});
    if (rows.size() > diagram::kDrawnPaths) // more than anybody reads: what matters comes first
        std::ranges::stable_sort(rows, {}, [](const Row &row) { return tracer::tellingOf(*row.path); });
    return rows;
}

void PathModel::refresh() {
    std::vector<Row> wanted = wantedRows();

    // Rows only come at the end or in the middle, rarely go: what is equal at both ends stays, the rest is exchanged.
    const auto [oldEnd, newEnd] = std::ranges::mismatch(m_rows, wanted, sameRow);
    const auto prefix = oldEnd - m_rows.begin();
    auto oldTail = m_rows.end();
    auto newTail = wanted.end();
    while (oldTail - m_rows.begin() > prefix && newTail - wanted.begin() > prefix &&
           sameRow(*(oldTail - 1), *(newTail - 1))) {
        --oldTail;
        --newTail;
    }
    const auto suffix = m_rows.end() - oldTail;

    // Rows that stay: take over the new path, tell the view in runs.
    int runStart = -1;
    int row = 0;
    const auto endRun = [&](int end) {
        if (runStart >= 0) Q_EMIT dataChanged(index(runStart), index(end - 1));
        runStart = -1;
    };
    const auto update = [&](Row &mine, Row &theirs) {
        const bool changed = mine.path != theirs.path;
        if (changed) mine.path = theirs.path;
        if (changed && runStart < 0) runStart = row;
        if (!changed) endRun(row);
        ++row;
    };
    for (auto i = 0; i < prefix; ++i)
        update(m_rows[static_cast<std::size_t>(i)], wanted[static_cast<std::size_t>(i)]);
    endRun(row);
    row = static_cast<int>(oldTail - m_rows.begin());
    for (auto i = 0; i < suffix; ++i)
        update(*(oldTail + i), *(newTail + i));
    endRun(row);

    const auto removed = static_cast<int>((oldTail - m_rows.begin()) - prefix);
    const auto added = static_cast<int>((newTail - wanted.begin()) - prefix);
    const int first = static_cast<int>(prefix);
    if (removed > 0) {
        beginRemoveRows({}, first, first + removed - 1);
        m_rows.erase(m_rows.begin() + first, m_rows.begin() + first + removed);
        endRemoveRows();
    }
    if (added > 0) {
        beginInsertRows({}, first, first + added - 1);
        m_rows.insert(m_rows.begin() + first, wanted.begin() + first, wanted.begin() + first + added);
        endInsertRows();
    }
}

void PathModel::setSnapshot(std::shared_ptr<const tracer::Snapshot> snapshot) {
    m_snapshot = std::move(snapshot);
    refresh();
}

void PathModel::setFilter(const QString &words) {
    const QStringList filter = words.toLower().split(' ', Qt::SkipEmptyParts);
    if (filter == m_filter) return;
    m_filter = filter;
    m_matches.clear();
    refresh();
}

void PathModel::setHealthChecks(HealthCheckRows rows) {
    if (rows == m_healthChecks) return;
    m_healthChecks = rows;
    refresh();
}

void PathModel::clear() {
    beginResetModel();
    m_snapshot.reset();
    m_rows.clear();
    m_matches.clear();
    endResetModel();
}

int PathModel::rowCount(const QModelIndex &parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

std::optional<int> PathModel::rowOf(const std::string &id) const {
    const auto it = std::ranges::find_if(m_rows, [&](const Row &row) { return row.path->id == id; });
    if (it == m_rows.end()) return std::nullopt;
    return static_cast<int>(it - m_rows.begin());
}

std::size_t PathModel::hidden() const {
    return m_snapshot ? m_snapshot->paths.size() - m_rows.size() : 0;
}

QVariant PathModel::data(const QModelIndex &index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) return {};
    const tracer::Path &p = *path(index.row());
    switch (role) {
    case Qt::DisplayRole:
    case Qt::AccessibleTextRole:
        return QString("%1, %2, %3, %4%5")
            .arg(outcomeText(p), connectionText(p), seenText(p), serviceText(p),
                 p.findings.empty() ? QString() : ", " + findingsText(p));
    case Qt::ToolTipRole: return text(diagram::describe(p)).trimmed();
    case PathIdRole: return text(p.id);
    case ConnectionRole: return connectionText(p);
    case ServiceRole: return serviceText(p);
    case SeenRole: return seenText(p);
    case FindingsRole: return findingsText(p);
    case OutcomeRole: return outcomeText(p);
    default: return {};
    }
}

} // namespace natlens::gui
