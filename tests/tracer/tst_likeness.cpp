// Connections that are recognised by their likeness count as they would if a path were made of each.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/impairment.h"
#include "tests/tracer/named.h"
#include "tests/tracer/traffic.h"
#include "tracer/likeness.h"
#include "tracer/path_groups.h"

#include <fmt/format.h>
#include <map>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using tracer::Path;

namespace {

/// What is said of each group and finding, in an order of its own.
QStringList linesOfSummary(const tracer::Summary &summary) {
    QStringList lines;
    for (const auto &group : summary.groups) {
        const Path &p = group.example;
        const auto end = p.endpoint.value_or(tracer::EndpointEnd());
        const auto service = p.service.value_or(tracer::ServiceRef());
        lines += QString::fromStdString(
            fmt::format("{} {} {} -> {} {} {} {} {} {} at {}: {} connections, {} packets, until {}", toString(p.kind),
                        toString(p.outcome), p.client.node, p.requested.toString(), end.pod, end.host, end.address.port,
                        toString(service.via), p.sourcePreserved ? int{*p.sourcePreserved} : -1, p.droppedAt,
                        group.connections, group.packets, group.lastSeen.nanoseconds));
    }
    for (const auto &found : summary.findings)
        lines += QString::fromStdString(fmt::format("{}: {}", found.finding.code, found.connections));
    lines.sort();
    return lines;
}

/// The likeness of the only set of legs there is; "" where there is none.
std::string likenessOf(const std::function<void(Scenario &)> &converse) {
    Scenario scenario;
    converse(scenario);
    tracer::LegTable legs;
    tracer::FlowTable flows(legs);
    tracer::CapturePoints points;
    std::map<std::string, base::CapturePointId> ids;
    for (const char *name : {"client/eth0", "node2/eth0", "node1/eth0", "node1/cbr0", "node1/veth1"}) {
        const base::CapturePointId id{static_cast<unsigned>(ids.size())};
        points.add(ids[name] = id, name, packet::LinkType::ethernet);
    }
    points.add(ids["source-ip-app/eth0"] = base::CapturePointId{5}, "source-ip-app/eth0", packet::LinkType::ethernet);
    std::ranges::stable_sort(scenario.packets, {}, &Captured::time);
    std::uint64_t number = 0;
    for (const Captured &captured : scenario.packets) {
        const auto length = static_cast<std::uint32_t>(captured.bytes.size());
        tracer::DetailsStore details;
        flows.add(tracer::Observation({packet::LinkType::ethernet, ids.at(captured.point),
                                       base::Timestamp{kStart + captured.time}, base::PacketNumber{++number},
                                       captured.crossing, length, captured.bytes},
                                      details));
    }
    const tracer::ClusterContext cluster;
    tracer::Likeness likeness(legs, flows, points, cluster);
    std::vector<tracer::LegIndex> all;
    for (tracer::LegIndex leg = 0; leg < legs.size(); ++leg)
        all.push_back(leg);
    return likeness.read(all) ? likeness.bytes() : std::string();
}

std::string likenessOf(const Talk &talk) {
    return likenessOf([&](Scenario &scenario) { addTcp(scenario, talk); });
}

/// Another connection of the same kind: other ports, numbers and times.
Talk another() {
    Talk talk = viaNode2("104.132.1.79:40000", "10.240.0.5:9");
    talk.begin = 77 * kMilli;
    talk.clientIsn = 5'000'000;
    talk.serverIsn = 6'000'000;
    talk.ts = 999;
    talk.ipId = 4711;
    return talk;
}

} // namespace

class TestLikeness : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void countsAsPathsDo_data();
    void countsAsPathsDo();
    void portsNumbersAndTimesDoNotMatter();
    void whatMattersDoes_data();
    void whatMattersDoes();
    void onlyPlainOnesHaveOne();
};

void TestLikeness::countsAsPathsDo_data() {
    QTest::addColumn<int>("which");
    for (std::size_t i = 0; i < impairments().size(); ++i)
        QTest::newRow(impairments()[i].name) << static_cast<int>(i);
}

void TestLikeness::countsAsPathsDo() {
    QFETCH(int, which);
    const bool thorough = qEnvironmentVariableIntValue("NATLENS_LONG") == 1;
    for (std::uint32_t seed = 1; seed <= (thorough ? 8u : 2u); ++seed) {
        auto traffic = makeTraffic({.connections = thorough ? 1500u : 160u, .seed = seed, .udp = seed % 2 == 0});
        impairments()[static_cast<std::size_t>(which)].spoil(traffic.scenario.packets, seed);
        Feeding feeding{.evidence = false, .crossings = seed % 2 == 1};
        feeding.options.keepLegs = 0;
        const auto snapshot = trace(std::move(traffic.scenario), feeding);
        QVERIFY(snapshot->all);
        tracer::PathGroups made;
        std::uint64_t place = 0;
        snapshot->all->forEach(
            [&](const Path &path) {
                made.add(path, place++);
                return path.id;
            },
            [](std::string_view) { return true; });
        const auto expected = made.finish([](std::uint64_t at) { return std::to_string(at); });
        const auto &found = snapshot->all->summary();
        QCOMPARE(found.connections, expected.connections);
        QVERIFY(found.outcomes == expected.outcomes);
        QCOMPARE(linesOfSummary(found), linesOfSummary(expected));
    }
}

void TestLikeness::portsNumbersAndTimesDoNotMatter() {
    const auto one = likenessOf(viaNode2());
    QVERIFY(!one.empty());
    QVERIFY(one == likenessOf(another()));
}

void TestLikeness::whatMattersDoes_data() {
    QTest::addColumn<int>("which");
    QTest::newRow("client's address") << 0;
    QTest::newRow("time to live") << 1;
    QTest::newRow("a place less") << 2;
    QTest::newRow("not closed") << 3;
    QTest::newRow("health check") << 4;
    QTest::newRow("source port kept") << 5;
    QTest::newRow("other facing") << 6;
}

void TestLikeness::whatMattersDoes() {
    QFETCH(int, which);
    Talk talk = which == 0   ? viaNode2("104.132.1.80:40000")
                : which == 5 ? viaNode2(kOutside, "10.240.0.5:53210")
                             : viaNode2();
    if (which == 1) --talk.request[3].ttl;
    if (which == 2) talk.request.erase(talk.request.begin() + 4);
    if (which == 3) talk.close = false;
    if (which == 4) talk.ask = "GET /healthz HTTP/1.1\r\n\r\n";
    if (which == 6) talk.request[5].crossing = kIn;
    const auto other = likenessOf(talk);
    QVERIFY(!other.empty());
    QVERIFY(other != likenessOf(viaNode2()));
}

void TestLikeness::onlyPlainOnesHaveOne() {
    const Talk talk = viaNode2();
    QVERIFY(likenessOf([&](Scenario &scenario) { addSyns(scenario, talk, 2); }).empty());
    QVERIFY(likenessOf([&](Scenario &scenario) { // its SYN was sent twice
                addSyns(scenario, talk, 2);
                addTcp(scenario, talk);
            })
                .empty());
    QVERIFY(likenessOf([&](Scenario &scenario) { // no SYN was seen
                addTcp(scenario, talk);
                impair::beginAt(scenario.packets, 0.5);
            })
                .empty());
    QVERIFY(likenessOf([&](Scenario &scenario) { // a packet was caught twice
                addTcp(scenario, talk);
                impair::duplicate(scenario.packets, 1, 1000);
            })
                .empty());
}

NATLENS_TEST(TestLikeness)
#include "tst_likeness.moc"
