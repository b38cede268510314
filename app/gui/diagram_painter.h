// Paints a display list with QPainter, without thinking: every decision was taken by the layout.
#pragma once

#include "app/gui/packet_motion.h"
#include "app/gui/theme.h"
#include "tracer/diagram/display_list.h"

#include <QImage>
#include <QPainterPath>
#include <QPixmap>

#include <map>

class QPainter;

namespace natlens::gui {

[[nodiscard]] inline QRectF toQt(const diagram::Rect &r) {
    return {r.x, r.y, r.width, r.height};
}
[[nodiscard]] inline QPointF toQt(const diagram::Point &p) {
    return {p.x, p.y};
}
[[nodiscard]] QPainterPath toQt(const std::vector<diagram::Point> &points);

/// Boxes, arrows, badges and texts in this order, in coordinates of the list.
void paintList(QPainter &painter, const diagram::DisplayList &list, const Theme &theme);
void paintArrow(QPainter &painter, const diagram::Arrow &arrow, const Theme &theme);

/// The whole list as an image of `scale` pixels per unit, with its background: what "Export picture" saves.
[[nodiscard]] QImage renderImage(const diagram::DisplayList &list, const Theme &theme, double scale);

/// Ready-made pictures of packets, one a colour and shape: a disc for requests, a diamond for replies.
class SpriteAtlas final {
public:
    /// Forgets all pictures when theme or pixel ratio changed.
    void prepare(const Theme &theme, double pixelRatio);
    /// Draws one sprite centred at `at` in widget coordinates. Bursts are drawn as spokes that fade.
    void draw(QPainter &painter, const PacketMotion::Sprite &sprite, QPointF at);
    [[nodiscard]] static constexpr double radius() { return 6; }

private:
    [[nodiscard]] const QPixmap &picture(diagram::Token colour, bool reply);

    Theme m_theme;
    double m_ratio = 0;
    std::map<std::pair<diagram::Token, bool>, QPixmap> m_pictures;
};

} // namespace natlens::gui
