// What may be said of requests that nobody answered: a drop only where the captures show one.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#include "tests/tracer/node_port.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

class TestSilence : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void whatWasCaptured_data();
    void whatWasCaptured();
    void neverAnswered_data();
    void neverAnswered();
    void clientAlone();
};

void TestSilence::whatWasCaptured_data() {
    QTest::addColumn<QString>("points"); ///< beside node2/eth0; "+" before those that see something
    QTest::addColumn<int>("ttl");
    QTest::addColumn<bool>("crossings");
    QTest::addColumn<QString>("outcome");
    QTest::newRow("one interface") << "" << 64 << true << "unanswered";
    QTest::newRow("the bridge, too") << "+node2/cbr0" << 64 << true << "dropped";
    QTest::newRow("a pod's interface, too") << "+node2/veth1" << 64 << true << "unanswered";
    QTest::newRow("all interfaces, too") << "+node2/any" << 64 << true << "dropped";
    QTest::newRow("a bridge that saw nothing") << "node2/cbr0" << 64 << true << "unanswered";
    QTest::newRow("loopback, too") << "+node2/lo" << 64 << true << "unanswered";
    QTest::newRow("another host's bridge") << "+node1/cbr0" << 64 << true << "unanswered";
    QTest::newRow("connection tracking") << "node2/conntrack" << 64 << true << "dropped";
    QTest::newRow("the bridge, but which way it went is not known") << "+node2/cbr0" << 64 << false << "unanswered";
    QTest::newRow("nor from its time to live: its pods' packets have that, too")
        << "+node2/cbr0" << 63 << false << "unanswered";
    QTest::newRow("one interface, from afar") << "" << 63 << true << "unanswered";
}

/// Two SYNs that went into node2, and what else was captured there.
void TestSilence::whatWasCaptured() {
    QFETCH(QString, points);
    QFETCH(int, ttl);
    QFETCH(bool, crossings);
    QFETCH(QString, outcome);
    Talk talk;
    talk.request = {{"node2/eth0", kIn, static_cast<std::uint8_t>(ttl), kAsked}};
    Scenario scenario;
    addSyns(scenario, talk, 2);
    if (points.startsWith('+'))
        addArp(scenario, points.mid(1).toStdString());
    else if (!points.isEmpty())
        scenario.drops.emplace_back(points.toStdString(), 0, 0);
    for (const bool byPoint : {true, false}) {
        const auto snapshot = trace(scenario, {.crossings = crossings, .byPoint = byPoint});
        const auto &path = *snapshot->paths.at(0);
        QCOMPARE(named(path.outcome), outcome);
        QCOMPARE(text(path.droppedAt), outcome == "dropped" ? "node2" : "");
        QCOMPARE(path.findings.size(), outcome == "dropped" ? 1u : 0u);
        // A port between 30000 and 32767 alone makes no Service.
        QCOMPARE(path.kind == tracer::PathKind::service, outcome == "dropped");
        QVERIFY(!path.endpoint);
        if (outcome != "dropped") QVERIFY(path.notes.back().find("not captured") != std::string::npos);
    }
}

void TestSilence::neverAnswered_data() {
    QTest::addColumn<QByteArray>("src");
    QTest::addColumn<QByteArray>("dst");
    QTest::addColumn<int>("protocol");
    QTest::addColumn<QString>("outcome");
    const int udp = static_cast<int>(packet::Protocol::udp), tcp = static_cast<int>(packet::Protocol::tcp);
    const auto row = [](const char *name, const char *src, const char *dst, int protocol, const char *outcome) {
        QTest::newRow(name) << QByteArray(src) << QByteArray(dst) << protocol << QString(outcome);
    };
    row("mDNS", "10.240.0.4:5353", "224.0.0.251:5353", udp, "unanswered");
    row("mDNS over IPv6", "[fe80::1]:5353", "[ff02::fb]:5353", udp, "unanswered");
    row("DHCP", "0.0.0.0:68", "255.255.255.255:67", udp, "unanswered");
    row("a name server that is silent", "10.240.0.4:40000", "10.240.0.53:53", udp, "unanswered");
    row("a log line", "104.132.1.79:40000", "10.240.0.4:514", udp, "unanswered");
    row("a datagram to a node port", "104.132.1.79:40000", "10.240.0.4:32053", udp, "dropped");
    row("a SYN", "104.132.1.79:40000", "10.240.0.4:22", tcp, "dropped");
}

/// Two packets into node1, all of whose interfaces are captured.
void TestSilence::neverAnswered() {
    QFETCH(QByteArray, src);
    QFETCH(QByteArray, dst);
    QFETCH(int, protocol);
    QFETCH(QString, outcome);
    const Tuple tuple{static_cast<packet::Protocol>(protocol), at(src.constData()), at(dst.constData())};
    Talk talk;
    talk.request = {{"node1/eth0", kIn, 64, tuple}};
    Scenario scenario;
    if (tuple.protocol == packet::Protocol::tcp)
        addSyns(scenario, talk, 2);
    else
        for (const int second : {0, 2})
            send(scenario, talk.request, second * 1000 * kMilli, false, [&](auto &builder, const Tuple &t) {
                builder.udp(t.src.port, t.dst.port).payload(std::string_view("hello"));
                builder.ipId(static_cast<std::uint16_t>(7 + second));
            });
    addArp(scenario, "node1/cbr0");
    scenario.endsAt = 5000 * kMilli;
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(named(snapshot->paths[0]->outcome), outcome);
}

/// The client's own capture, as tcpdump writes it: what it sent and nobody answered was dropped nowhere that is known.
void TestSilence::clientAlone() {
    for (const bool crossings : {true, false})
        for (const bool another : {true, false}) { // a connection that was answered
            Scenario scenario;
            addSyns(scenario, toNode2(), 2);
            if (another)
                addTcp(scenario, viaNode1(tcp("104.132.1.79:1234", "10.240.0.4:32080"),
                                          tcp("104.132.1.79:1234", "10.180.1.136:8080")));
            std::erase_if(scenario.packets, [](const Captured &c) { return c.point != "client/eth0"; });
            const auto snapshot = trace(scenario, {.crossings = crossings});
            QCOMPARE(snapshot->paths.size(), another ? 2u : 1u);
            for (const auto &path : snapshot->paths) {
                QVERIFY(path->findings.empty());
                if (path->requested != kAsked.dst) continue;
                QCOMPARE(named(path->outcome), "unanswered");
                QVERIFY(!path->endpoint);
            }
        }
}

NATLENS_TEST(TestSilence)
#include "tst_silence.moc"
