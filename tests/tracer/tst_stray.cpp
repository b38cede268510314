// Answers that reach the client with an address that it never asked, from packets alone.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using tracer::Direction;

namespace {

/// A SYN, its answer by another way than it came, and the client's reset of what it did not ask for.
struct Bypass {
    std::vector<Stop> request, reply, reset;
};

/// The load balancer translates; the node's answer goes to the client directly.
Bypass pastTheBalancer() {
    const Tuple asked = tcp(kOutside, "104.198.149.140:80"), atNode = tcp(kOutside, "10.240.0.4:32280"),
                inside = tcp(kOutside, "10.180.1.136:8080");
    return {{{"client/eth0", kOut, 64, asked},
             {"lb/eth0", kIn, 64, asked},
             {"lb/eth0", kOut, 63, atNode},
             {"node1/eth0", kIn, 63, atNode},
             {"node1/cbr0", kOut, 62, inside},
             {"source-ip-app/eth0", kIn, 62, inside}},
            {{"source-ip-app/eth0", kOut, 64, inside},
             {"node1/cbr0", kIn, 64, inside},
             {"node1/eth0", kOut, 63, atNode},
             {"client/eth0", kIn, 63, atNode}},
            {{"client/eth0", kOut, 64, atNode}, {"node1/eth0", kIn, 64, atNode}}};
}

/// Two pods on one bridge: the node translates what the bridge would then switch past it.
Bypass pastTheNode() {
    const Tuple asked = tcp("10.180.1.8:40892", "10.0.170.92:80"),
                inside = tcp("10.180.1.8:40892", "10.180.1.136:8080");
    return {{{"busybox1/eth0", kOut, 64, asked},
             {"node1/veth8", kIn, 64, asked},
             {"node1/cbr0", kIn, 64, asked},
             {"node1/cbr0", kOut, 63, inside},
             {"node1/veth136", kOut, 63, inside},
             {"source-ip-app/eth0", kIn, 63, inside}},
            {{"source-ip-app/eth0", kOut, 64, inside},
             {"node1/veth136", kIn, 64, inside},
             {"node1/veth8", kOut, 64, inside},
             {"busybox1/eth0", kIn, 64, inside}},
            {{"busybox1/eth0", kOut, 64, inside},
             {"node1/veth8", kIn, 64, inside},
             {"node1/veth136", kOut, 64, inside},
             {"source-ip-app/eth0", kIn, 64, inside}}};
}

Scenario played(const Bypass &bypass) {
    Scenario scenario;
    send(scenario, bypass.request, 0, false, [](auto &builder, const Tuple &tuple) {
        builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::syn).seq(1000).timestamps(50, 0).mss(1460).ipId(0x777);
    });
    send(scenario, bypass.reply, kMilli, true, [](auto &builder, const Tuple &tuple) {
        builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::syn | TcpFlags::ack).seq(7000).ack(1001);
        builder.timestamps(60, 50).mss(1460).ipId(0);
    });
    send(scenario, bypass.reset, kMilli + 100 * kMicro, false, [](auto &builder, const Tuple &tuple) {
        builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::rst).seq(1001).ipId(0);
    });
    return scenario;
}

} // namespace

class TestStray : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void bypassed_data() {
        QTest::addColumn<bool>("balancer");
        QTest::addColumn<QString>("request");
        QTest::addColumn<QString>("asked");
        QTest::newRow("a load balancer") << true << "client>lb[DNAT]>node1[DNAT]>source-ip-app"
                                         << "104.198.149.140:80";
        QTest::newRow("a node") << false << "busybox1>node1[DNAT]>source-ip-app"
                                << "10.0.170.92:80";
    }

    /// The reset is no part of the request's way, however like it looks.
    void bypassed() {
        QFETCH(bool, balancer);
        QFETCH(QString, request);
        QFETCH(QString, asked);
        const Scenario scenario = played(balancer ? pastTheBalancer() : pastTheNode());
        for (const bool crossings : {true, false})
            for (const bool byPoint : {true, false}) {
                const auto snapshot = trace(scenario, {.crossings = crossings, .byPoint = byPoint});
                QCOMPARE(snapshot->paths.size(), 1u);
                const auto &path = *snapshot->paths[0];
                QCOMPARE(text(route(path)), request);
                QCOMPARE(text(path.client.node), request.left(request.indexOf('>')));
                QCOMPARE(text(path.hops[0].out->dst), asked);
                QCOMPARE(named(path.outcome), "reset");
                for (const auto &hop : path.hops)
                    if (hop.in && hop.out) QVERIFY(hop.in->packet.value < hop.out->packet.value || byPoint);
                QVERIFY(!path.findings.empty());
                const auto &finding = path.findings[0];
                QCOMPARE(text(finding.code), balancer ? "D21" : "D19");
                QVERIFY2(finding.text.starts_with(balancer ? "lb translated" : "10.180.1.8 asked"),
                         finding.text.c_str());
            }
    }

    /// Refused by a router on the way back: a reset alone does show the way.
    void onlyReset() {
        const Tuple atNode = tcp(kOutside, "10.240.0.4:32280");
        Scenario scenario;
        send(scenario, {{"client/eth0", kOut, 64, atNode}, {"node1/eth0", kIn, 64, atNode}}, 0, false,
             [](auto &builder, const Tuple &tuple) {
                 builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::syn).seq(1000).ipId(0x777);
             });
        send(scenario, {{"node1/eth0", kOut, 64, atNode}, {"client/eth0", kIn, 64, atNode}}, kMilli, true,
             [](auto &builder, const Tuple &tuple) {
                 builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::rst | TcpFlags::ack).ack(1001);
             });
        const auto snapshot = trace(scenario);
        QCOMPARE(named(snapshot->paths.at(0)->outcome), "rejected");
        QCOMPARE(text(route(*snapshot->paths[0], Direction::reply)), "node1>client");
    }
};

NATLENS_TEST(TestStray)
#include "tst_stray.moc"
