#include "app/gui/hop_model.h"
#include "app/gui/outcome_mark.h"
#include "app/gui/path_model.h"
#include "app/gui/words.h"
#include "hand_made.h"

#include "tests/test_program.h"
#include <QAbstractItemModelTester>
#include <QSignalSpy>

#include <set>

using namespace natlens;
using namespace gui;
using namespace gui::handmade;

class TestModels : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void rowsAndTexts() {
        PathModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setSnapshot(snapshot(shared(crossNodePath("p1"), droppedPath("p2"))));
        QCOMPARE(model.rowCount(), 2);
        const QModelIndex row = model.index(0);
        QCOMPARE(row.data(PathModel::PathIdRole).toString(), "p1");
        QCOMPARE(row.data(PathModel::ConnectionRole).toString(), "104.132.1.79:53210 → 10.240.0.5:32080");
        QCOMPARE(row.data(PathModel::SeenRole).toString(), "endpoint saw 10.240.0.5");
        QCOMPARE(row.data(PathModel::ServiceRole).toString(), "default/nodeport:80 via nodePort");
        QCOMPARE(row.data(PathModel::FindingsRole).toString(), "1 finding");
        QCOMPARE(model.index(1).data(PathModel::OutcomeRole).toString(), "dropped at node3");
        QVERIFY(model.index(1).data().toString().contains("dropped at node3"));
    }

    /// However narrow the list is, one sees that something goes from here to there; the client's port goes first.
    void connectionFits() {
        const Path path = crossNodePath("p1");
        const QFontMetrics metrics(addressFont());
        const int whole = metrics.horizontalAdvance(connectionText(path));
        QCOMPARE(connectionText(path, metrics, whole), connectionText(path));
        const QString shorter = "104.132.1.79 → 10.240.0.5:32080";
        QCOMPARE(connectionText(path, metrics, metrics.horizontalAdvance(shorter)), shorter);
        for (int width = whole; width > whole / 2; width -= 7) {
            const QString words = connectionText(path, metrics, width);
            QVERIFY2(words.contains(" → ") && metrics.horizontalAdvance(words) <= width, qPrintable(words));
        }
    }

    void serviceWithoutName() {
        Path path = crossNodePath("p1");
        path.service = tracer::ServiceRef();
        path.service->via = tracer::Via::nodePort;
        QCOMPARE(serviceText(path), "a Service via nodePort");
        path.service->nameSpace = "default";
        path.service->name = "loadbalancer";
        QCOMPARE(serviceText(path), "default/loadbalancer via nodePort"); // port 0 is no port
    }

    /// Among more than anybody reads what has findings comes first.
    void manyRows() {
        std::vector<std::shared_ptr<const Path>> paths;
        for (int i = 0; i < 150; ++i) {
            Path path = crossNodePath("p" + std::to_string(i));
            path.kind = tracer::PathKind::direct;
            path.findings.clear();
            if (i == 140) path = crossNodePath("p140");
            paths.push_back(std::make_shared<const Path>(path));
        }
        PathModel model;
        model.setSnapshot(snapshot(paths));
        QCOMPARE(model.rowCount(), 150);
        QCOMPARE(model.index(0).data(PathModel::PathIdRole).toString(), "p140");
        QCOMPARE(model.index(1).data(PathModel::PathIdRole).toString(), "p0");
    }

    void updatesDoNotReset() {
        PathModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        auto paths = shared(crossNodePath("p1"), crossNodePath("p2"));
        model.setSnapshot(snapshot(paths));
        QSignalSpy reset(&model, &QAbstractItemModel::modelReset);
        QSignalSpy changed(&model, &QAbstractItemModel::dataChanged);
        QSignalSpy inserted(&model, &QAbstractItemModel::rowsInserted);
        const QPersistentModelIndex second = model.index(1);

        model.setSnapshot(snapshot(paths, 2)); // the same paths: nothing to tell
        QCOMPARE(changed.count() + inserted.count() + reset.count(), 0);

        Path p2 = *paths[1];
        p2.packets = 11;
        paths[1] = std::make_shared<const Path>(p2);
        paths.push_back(std::make_shared<const Path>(droppedPath("p3")));
        model.setSnapshot(snapshot(paths, 3));
        QCOMPARE(changed.count(), 1);
        QCOMPARE(changed[0][0].toModelIndex().row(), 1);
        QCOMPARE(changed[0][1].toModelIndex().row(), 1);
        QCOMPARE(inserted.count(), 1);
        QCOMPARE(reset.count(), 0);
        QCOMPARE(model.rowCount(), 3);
        QCOMPARE(second.data(PathModel::PathIdRole).toString(), "p2");
    }

    void healthChecks_data() {
        QTest::addColumn<int>("mode");
        QTest::addColumn<QStringList>("ids");
        QTest::newRow("latest") << static_cast<int>(HealthCheckRows::latestPerNode)
                                << QStringList{"p1", "p4", "p5", "p3"};
        QTest::newRow("all") << static_cast<int>(HealthCheckRows::all) << QStringList{"p1", "p2", "p3", "p4", "p5"};
        QTest::newRow("none") << static_cast<int>(HealthCheckRows::none) << QStringList{"p1", "p4"};
    }
    void healthChecks() {
        QFETCH(int, mode);
        QFETCH(QStringList, ids);
        PathModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setHealthChecks(static_cast<HealthCheckRows>(mode));
        model.setSnapshot(
            snapshot(shared(crossNodePath("p1"), healthCheck("p2", "node1", 200), healthCheck("p3", "node2", 500),
                            droppedPath("p4"), healthCheck("p5", "node1", 200))));
        QStringList found;
        for (int i = 0; i < model.rowCount(); ++i)
            found << model.index(i).data(PathModel::PathIdRole).toString();
        QCOMPARE(found, ids);
    }

    void aNewHealthCheckKeepsItsRow() {
        PathModel model;
        auto paths = shared(crossNodePath("p1"), healthCheck("p2", "node1", 200), healthCheck("p3", "node2", 500));
        model.setSnapshot(snapshot(paths));
        const QPersistentModelIndex node1 = model.index(1);
        QSignalSpy removed(&model, &QAbstractItemModel::rowsRemoved);
        paths.push_back(std::make_shared<const Path>(healthCheck("p4", "node1", 200)));
        model.setSnapshot(snapshot(paths, 2));
        QCOMPARE(removed.count(), 0);
        QCOMPARE(node1.data(PathModel::PathIdRole).toString(), "p4");
    }

    void filter_data() {
        QTest::addColumn<QString>("words");
        QTest::addColumn<QStringList>("ids");
        QTest::newRow("everything") << "" << QStringList{"p1", "p2"};
        QTest::newRow("outcome") << "DROPPED" << QStringList{"p2"};
        QTest::newRow("two words") << "snat node2" << QStringList{"p1"};
        QTest::newRow("address") << "10.240.0.3" << QStringList{"p2"};
        QTest::newRow("finding") << "d01" << QStringList{"p1"};
        QTest::newRow("nothing") << "no-such-thing" << QStringList{};
    }
    void filter() {
        QFETCH(QString, words);
        QFETCH(QStringList, ids);
        PathModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setSnapshot(snapshot(shared(crossNodePath("p1"), droppedPath("p2"))));
        model.setFilter(words);
        QStringList found;
        for (int i = 0; i < model.rowCount(); ++i)
            found << model.index(i).data(PathModel::PathIdRole).toString();
        QCOMPARE(found, ids);
        QCOMPARE(model.hidden(), static_cast<std::size_t>(2 - ids.size()));
        model.setFilter("");
        QCOMPARE(model.rowCount(), 2);
    }

    void filterSeesAPathThatChanged() {
        PathModel model;
        auto paths = shared(crossNodePath("p1"));
        model.setFilter("unanswered");
        model.setSnapshot(snapshot(paths));
        QCOMPARE(model.rowCount(), 0);
        Path changed = *paths[0];
        changed.outcome = tracer::Outcome::unanswered;
        paths[0] = std::make_shared<const Path>(changed);
        model.setSnapshot(snapshot(paths, 2));
        QCOMPARE(model.rowCount(), 1);
    }

    void outcomesDifferWithoutColour() {
        std::set<std::pair<int, char>> seen;
        Path p = crossNodePath("p1");
        for (int i = 0; i <= static_cast<int>(tracer::Outcome::incomplete); ++i) {
            p.outcome = static_cast<tracer::Outcome>(i);
            const OutcomeMark mark = outcomeMark(p);
            QVERIFY2(seen.emplace(static_cast<int>(mark.shape), mark.letter).second,
                     tracer::toString(p.outcome).data());
        }
        const OutcomeMark good = outcomeMark(healthCheck("h", "node1", 200));
        const OutcomeMark bad = outcomeMark(healthCheck("h", "node1", 500));
        QVERIFY(good.shape != bad.shape);
    }

    void changedPartsAreMarked_data() {
        QTest::addColumn<int>("hop");
        QTest::addColumn<int>("column");
        QTest::addColumn<QStringList>("parts");
        const int in = HopModel::InColumn;
        const int out = HopModel::OutColumn;
        QTest::newRow("snat and dnat, after")
            << 1 << out << QStringList{"SNAT 10.240.0.5:4021", "DNAT 10.180.1.136:8080"};
        QTest::newRow("snat and dnat, before")
            << 1 << in << QStringList{"SNAT 104.132.1.79:53210", "DNAT 10.240.0.5:32080"};
        QTest::newRow("forwarded only") << 2 << out << QStringList{};
        QTest::newRow("no other side") << 0 << out << QStringList{};
        QTest::newRow("reply") << 4 << out << QStringList{"DNAT 10.240.0.5:32080", "SNAT 104.132.1.79:53210"};
    }
    void changedPartsAreMarked() {
        QFETCH(int, hop);
        QFETCH(int, column);
        QFETCH(QStringList, parts);
        HopModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setPath(std::make_shared<const Path>(crossNodePath("p1")));
        const QModelIndex cell = model.index(hop, column);
        const QString words = cell.data().toString();
        QStringList found;
        for (const ChangedPart &part : cell.data(HopModel::ChangedRole).value<std::vector<ChangedPart>>())
            found << (part.nat == Nat::snat ? "SNAT " : "DNAT ") + words.mid(part.start, part.length);
        QCOMPARE(found, parts);
    }

    void onlyThePortChanged() {
        Hop hop;
        hop.in = end("10.0.0.1:4000", "10.0.0.9:80", 64);
        hop.out = end("10.0.0.1:5000", "10.0.0.7:80", 63);
        HopModel model;
        Path path;
        path.id = "p1";
        path.hops = {hop};
        model.setPath(std::make_shared<const Path>(path));
        const QString words = model.index(0, HopModel::OutColumn).data().toString();
        QStringList found;
        for (const ChangedPart &part : changedParts(hop, true))
            found << words.mid(part.start, part.length);
        QCOMPARE(found, (QStringList{"5000", "10.0.0.7"}));
    }

    void hopTexts() {
        HopModel model;
        model.setPath(std::make_shared<const Path>(crossNodePath("p1")));
        QCOMPARE(model.rowCount(), 5);
        QCOMPARE(model.index(1, HopModel::NatColumn).data().toString(), "SNAT\nDNAT");
        QCOMPARE(model.index(1, HopModel::TtlColumn).data().toString(), "64 → 63");
        QCOMPARE(model.index(1, HopModel::RuleColumn).data().toString(),
                 "default/nodeport:http node port, masquerade\nspec.externalTrafficPolicy: Cluster");
        QCOMPARE(model.index(1, HopModel::EvidenceColumn).data().toString(), "conntrack, tcp-isn\nconfidence 100 %");
        QCOMPARE(model.index(0, HopModel::InColumn).data().toString(), "starts here");
        QCOMPARE(model.index(3, HopModel::OutColumn).data().toString(), "ends here");
        QCOMPARE(model.rowOfHost("node1"), 2);
        QCOMPARE(model.rowOfHost("node9"), -1);
        model.setPath(std::make_shared<const Path>(droppedPath("p2")));
        QCOMPARE(model.index(1, HopModel::OutColumn).data().toString(), "nothing came out");
        // Captured on one side only, of a connection that went well.
        Path half = crossNodePath("p3");
        half.hops[1].out.reset();
        half.hops.back().in.reset();
        half.hops.back().out = half.hops[0].out;
        half.hops.back().host = half.hops[1].host;
        half.hops.back().role = tracer::HostRole::node;
        model.setPath(std::make_shared<const Path>(half));
        QCOMPARE(model.index(1, HopModel::OutColumn).data().toString(), "not captured");
        QCOMPARE(model.index(static_cast<int>(half.hops.size()) - 1, HopModel::InColumn).data().toString(),
                 "not captured");
    }
};

NATLENS_TEST(TestModels)
#include "tst_models.moc"
