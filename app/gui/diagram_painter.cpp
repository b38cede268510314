#include "app/gui/diagram_painter.h"

#include "app/gui/words.h"

#include <QFontMetricsF>
#include <QPainter>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace natlens::gui {

using diagram::Token;

namespace {

constexpr double kHeadLength = 10;
constexpr double kHeadHalfWidth = 4.5;
constexpr double kCross = 6;

QPen linePen(const QColor &colour, double width, bool dashed) {
    QPen pen(colour, width, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin);
    if (dashed) {
        pen.setCapStyle(Qt::FlatCap);
        pen.setDashPattern({5, 3.5});
    }
    return pen;
}

QFont fontFor(const diagram::Text &item) {
    QFont font = item.monospace ? addressFont() : QFont();
    font.setPixelSize(std::max(1, static_cast<int>(std::lround(item.size))));
    font.setBold(item.bold);
    return font;
}

void paintBox(QPainter &painter, const diagram::Box &box, const Theme &theme) {
    QPen pen(theme.colour(box.stroke), 1.25);
    if (box.dashed) pen.setDashPattern({4, 3});
    painter.setPen(pen);
    painter.setBrush(theme.colour(box.fill));
    painter.drawRoundedRect(toQt(box.rect), box.radius, box.radius);
}

void paintBadge(QPainter &painter, const diagram::Badge &badge, const Theme &theme) {
    const QRectF rect = toQt(badge.rect);
    painter.setPen(QPen(theme.colour(Token::background), 1.5)); // a gap between the pill and the line it sits on
    painter.setBrush(theme.colour(badge.fill));
    painter.drawRoundedRect(rect, rect.height() / 2, rect.height() / 2);
    QFont font;
    font.setBold(true);
    font.setPixelSize(std::max(8, static_cast<int>(rect.height() * 0.66)));
    painter.setFont(font);
    painter.setPen(theme.colour(badge.colour));
    painter.drawText(rect, Qt::AlignCenter | Qt::TextDontClip, text(badge.text));
}

void paintText(QPainter &painter, const diagram::Text &item, const Theme &theme) {
    painter.setFont(fontFor(item));
    painter.setPen(theme.colour(item.colour));
    const QString words = text(item.text);
    const double width = QFontMetricsF(painter.font()).horizontalAdvance(words);
    const double shift = item.align == diagram::Align::left     ? 0
                         : item.align == diagram::Align::centre ? width / 2
                                                                : width;
    painter.drawText(QPointF(item.at.x - shift, item.at.y), words);
}

} // namespace

QPainterPath toQt(const std::vector<diagram::Point> &points) {
    QPainterPath path;
    if (points.empty()) return path;
    path.moveTo(toQt(points.front()));
    for (std::size_t i = 1; i < points.size(); ++i)
        path.lineTo(toQt(points[i]));
    return path;
}

void paintArrow(QPainter &painter, const diagram::Arrow &arrow, const Theme &theme) {
    if (arrow.points.size() < 2) return;
    const QColor colour = theme.colour(arrow.stroke);
    const auto [tip, angle] = alongPolyline(arrow.points, 1);
    const QPointF along(std::cos(angle), std::sin(angle));
    const QPointF across(-along.y(), along.x());

    std::vector<diagram::Point> shaft = arrow.points;
    if (arrow.head == diagram::ArrowHead::arrow) { // the line ends inside the head, or its blunt end would show
        const diagram::Point before = shaft[shaft.size() - 2];
        const double room = std::hypot(tip.x - before.x, tip.y - before.y);
        const double back = std::min(kHeadLength - 1, room);
        shaft.back() = {tip.x - along.x() * back, tip.y - along.y() * back};
    }
    painter.setBrush(Qt::NoBrush);
    painter.setPen(linePen(colour, arrow.width, arrow.dashed));
    painter.drawPath(toQt(shaft));

    const QPointF head = toQt(tip);
    if (arrow.head == diagram::ArrowHead::arrow) {
        const double half = kHeadHalfWidth + (arrow.width - 2) * 0.7;
        painter.setPen(Qt::NoPen);
        painter.setBrush(colour);
        painter.drawPolygon(
            QPolygonF{head, head - along * kHeadLength + across * half, head - along * kHeadLength - across * half});
    } else if (arrow.head == diagram::ArrowHead::cross) {
        painter.setPen(linePen(theme.colour(Token::drop), std::max(3.0, arrow.width), false));
        painter.drawLine(head + QPointF(-kCross, -kCross), head + QPointF(kCross, kCross));
        painter.drawLine(head + QPointF(-kCross, kCross), head + QPointF(kCross, -kCross));
    }
}

void paintList(QPainter &painter, const diagram::DisplayList &list, const Theme &theme) {
    painter.setRenderHint(QPainter::Antialiasing);
    for (const diagram::Box &box : list.boxes)
        paintBox(painter, box, theme);
    for (const diagram::Arrow &arrow : list.arrows)
        paintArrow(painter, arrow, theme);
    for (const diagram::Badge &badge : list.badges)
        paintBadge(painter, badge, theme);
    for (const diagram::Text &item : list.texts)
        paintText(painter, item, theme);
}

QImage renderImage(const diagram::DisplayList &list, const Theme &theme, double scale) {
    const int width = std::max(1, static_cast<int>(std::ceil(list.bounds.width * scale)));
    const int height = std::max(1, static_cast<int>(std::ceil(list.bounds.height * scale)));
    QImage image(width, height, QImage::Format_ARGB32_Premultiplied);
    image.fill(theme.colour(Token::background));
    QPainter painter(&image);
    painter.scale(scale, scale);
    painter.translate(-list.bounds.x, -list.bounds.y);
    paintList(painter, list, theme);
    return image;
}

void SpriteAtlas::prepare(const Theme &theme, double pixelRatio) {
    if (m_theme == theme && m_ratio == pixelRatio) return;
    m_theme = theme;
    m_ratio = pixelRatio;
    m_pictures.clear();
}

const QPixmap &SpriteAtlas::picture(Token colour, bool reply) {
    QPixmap &pixmap = m_pictures[{colour, reply}];
    if (!pixmap.isNull()) return pixmap;
    const double side = 2 * radius() + 4;
    pixmap = QPixmap(static_cast<int>(std::ceil(side * m_ratio)), static_cast<int>(std::ceil(side * m_ratio)));
    pixmap.setDevicePixelRatio(m_ratio);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.translate(side / 2, side / 2);
    painter.setPen(QPen(m_theme.colour(Token::background), 1.5));
    painter.setBrush(m_theme.colour(colour));
    if (reply) {
        const double r = radius();
        painter.drawPolygon(QPolygonF{QPointF(0, -r), QPointF(r, 0), QPointF(0, r), QPointF(-r, 0)});
    } else {
        painter.drawEllipse(QPointF(0, 0), radius() - 1, radius() - 1);
    }
    return pixmap;
}

void SpriteAtlas::draw(QPainter &painter, const PacketMotion::Sprite &sprite, QPointF at) {
    if (sprite.phase == PacketMotion::Phase::travelling) {
        const QPixmap &pixmap = picture(sprite.colour, sprite.reply);
        const QSizeF size = pixmap.deviceIndependentSize();
        painter.drawPixmap(at - QPointF(size.width() / 2, size.height() / 2), pixmap);
        return;
    }
    constexpr int kSpokes = 10;
    QColor colour = m_theme.colour(Token::drop);
    colour.setAlphaF(static_cast<float>(1 - sprite.progress));
    painter.setPen(QPen(colour, 2, Qt::SolidLine, Qt::RoundCap));
    const double inner = 7 + 9 * sprite.progress;
    const double outer = 9 + 15 * sprite.progress;
    for (int i = 0; i < kSpokes; ++i) {
        const double angle = 2 * std::numbers::pi * i / kSpokes;
        const QPointF direction(std::cos(angle), std::sin(angle));
        painter.drawLine(at + direction * inner, at + direction * outer);
    }
}

} // namespace natlens::gui
