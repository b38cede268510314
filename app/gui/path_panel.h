// The list of paths with its filter line.
#pragma once

#include "app/gui/path_model.h"
#include "app/gui/theme.h"

#include <QWidget>

class QComboBox;
class QLabel;
class QLineEdit;
class QListView;

namespace natlens::gui {

class PathDelegate;

/// Lives on the GUI thread. The selection is a path's id and survives every update that keeps the path.
class PathPanel final : public QWidget {
    Q_OBJECT
public:
    explicit PathPanel(QWidget *parent = nullptr);
    void setSnapshot(const std::shared_ptr<const tracer::Snapshot> &snapshot);
    void clear();
    void setTheme(const Theme &theme);
    /// Selects the row of this path, if it has one; "" clears.
    void select(const std::string &id);
    void focusFilter();

    [[nodiscard]] PathModel *model() const { return m_model; }
    [[nodiscard]] QListView *view() const { return m_view; }
    [[nodiscard]] QLineEdit *filter() const { return m_filter; }
    [[nodiscard]] HealthCheckRows healthChecks() const;

Q_SIGNALS:
    void pathSelected(const QString &id); ///< by the person; "" when nothing is selected
    void healthChecksChanged();

private:
    void showCount();

    PathModel *m_model;
    PathDelegate *m_delegate;
    QLineEdit *m_filter;
    QComboBox *m_checks;
    QListView *m_view;
    QLabel *m_count, *m_empty;
    bool m_selecting = false;
};

} // namespace natlens::gui
