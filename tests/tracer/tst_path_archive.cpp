// With more connections than are kept, the same paths come out: whoever works on them, and however many are kept.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#include "tracer/path/path_json.h"
#include "tracer/path/telling.h"

#include <atomic>
#include <fmt/format.h>
#include <random>
#include <thread>
#endif

#include "tests/test_program.h"

#include <functional>

using namespace natlens;
using namespace natlens::test;
using tracer::Path;

namespace {

/// Connections of all kinds: through one node and two, with and without what conntrack says, refused and silent, with
/// ports used again and with sequence numbers that others have, too.
Scenario mixed(unsigned count) {
    Scenario scenario;
    std::mt19937 random(7);
    for (unsigned n = 0; n < count; ++n) {
        const auto client = fmt::format("104.132.{}.79:{}", n / 150, 20'000 + n % 150);
        const auto snat = fmt::format("10.240.0.5:{}", 4'000 + n % 90);
        Talk talk;
        if (n % 3 == 0) {
            const Tuple outside = tcp(client.c_str(), "10.240.0.3:32080");
            talk = viaNode1(outside, {outside.protocol, at(fmt::format("10.180.1.1:{}", 5'000 + n).c_str()),
                                      at("10.180.1.136:8080")});
        } else {
            talk = viaNode2(client.c_str(), snat.c_str());
        }
        talk.begin = n * 7 * kMilli;
        talk.clientIsn = n % 11 == 5 ? 77 : static_cast<std::uint32_t>(random());
        talk.serverIsn = static_cast<std::uint32_t>(random());
        talk.ts = 5'000 * n;
        talk.ipId = static_cast<std::uint16_t>(random() | 1);
        if (n % 13 == 6) {
            talk.request.resize(2); // node2 drops it, or node1
            talk.reply.clear();
            addSyns(scenario, talk, 2);
            continue;
        }
        if (n % 5 == 0)
            addConntrack(scenario, n % 3 == 0 ? "node1" : "node2", talk.begin, talk.request.front().tuple,
                         talk.request.back().tuple);
        addTcp(scenario, talk);
    }
    return scenario;
}

/// As --json prints them, without ids.
/// Findings about several paths are not made of a source this large (see the README of tracer): all others are.
bool isOfOnePath(const tracer::Finding &finding) {
    return finding.code != "D11" && finding.code != "D38";
}

QStringList linesOf(const tracer::Snapshot &snapshot) {
    QStringList lines;
    const auto line = [](Path path) {
        path.id = "p";
        std::erase_if(path.findings, std::not_fn(isOfOnePath));
        return tracer::toJsonLine(path) + "\n";
    };
    if (snapshot.all) {
        snapshot.all->forEach(line, [&](std::string_view more) {
            lines +=
                QString::fromUtf8(more.data(), static_cast<qsizetype>(more.size())).split('\n', Qt::SkipEmptyParts);
            return true;
        });
    } else {
        for (const auto &path : snapshot.paths)
            lines += QString::fromStdString(line(*path)).trimmed();
    }
    return lines;
}

void backwards(std::size_t count, const std::function<void(std::size_t)> &work) {
    while (count-- > 0)
        work(count);
}

void inThreads(std::size_t count, const std::function<void(std::size_t)> &work) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] {
            for (std::size_t at = next++; at < count; at = next++)
                work(at);
        });
}

} // namespace

class TestPathArchive : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void sameAsKept_data();
    void sameAsKept();
    void idsAreUniqueAndStay();
    void summaryCounts();
    void keepsFindings();
    void endsEarly();
    void outlivesTheTracer();
};

void TestPathArchive::sameAsKept_data() {
    QTest::addColumn<int>("keepLegs");
    QTest::addColumn<int>("workers"); // 0 one by one, 1 backwards, 2 threads
    QTest::addColumn<int>("snapshotEvery");
    QTest::newRow("nothing kept") << 0 << 0 << 0;
    QTest::newRow("some kept") << 100 << 0 << 0;
    QTest::newRow("backwards") << 0 << 1 << 0;
    QTest::newRow("threads") << 0 << 2 << 0;
    QTest::newRow("looked at meanwhile") << 50 << 2 << 997;
}

void TestPathArchive::sameAsKept() {
    QFETCH(int, keepLegs);
    QFETCH(int, workers);
    QFETCH(int, snapshotEvery);
    static const Scenario scenario = mixed(700);
    static const auto whole = trace(scenario);
    static const QStringList expected = linesOf(*whole);
    QVERIFY(!whole->partial);
    QVERIFY(!whole->all);
    QVERIFY(whole->paths.size() >= 700);
    Feeding feeding;
    feeding.options.keepLegs = static_cast<std::size_t>(keepLegs);
    if (workers == 1) feeding.options.parallel = backwards;
    if (workers == 2) feeding.options.parallel = inThreads;
    feeding.snapshotEvery = static_cast<unsigned>(snapshotEvery);
    const auto partial = trace(scenario, feeding);
    QVERIFY(partial->partial);
    QVERIFY(partial->all);
    QVERIFY(partial->paths.size() <= static_cast<std::size_t>(keepLegs));
    const QStringList found = linesOf(*partial);
    QCOMPARE(found.size(), expected.size());
    for (qsizetype i = 0; i < found.size(); ++i)
        QCOMPARE(found[i], expected[i]);
    for (const tracer::Host &host : whole->hosts) {
        // Hosts that nobody captured on are told for the paths that are kept only.
        if (std::ranges::find(whole->points, host.name, &tracer::CapturePointStatus::host) == whole->points.end())
            continue;
        const auto same = std::ranges::find(partial->hosts, host.name, &tracer::Host::name);
        QVERIFY(same != partial->hosts.end());
        QCOMPARE(named(same->role), named(host.role));
        QVERIFY(same->addresses == host.addresses);
    }
}

void TestPathArchive::idsAreUniqueAndStay() {
    const auto idsOf = [](const tracer::Snapshot &snapshot) {
        QStringList ids;
        snapshot.all->forEach(
            [](const Path &path) { return path.id + "\n"; },
            [&](std::string_view more) {
                ids +=
                    QString::fromUtf8(more.data(), static_cast<qsizetype>(more.size())).split('\n', Qt::SkipEmptyParts);
                return true;
            });
        return ids;
    };
    Feeding feeding;
    feeding.options.keepLegs = 40;
    const auto atOnce = trace(mixed(400), feeding);
    feeding.snapshotEvery = 500;
    const auto inPieces = trace(mixed(400), feeding);
    for (const auto &snapshot : {atOnce, inPieces}) {
        const QStringList ids = idsOf(*snapshot);
        QCOMPARE(QSet<QString>(ids.begin(), ids.end()).size(), ids.size());
        for (const auto &path : snapshot->paths)
            QVERIFY(ids.contains(text(path->id)));
    }
}

void TestPathArchive::summaryCounts() {
    const Scenario scenario = mixed(400);
    const auto whole = trace(scenario);
    Feeding feeding;
    feeding.options.keepLegs = 10;
    const auto partial = trace(scenario, feeding);
    const tracer::Summary &summary = partial->all->summary();
    QCOMPARE(summary.connections, whole->paths.size());
    std::array<std::uint64_t, 6> outcomes{};
    // What a finding says of one host is not said of another.
    std::map<std::pair<std::string, std::string>, std::uint64_t> findings;
    const auto hostOf = [](const tracer::Finding &finding) -> std::string {
        for (const char *host : {"node1", "node2", "node3"})
            if (finding.text.find(host) != std::string::npos) return host;
        return "";
    };
    for (const auto &path : whole->paths) {
        ++outcomes[static_cast<std::size_t>(path->outcome)];
        for (const auto &finding : path->findings)
            if (isOfOnePath(finding)) ++findings[{finding.code, hostOf(finding)}];
    }
    QVERIFY(summary.outcomes == outcomes);
    QCOMPARE(summary.findings.size(), findings.size());
    QVERIFY(summary.findings.size() > 2); // of both nodes
    for (const auto &group : summary.findings)
        QCOMPARE(group.connections, (findings[{group.finding.code, hostOf(group.finding)}]));
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < summary.groups.size(); ++i) {
        const auto &group = summary.groups[i];
        total += group.connections;
        if (i != 0) {
            const auto before = tellingOf(summary.groups[i - 1].example), telling = tellingOf(group.example);
            QVERIFY(before <= telling);
            QVERIFY(before < telling || summary.groups[i - 1].connections >= group.connections);
        }
        QCOMPARE(group.examples.size(), std::min<std::size_t>(3, group.connections));
    }
    QCOMPARE(total, summary.connections);
    QVERIFY(!summary.hasRest);
    QVERIFY(summary.groups.size() < 60); // client ports do not tell groups apart
}

/// Among very many that say nothing the few with findings are kept, and the ports of a scan are one group.
void TestPathArchive::keepsFindings() {
    Scenario scenario;
    for (unsigned n = 0; n < 900; ++n) {
        Talk talk;
        talk.request = {{"node1/eth0", kIn, 60, tcp("10.9.9.9:4000", fmt::format("10.240.0.4:{}", n + 1).c_str())}};
        talk.begin = n * kMilli;
        talk.clientIsn = 1000 * n;
        addSyns(scenario, talk, 2);
    }
    for (unsigned n = 0; n < 3; ++n) {
        Talk talk =
            viaNode2(fmt::format("104.132.1.79:{}", 2000 + n).c_str(), fmt::format("10.240.0.5:{}", 4000 + n).c_str());
        talk.begin = (1000 + n * 20) * kMilli;
        talk.clientIsn = 77'000'000 + n;
        talk.ts = 9'000'000 + 100 * n;
        addTcp(scenario, talk);
    }
    scenario.endsAt = 20'000 * kMilli;
    Feeding feeding;
    feeding.options.keepLegs = 30;
    const auto snapshot = trace(std::move(scenario), feeding);
    QVERIFY(snapshot->all);
    QCOMPARE(snapshot->all->summary().connections, 903U);
    const auto withFindings =
        std::ranges::count_if(snapshot->paths, [](const auto &p) { return !p->findings.empty(); });
    QCOMPARE(withFindings, 3);
    const auto &groups = snapshot->all->summary().groups;
    QCOMPARE(groups.size(), 2U);
    QVERIFY(groups[0].connections == 3 && !groups[0].severalPorts);
    QVERIFY(groups[1].connections == 900 && groups[1].severalPorts);
}

void TestPathArchive::endsEarly() {
    Feeding feeding;
    feeding.options.keepLegs = 0;
    const auto partial = trace(mixed(1100), feeding);
    int calls = 0;
    partial->all->forEach([](const Path &path) { return path.id; },
                          [&](std::string_view) {
                              ++calls;
                              return false;
                          });
    QCOMPARE(calls, 1);
}

void TestPathArchive::outlivesTheTracer() {
    Feeding feeding;
    feeding.options.keepLegs = 0;
    std::shared_ptr<const tracer::AllPaths> all = trace(mixed(20), feeding)->all; // tracer and snapshot are gone
    std::size_t bytes = 0;
    all->forEach([](const Path &path) { return path.id; },
                 [&](std::string_view more) {
                     bytes += more.size();
                     return true;
                 });
    QVERIFY(bytes >= 2 * all->summary().connections);
    const std::weak_ptr<const tracer::AllPaths> weak = all;
    all.reset();
    QVERIFY(weak.expired());
}

NATLENS_TEST(TestPathArchive)
#include "tst_path_archive.moc"
