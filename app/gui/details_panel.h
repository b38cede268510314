// The selected path hop by hop, with findings, HTTP, and what the document expects beside what was observed.
#pragma once

#include "app/gui/theme.h"
#include "app/session/session.h"

#include <QWidget>

class QLabel;
class QTableView;
class QTextBrowser;

namespace natlens::gui {

class HopDelegate;
class HopModel;

/// Lives on the GUI thread. Shows what it is given; asks nobody.
class DetailsPanel final : public QWidget {
    Q_OBJECT
public:
    explicit DetailsPanel(QWidget *parent = nullptr);
    void setPath(std::shared_ptr<const tracer::Path> path);
    void setLab(const session::LabStatus &lab);
    void setTheme(const Theme &theme);
    void selectHop(int hop);
    void selectHost(const std::string &host);

    [[nodiscard]] HopModel *hops() const { return m_hops; }
    [[nodiscard]] QString remarks() const;

private:
    void showRemarks();

    HopModel *m_hops;
    HopDelegate *m_delegate;
    QLabel *m_headline;
    QTableView *m_table;
    QTextBrowser *m_remarks;
    Theme m_theme;
    QString m_pathHtml, m_comparisons;
};

} // namespace natlens::gui
