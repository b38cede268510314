// Many connections at once, their captures spoilt in every way they are in practice: nothing may be joined wrongly, and
// what can still be known must be found. Without conntrack, without cluster state.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#include "tests/tracer/referee.h"

#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

class TestImpairments : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void everyConnection_data();
    void everyConnection();
};

namespace {

bool thorough() {
    return qEnvironmentVariableIntValue("NATLENS_LONG") == 1;
}

} // namespace

void TestImpairments::everyConnection_data() {
    QTest::addColumn<int>("which");
    QTest::addColumn<bool>("byPoint");
    QTest::addColumn<unsigned>("seed");
    for (std::size_t i = 0; i < impairments().size(); ++i)
        for (unsigned seed = 1; seed <= (thorough() ? 5u : 1u); ++seed)
            QTest::addRow("%s, seed %u", impairments()[i].name, seed)
                << static_cast<int>(i) << ((i + seed) % 2 == 0) << seed;
}

void TestImpairments::everyConnection() {
    QFETCH(int, which);
    QFETCH(bool, byPoint);
    QFETCH(unsigned, seed);
    auto traffic = makeTraffic({.connections = thorough() ? 2000u : 150u, .seed = seed, .udp = true});
    auto &packets = traffic.scenario.packets;
    impairments()[static_cast<std::size_t>(which)].spoil(packets, seed);
    const Referee referee(traffic.truths, packets);
    const auto snapshot = trace(std::move(traffic.scenario), {.evidence = false, .byPoint = byPoint});
    const Score score = referee.judge(*snapshot);
    qInfo("%s", score.text().c_str());
    QCOMPARE(score.wrong, 0u);
    QVERIFY2(score.share() >= 0.99, score.text().c_str());
    QVERIFY(score.right > 0);
}

NATLENS_TEST(TestImpairments)
#include "tst_impairments.moc"
