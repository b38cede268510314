// Many connections at once, their captures spoilt in every way they are in practice: nothing may be joined wrongly, and
// what can still be known must be found. Without conntrack, without cluster state.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#include "tests/tracer/referee.h"

#include <functional>
#endif

#include <QtTest>

using namespace natlens;
using namespace natlens::test;

namespace {

using Spoil = std::function<void(Packets &, std::uint32_t seed)>;

struct Impairment {
    const char *name;
    Spoil spoil;
};

const std::vector<Impairment> &impairments() {
    static const std::vector<Impairment> all = {
        {"nothing", [](Packets &, std::uint32_t) {}},
        {"clocks shifted and skewed", [](Packets &p, std::uint32_t s) { impair::clocks(p, s); }},
        {"2 % lost", [](Packets &p, std::uint32_t s) { impair::lose(p, s); }},
        {"client missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "client"); }},
        {"node2 missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "node2"); }},
        {"node1 missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "node1"); }},
        {"pod missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "source-ip-app"); }},
        {"bridge missing", [](Packets &p, std::uint32_t) { impair::withoutPoint(p, "node1/cbr0"); }},
        {"snap length 96", [](Packets &p, std::uint32_t) { impair::snap(p, 96); }},
        {"merged into one file", [](Packets &p, std::uint32_t) { impair::merge(p); }},
        {"begun in mid-connection", [](Packets &p, std::uint32_t) { impair::beginAt(p, 400 * kMilli); }},
        {"points begin and end at different moments", [](Packets &p, std::uint32_t s) { impair::window(p, s, 0.3); }},
        {"2 % twice", [](Packets &p, std::uint32_t s) { impair::duplicate(p, s); }},
        {"super-packets cut at some points", [](Packets &p, std::uint32_t s) { impair::segment(p, s); }},
        {"snap length 96, mid-connection, 2 % lost",
         [](Packets &p, std::uint32_t s) {
             impair::window(p, s, 0.3);
             impair::lose(p, s);
             impair::snap(p, 96);
         }},
        {"cut super-packets, snap length 96, mid-connection",
         [](Packets &p, std::uint32_t s) {
             impair::segment(p, s);
             impair::window(p, s, 0.3);
             impair::snap(p, 96);
         }},
        {"clocks wrong, merged",
         [](Packets &p, std::uint32_t s) {
             impair::clocks(p, s);
             impair::merge(p);
         }},
        {"clocks wrong, 2 % lost, 2 % twice, node2 missing",
         [](Packets &p, std::uint32_t s) {
             impair::duplicate(p, s);
             impair::lose(p, s + 1);
             impair::clocks(p, s);
             impair::withoutHost(p, "node2");
         }},
    };
    return all;
}

} // namespace

class TestImpairments : public QObject {
    Q_OBJECT

private slots:
    void everyConnection_data();
    void everyConnection();
};

void TestImpairments::everyConnection_data() {
    QTest::addColumn<int>("which");
    QTest::addColumn<bool>("byPoint");
    for (std::size_t i = 0; i < impairments().size(); ++i)
        QTest::newRow(impairments()[i].name) << static_cast<int>(i) << (i % 2 == 1);
}

void TestImpairments::everyConnection() {
    QFETCH(int, which);
    QFETCH(bool, byPoint);
    const bool thorough = qEnvironmentVariableIntValue("NATLENS_LONG") == 1;
    for (std::uint32_t seed = 1; seed <= (thorough ? 5u : 1u); ++seed) {
        auto traffic = makeTraffic({.connections = thorough ? 2000u : 150u, .seed = seed, .udp = true});
        auto &packets = traffic.scenario.packets;
        impairments()[static_cast<std::size_t>(which)].spoil(packets, seed);
        const Referee referee(traffic.truths, packets);
        const auto snapshot = trace(std::move(traffic.scenario), {.evidence = false, .byPoint = byPoint});
        const Score score = referee.judge(*snapshot);
        qInfo("seed %u: %s", seed, score.text().c_str());
        QCOMPARE(score.wrong, 0u);
        QVERIFY2(score.share() >= 0.99, score.text().c_str());
        QVERIFY(score.right > 0);
    }
}

QTEST_GUILESS_MAIN(TestImpairments)
#include "tst_impairments.moc"
