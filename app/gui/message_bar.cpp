#include "app/gui/message_bar.h"

#include <QAccessible>
#include <QHBoxLayout>
#include <QLabel>
#include <QStyle>
#include <QToolButton>

namespace natlens::gui {

MessageBar::MessageBar(QWidget *parent)
    : QFrame(parent)
    , m_label(new QLabel(this))
    , m_close(new QToolButton(this)) {
    m_label->setWordWrap(true);
    m_label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_close->setText(tr("Dismiss"));
    m_close->setAutoRaise(true);
    m_close->setAccessibleName(tr("Dismiss the message"));
    auto *layout = new QHBoxLayout(this);
    layout->setContentsMargins(12, 6, 8, 6);
    layout->addWidget(m_label, 1);
    layout->addWidget(m_close, 0, Qt::AlignTop);
    connect(m_close, &QToolButton::clicked, this, [this] {
        m_dismissed = m_label->text();
        hide();
    });
    setAutoFillBackground(true);
    hide();
}

void MessageBar::setTheme(const Theme &theme) {
    QPalette p = theme.palette();
    p.setColor(QPalette::Window, theme.tint(diagram::Token::drop, 0.14));
    setPalette(p);
}

QString MessageBar::message() const {
    return isHidden() ? QString() : m_label->text();
}

void MessageBar::setMessage(const QString &sentence) {
    if (sentence == m_label->text() && (isHidden() == (sentence.isEmpty() || sentence == m_dismissed))) return;
    m_label->setText(sentence);
    if (sentence.isEmpty()) m_dismissed.clear();
    setVisible(!sentence.isEmpty() && sentence != m_dismissed);
    if (isVisible()) {
        QAccessibleEvent alert(this, QAccessible::Alert);
        QAccessible::updateAccessibility(&alert);
    }
}

} // namespace natlens::gui
