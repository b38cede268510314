// The picture: a cached static layer, packets moving over it, and hover, selection and focus over both.
#pragma once

#include "app/gui/diagram_items.h"
#include "app/gui/diagram_painter.h"
#include "app/gui/packet_motion.h"
#include "app/gui/theme.h"

#include <QBasicTimer>
#include <QElapsedTimer>
#include <QTransform>
#include <QWidget>

#include <functional>
#include <memory>

namespace natlens::gui {

/// Custom-painted over a display list. Lives on the GUI thread.
///
/// The static layer is painted anew only when the list's appearance, the transform, the pixel ratio or the theme
/// changed; a frame is otherwise one blit and a sprite per moving packet (1.5 ms where a full redraw takes 13). The
/// clock of the animation runs only while something moves and the widget can be seen.
class DiagramWidget final : public QWidget {
    Q_OBJECT
public:
    explicit DiagramWidget(QWidget *parent = nullptr);

    /// A new picture of `snapshot`; packets counted since the last one start to travel.
    void setScene(std::shared_ptr<const tracer::Snapshot> snapshot, diagram::DisplayList list);
    /// Another source: no picture, no packets, no selection. `hint` is shown until there is a picture.
    void clearScene(const QString &hint);
    void setTheme(const Theme &theme);
    void setSelectedPath(const std::string &id);
    /// Frozen: time stands still and packets stay where they are.
    void setFrozen(bool frozen);
    /// While frozen: time runs until everything on its way has arrived.
    void runUntilIdle();

    /// All packets arrive now: for a still picture.
    void settleMotion();

    void zoomIn() { zoomBy(1.25, QRectF(rect()).center()); }
    void zoomOut() { zoomBy(1 / 1.25, QRectF(rect()).center()); }
    void fit();

    [[nodiscard]] const diagram::DisplayList &list() const { return m_list; }
    [[nodiscard]] const tracer::Snapshot *snapshot() const { return m_snapshot.get(); }
    [[nodiscard]] const std::vector<DiagramItem> &items() const { return m_items; }
    [[nodiscard]] int focusedItem() const { return m_focused; }
    [[nodiscard]] QString wordsFor(const DiagramItem &item) const;
    [[nodiscard]] QRect widgetRect(const diagram::Rect &rect) const;
    [[nodiscard]] std::optional<diagram::ItemRef> itemAt(QPointF position) const;
    [[nodiscard]] QTransform transform() const;
    [[nodiscard]] double zoom() const { return m_zoom; }
    /// Activates as a click does: selects the path, or tells the host.
    void activate(const DiagramItem &item);
    void focusItem(int index);

    /// How often the static layer was painted; for tests and the frame-time overlay.
    [[nodiscard]] int staticLayerPaints() const { return m_layerPaints; }
    [[nodiscard]] bool animating() const { return m_clock.isActive(); }
    [[nodiscard]] const PacketMotion &motion() const { return m_motion; }
    /// The clock of the animation; tests put their own.
    void setClock(std::function<PacketMotion::Time()> clock) { m_now = std::move(clock); }

    [[nodiscard]] QSize sizeHint() const override { return {760, 420}; }
    [[nodiscard]] QSize minimumSizeHint() const override { return {320, 200}; }

Q_SIGNALS:
    void pathActivated(const QString &id);
    void hopActivated(const QString &pathId, int hop);
    void hostActivated(const QString &name);
    void selectionCleared();
    void itemsChanged();

protected:
    void paintEvent(QPaintEvent *event) override;
    void timerEvent(QTimerEvent *event) override;
    void showEvent(QShowEvent *event) override;
    void hideEvent(QHideEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void mouseReleaseEvent(QMouseEvent *event) override;
    void leaveEvent(QEvent *event) override;
    void wheelEvent(QWheelEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;
    void focusInEvent(QFocusEvent *event) override;
    void focusOutEvent(QFocusEvent *event) override;
    bool event(QEvent *event) override;

private:
    struct LayerKey {
        std::uint64_t generation = 0;
        QTransform transform;
        QSize size;
        double pixelRatio = 0;
        QString theme;
        bool operator==(const LayerKey &) const = default;
    };
    [[nodiscard]] PacketMotion::Time motionTime() const;
    void zoomBy(double factor, QPointF around);
    void updateClock();
    void paintLayer();
    void paintHighlights(QPainter &painter);
    void paintEmpty(QPainter &painter);
    void paintFrameTime(QPainter &painter, double milliseconds);
    void outlineArrows(QPainter &painter, const std::vector<std::size_t> &arrows, const QColor &colour,
                       double width) const;
    void moveFocus(int step);

    std::shared_ptr<const tracer::Snapshot> m_snapshot;
    diagram::DisplayList m_list;
    std::vector<DiagramItem> m_items;
    std::uint64_t m_generation = 0;
    Theme m_theme;
    QString m_hint;

    QPixmap m_layer;
    LayerKey m_layerKey;
    int m_layerPaints = 0;
    SpriteAtlas m_atlas;

    PacketMotion m_motion;
    QBasicTimer m_clock;
    std::function<PacketMotion::Time()> m_now;
    QElapsedTimer m_elapsed;
    bool m_frozen = false, m_runOut = false;
    PacketMotion::Time m_stoodStill{0}, m_frozenAt{0};

    double m_zoom = 1;
    QPointF m_pan;
    std::optional<QPointF> m_dragFrom;
    bool m_dragged = false;

    std::optional<diagram::ItemRef> m_hover;
    std::string m_selectedPath, m_selectedHost;
    int m_focused = -1;
};

} // namespace natlens::gui
