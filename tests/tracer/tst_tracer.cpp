// Connections through the document's cluster: packets at capture points in, paths out.
#ifndef Q_MOC_RUN // moc 6.4 stumbles over the standard library's <concepts>
#include "tests/tracer/scenario.h"
#include "tracer/path/path_json.h"
#endif

#include <QtTest>

using namespace natlens;
using namespace natlens::test;
using tracer::Direction;
using tracer::Outcome;

namespace {

/// Enumerations by name: QCOMPARE then says what it found.
template<class Enum>
QString named(Enum value) {
    return QString::fromStdString(std::string(toString(value)));
}

QString text(const std::string &value) {
    return QString::fromStdString(value);
}

QString text(const packet::SocketAddress &value) {
    return QString::fromStdString(value.toString());
}

} // namespace

class TestTracer : public QObject {
    Q_OBJECT

private slots:
    void twoNodes_data();
    void twoNodes();
};

void TestTracer::twoNodes_data() {
    QTest::addColumn<bool>("evidence");
    QTest::addColumn<bool>("crossings");
    QTest::addColumn<bool>("byPoint");
    QTest::addColumn<unsigned>("snapshotEvery");
    for (const bool evidence : {false, true})
        for (const bool crossings : {false, true})
            for (const bool byPoint : {false, true})
                for (const unsigned every : {0u, 1u})
                    QTest::addRow("conntrack %d, crossings %d, file by file %d, snapshots %u", evidence, crossings,
                                  byPoint, every)
                        << evidence << crossings << byPoint << every;
}

void TestTracer::twoNodes() {
    QFETCH(bool, evidence);
    QFETCH(bool, crossings);
    QFETCH(bool, byPoint);
    QFETCH(unsigned, snapshotEvery);
    Scenario scenario;
    const Talk talk = viaNode2();
    addTcp(scenario, talk);
    addConntrack(scenario, "node2", 20 * kMicro, talk.request[1].tuple, talk.request[2].tuple);
    const auto snapshot = trace(scenario, {.evidence = evidence, .crossings = crossings, .byPoint = byPoint,
                                           .snapshotEvery = snapshotEvery});
    QCOMPARE(snapshot->paths.size(), 1u);
    const tracer::Path &path = *snapshot->paths[0];
    QCOMPARE(text(route(path)), "client>node2[SNAT,DNAT]>node1>source-ip-app");
    QCOMPARE(text(route(path, Direction::reply)), "source-ip-app>node1>node2[SNAT,DNAT]>client");
    QCOMPARE(named(path.outcome), "delivered");
    QCOMPARE(text(path.client.address), "104.132.1.79:53210");
    QCOMPARE(text(path.client.node), "client");
    QCOMPARE(text(path.requested), "10.240.0.5:32080");
    QVERIFY(path.endpoint.has_value());
    QCOMPARE(text(path.endpoint->address), "10.180.1.136:8080");
    QCOMPARE(text(path.endpoint->host), "source-ip-app");
    QCOMPARE(text(path.endpoint->node), "node1");
    QCOMPARE(text(path.seenByEndpoint.value()), "10.240.0.5:4021");
    QCOMPARE(path.sourcePreserved, std::optional(false));
    QCOMPARE(path.http->status, 200);
    QCOMPARE(text(path.http->target), "/");
    QCOMPARE(text(path.http->clientAddress), "10.0.0.1");
    QCOMPARE(path.segments.size(), 6u);
    QCOMPARE(text(path.segments[1].from), "node2");
    QCOMPARE(text(path.segments[1].to), "node1");
    QCOMPARE(path.segments[1].packets, 6u);
    QCOMPARE(path.packets, 9u);
    const tracer::Hop &hop = path.hops[1];
    QCOMPARE(hop.in->ttl, 64);
    QCOMPARE(hop.out->ttl, 63);
    QCOMPARE(text(hop.in->dst), "10.240.0.5:32080");
    QCOMPARE(text(hop.out->src), "10.240.0.5:4021");
    QCOMPARE(hop.confidence == 1.0, evidence);
    QVERIFY(hop.confidence > 0.8);
    QCOMPARE(named(hop.evidence.front()), evidence ? "conntrack" : "tcp-isn");
    QCOMPARE(text(path.hops[2].in->interface), "eth0");
    QCOMPARE(text(path.hops[2].out->interface), "veth1");
}

QTEST_GUILESS_MAIN(TestTracer)
#include "tst_tracer.moc"
