// Menus, tool bar, status bar, and what they do.
#include "app/gui/details_panel.h"
#include "app/gui/diagram_widget.h"
#include "app/gui/hop_model.h"
#include "app/gui/icons.h"
#include "app/gui/lab_panel.h"
#include "app/gui/main_window.h"
#include "app/gui/path_panel.h"
#include "app/gui/picture_file.h"
#include "app/gui/words.h"
#include "tracer/path/path_json.h"

#include <QAction>
#include <QActionGroup>
#include <QApplication>
#include <QClipboard>
#include <QFileDialog>
#include <QLabel>
#include <QMenuBar>
#include <QMessageBox>
#include <QPointer>
#include <QStackedWidget>
#include <QStatusBar>
#include <QToolBar>

namespace natlens::gui {

namespace {

QAction *addTo(QMenu *menu, const QString &words, const QKeySequence &keys = {}) {
    QAction *action = menu->addAction(words);
    action->setShortcut(keys);
    if (!keys.isEmpty()) {
        QString plain = words;
        action->setToolTip(
            QString("%1 (%2)").arg(plain.remove('&').remove("…"), keys.toString(QKeySequence::NativeText)));
    }
    return action;
}

} // namespace

void MainWindow::buildActions() {
    buildFileMenu();
    buildPathMenu();
    buildPlayback();
    buildViewMenu();
    QMenu *help = menuBar()->addMenu(tr("&Help"));
    connect(addTo(help, tr("&Keyboard shortcuts"), QKeySequence::HelpContents), &QAction::triggered, this,
            &MainWindow::showShortcuts);
    connect(addTo(help, tr("&About natlens")), &QAction::triggered, this, [this] {
        QMessageBox::about(this, tr("About natlens"),
                           tr("<b>natlens %1</b><p>Shows what happens to a packet's addresses on its way through a "
                              "Kubernetes Service, "
                              "from packets that were really sent.</p>")
                               .arg(QApplication::applicationVersion()));
    });

    QToolBar *bar = addToolBar(tr("Tools"));
    bar->setObjectName("tools");
    bar->setMovable(false);
    bar->setIconSize({20, 20});
    bar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    bar->addActions({m_home, m_openAction, m_save, m_export});
    bar->addSeparator();
    bar->addActions({m_pause, m_step, m_play});
    bar->addSeparator();
    bar->addActions({m_zoomOut, m_fit, m_zoomIn});
}

void MainWindow::buildFileMenu() {
    QMenu *file = menuBar()->addMenu(tr("&File"));
    m_home = addTo(file, tr("Start &page"), QKeySequence(Qt::ALT | Qt::Key_Home));
    m_home->setIconText(tr("Start"));
    connect(m_home, &QAction::triggered, this, &MainWindow::showStartPage);
    m_openAction = addTo(file, tr("&Open recording…"), QKeySequence::Open);
    m_openAction->setIconText(tr("Open"));
    connect(m_openAction, &QAction::triggered, this, &MainWindow::chooseFiles);
    connect(addTo(file, tr("Use &cluster state…"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_O)), &QAction::triggered,
            this, &MainWindow::chooseClusterFiles);
    m_save = addTo(file, tr("&Save recording…"), QKeySequence::Save);
    m_save->setIconText(tr("Save"));
    connect(m_save, &QAction::triggered, this, &MainWindow::saveRecording);
    m_export = addTo(file, tr("&Export picture…"), QKeySequence(Qt::CTRL | Qt::Key_E));
    m_export->setIconText(tr("Export"));
    connect(m_export, &QAction::triggered, this, &MainWindow::exportPicture);
    m_paced = addTo(file, tr("&Replay recordings at capture speed"));
    m_paced->setCheckable(true);
    m_paced->setChecked(m_environment.options.replayAtCaptureSpeed);
    file->addSeparator();
    connect(addTo(file, tr("&Quit"), QKeySequence::Quit), &QAction::triggered, this, &QWidget::close);
}

void MainWindow::buildPathMenu() {
    QMenu *menu = menuBar()->addMenu(tr("&Path"));
    m_copyText = addTo(menu, tr("Copy path as &text"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_T));
    connect(m_copyText, &QAction::triggered, this, [this] { copyPath(false); });
    m_copyJson = addTo(menu, tr("Copy path as &JSON"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_J));
    connect(m_copyJson, &QAction::triggered, this, [this] { copyPath(true); });
    menu->addSeparator();
    connect(addTo(menu, tr("&Filter paths"), QKeySequence::Find), &QAction::triggered, m_paths,
            &PathPanel::focusFilter);
    m_onlySelected = addTo(menu, tr("Draw &only the selected path"), QKeySequence(Qt::CTRL | Qt::Key_D));
    m_onlySelected->setCheckable(true);
    connect(m_onlySelected, &QAction::toggled, this, [this] {
        if (m_feed->shown()) showScene(*m_feed->shown());
    });
}

void MainWindow::buildPlayback() {
    QMenu *menu = menuBar()->addMenu(tr("&Lab"));
    m_send = addTo(menu, tr("&Send request"), QKeySequence(Qt::CTRL | Qt::Key_Return));
    connect(m_send, &QAction::triggered, m_lab, &LabPanel::send);
    m_play = addTo(menu, tr("P&lay the steps again"), QKeySequence(Qt::Key_F5));
    m_play->setIconText(tr("Play again"));
    connect(m_play, &QAction::triggered, this, [this] {
        if (m_source) m_source->playSteps();
    });
    menu->addSeparator();
    m_pause = addTo(menu, tr("&Pause"), QKeySequence(Qt::Key_F8));
    m_pause->setCheckable(true);
    connect(m_pause, &QAction::toggled, this, [this](bool on) {
        m_feed->setPaused(on);
        m_diagram->setFrozen(on);
        updateActions();
        showStatus();
    });
    m_step = addTo(menu, tr("S&tep to the next change"), QKeySequence(Qt::Key_F10));
    m_step->setIconText(tr("Step"));
    connect(m_step, &QAction::triggered, m_feed, &ViewFeed::step);
}

void MainWindow::buildViewMenu() {
    QMenu *menu = menuBar()->addMenu(tr("&View"));
    m_zoomIn = addTo(menu, tr("Zoom &in"), QKeySequence::ZoomIn);
    m_zoomIn->setShortcuts({QKeySequence(Qt::CTRL | Qt::Key_Plus), QKeySequence(Qt::CTRL | Qt::Key_Equal)});
    connect(m_zoomIn, &QAction::triggered, m_diagram, &DiagramWidget::zoomIn);
    m_zoomOut = addTo(menu, tr("Zoom &out"), QKeySequence(Qt::CTRL | Qt::Key_Minus));
    connect(m_zoomOut, &QAction::triggered, m_diagram, &DiagramWidget::zoomOut);
    m_fit = addTo(menu, tr("&Fit the picture"), QKeySequence(Qt::CTRL | Qt::Key_0));
    m_fit->setIconText(tr("Fit"));
    connect(m_fit, &QAction::triggered, m_diagram, &DiagramWidget::fit);
    m_zoomIn->setIconText(tr("In"));
    m_zoomOut->setIconText(tr("Out"));
    menu->addSeparator();

    QMenu *themes = menu->addMenu(tr("&Theme"));
    auto *group = new QActionGroup(this);
    const std::pair<QString, ThemeChoice> choices[] = {{tr("As the &desktop"), ThemeChoice::system},
                                                       {tr("&Light"), ThemeChoice::light},
                                                       {tr("&Dark"), ThemeChoice::dark},
                                                       {tr("&High contrast"), ThemeChoice::highContrast}};
    for (const auto &[words, choice] : choices) {
        QAction *action = group->addAction(themes->addAction(words));
        action->setCheckable(true);
        action->setChecked(choice == m_environment.theme);
        connect(action, &QAction::triggered, this, [this, choice = choice] { setThemeChoice(choice); });
    }
}

void MainWindow::paintIcons() {
    const QColor colour = m_theme.colour(diagram::Token::text);
    const std::pair<QAction *, Icon> icons[] = {
        {m_home, Icon::home},     {m_openAction, Icon::open}, {m_save, Icon::save}, {m_export, Icon::exportPicture},
        {m_pause, Icon::pause},   {m_step, Icon::step},       {m_play, Icon::play}, {m_fit, Icon::fit},
        {m_zoomIn, Icon::zoomIn}, {m_zoomOut, Icon::zoomOut}};
    for (const auto &[action, icon] : icons)
        action->setIcon(makeIcon(icon, colour));
}

void MainWindow::updateActions() {
    const auto &view = m_feed->shown();
    const bool lab = m_source && m_source->isLab() && view;
    m_save->setEnabled(view != nullptr);
    m_export->setEnabled(view != nullptr && !m_diagram->list().boxes.empty());
    m_copyJson->setEnabled(m_details->hops()->path() != nullptr);
    m_copyText->setEnabled(m_details->hops()->path() != nullptr);
    m_pause->setEnabled(view != nullptr);
    m_step->setEnabled(view != nullptr && m_feed->paused());
    m_play->setEnabled(lab && view->lab.running && view->lab.stepsDone);
    m_play->setVisible(!m_source || m_source->isLab());
    m_send->setEnabled(lab && view->lab.running);
    for (QAction *action : {m_fit, m_zoomIn, m_zoomOut})
        action->setEnabled(view != nullptr);
}

QString MainWindow::statusText() const {
    QStringList parts;
    for (const QLabel *part : {m_statePart, m_packetPart, m_dropPart, m_waitingPart})
        if (!part->text().isEmpty()) parts << part->text();
    return parts.join(" | ");
}

void MainWindow::showStatus() {
    const auto &view = m_feed->shown();
    QString state;
    if (m_failure)
        state = tr("Failed");
    else if (!m_source)
        state = tr("No source");
    else if (!view)
        state = tr("Opening…");
    else if (m_feed->paused())
        state = tr("Paused");
    else if (view->ended)
        state = tr("Ended");
    else if (!m_source->isLab())
        state = tr("Reading, %1 %").arg(static_cast<int>(view->progress * 100));
    else if (!view->lab.running)
        state = tr("Starting");
    else
        state = view->lab.stepsDone ? tr("Running, the steps have been played") : tr("Running the steps");
    m_statePart->setText("  " + state + "  ");

    std::uint64_t lost = 0;
    std::size_t points = 0;
    if (view)
        for (const tracer::CapturePointStatus &point : view->traced->points) {
            lost += point.dropped;
            points += point.evidence ? 0U : 1U;
        }
    m_packetPart->setText(view ? tr("%L1 packets at %2 capture points").arg(view->traced->packets).arg(points)
                               : QString());
    m_dropPart->setText(lost > 0 ? tr("  ⚠ The capture lost %L1 packets: absent packets prove nothing").arg(lost)
                                 : QString());
    QString waiting;
    if (m_feed->paused()) {
        waiting = m_feed->waiting() == 1 ? tr("1 change waiting") : tr("%1 changes waiting").arg(m_feed->waiting());
        if (m_feed->skipped() > 0) waiting += tr(", %1 not kept").arg(m_feed->skipped());
    }
    m_waitingPart->setText(waiting);
}

void MainWindow::say(const QString &sentence) {
    statusBar()->showMessage(sentence, 6000);
}

void MainWindow::chooseFiles() {
    openFiles(QFileDialog::getOpenFileNames(this, tr("Open recording"), {},
                                            tr("Captures (*.pcapng *.pcap *.cap);;All files (*)")));
}

void MainWindow::chooseClusterFiles() {
    const QStringList files = QFileDialog::getOpenFileNames(
        this, tr("Use cluster state"), {},
        tr("Kubernetes objects and rules of nodes (*.json *.rules *.iptables *.nft);;All files (*)"));
    if (!files.isEmpty()) useClusterFiles(files);
}

void MainWindow::saveRecording() {
    if (!m_source) return;
    const QString file =
        QFileDialog::getSaveFileName(this, tr("Save recording"), "natlens.pcapng", tr("pcapng (*.pcapng)"));
    if (file.isEmpty()) return;
    say(tr("Saving %1 …").arg(file));
    m_source->saveRecording(file.toStdString(),
                            [window = QPointer<MainWindow>(this), file](const base::Status &status) {
                                const QString words = status ? QString() : text(status.error().sentence());
                                QMetaObject::invokeMethod(
                                    qApp,
                                    [window, file, words] { // from the source's thread to this one
                                        if (!window) return;
                                        if (words.isEmpty())
                                            window->say(tr("Saved %1").arg(file));
                                        else
                                            QMessageBox::warning(window, tr("Recording not saved"), words);
                                    },
                                    Qt::QueuedConnection);
                            });
}

void MainWindow::exportPicture() {
    const QString file =
        QFileDialog::getSaveFileName(this, tr("Export picture"), "natlens.svg", tr("SVG (*.svg);;PNG (*.png)"));
    if (file.isEmpty()) return;
    if (const base::Status saved = savePicture(m_diagram->list(), m_theme, file))
        say(tr("Saved %1").arg(file));
    else
        QMessageBox::warning(this, tr("Picture not saved"), text(saved.error().sentence()));
}

void MainWindow::copyPath(bool json) {
    const tracer::Path *path = m_details->hops()->path();
    if (path == nullptr) return;
    QApplication::clipboard()->setText(text(json ? tracer::toJsonLine(*path) : diagram::describe(*path)));
    say(json ? tr("Copied %1 as JSON").arg(text(path->id)) : tr("Copied %1 as text").arg(text(path->id)));
}

void MainWindow::showShortcuts() {
    QString rows;
    for (const QAction *action : findChildren<QAction *>()) {
        if (action->shortcut().isEmpty()) continue;
        QString words = action->text();
        rows += "<tr><td style='padding-right:24px'>" + words.remove('&').toHtmlEscaped() + "</td><td><b>" +
                action->shortcut().toString(QKeySequence::NativeText).toHtmlEscaped() + "</b></td></tr>";
    }
    QMessageBox::information(
        this, tr("Keyboard shortcuts"),
        "<table>" + rows + "</table>" +
            tr("<p>In the picture: arrow keys move between hosts and paths, Enter selects, Esc clears.</p>"));
}

} // namespace natlens::gui
