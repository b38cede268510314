#include "app/gui/diagram_accessible.h"

#include "app/gui/diagram_widget.h"

#include <QAccessible>
#include <QAccessibleWidget>
#include <QPointer>

namespace natlens::gui {

namespace {

/// One host or path. Refers to the widget's item by index and answers "invalid" once the item is gone.
class ItemAccessible final : public QAccessibleInterface, public QAccessibleActionInterface {
public:
    ItemAccessible(DiagramWidget *widget, int index)
        : m_widget(widget)
        , m_index(index) {}

    bool isValid() const override { return item() != nullptr; }
    QObject *object() const override { return nullptr; }
    QWindow *window() const override { return m_widget ? m_widget->window()->windowHandle() : nullptr; }
    QAccessibleInterface *childAt(int, int) const override { return nullptr; }
    QAccessibleInterface *parent() const override { return QAccessible::queryAccessibleInterface(m_widget); }
    QAccessibleInterface *child(int) const override { return nullptr; }
    int childCount() const override { return 0; }
    int indexOfChild(const QAccessibleInterface *) const override { return -1; }

    QString text(QAccessible::Text kind) const override {
        const DiagramItem *it = item();
        if (it == nullptr || (kind != QAccessible::Name && kind != QAccessible::Description)) return {};
        const QString words = m_widget->wordsFor(*it);
        return kind == QAccessible::Name ? words.section('\n', 0, 0) : words;
    }
    void setText(QAccessible::Text, const QString &) override {}
    QRect rect() const override {
        const DiagramItem *it = item();
        if (it == nullptr) return {};
        const QRect r = m_widget->widgetRect(it->rect);
        return {m_widget->mapToGlobal(r.topLeft()), r.size()};
    }
    QAccessible::Role role() const override {
        const DiagramItem *it = item();
        return it != nullptr && it->kind == DiagramItem::Kind::path ? QAccessible::ListItem : QAccessible::Graphic;
    }
    QAccessible::State state() const override {
        QAccessible::State s;
        s.focusable = true;
        s.selectable = true;
        if (!isValid())
            s.invalid = true;
        else
            s.focused = m_widget->hasFocus() && m_widget->focusedItem() == m_index;
        return s;
    }
    void *interface_cast(QAccessible::InterfaceType type) override {
        return type == QAccessible::ActionInterface ? static_cast<QAccessibleActionInterface *>(this) : nullptr;
    }

    QStringList actionNames() const override { return {pressAction(), setFocusAction()}; }
    void doAction(const QString &name) override {
        const DiagramItem *it = item();
        if (it == nullptr) return;
        if (name == pressAction()) {
            m_widget->activate(DiagramItem(*it));
        } else if (name == setFocusAction()) {
            m_widget->setFocus();
            m_widget->focusItem(m_index);
        }
    }
    QStringList keyBindingsForAction(const QString &) const override { return {}; }

private:
    const DiagramItem *item() const {
        if (!m_widget || m_index >= static_cast<int>(m_widget->items().size())) return nullptr;
        return &m_widget->items()[static_cast<std::size_t>(m_index)];
    }

    QPointer<DiagramWidget> m_widget;
    int m_index;
};

class DiagramAccessible final : public QAccessibleWidget {
public:
    explicit DiagramAccessible(DiagramWidget *widget)
        : QAccessibleWidget(widget, QAccessible::List) {}
    ~DiagramAccessible() override {
        for (const QAccessible::Id id : m_children)
            QAccessible::deleteAccessibleInterface(id);
    }

    int childCount() const override { return static_cast<int>(diagram()->items().size()); }
    QAccessibleInterface *child(int index) const override {
        if (index < 0 || index >= childCount()) return nullptr;
        while (static_cast<int>(m_children.size()) <= index)
            m_children.push_back(QAccessible::registerAccessibleInterface(
                new ItemAccessible(diagram(), static_cast<int>(m_children.size()))));
        return QAccessible::accessibleInterface(m_children[static_cast<std::size_t>(index)]);
    }
    int indexOfChild(const QAccessibleInterface *wanted) const override {
        for (int i = 0; i < childCount(); ++i)
            if (child(i) == wanted) return i;
        return -1;
    }
    QAccessibleInterface *childAt(int x, int y) const override {
        for (int i = 0; i < childCount(); ++i)
            if (QAccessibleInterface *c = child(i); c->rect().contains(x, y)) return c;
        return nullptr;
    }
    QAccessibleInterface *focusChild() const override {
        if (!diagram()->hasFocus()) return nullptr;
        if (QAccessibleInterface *c = child(diagram()->focusedItem())) return c;
        return const_cast<DiagramAccessible *>(this);
    }

private:
    DiagramWidget *diagram() const { return static_cast<DiagramWidget *>(widget()); }
    mutable std::vector<QAccessible::Id> m_children;
};

QAccessibleInterface *makeAccessible(const QString &, QObject *object) {
    auto *widget = qobject_cast<DiagramWidget *>(object);
    return widget != nullptr ? new DiagramAccessible(widget) : nullptr;
}

} // namespace

void installDiagramAccessibility() {
    static const bool once = [] {
        QAccessible::installFactory(makeAccessible);
        return true;
    }();
    static_cast<void>(once);
}

} // namespace natlens::gui
