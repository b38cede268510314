// Cells of the hop table: changed parts bold and coloured, SNAT and DNAT as pills.
#pragma once

#include "app/gui/theme.h"

#include <QStyledItemDelegate>

namespace natlens::gui {

class HopDelegate final : public QStyledItemDelegate {
    Q_OBJECT
public:
    explicit HopDelegate(QObject *parent = nullptr)
        : QStyledItemDelegate(parent) {}
    void setTheme(const Theme &theme) { m_theme = theme; }

    void paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const override;
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const override;

private:
    [[nodiscard]] QFont fontFor(const QStyleOptionViewItem &option, const QModelIndex &index) const;
    void paintPills(QPainter &painter, const QStyleOptionViewItem &option, const QStringList &words) const;
    void paintLines(QPainter &painter, const QStyleOptionViewItem &option, const QModelIndex &index) const;

    Theme m_theme;
};

} // namespace natlens::gui
