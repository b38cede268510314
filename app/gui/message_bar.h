// One line over the workspace when something needs attention.
#pragma once

#include "app/gui/theme.h"

#include <QFrame>

class QLabel;
class QToolButton;

namespace natlens::gui {

/// Shows one sentence until it is dismissed or withdrawn. A dismissed sentence stays away until it changes.
class MessageBar final : public QFrame {
    Q_OBJECT
public:
    explicit MessageBar(QWidget *parent = nullptr);
    void setTheme(const Theme &theme);
    /// "" withdraws the message.
    void setMessage(const QString &sentence);
    [[nodiscard]] QString message() const;

private:
    QLabel *m_label;
    QToolButton *m_close;
    QString m_dismissed;
};

} // namespace natlens::gui
