// What stands in the window while no source is open: choose a scenario or a recording; and the pages for "being opened"
// and "could not be opened".
#pragma once

#include "app/session/session.h"

#include <QWidget>

class QLabel;
class QListWidget;
class QPushButton;

namespace natlens::gui {

/// Lists the scenarios of the lab. Lives on the GUI thread.
class StartPage final : public QWidget {
    Q_OBJECT
public:
    explicit StartPage(const std::vector<session::ScenarioInfo> &scenarios, QWidget *parent = nullptr);
    [[nodiscard]] QListWidget *scenarioList() const { return m_list; }

Q_SIGNALS:
    void scenarioChosen(const QString &name);
    void openFileWanted();

private:
    void chooseCurrent();
    QListWidget *m_list;
};

/// A heading, a sentence, and up to three buttons in the middle of the window.
class NoticePage final : public QWidget {
    Q_OBJECT
public:
    explicit NoticePage(QWidget *parent = nullptr);
    void showBusy(const QString &heading, const QString &sentence);
    /// `offerSimulated`: it was a lab that this machine does not allow; one without its kernel would do.
    void showFailure(const QString &heading, const QString &sentence, bool offerSimulated);
    [[nodiscard]] QString sentence() const;

Q_SIGNALS:
    void retryWanted();
    void simulatedWanted();
    void backWanted();

private:
    QLabel *m_heading, *m_sentence;
    QPushButton *m_retry, *m_simulated, *m_back;
};

} // namespace natlens::gui
