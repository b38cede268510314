#include "app/gui/icons.h"

#include <QPainter>
#include <QPainterPath>
#include <QPixmap>

namespace natlens::gui {

namespace {

// On a grid of 20 by 20.
void paintIcon(QPainter &p, Icon icon, const QColor &colour) {
    p.setPen(QPen(colour, 1.6, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    p.setBrush(Qt::NoBrush);
    switch (icon) {
    case Icon::open:
        p.drawPolyline(QPolygonF{{3, 16}, {3, 5}, {8, 5}, {10, 7}, {16, 7}, {16, 9}});
        p.drawPolygon(QPolygonF{{3, 16}, {6, 9}, {18, 9}, {15, 16}});
        break;
    case Icon::save:
        p.drawLine(QPointF(10, 3), QPointF(10, 12));
        p.drawPolyline(QPolygonF{{6, 8.5}, {10, 12.5}, {14, 8.5}});
        p.drawPolyline(QPolygonF{{3, 13}, {3, 17}, {17, 17}, {17, 13}});
        break;
    case Icon::exportPicture:
        p.drawRoundedRect(QRectF(3, 4, 14, 12), 1.5, 1.5);
        p.drawPolyline(QPolygonF{{4, 14.5}, {8, 10}, {11, 13}, {13, 11}, {16, 14}});
        p.drawEllipse(QPointF(13, 7.5), 1.2, 1.2);
        break;
    case Icon::play:
        p.setBrush(colour);
        p.drawPolygon(QPolygonF{{6, 4}, {16, 10}, {6, 16}});
        break;
    case Icon::pause:
        p.setBrush(colour);
        p.drawRect(QRectF(5, 4.5, 3, 11));
        p.drawRect(QRectF(12, 4.5, 3, 11));
        break;
    case Icon::step:
        p.setBrush(colour);
        p.drawPolygon(QPolygonF{{4, 4.5}, {12, 10}, {4, 15.5}});
        p.drawRect(QRectF(14, 4.5, 2, 11));
        break;
    case Icon::fit:
        p.drawPolyline(QPolygonF{{3, 7}, {3, 3}, {7, 3}});
        p.drawPolyline(QPolygonF{{13, 3}, {17, 3}, {17, 7}});
        p.drawPolyline(QPolygonF{{17, 13}, {17, 17}, {13, 17}});
        p.drawPolyline(QPolygonF{{7, 17}, {3, 17}, {3, 13}});
        p.drawRect(QRectF(7, 7, 6, 6));
        break;
    case Icon::zoomIn:
    case Icon::zoomOut:
        p.drawEllipse(QPointF(8.5, 8.5), 5.5, 5.5);
        p.drawLine(QPointF(12.5, 12.5), QPointF(17, 17));
        p.drawLine(QPointF(6, 8.5), QPointF(11, 8.5));
        if (icon == Icon::zoomIn) p.drawLine(QPointF(8.5, 6), QPointF(8.5, 11));
        break;
    case Icon::home:
        p.drawPolyline(QPolygonF{{2.5, 10}, {10, 3.5}, {17.5, 10}});
        p.drawPolyline(QPolygonF{{5, 9}, {5, 16.5}, {15, 16.5}, {15, 9}});
        break;
    }
}

} // namespace

QIcon makeIcon(Icon icon, const QColor &colour) {
    QIcon result;
    QColor faint = colour;
    faint.setAlphaF(0.35F);
    for (const int side : {20, 40}) {
        for (const bool enabled : {true, false}) {
            QPixmap pixmap(side, side);
            pixmap.fill(Qt::transparent);
            QPainter painter(&pixmap);
            painter.setRenderHint(QPainter::Antialiasing);
            painter.scale(side / 20.0, side / 20.0);
            paintIcon(painter, icon, enabled ? colour : faint);
            painter.end();
            result.addPixmap(pixmap, enabled ? QIcon::Normal : QIcon::Disabled);
        }
    }
    return result;
}

} // namespace natlens::gui
