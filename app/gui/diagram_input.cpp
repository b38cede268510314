// Mouse, keyboard and tooltips of the diagram.
#include "app/gui/diagram_widget.h"
#include "app/gui/words.h"

#include <QAccessible>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QToolTip>

#include <cmath>

namespace natlens::gui {

void DiagramWidget::mouseMoveEvent(QMouseEvent *event) {
    if (m_dragFrom) {
        const QPointF moved = event->position() - *m_dragFrom;
        if (m_dragged || moved.manhattanLength() > 4) {
            m_dragged = true;
            m_pan += moved;
            m_dragFrom = event->position();
            setCursor(Qt::ClosedHandCursor);
            update();
        }
        return;
    }
    std::optional<diagram::ItemRef> hover = itemAt(event->position());
    if (hover == m_hover) return;
    m_hover = std::move(hover);
    setCursor(m_hover ? Qt::PointingHandCursor : Qt::ArrowCursor);
    update();
}

void DiagramWidget::mousePressEvent(QMouseEvent *event) {
    if (event->button() != Qt::LeftButton && event->button() != Qt::MiddleButton) return;
    m_dragFrom = event->position();
    m_dragged = false;
}

void DiagramWidget::mouseReleaseEvent(QMouseEvent *event) {
    const bool clicked = m_dragFrom && !m_dragged && event->button() == Qt::LeftButton;
    m_dragFrom.reset();
    setCursor(m_hover ? Qt::PointingHandCursor : Qt::ArrowCursor);
    if (!clicked) return;

    const std::optional<diagram::ItemRef> ref = itemAt(event->position());
    if (!ref) {
        m_selectedHost.clear();
        Q_EMIT selectionCleared();
    } else if (ref->pathId.empty()) {
        activate({DiagramItem::Kind::host, ref->host, {}});
    } else {
        activate({DiagramItem::Kind::path, ref->pathId, {}});
        if (ref->hop >= 0) Q_EMIT hopActivated(text(ref->pathId), ref->hop);
    }
    update();
}

void DiagramWidget::leaveEvent(QEvent *) {
    m_hover.reset();
    update();
}

void DiagramWidget::wheelEvent(QWheelEvent *event) {
    if (event->modifiers() & Qt::ControlModifier) {
        zoomBy(std::pow(1.25, event->angleDelta().y() / 120.0), event->position());
    } else {
        m_pan += QPointF(event->angleDelta()) / 2;
        update();
    }
    event->accept();
}

void DiagramWidget::focusItem(int index) {
    m_focused = index >= 0 && index < static_cast<int>(m_items.size()) ? index : -1;
    update();
    if (m_focused >= 0 && hasFocus()) {
        QAccessibleEvent focused(this, QAccessible::Focus);
        focused.setChild(m_focused);
        QAccessible::updateAccessibility(&focused);
    }
}

void DiagramWidget::moveFocus(int step) {
    const int count = static_cast<int>(m_items.size());
    if (count == 0) return;
    const int next = m_focused < 0 ? (step > 0 ? 0 : count - 1) : (m_focused + step + count) % count;
    focusItem(next);
}

void DiagramWidget::keyPressEvent(QKeyEvent *event) {
    switch (event->key()) {
    case Qt::Key_Right:
    case Qt::Key_Down: moveFocus(1); return;
    case Qt::Key_Left:
    case Qt::Key_Up: moveFocus(-1); return;
    case Qt::Key_Home: focusItem(0); return;
    case Qt::Key_End: focusItem(static_cast<int>(m_items.size()) - 1); return;
    case Qt::Key_Return:
    case Qt::Key_Enter:
    case Qt::Key_Space:
        if (m_focused >= 0) activate(m_items[static_cast<std::size_t>(m_focused)]);
        return;
    case Qt::Key_Escape:
        m_selectedHost.clear();
        Q_EMIT selectionCleared();
        update();
        return;
    default: QWidget::keyPressEvent(event);
    }
}

void DiagramWidget::focusInEvent(QFocusEvent *event) {
    QWidget::focusInEvent(event);
    if (m_focused < 0 && event->reason() != Qt::MouseFocusReason && !m_items.empty()) focusItem(0);
    update();
}

void DiagramWidget::focusOutEvent(QFocusEvent *event) {
    QWidget::focusOutEvent(event);
    update();
}

bool DiagramWidget::event(QEvent *event) {
    if (event->type() == QEvent::ToolTip && m_snapshot) {
        const auto *help = static_cast<QHelpEvent *>(event);
        const std::optional<diagram::ItemRef> ref = itemAt(help->pos());
        const QString words = ref ? describeItem(*m_snapshot, *ref) : QString();
        // Plain text wraps only as rich text does; the words themselves may hold no markup.
        if (words.isEmpty())
            QToolTip::hideText();
        else
            QToolTip::showText(help->globalPos(), "<p style='white-space:pre-wrap'>" + words.toHtmlEscaped() + "</p>",
                               this);
        return true;
    }
    return QWidget::event(event);
}

} // namespace natlens::gui
