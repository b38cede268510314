#include "app/gui/screenshot.h"

#include "app/gui/diagram_widget.h"

#include <QElapsedTimer>
#include <QEventLoop>
#include <QPixmap>
#include <QTimer>

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

namespace natlens::gui {

bool complete(const session::View &view, bool isLab) {
    return view.ended || (isLab && view.lab.stepsDone);
}

int takeScreenshot(MainWindow &window, const QString &file, const SettleRule &rule) {
    QEventLoop loop;
    QTimer deadline;
    deadline.setSingleShot(true);
    QTimer quiet;
    quiet.setSingleShot(true);
    bool late = false;
    QObject::connect(&window, &MainWindow::sourceFailed, &loop, &QEventLoop::quit);
    QObject::connect(&quiet, &QTimer::timeout, &loop, &QEventLoop::quit);
    QObject::connect(&deadline, &QTimer::timeout, &loop, [&] {
        late = true;
        loop.quit();
    });
    const auto check = [&](const std::shared_ptr<const session::View> &view) {
        // Health checks go on for ever: only changes that come while paths are unfinished keep the picture waiting.
        const bool unfinished = std::ranges::any_of(view->traced->paths, [](const auto &path) {
            return path->kind != tracer::PathKind::healthCheck && !path->settled;
        });
        if (!complete(*view, !view->ended)) return;
        if (view->ended)
            quiet.start(0);
        else if (!quiet.isActive() || unfinished)
            quiet.start(rule.quiet);
    };
    QObject::connect(window.feed(), &ViewFeed::viewChanged, &loop, check);
    deadline.start(rule.atMost);
    if (window.feed()->shown()) check(window.feed()->shown());
    if (window.feed()->polling() && !window.failed()) loop.exec();

    window.selectMostTelling();
    QTimer::singleShot(0, &loop, &QEventLoop::quit); // layouts that are still due
    loop.exec();
    window.picture()->settleMotion(); // the same source gives the same picture, whatever was on its way

    if (late)
        fmt::print(stderr, "natlens-gui: {}: the source has not settled; the picture shows what there is\n",
                   file.toStdString());
    if (!window.grab().save(file, "PNG")) {
        fmt::print(stderr, "natlens-gui: write {}: the picture could not be written\n", file.toStdString());
        return 2;
    }
    if (const auto &failure = window.failure()) {
        fmt::print(stderr, "natlens-gui: {}\n", failure->sentence());
        return base::exitStatus(*failure);
    }
    const auto &view = window.feed()->shown();
    if (!view) return 0;
    if (!view->problem.empty()) fmt::print(stderr, "natlens-gui: {}\n", view->problem);
    if (view->problemStatus != 0) return view->problemStatus;
    return std::ranges::all_of(view->lab.comparisons, &session::Comparison::met) ? 0 : 1;
}

} // namespace natlens::gui
