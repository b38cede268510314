// The window: list, picture, lab, details, and what connects them.
#pragma once

#include "app/gui/theme.h"
#include "app/gui/view_feed.h"
#include "app/gui/view_source.h"
#include "tracer/diagram/diagram.h"

#include <QMainWindow>

#include <memory>
#include <optional>
#include <string>
#include <vector>

class QAction;
class QLabel;
class QStackedWidget;
class QScrollArea;

namespace natlens::gui {

class DetailsPanel;
class DiagramWidget;
class LabPanel;
class MessageBar;
class NoticePage;
class PathPanel;
class StartPage;

/// What the window needs from outside, so that tests can put their own.
struct Environment {
    OpenSource open;
    std::vector<session::ScenarioInfo> scenarios;
    session::Options options; ///< for every source that is opened
    ThemeChoice theme = ThemeChoice::system;
};

/// Lives on the GUI thread and never waits for a source: it pulls views (ViewFeed) and sends commands that return at
/// once.
class MainWindow final : public QMainWindow {
    Q_OBJECT
public:
    explicit MainWindow(Environment environment, QWidget *parent = nullptr);
    ~MainWindow() override;

    void openScenario(const QString &name);
    void openFiles(const QStringList &files);
    /// Cluster state and rules of nodes for all recordings from now on, "[NODE=]FILE" each; those that are shown are
    /// read again.
    void useClusterFiles(const QStringList &files);
    void showStartPage();
    void setThemeChoice(ThemeChoice choice);
    /// The path whose hops tell most (a finding, then most translations), or the first one. For screenshots.
    void selectMostTelling();
    void selectPath(const std::string &id);

    [[nodiscard]] const std::string &selectedPath() const { return m_selected; }
    [[nodiscard]] ViewFeed *feed() const { return m_feed; }
    [[nodiscard]] DiagramWidget *picture() const { return m_diagram; }
    [[nodiscard]] PathPanel *paths() const { return m_paths; }
    [[nodiscard]] DetailsPanel *details() const { return m_details; }
    [[nodiscard]] LabPanel *lab() const { return m_lab; }
    [[nodiscard]] MessageBar *messages() const { return m_messages; }
    [[nodiscard]] QString notice() const; ///< sentence of the notice page when it is shown, else ""
    [[nodiscard]] bool failed() const { return m_failure.has_value(); }
    [[nodiscard]] const std::optional<base::Error> &failure() const { return m_failure; }
    [[nodiscard]] QString statusText() const;

Q_SIGNALS:
    void sourceFailed();

private:
    enum Page { StartPageIndex, NoticePageIndex, WorkPageIndex };

    void buildWorkspace();
    void buildActions();
    void chooseClusterFiles();
    void buildFileMenu();
    void buildViewMenu();
    void buildPathMenu();
    void buildPlayback();
    void connectParts();
    void paintIcons();

    void open(SourceRequest request);
    void applyView(const std::shared_ptr<const session::View> &view);
    void applyFailure(const base::Error &error);
    void showScene(const session::View &view);
    void showStatus();
    void updateActions();
    void selectByDefault(const tracer::Snapshot &snapshot);
    /// The first connection after a request of the person's own.
    void selectFollowed(const tracer::Snapshot &snapshot);

    void chooseFiles();
    void saveRecording();
    void exportPicture();
    void copyPath(bool json);
    void showShortcuts();
    void say(const QString &sentence);

    Environment m_environment;
    Theme m_theme;
    QPalette m_systemPalette;
    std::unique_ptr<ViewSource> m_source;
    std::optional<SourceRequest> m_request;
    std::optional<base::Error> m_failure;
    ViewFeed *m_feed;

    QStackedWidget *m_pages;
    StartPage *m_start;
    NoticePage *m_notice;
    MessageBar *m_messages;
    PathPanel *m_paths;
    DiagramWidget *m_diagram;
    DetailsPanel *m_details;
    LabPanel *m_lab;
    QScrollArea *m_labArea;
    QLabel *m_statePart, *m_packetPart, *m_dropPart, *m_waitingPart;

    QAction *m_save = nullptr, *m_export = nullptr, *m_copyJson = nullptr, *m_copyText = nullptr, *m_home = nullptr;
    QAction *m_openAction = nullptr, *m_pause = nullptr, *m_step = nullptr, *m_send = nullptr, *m_play = nullptr;
    QAction *m_fit = nullptr, *m_zoomIn = nullptr, *m_zoomOut = nullptr, *m_onlySelected = nullptr, *m_paced = nullptr;

    std::string m_selected;
    bool m_chosenByPerson = false;
    bool m_clusterFilesChosen = false; ///< in the window, where they are for recordings
    std::optional<std::size_t> m_followFrom; ///< a request was sent when there were this many paths
    std::uint64_t m_sceneVersion = 0;
    diagram::SceneOptions m_sceneOptions;
    std::shared_ptr<const tracer::Snapshot> m_sceneSnapshot;
};

} // namespace natlens::gui
