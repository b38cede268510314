// The command line of natlens-gui.
#pragma once

#include "app/gui/theme.h"
#include "capture/base/result.h"

#include <QSize>
#include <QString>
#include <QStringList>

namespace natlens::gui {

struct Arguments {
    enum class Action { run, help, version };
    Action action = Action::run;
    QString helpText;         ///< for Action::help
    QString scenario;         ///< "lab:SCENARIO" without its prefix; "" none
    QStringList files;        ///< recordings
    QStringList clusterFiles; ///< "[NODE=]FILE" each, see session::Options
    QString screenshot;       ///< PNG to write; "" show a window
    QSize size{1280, 800};
    ThemeChoice theme = ThemeChoice::system;
    QString profile, datapath;
    bool simulated = false;
};

/// `words` is argv with the program's name first. Needs a QCoreApplication (for the help text).
[[nodiscard]] base::Result<Arguments> parseArguments(const QStringList &words);

} // namespace natlens::gui
