#include "app/gui/details_panel.h"
#include "app/gui/diagram_widget.h"
#include "app/gui/hop_model.h"
#include "app/gui/lab_panel.h"
#include "app/gui/main_window.h"
#include "app/gui/message_bar.h"
#include "app/gui/path_panel.h"
#include "app/gui/screenshot.h"
#include "app/gui/start_page.h"
#include "hand_made.h"

#include "tests/test_program.h"
#include <QAction>
#include <QClipboard>
#include <QComboBox>
#include <QListView>
#include <QListWidget>
#include <QPushButton>
#include <QSpinBox>
#include <QTemporaryDir>

using namespace natlens;
using namespace gui;
using namespace gui::handmade;

namespace {

/// A window over a source that the test feeds by hand.
struct Bench {
    std::shared_ptr<FakeSource::State> state = std::make_shared<FakeSource::State>();
    SourceRequest asked;
    MainWindow window{Environment{[this](const SourceRequest &request) {
                                      asked = request;
                                      return std::make_unique<FakeSource>(state);
                                  },
                                  {{"nodeport", "Three nodes, one endpoint"}, {"clusterip", "Inside the cluster"}},
                                  {},
                                  ThemeChoice::light}};

    void feed(std::shared_ptr<session::View> view) {
        state->view = std::move(view);
        window.feed()->poll();
    }
    [[nodiscard]] std::shared_ptr<session::View> labView(std::uint64_t version) const {
        auto v = view(snapshot(shared(crossNodePath("p1"), droppedPath("p2")), version), version);
        v->lab = labStatus();
        return v;
    }
    [[nodiscard]] QAction *action(const QString &words) const {
        for (QAction *a : window.findChildren<QAction *>())
            if (a->text().remove('&') == words) return a;
        qFatal("no action %s", qPrintable(words));
    }
    [[nodiscard]] QPushButton *button(const QString &words) const {
        for (QPushButton *b : window.lab()->findChildren<QPushButton *>())
            if (b->text().remove('&') == words) return b;
        qFatal("no button %s", qPrintable(words));
    }
};

} // namespace

class TestMainWindow : public QObject {
    Q_OBJECT
private Q_SLOTS:
    /// Cluster state that a person chooses is used at once, and for what is opened later.
    void clusterStateIsUsed() {
        Bench bench;
        bench.window.openFiles({"a.pcapng", "b.pcapng"});
        QVERIFY(bench.asked.options.clusterFiles.empty());
        bench.window.useClusterFiles({"cluster.json", "node1=rules.txt"});
        const std::vector<std::string> expected{"cluster.json", "node1=rules.txt"};
        QCOMPARE(bench.asked.options.clusterFiles, expected);
        QCOMPARE(std::get<session::FileSource>(bench.asked.what).files.size(), std::size_t(2)); // the same ones
        bench.window.openFiles({"c.pcapng"});
        QCOMPARE(bench.asked.options.clusterFiles, expected);
        bench.window.openScenario("nodeport");
        bench.window.useClusterFiles({});
        QVERIFY(std::holds_alternative<session::LabSource>(bench.asked.what)); // a lab is not built anew
    }
    void startPageOpensAScenario() {
        Bench bench;
        auto *list = bench.window.findChild<StartPage *>()->scenarioList();
        QCOMPARE(list->count(), 2);
        list->setCurrentRow(1);
        Q_EMIT list->itemActivated(list->item(1));
        QCOMPARE(QString::fromStdString(std::get<session::LabSource>(bench.asked.what).scenario), "clusterip");
        QVERIFY(bench.asked.options.interactive);
        QVERIFY(!bench.window.notice().isEmpty()); // the lab is being built
    }

    void selectionFlowsToTheDetails() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(bench.labView(1));
        QVERIFY(bench.window.notice().isEmpty());
        QCOMPARE(bench.window.selectedPath(), "p1"); // the first service path, until a person chooses
        QCOMPARE(bench.window.details()->hops()->rowCount(), 5);
        QVERIFY(bench.window.details()->remarks().contains("D01"));
        QVERIFY(bench.window.details()->remarks().contains("client_address=10.240.0.5"));
        QVERIFY(bench.window.details()->remarks().contains("not met"));

        bench.window.paths()->view()->setCurrentIndex(bench.window.paths()->model()->index(1));
        QCOMPARE(bench.window.selectedPath(), "p2");
        QCOMPARE(bench.window.details()->hops()->rowCount(), 2);
        QVERIFY(bench.window.details()->remarks().contains("D13"));

        Q_EMIT bench.window.picture()->pathActivated("p1");
        QCOMPARE(bench.window.paths()->view()->currentIndex().row(), 0);
        QCOMPARE(bench.window.details()->hops()->path()->id, "p1");
    }

    void selectionSurvivesUpdates() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(bench.labView(1));
        bench.window.paths()->view()->setCurrentIndex(bench.window.paths()->model()->index(1));
        auto next = view(snapshot(shared(crossNodePath("p1"), droppedPath("p2"), crossNodePath("p3")), 2), 2);
        next->lab = labStatus();
        bench.feed(next);
        QCOMPARE(bench.window.selectedPath(), "p2");
        QCOMPARE(bench.window.paths()->view()->currentIndex().row(), 1);
        QCOMPARE(bench.window.paths()->model()->rowCount(), 3);
    }

    void sameVersionIsNotAppliedAgain() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(bench.labView(1));
        QSignalSpy applied(bench.window.feed(), &ViewFeed::viewChanged);
        for (int i = 0; i < 5; ++i)
            bench.window.feed()->poll();
        QCOMPARE(applied.count(), 0);
    }

    void commands() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(bench.labView(1));
        const auto combos = bench.window.lab()->findChildren<QComboBox *>();
        combos[0]->setCurrentText("client2");
        bench.action("Send request")->trigger();
        bench.button("Local")->click();
        const QComboBox *pods = combos[2];
        QCOMPARE(pods->currentData().toString(), "default/source-ip-app");
        combos[3]->setCurrentText("node3");
        bench.button("Move")->click();
        bench.window.lab()->findChild<QSpinBox *>()->setValue(3);
        bench.button("Play the steps again")->click();
        QCOMPARE(bench.state->commands,
                 (QStringList{"request client2 http://10.240.0.5:32080/", "policy default/nodeport Local",
                              "move default/source-ip-app node3", "scale 3", "play"}));
    }

    void aStatusDoesNotDisturbChoices() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(bench.labView(1));
        auto *from = bench.window.lab()->findChildren<QComboBox *>()[0];
        from->setCurrentText("client2");
        auto next = bench.labView(2);
        next->lab.clients.push_back("client3");
        bench.feed(next);
        QCOMPARE(from->count(), 3);
        QCOMPARE(from->currentText(), "client2");
        QCOMPARE(bench.state->commands.size(), 0); // showing a state never commands it
    }

    void pauseAndStep() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(bench.labView(1));
        const ViewFeed &feed = *bench.window.feed();
        bench.action("Pause")->setChecked(true);
        bench.feed(bench.labView(2));
        bench.feed(bench.labView(3));
        QCOMPARE(feed.shown()->version, 1U);
        QCOMPARE(feed.waiting(), 2U);
        QVERIFY(bench.window.statusText().contains("2 changes waiting"));
        QAction *step = bench.action("Step to the next change");
        step->trigger();
        QCOMPARE(feed.shown()->version, 2U);
        step->trigger();
        QCOMPARE(feed.shown()->version, 3U);
        step->trigger(); // none is waiting: the next one that comes
        bench.feed(bench.labView(4));
        QCOMPARE(feed.shown()->version, 4U);
        bench.feed(bench.labView(5));
        QCOMPARE(feed.shown()->version, 4U);
        bench.action("Pause")->setChecked(false);
        QCOMPARE(feed.shown()->version, 5U);
    }

    void pauseKeepsABoundedNumber() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(view(snapshot({}), 1));
        bench.window.feed()->setPaused(true);
        for (std::uint64_t v = 2; v < ViewFeed::kMaxWaiting + 12; ++v)
            bench.feed(view(snapshot({}), v));
        QCOMPARE(bench.window.feed()->waiting(), ViewFeed::kMaxWaiting);
        QCOMPARE(bench.window.feed()->skipped(), 10U);
        QVERIFY(bench.window.statusText().contains("10 not kept"));
    }

    void captureDropsAndProblemsAreShown() {
        Bench bench;
        bench.window.openScenario("nodeport");
        auto v = bench.labView(1);
        QVERIFY(!bench.window.statusText().contains("lost"));
        auto traced = std::make_shared<tracer::Snapshot>(*v->traced);
        traced->points[0].dropped = 7;
        v->traced = traced;
        v->problem = "the recording breaks off at byte 1234";
        bench.window.show();
        bench.feed(v);
        QVERIFY(bench.window.statusText().contains("lost 7 packets"));
        QCOMPARE(bench.window.messages()->message(), "the recording breaks off at byte 1234");
    }

    void failureIsShownWithWhatToDo() {
        Bench bench;
        bench.state->failure =
            base::Error{base::ErrorCode::notPermitted, "user namespaces are off; allow them with sysctl or use sudo",
                        "unshare", "lab"};
        bench.window.openScenario("nodeport");
        bench.window.feed()->poll();
        QVERIFY(bench.window.notice().contains("allow them with sysctl"));
        QVERIFY(!bench.window.feed()->polling());
        QTemporaryDir folder;
        const QString file = folder.filePath("failed.png");
        QCOMPARE(takeScreenshot(bench.window, file), 3);
        QVERIFY(!QImage(file).isNull());
    }

    void aRefusedLabOffersTheSimulatedOne() {
        Bench bench;
        const auto offer = [&]() -> QPushButton * {
            for (QPushButton *button : bench.window.findChildren<QPushButton *>())
                if (button->text().remove('&') == "Use the simulated lab") return button;
            return nullptr;
        };
        bench.window.show();
        bench.state->failure = base::Error{base::ErrorCode::invalidInput, "no such scenario", "lab", "x"};
        bench.window.openScenario("nodeport");
        bench.window.feed()->poll();
        QVERIFY(!offer()->isVisible()); // nothing that another lab would mend
        bench.state->failure = base::Error{base::ErrorCode::notPermitted, "user namespaces are off", "unshare", "lab"};
        bench.window.openScenario("nodeport");
        bench.window.feed()->poll();
        QVERIFY(offer()->isVisible());
        offer()->click();
        QVERIFY(bench.asked.options.simulated);
        bench.window.feed()->poll();
        QVERIFY(!offer()->isVisible()); // it has been tried
    }

    void screenshotStatus_data() {
        QTest::addColumn<bool>("met");
        QTest::addColumn<int>("problemStatus");
        QTest::addColumn<int>("status");
        QTest::newRow("expected") << true << 0 << 0;
        QTest::newRow("not expected") << false << 0 << 1;
        QTest::newRow("broken file") << true << 2 << 2;
    }
    void screenshotStatus() {
        QFETCH(bool, met);
        QFETCH(int, problemStatus);
        QFETCH(int, status);
        Bench bench;
        bench.window.show();
        bench.window.openScenario("nodeport");
        auto v = bench.labView(1);
        v->lab.comparisons[1].met = met;
        v->problemStatus = problemStatus;
        v->ended = true;
        bench.feed(v);
        QTemporaryDir folder;
        const QString file = folder.filePath("shot.png");
        QCOMPARE(takeScreenshot(bench.window, file), status);
        const QImage image(file);
        QCOMPARE(image.size(), QSize(1280, 800));
    }

    void copying() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(bench.labView(1));
        bench.action("Copy path as JSON")->trigger();
        QVERIFY(QGuiApplication::clipboard()->text().startsWith("{\"schema\":\"natlens.path/1\",\"id\":\"p1\""));
        bench.action("Copy path as text")->trigger();
        QVERIFY(QGuiApplication::clipboard()->text().contains("10.240.0.5"));
    }

    void everythingHasAName() {
        Bench bench;
        bench.window.openScenario("nodeport");
        bench.feed(bench.labView(1));
        for (const auto *box : bench.window.lab()->findChildren<QComboBox *>())
            QVERIFY(!box->accessibleName().isEmpty());
        QVERIFY(!bench.window.paths()->view()->accessibleName().isEmpty());
        QVERIFY(!bench.window.picture()->accessibleName().isEmpty());
    }

    void themesAreReadable_data() {
        QTest::addColumn<QString>("name");
        for (const char *name : {"light", "dark", "high-contrast"})
            QTest::newRow(name) << name;
    }
    void themesAreReadable() {
        QFETCH(QString, name);
        const QPalette p = Theme(name).palette();
        QVERIFY(contrast(p.color(QPalette::Text), p.color(QPalette::Base)) >= 4.5);
        QVERIFY(contrast(p.color(QPalette::WindowText), p.color(QPalette::Window)) >= 4.5);
        QVERIFY(contrast(p.color(QPalette::ButtonText), p.color(QPalette::Button)) >= 4.5);
        QVERIFY(contrast(p.color(QPalette::HighlightedText), p.color(QPalette::Highlight)) >= 4.5);
        QCOMPARE(isDark(p), Theme(name).colour(diagram::Token::background).lightness() < 128);
    }
};

NATLENS_TEST(TestMainWindow)
#include "tst_main_window.moc"
