// The list of paths: rows are shared with the snapshot, texts are made when they are shown.
#pragma once

#include "tracer/path/snapshot.h"

#include <QAbstractListModel>
#include <QStringList>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace natlens::gui {

/// Which health checks have a row.
enum class HealthCheckRows { none, latestPerNode, all };

/// Made for many rows: a row is one shared pointer; a new snapshot costs one comparison of pointers a path and tells
/// the view only the rows that changed, came or went, so selection and scroll position stay. Never resets except when
/// the source changes. Lives on the GUI thread.
///
/// With `latestPerNode` the newest health check of each node stands below the other paths, in a row that stays.
class PathModel final : public QAbstractListModel {
    Q_OBJECT
public:
    using PathPointer = std::shared_ptr<const tracer::Path>;
    enum Role { PathIdRole = Qt::UserRole + 1, ConnectionRole, ServiceRole, SeenRole, FindingsRole, OutcomeRole };

    explicit PathModel(QObject *parent = nullptr)
        : QAbstractListModel(parent) {}

    void setSnapshot(std::shared_ptr<const tracer::Snapshot> snapshot);
    /// Words that must all occur somewhere in a row (any letter case).
    void setFilter(const QString &words);
    void setHealthChecks(HealthCheckRows rows);
    /// Another source: empty.
    void clear();

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;
    [[nodiscard]] const PathPointer &path(int row) const { return m_rows[static_cast<std::size_t>(row)].path; }
    [[nodiscard]] std::optional<int> rowOf(const std::string &id) const;
    /// Paths of the snapshot that have no row because of filter or health checks.
    [[nodiscard]] std::size_t hidden() const;

private:
    struct Row {
        PathPointer path;
        bool latestCheck = false;
    };
    struct Match {
        const tracer::Path *path = nullptr;
        bool matches = true;
    };
    [[nodiscard]] static bool sameRow(const Row &a, const Row &b);
    [[nodiscard]] std::vector<Row> wantedRows();
    [[nodiscard]] bool matches(std::size_t index);
    void refresh();

    std::shared_ptr<const tracer::Snapshot> m_snapshot;
    std::vector<Row> m_rows;
    std::vector<Match> m_matches; ///< per path of the snapshot, so that a filter reads each path once
    QStringList m_filter;
    HealthCheckRows m_healthChecks = HealthCheckRows::latestPerNode;
};

} // namespace natlens::gui
