#include "app/gui/diagram_widget.h"

#include "app/gui/words.h"

#include <QLoggingCategory>
#include <QPainter>
#include <QTimerEvent>

#include <algorithm>
#include <cmath>

// Frame times over the picture: QT_LOGGING_RULES="natlens.paint=true".
Q_LOGGING_CATEGORY(paintLog, "natlens.paint", QtWarningMsg)

namespace natlens::gui {

using diagram::Token;

namespace {
constexpr double kMargin = 14;
constexpr double kLargestFit = 1.5; // a small picture is not blown up beyond this
constexpr int kFrameMilliseconds = 16;
} // namespace

DiagramWidget::DiagramWidget(QWidget *parent)
    : QWidget(parent) {
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setAttribute(Qt::WA_OpaquePaintEvent);
    setAccessibleName(tr("Packet paths"));
    setAccessibleDescription(tr("Hosts and the packets between them. Arrow keys move, Enter selects."));
    m_elapsed.start();
    m_now = [this] { return PacketMotion::Time(static_cast<double>(m_elapsed.nsecsElapsed()) / 1e6); };
}

PacketMotion::Time DiagramWidget::motionTime() const {
    return (m_frozen && !m_runOut ? m_frozenAt : m_now()) - m_stoodStill;
}

void DiagramWidget::setScene(std::shared_ptr<const tracer::Snapshot> snapshot, diagram::DisplayList list) {
    m_snapshot = std::move(snapshot);
    const bool changed = !sameAppearance(m_list, list);
    m_list = std::move(list);
    m_motion.observe(m_list, motionTime());
    if (changed) ++m_generation;
    if (m_snapshot) {
        std::vector<DiagramItem> items = diagramItems(m_list, *m_snapshot);
        if (items != m_items) {
            const std::string focused = m_focused >= 0 ? m_items[static_cast<std::size_t>(m_focused)].id : "";
            m_items = std::move(items);
            const auto it = std::ranges::find(m_items, focused, &DiagramItem::id);
            m_focused = focused.empty() || it == m_items.end() ? -1 : static_cast<int>(it - m_items.begin());
            Q_EMIT itemsChanged();
        }
    }
    updateClock();
    if (changed || isVisible()) update();
}

void DiagramWidget::clearScene(const QString &hint) {
    m_snapshot.reset();
    m_list = {};
    m_items.clear();
    m_focused = -1;
    m_hover.reset();
    m_selectedPath.clear();
    m_selectedHost.clear();
    m_motion.reset();
    m_hint = hint;
    ++m_generation;
    fit();
    Q_EMIT itemsChanged();
    updateClock();
}

void DiagramWidget::setTheme(const Theme &theme) {
    m_theme = theme;
    update();
}

void DiagramWidget::setSelectedPath(const std::string &id) {
    if (m_selectedPath == id) return;
    m_selectedPath = id;
    if (!id.empty()) m_selectedHost.clear();
    update();
}

void DiagramWidget::setFrozen(bool frozen) {
    if (m_frozen == frozen) return;
    if (frozen) {
        m_frozenAt = m_now();
    } else if (!m_runOut) {
        m_stoodStill += m_now() - m_frozenAt;
    }
    m_frozen = frozen;
    m_runOut = false;
    updateClock();
    update();
}

void DiagramWidget::runUntilIdle() {
    if (!m_frozen || m_runOut) return;
    m_stoodStill += m_now() - m_frozenAt;
    m_runOut = true;
    updateClock();
}

void DiagramWidget::settleMotion() {
    m_motion.settle();
    updateClock();
    update();
}

void DiagramWidget::updateClock() {
    const bool moving = !m_motion.idle(motionTime());
    if (m_runOut && !moving) {
        m_frozenAt = m_now();
        m_runOut = false;
    }
    const bool run = moving && isVisible() && !(m_frozen && !m_runOut);
    if (run && !m_clock.isActive()) m_clock.start(kFrameMilliseconds, Qt::PreciseTimer, this);
    if (!run && m_clock.isActive()) m_clock.stop();
}

void DiagramWidget::timerEvent(QTimerEvent *event) {
    if (event->timerId() != m_clock.timerId()) return QWidget::timerEvent(event);
    m_motion.prune(motionTime());
    updateClock(); // the last frame still has to be painted: it is the one without packets
    update();
}

void DiagramWidget::showEvent(QShowEvent *event) {
    QWidget::showEvent(event);
    updateClock();
}

void DiagramWidget::hideEvent(QHideEvent *event) {
    QWidget::hideEvent(event);
    updateClock();
}

QTransform DiagramWidget::transform() const {
    const diagram::Rect &b = m_list.bounds;
    if (b.width <= 0 || b.height <= 0) return {};
    const double fitted =
        std::min({(width() - 2 * kMargin) / b.width, (height() - 2 * kMargin) / b.height, kLargestFit});
    const double scale = std::max(0.02, fitted) * m_zoom;
    QTransform t;
    t.translate(width() / 2.0 + m_pan.x(), height() / 2.0 + m_pan.y());
    t.scale(scale, scale);
    t.translate(-(b.x + b.width / 2), -(b.y + b.height / 2));
    return t;
}

void DiagramWidget::zoomBy(double factor, QPointF around) {
    const double zoom = std::clamp(m_zoom * factor, 0.25, 12.0);
    const double applied = zoom / m_zoom;
    const QPointF centre = QRectF(rect()).center() + m_pan;
    m_pan += (around - centre) * (1 - applied); // the point under the pointer stays where it is
    m_zoom = zoom;
    update();
}

void DiagramWidget::fit() {
    m_zoom = 1;
    m_pan = {};
    update();
}

QRect DiagramWidget::widgetRect(const diagram::Rect &r) const {
    return transform().mapRect(toQt(r)).toAlignedRect();
}

std::optional<diagram::ItemRef> DiagramWidget::itemAt(QPointF position) const {
    const QTransform t = transform();
    const QPointF p = t.inverted().map(position);
    return hitTest(m_list, {p.x(), p.y()}, 7 / std::max(0.05, t.m11()));
}

QString DiagramWidget::wordsFor(const DiagramItem &item) const {
    if (!m_snapshot) return {};
    diagram::ItemRef ref;
    (item.kind == DiagramItem::Kind::host ? ref.host : ref.pathId) = item.id;
    return describeItem(*m_snapshot, ref);
}

void DiagramWidget::activate(const DiagramItem &item) {
    if (item.kind == DiagramItem::Kind::path) {
        Q_EMIT pathActivated(text(item.id));
    } else {
        m_selectedHost = item.id;
        update();
        Q_EMIT hostActivated(text(item.id));
    }
}

// ---- painting

void DiagramWidget::paintLayer() {
    const double ratio = devicePixelRatioF();
    LayerKey key{m_generation, transform(), size(), ratio, m_theme.name()};
    if (!m_layer.isNull() && key == m_layerKey) return;
    if (m_layer.size() != size() * ratio) {
        m_layer = QPixmap(size() * ratio);
        m_layer.setDevicePixelRatio(ratio);
    }
    m_layer.fill(m_theme.colour(Token::background));
    QPainter painter(&m_layer);
    painter.setTransform(key.transform, true);
    paintList(painter, m_list, m_theme);
    m_layerKey = std::move(key);
    ++m_layerPaints;
}

void DiagramWidget::outlineArrows(QPainter &painter, const std::vector<std::size_t> &arrows, const QColor &colour,
                                  double width) const {
    painter.setBrush(Qt::NoBrush);
    for (const std::size_t i : arrows) {
        painter.setPen(QPen(colour, m_list.arrows[i].width + width, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        painter.drawPath(toQt(m_list.arrows[i].points));
    }
}

void DiagramWidget::paintHighlights(QPainter &painter) {
    if (!m_snapshot) return;
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setTransform(transform(), true);
    const auto halo = [&](float alpha) {
        QColor colour = m_theme.colour(Token::selection);
        colour.setAlphaF(alpha);
        return colour;
    };
    const auto outlineHost = [&](const std::string &host, const QPen &pen) {
        for (const diagram::Box &box : m_list.boxes) {
            if (box.ref.host != host) continue;
            painter.setPen(pen);
            painter.setBrush(Qt::NoBrush);
            painter.drawRoundedRect(toQt(box.rect).adjusted(-3, -3, 3, 3), box.radius + 3, box.radius + 3);
            return;
        }
    };
    if (!m_selectedPath.empty()) outlineArrows(painter, arrowsOf(m_list, *m_snapshot, m_selectedPath), halo(0.28F), 8);
    if (!m_selectedHost.empty()) outlineHost(m_selectedHost, QPen(halo(1), 2));
    if (m_hover) {
        if (!m_hover->pathId.empty() && m_hover->pathId != m_selectedPath)
            outlineArrows(painter, arrowsOf(m_list, *m_snapshot, m_hover->pathId), halo(0.16F), 7);
        else if (m_hover->pathId.empty())
            outlineHost(m_hover->host, QPen(halo(0.6F), 1.5));
    }
    if (hasFocus() && m_focused >= 0) {
        const DiagramItem &item = m_items[static_cast<std::size_t>(m_focused)];
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(m_theme.colour(Token::text), 1.5, Qt::DotLine));
        painter.drawRoundedRect(toQt(item.rect).adjusted(-6, -6, 6, 6), 8, 8);
    }
    painter.restore();
}

void DiagramWidget::paintEmpty(QPainter &painter) {
    painter.fillRect(rect(), m_theme.colour(Token::background));
    painter.setPen(m_theme.colour(Token::mutedText));
    painter.setFont(resized(font(), 2));
    painter.drawText(rect().adjusted(40, 20, -40, -20), Qt::AlignCenter | Qt::TextWordWrap, m_hint);
}

void DiagramWidget::paintFrameTime(QPainter &painter, double milliseconds) {
    painter.setPen(m_theme.colour(Token::mutedText));
    painter.setFont(addressFont());
    painter.drawText(rect().adjusted(8, 6, -8, -6), Qt::AlignTop | Qt::AlignRight,
                     QString("%1 ms, layer painted %2 times").arg(milliseconds, 0, 'f', 2).arg(m_layerPaints));
}

void DiagramWidget::paintEvent(QPaintEvent *) {
    QElapsedTimer took;
    took.start();
    QPainter painter(this);
    if (m_list.boxes.empty() && m_list.arrows.empty()) {
        paintEmpty(painter);
    } else {
        paintLayer();
        painter.drawPixmap(0, 0, m_layer);
        paintHighlights(painter);
        const QTransform t = transform();
        m_atlas.prepare(m_theme, devicePixelRatioF());
        painter.setRenderHint(QPainter::Antialiasing);
        for (const PacketMotion::Sprite &sprite : m_motion.at(motionTime()))
            m_atlas.draw(painter, sprite, t.map(toQt(sprite.at)));
    }
    if (paintLog().isDebugEnabled()) {
        const double milliseconds = static_cast<double>(took.nsecsElapsed()) / 1e6;
        qCDebug(paintLog) << "frame" << milliseconds << "ms";
        paintFrameTime(painter, milliseconds);
    }
}

} // namespace natlens::gui
