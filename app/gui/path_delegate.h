// One path as two lines: mark, connection; seen address, service, findings.
#pragma once

#include "app/gui/theme.h"

#include <QStyledItemDelegate>

namespace natlens::gui {

/// Needs a PathModel. All rows have one height, so that a view of many rows never measures them.
class PathDelegate final : public QStyledItemDelegate {
    Q_OBJECT
public:
    explicit PathDelegate(QObject *parent = nullptr)
        : QStyledItemDelegate(parent) {}
    void setTheme(const Theme &theme) { m_theme = theme; }

    void paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const override;
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const override;

private:
    Theme m_theme;
};

} // namespace natlens::gui
