#include "app/gui/main_window.h"

#include "app/gui/details_panel.h"
#include "app/gui/diagram_accessible.h"
#include "app/gui/diagram_widget.h"
#include "app/gui/lab_panel.h"
#include "app/gui/message_bar.h"
#include "app/gui/path_panel.h"
#include "app/gui/start_page.h"
#include "app/gui/words.h"
#include "tracer/diagram/choice.h"

#include <QApplication>
#include <QLabel>
#include <QScrollArea>
#include <QSplitter>
#include <QStackedWidget>
#include <QStatusBar>
#include <QVBoxLayout>

#include <algorithm>

namespace natlens::gui {

MainWindow::MainWindow(Environment environment, QWidget *parent)
    : QMainWindow(parent)
    , m_environment(std::move(environment))
    , m_systemPalette(QApplication::palette())
    , m_feed(new ViewFeed(this))
    , m_pages(new QStackedWidget(this))
    , m_start(new StartPage(m_environment.scenarios, this))
    , m_notice(new NoticePage(this))
    , m_messages(new MessageBar(this))
    , m_paths(new PathPanel(this))
    , m_diagram(new DiagramWidget(this))
    , m_details(new DetailsPanel(this))
    , m_lab(new LabPanel(this))
    , m_labArea(new QScrollArea(this))
    , m_statePart(new QLabel(this))
    , m_packetPart(new QLabel(this))
    , m_dropPart(new QLabel(this))
    , m_waitingPart(new QLabel(this)) {
    installDiagramAccessibility();
    setWindowTitle(tr("natlens"));
    setWindowIcon(QIcon(":/icons/natlens.png"));
    buildWorkspace();
    buildActions();
    connectParts();
    setThemeChoice(m_environment.theme);
    showStartPage();
    resize(1280, 800);
}

MainWindow::~MainWindow() {
    m_feed->setSource(nullptr);
}

void MainWindow::buildWorkspace() {
    m_labArea->setWidget(m_lab);
    m_labArea->setWidgetResizable(true);
    m_labArea->setFrameShape(QFrame::NoFrame);
    m_labArea->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_labArea->setMinimumWidth(220);
    m_labArea->setFocusPolicy(Qt::NoFocus);
    m_paths->setMinimumWidth(220);

    auto *upper = new QSplitter(Qt::Horizontal, this);
    upper->addWidget(m_paths);
    upper->addWidget(m_diagram);
    upper->setStretchFactor(1, 1);
    upper->setSizes({324, 716});
    upper->setChildrenCollapsible(false);

    auto *left = new QSplitter(Qt::Vertical, this);
    left->addWidget(upper);
    left->addWidget(m_details);
    left->setStretchFactor(0, 3);
    left->setStretchFactor(1, 1);
    left->setSizes({440, 280});
    left->setChildrenCollapsible(false);

    auto *whole = new QSplitter(Qt::Horizontal, this); // the lab has the whole height: its log is long
    whole->addWidget(left);
    whole->addWidget(m_labArea);
    whole->setStretchFactor(0, 1);
    whole->setSizes({1040, 240});
    whole->setChildrenCollapsible(false);

    auto *work = new QWidget(this);
    auto *layout = new QVBoxLayout(work);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_messages);
    layout->addWidget(whole, 1);

    m_pages->addWidget(m_start);
    m_pages->addWidget(m_notice);
    m_pages->addWidget(work);
    setCentralWidget(m_pages);

    for (QLabel *part : {m_statePart, m_packetPart, m_dropPart})
        statusBar()->addWidget(part);
    statusBar()->addPermanentWidget(m_waitingPart);
    m_dropPart->setAccessibleName(tr("Packets lost by the capture"));
    setTabOrder(m_paths, m_diagram);
    setTabOrder(m_diagram, m_lab);
}

void MainWindow::connectParts() {
    connect(m_feed, &ViewFeed::viewChanged, this, &MainWindow::applyView);
    connect(m_feed, &ViewFeed::failed, this, &MainWindow::applyFailure);
    connect(m_feed, &ViewFeed::stepped, m_diagram, &DiagramWidget::runUntilIdle);
    connect(m_feed, &ViewFeed::waitingChanged, this, &MainWindow::showStatus);

    connect(m_start, &StartPage::scenarioChosen, this, &MainWindow::openScenario);
    connect(m_start, &StartPage::openFileWanted, this, &MainWindow::chooseFiles);
    connect(m_notice, &NoticePage::backWanted, this, &MainWindow::showStartPage);
    connect(m_notice, &NoticePage::retryWanted, this, [this] {
        if (m_request) open(SourceRequest(*m_request));
    });
    connect(m_notice, &NoticePage::simulatedWanted, this, [this] {
        if (!m_request) return;
        SourceRequest request = *m_request;
        request.options.simulated = true;
        open(std::move(request));
    });

    const auto choose = [this](const QString &id) {
        m_chosenByPerson = true;
        selectPath(id.toStdString());
    };
    connect(m_paths, &PathPanel::pathSelected, this, choose);
    connect(m_paths, &PathPanel::healthChecksChanged, this, [this] {
        if (m_feed->shown()) showScene(*m_feed->shown());
    });
    connect(m_diagram, &DiagramWidget::pathActivated, this, choose);
    connect(m_diagram, &DiagramWidget::hopActivated, this,
            [this](const QString &, int hop) { m_details->selectHop(hop); });
    connect(m_diagram, &DiagramWidget::hostActivated, this,
            [this](const QString &host) { m_details->selectHost(host.toStdString()); });
    connect(m_diagram, &DiagramWidget::selectionCleared, this, [choose] { choose({}); });

    const auto withSource = [this](auto command) {
        if (m_source) command(*m_source);
    };
    connect(m_lab, &LabPanel::requestWanted, this, [=, this](const QString &from, const QString &url) {
        withSource([&](ViewSource &s) { s.sendRequest(from.toStdString(), url.toStdString()); });
        if (m_feed->shown()) m_followFrom = m_feed->shown()->traced->paths.size();
    });
    connect(m_lab, &LabPanel::policyWanted, this, [=](const QString &service, const QString &policy) {
        withSource([&](ViewSource &s) { s.setExternalTrafficPolicy(service.toStdString(), policy.toStdString()); });
    });
    connect(m_lab, &LabPanel::moveWanted, this, [=](const QString &pod, const QString &node) {
        withSource([&](ViewSource &s) { s.movePod(pod.toStdString(), node.toStdString()); });
    });
    connect(m_lab, &LabPanel::scaleWanted, this, [=](unsigned n) { withSource([&](ViewSource &s) { s.scale(n); }); });
    connect(m_lab, &LabPanel::playWanted, this, [=] { withSource([](ViewSource &s) { s.playSteps(); }); });
}

void MainWindow::setThemeChoice(ThemeChoice choice) {
    m_environment.theme = choice;
    m_theme = Theme::choose(choice, m_systemPalette);
    applyTheme(*qApp, m_theme);
    m_diagram->setTheme(m_theme);
    m_paths->setTheme(m_theme);
    m_details->setTheme(m_theme);
    m_messages->setTheme(m_theme);
    QPalette warning = m_theme.palette();
    warning.setColor(QPalette::WindowText, m_theme.colour(diagram::Token::drop));
    m_dropPart->setPalette(warning);
    paintIcons();
    if (m_feed->shown()) m_details->setLab(m_feed->shown()->lab);
}

void MainWindow::showStartPage() {
    m_feed->setSource(nullptr);
    m_source.reset();
    m_failure.reset();
    m_messages->setMessage({});
    m_pages->setCurrentIndex(StartPageIndex);
    m_start->setFocus();
    setWindowTitle(tr("natlens"));
    updateActions();
    showStatus();
}

void MainWindow::openScenario(const QString &name) {
    SourceRequest request{session::LabSource{name.toStdString()}, m_environment.options};
    request.options.interactive = true;
    if (m_clusterFilesChosen) request.options.clusterFiles.clear(); // they were for recordings
    open(std::move(request));
}

void MainWindow::openFiles(const QStringList &files) {
    if (files.isEmpty()) return;
    session::FileSource source;
    for (const QString &file : files)
        source.files.emplace_back(file.toStdString());
    SourceRequest request{std::move(source), m_environment.options};
    request.options.replayAtCaptureSpeed = m_paced->isChecked();
    open(std::move(request));
}

void MainWindow::useClusterFiles(const QStringList &files) {
    std::vector<std::string> &used = m_environment.options.clusterFiles;
    used.clear();
    m_clusterFilesChosen = true;
    for (const QString &file : files)
        used.push_back(file.toStdString());
    if (!m_request || !std::holds_alternative<session::FileSource>(m_request->what)) return;
    SourceRequest request = *m_request;
    request.options.clusterFiles = used;
    open(std::move(request));
}

void MainWindow::open(SourceRequest request) {
    m_feed->setSource(nullptr);
    m_source.reset();
    m_failure.reset();
    m_request = request;
    m_selected.clear();
    m_chosenByPerson = false;
    m_sceneSnapshot.reset();
    m_pause->setChecked(false);
    m_paths->clear();
    m_details->setPath(nullptr);
    m_details->setLab({});
    m_messages->setMessage({});

    m_source = m_environment.open(request);
    const bool isLab = m_source->isLab();
    m_diagram->clearScene(isLab ? tr("The lab is ready. Its first packets will draw the picture.")
                                : tr("Nothing has been read from the recording yet."));
    m_labArea->setVisible(isLab);
    setWindowTitle(tr("%1 – natlens").arg(m_source->title()));
    m_notice->showBusy(isLab ? tr("Building the lab…") : tr("Opening the recording…"),
                       isLab ? tr("Namespaces, interfaces, rules and servers are being made. This takes a moment.")
                             : tr("The packets are being read."));
    m_pages->setCurrentIndex(NoticePageIndex);
    m_feed->setSource(m_source.get());
    updateActions();
    showStatus();
}

void MainWindow::applyFailure(const base::Error &error) {
    m_failure = error;
    const QString what = m_source ? m_source->title() : QString();
    const bool refused = m_source && m_source->isLab() && error.code == base::ErrorCode::notPermitted;
    m_notice->showFailure(tr("%1 could not be opened").arg(what), text(error.sentence()),
                          refused && m_request && !m_request->options.simulated);
    m_pages->setCurrentIndex(NoticePageIndex);
    updateActions();
    showStatus();
    Q_EMIT sourceFailed();
}

void MainWindow::applyView(const std::shared_ptr<const session::View> &view) {
    if (m_pages->currentIndex() != WorkPageIndex) {
        m_pages->setCurrentIndex(WorkPageIndex);
        m_paths->setFocus();
    }
    m_paths->setSnapshot(view->traced);
    if (!m_chosenByPerson) selectByDefault(*view->traced);
    selectFollowed(*view->traced);
    showScene(*view);
    m_lab->setStatus(view->lab);
    m_details->setLab(view->lab);
    const std::optional<int> row = m_paths->model()->rowOf(m_selected);
    if (row) m_details->setPath(m_paths->model()->path(*row));
    m_messages->setMessage(text(view->problem));
    updateActions();
    showStatus();
}

void MainWindow::showScene(const session::View &view) {
    diagram::SceneOptions options;
    options.selectedPath = m_selected;
    options.onlySelected = m_onlySelected->isChecked() && !m_selected.empty();
    options.healthChecks = m_paths->healthChecks() != HealthCheckRows::none;
    const bool same = m_sceneSnapshot == view.traced && options.selectedPath == m_sceneOptions.selectedPath &&
                      options.onlySelected == m_sceneOptions.onlySelected &&
                      options.healthChecks == m_sceneOptions.healthChecks;
    if (same) return;
    m_sceneSnapshot = view.traced;
    m_sceneOptions = options;
    m_diagram->setSelectedPath(m_selected);
    const tracer::Snapshot drawn = diagram::withPaths(*view.traced, diagram::kDrawnPaths, m_selected);
    options.kinds = diagram::kindsOf(*view.traced, drawn);
    m_diagram->setScene(view.traced, diagram::layout(drawn, options));
}

void MainWindow::selectByDefault(const tracer::Snapshot &snapshot) {
    if (!m_selected.empty()) return;
    const auto service =
        std::ranges::find_if(snapshot.paths, [](const auto &p) { return p->kind == tracer::PathKind::service; });
    if (service != snapshot.paths.end()) selectPath((*service)->id);
}

void MainWindow::selectFollowed(const tracer::Snapshot &snapshot) {
    if (!m_followFrom) return;
    for (std::size_t i = *m_followFrom; i < snapshot.paths.size(); ++i) {
        if (snapshot.paths[i]->kind == tracer::PathKind::healthCheck) continue;
        m_followFrom.reset();
        selectPath(snapshot.paths[i]->id);
        return;
    }
}

void MainWindow::selectMostTelling() {
    if (!m_feed->shown()) return;
    const tracer::Path *best = nullptr;
    std::size_t most = 0;
    for (const auto &path : m_feed->shown()->traced->paths) {
        if (path->kind != tracer::PathKind::service) continue;
        // Findings first, then the longer way: the connection that another node passed on, as in the document's
        // picture.
        std::size_t score = 1 + (path->findings.empty() ? 0U : 10U) + path->hops.size();
        for (const tracer::Hop &hop : path->hops)
            score += hop.nat.size();
        if (score > most) {
            most = score;
            best = path.get();
        }
    }
    if (best != nullptr) selectPath(best->id);
}

void MainWindow::selectPath(const std::string &id) {
    m_selected = id;
    m_paths->select(id);
    m_diagram->setSelectedPath(id);
    std::shared_ptr<const tracer::Path> path;
    if (m_feed->shown()) {
        const auto &all = m_feed->shown()->traced->paths;
        const auto it = std::ranges::find_if(all, [&](const auto &p) { return p->id == id; });
        if (it != all.end()) path = *it;
        showScene(*m_feed->shown());
    }
    m_details->setPath(std::move(path));
    updateActions();
}

QString MainWindow::notice() const {
    return m_pages->currentIndex() == NoticePageIndex ? m_notice->sentence() : QString();
}

} // namespace natlens::gui
