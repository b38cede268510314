// Which paths are shown where there are too many.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "sample_snapshots.h"
#include "tracer/diagram/choice.h"
#include "tracer/diagram/scene.h"
#include "tracer/path/telling.h"
#endif

#include "tests/test_program.h"
#include <QMap>
#include <QRegularExpression>

using namespace natlens;
using namespace natlens::testing;
using namespace natlens::tracer;

namespace {

constexpr const char *kMany = "224.0.0.251";

/// Adds `count` paths of one sort: "finding", "service", "check", "scan" (each to another port), "multicast".
void addPaths(Snapshot &snapshot, const QString &sort, int count) {
    for (int i = 0; i < count; ++i) {
        auto path = std::make_shared<Path>();
        path->id = sort.toStdString() + std::to_string(i);
        path->client = {"", at("104.132.1.79", static_cast<std::uint16_t>(2000 + i))};
        path->requested = at(sort == "multicast" ? kMany : "10.240.0.5", 32080);
        path->outcome = Outcome::delivered;
        path->kind = sort == "check" ? PathKind::healthCheck : PathKind::service;
        if (sort == "finding") path->findings.push_back({"D01", Severity::warning, "", "", "", {}});
        if (sort == "scan" || sort == "multicast") {
            path->kind = PathKind::direct;
            path->outcome = Outcome::dropped;
        }
        if (sort == "scan") path->requested.port = static_cast<std::uint16_t>(1 + i);
        path->firstSeen = path->lastSeen = {static_cast<std::int64_t>(snapshot.paths.size())};
        snapshot.paths.push_back(std::move(path));
    }
}

} // namespace

class TestChoice : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void chosen_data();
    void chosen();
    void selectedStays();
    void kinds();
    void countsAreOfAll();
    void unnamedClient();
};

/// A picture of some paths says how many connections there are.
void TestChoice::countsAreOfAll() {
    Snapshot snapshot;
    addPaths(snapshot, "service", 1667);
    for (auto &path : snapshot.paths) {
        auto drawn = std::make_shared<Path>(*path);
        Segment crossing;
        crossing.from = "client";
        crossing.to = "node2";
        drawn->segments.push_back(crossing);
        path = std::move(drawn);
    }
    const Snapshot chosen = diagram::withPaths(snapshot, 100);
    QCOMPARE(chosen.paths.size(), std::size_t(100));
    const auto connections = [&](const diagram::SceneOptions &options) {
        return diagram::sceneOf(chosen, options).pairs.at(0).request->connections;
    };
    QCOMPARE(connections({}), std::uint64_t(100));
    QCOMPARE(connections({.kinds = diagram::kindsOf(snapshot, chosen)}), std::uint64_t(1667));
    QVERIFY(diagram::kindsOf(snapshot, snapshot).empty());

    // Where some went another way, nobody has counted how many.
    auto other = std::make_shared<Path>(*snapshot.paths.front());
    other->segments.front().to = "node3";
    snapshot.paths.front() = other;
    const Snapshot two = diagram::withPaths(snapshot, 100, other->id);
    const diagram::SceneOptions options{.kinds = diagram::kindsOf(snapshot, two)};
    const auto scene = diagram::sceneOf(two, options);
    QCOMPARE(scene.pairs.size(), std::size_t(2));
    for (const auto &pair : scene.pairs)
        QCOMPARE(pair.request->label.back(), std::string("some of 1667 connections"));
    const auto text = QString::fromStdString(diagram::renderUnicode(two, options));
    QCOMPARE(text.count("(some of 1667 connections)"), 2);
    QCOMPARE(text.count("1667"), 2);
}

/// A client without a name, and a host that another connection shows as the same address, are one.
void TestChoice::unnamedClient() {
    Snapshot snapshot;
    addPaths(snapshot, "service", 2);
    snapshot.hosts.emplace_back().name = "192.0.2.9";
    for (auto &path : snapshot.paths) {
        const bool first = &path == &snapshot.paths.front();
        auto drawn = std::make_shared<Path>(*path);
        drawn->client.node = first ? "" : "192.0.2.9";
        drawn->client.address.ip = *tracer::IpAddress::parse("192.0.2.9");
        Segment crossing;
        crossing.from = drawn->client.node;
        crossing.to = "node2";
        drawn->segments.push_back(crossing);
        path = std::move(drawn);
    }
    const auto scene = diagram::sceneOf(snapshot, {});
    QCOMPARE(scene.pairs.size(), std::size_t(1));
    QCOMPARE(scene.pairs[0].near, std::string("192.0.2.9"));
    QCOMPARE(scene.pairs[0].request->connections, std::uint64_t(2));
}

void TestChoice::chosen_data() {
    using Counts = QList<QPair<QString, int>>;
    QTest::addColumn<Counts>("there");
    QTest::addColumn<Counts>("expected");
    QTest::newRow("all of few") << Counts{{"scan", 10}, {"finding", 3}} << Counts{{"scan", 10}, {"finding", 3}};
    QTest::newRow("findings in noise") << Counts{{"multicast", 30}, {"scan", 3000}, {"finding", 3}}
                                       << Counts{{"finding", 3}, {"scan", 1}};
    QTest::newRow("findings before the rest") << Counts{{"service", 50}, {"check", 10}, {"finding", 15}}
                                              << Counts{{"finding", 14}, {"service", 3}, {"check", 3}};
    QTest::newRow("Services before checks")
        << Counts{{"check", 100}, {"service", 30}} << Counts{{"service", 17}, {"check", 3}};
    QTest::newRow("nothing but noise") << Counts{{"multicast", 5}, {"scan", 300}}
                                       << Counts{{"scan", 19}, {"multicast", 1}};
}

void TestChoice::chosen() {
    using Counts = QList<QPair<QString, int>>;
    QFETCH(Counts, there);
    QFETCH(Counts, expected);
    Snapshot snapshot;
    for (const auto &[sort, count] : there)
        addPaths(snapshot, sort, count);
    const auto chosen = diagram::withPaths(snapshot, 20);
    QMap<QString, int> found, wanted;
    for (const auto &path : chosen.paths)
        ++found[QString::fromStdString(path->id).remove(QRegularExpression("[0-9]+$"))];
    for (const auto &[sort, count] : expected)
        wanted[sort] = count;
    QCOMPARE(found, wanted);
    QVERIFY(std::ranges::is_sorted(chosen.paths, {}, [](const auto &path) { return path->firstSeen; }));
}

void TestChoice::selectedStays() {
    Snapshot snapshot;
    addPaths(snapshot, "scan", 500);
    addPaths(snapshot, "finding", 500);
    const auto chosen = diagram::withPaths(snapshot, 20, "scan321");
    QVERIFY(std::ranges::any_of(chosen.paths, [](const auto &path) { return path->id == "scan321"; }));
    QCOMPARE(chosen.paths.size(), 20U);
}

/// Ports that were tried in vain do not make kinds, ports of Services do; findings do.
void TestChoice::kinds() {
    Snapshot snapshot;
    addPaths(snapshot, "scan", 2);
    addPaths(snapshot, "service", 2);
    addPaths(snapshot, "finding", 1);
    const auto kindOf = [&](std::size_t i) {
        std::string kind;
        writeKind(*snapshot.paths[i], kind);
        return kind;
    };
    QVERIFY(kindOf(0) == kindOf(1));
    QVERIFY(kindOf(2) == kindOf(3));
    QVERIFY(kindOf(2) != kindOf(4));
    auto other = *snapshot.paths[2];
    other.requested.port = 32081;
    snapshot.paths.push_back(std::make_shared<const Path>(other));
    QVERIFY(kindOf(2) != kindOf(5));
}

NATLENS_TEST(TestChoice)
#include "tst_choice.moc"
