// The hops of the selected path as a table, with the parts that a host changed marked.
#pragma once

#include "tracer/path/path.h"

#include <QAbstractTableModel>

#include <memory>
#include <vector>

namespace natlens::gui {

/// A part of a cell's text that differs from the packet on the other side of the host.
struct ChangedPart {
    int start = 0, length = 0;
    tracer::Nat nat = tracer::Nat::snat; ///< the translation that did or, in a reply, undid it
    bool operator==(const ChangedPart &) const = default;
};

/// One row a hop, request before reply. Lives on the GUI thread.
class HopModel final : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { HostColumn, InColumn, OutColumn, NatColumn, TtlColumn, RuleColumn, EvidenceColumn, ColumnCount };
    enum Role { ChangedRole = Qt::UserRole + 1, MonospaceRole, HopRole };

    explicit HopModel(QObject *parent = nullptr)
        : QAbstractTableModel(parent) {}
    /// Null: no path selected. The same path with other contents keeps rows where it can.
    void setPath(std::shared_ptr<const tracer::Path> path);
    [[nodiscard]] const tracer::Path *path() const { return m_path.get(); }
    [[nodiscard]] const tracer::Hop &hop(int row) const { return m_path->hops[static_cast<std::size_t>(row)]; }
    /// First row of this host, -1 when the path does not touch it.
    [[nodiscard]] int rowOfHost(const std::string &host) const;

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::shared_ptr<const tracer::Path> m_path;
};

/// What changed between the packet that came in and the one that went out, as places in the text of the out cell
/// (`after`) or of the in cell. Address and port are marked separately: "104.132.1.79" may change while ":80" stays.
[[nodiscard]] std::vector<ChangedPart> changedParts(const tracer::Hop &hop, bool after);

} // namespace natlens::gui

Q_DECLARE_METATYPE(std::vector<natlens::gui::ChangedPart>)
