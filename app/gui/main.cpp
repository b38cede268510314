// natlens-gui [SOURCE]
#include "app/gui/arguments.h"
#include "app/gui/main_window.h"
#include "app/gui/screenshot.h"
#include "app/gui/session_source.h"

#include <QApplication>

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

using namespace natlens;

namespace {

constexpr const char *kVersion = NATLENS_VERSION;

bool haveDisplay() {
    return std::getenv("QT_QPA_PLATFORM") != nullptr || std::getenv("DISPLAY") != nullptr ||
           std::getenv("WAYLAND_DISPLAY") != nullptr;
}

base::Result<gui::Arguments> readArguments(int argc, char **argv) {
    const QCoreApplication console(argc, argv); // the help text asks for the program's name; needs no display
    return gui::parseArguments(QCoreApplication::arguments());
}

int runWindow(int argc, char **argv, const gui::Arguments &arguments) {
    QApplication application(argc, argv);
    QApplication::setApplicationName("natlens");
    QApplication::setApplicationDisplayName("natlens");
    QApplication::setApplicationVersion(kVersion);
    QApplication::setDesktopFileName("natlens");

    gui::Environment environment;
    environment.open = gui::openSession;
    environment.scenarios = session::scenarios();
    environment.options.profile = arguments.profile.toStdString();
    environment.options.datapath = arguments.datapath.toStdString();
    environment.options.simulated = arguments.simulated;
    for (const QString &file : arguments.clusterFiles)
        environment.options.clusterFiles.push_back(file.toStdString());
    environment.theme = arguments.theme;
    gui::MainWindow window(std::move(environment));
    window.resize(arguments.size);
    window.show();
    if (!arguments.scenario.isEmpty())
        window.openScenario(arguments.scenario);
    else
        window.openFiles(arguments.files);
    if (arguments.screenshot.isEmpty()) return QApplication::exec();
    const int status = gui::takeScreenshot(window, arguments.screenshot);
    if (window.size() != arguments.size)
        fmt::print(stderr, "natlens-gui: --size {}x{}: the window needs {}x{}, and so has the picture\n",
                   arguments.size.width(), arguments.size.height(), window.width(), window.height());
    return status;
}

} // namespace

int main(int argc, char **argv) {
    const auto arguments = readArguments(argc, argv);
    if (!arguments) {
        fmt::print(stderr, "{}\n", arguments.error().sentence());
        return base::exitStatus(arguments.error());
    }
    switch (arguments->action) {
    case gui::Arguments::Action::help: fmt::print("{}", arguments->helpText.toStdString()); return 0;
    case gui::Arguments::Action::version: fmt::print("natlens {}\n", kVersion); return 0;
    case gui::Arguments::Action::run: break;
    }
    if (!arguments->screenshot.isEmpty() && std::getenv("QT_QPA_PLATFORM") == nullptr) {
        ::setenv("QT_QPA_PLATFORM", "offscreen", 1); // the picture never needs a display
    } else if (!haveDisplay()) {
        fmt::print(stderr, "natlens-gui: no display: set DISPLAY or WAYLAND_DISPLAY, use --screenshot FILE.png, or the "
                           "command line program natlens\n");
        return 3;
    }
    const int status = runWindow(argc, argv, *arguments);
    gui::waitForEndedSessions();
    return status;
}
