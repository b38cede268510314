// Hosts that were captured on one side only: what happened on the other is not said of somebody else.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

/// client - node2, which masquerades - node1 - pod, where only some were captured.
Talk masqueraded(const QStringList &points, const char *client = "192.0.2.10:40000",
                 const char *masked = "10.240.0.5:40000") {
    const Tuple outside = tcp(client, "10.180.1.136:8080"), inside = tcp(masked, "10.180.1.136:8080");
    Talk talk = throughTwoNodes(outside, inside);
    for (auto *way : {&talk.request, &talk.reply})
        std::erase_if(*way, [&](const Stop &stop) { return !points.contains(text(stop.point)); });
    return talk;
}

} // namespace

class TestPartial : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void placeOfMasquerading_data();
    void placeOfMasquerading();
    void knownOwner();
    void ownSource();
    void nodeOfPod_data();
    void nodeOfPod();
    void headersCut();
    void sameTime_data();
    void sameTime();
};

void TestPartial::placeOfMasquerading_data() {
    QTest::addColumn<QStringList>("points");
    QTest::addColumn<QString>("request");
    QTest::addColumn<QString>("reply");
    QTest::newRow("client and node2's other side")
        << QStringList{"client/eth0", "node2/eth0"} << "client>between client and node2[SNAT]?>node2"
        << "node2>between client and node2[SNAT]?>client";
    QTest::newRow("client and pod") << QStringList{"client/eth0", "pod/eth0"}
                                    << "client>between client and pod[SNAT]?>pod"
                                    << "pod>between client and pod[SNAT]?>client";
    QTest::newRow("client, node1, pod") << QStringList{"client/eth0", "node1/eth0", "pod/eth0"}
                                        << "client>between client and node1[SNAT]?>node1>pod"
                                        << "pod>node1>between client and node1[SNAT]?>client";
    QTest::newRow("node2's other side, and that it sends to node1")
        << QStringList{"client/eth0", "node2/eth0", "node1/eth0", "pod/eth0"} << "client>node2[SNAT]>node1>pod"
        << "pod>node1>node2[SNAT]>client";
    QTest::newRow("both sides") << QStringList{"client/eth0", "node2/c1", "node2/eth0", "pod/eth0"}
                                << "client>node2[SNAT]>pod"
                                << "pod>node2[SNAT]>client";
}

void TestPartial::placeOfMasquerading() {
    QFETCH(QStringList, points);
    QFETCH(QString, request);
    QFETCH(QString, reply);
    Scenario scenario;
    addTcp(scenario, masqueraded(points));
    const auto snapshot = trace(std::move(scenario));
    QCOMPARE(snapshot->paths.size(), std::size_t{1});
    const tracer::Path &path = *snapshot->paths.front();
    QCOMPARE(text(route(path)), request);
    QCOMPARE(text(route(path, tracer::Direction::reply)), reply);
    QVERIFY(path.endpoint && path.sourcePreserved == false);
}

/// Another connection of the same replay shows to whom the new source belongs.
void TestPartial::knownOwner() {
    Scenario scenario;
    addTcp(scenario, masqueraded({"client/eth0", "node2/c1", "node2/eth0", "pod/eth0"}));
    Talk other = masqueraded({"client2/eth0", "node2/eth0", "pod/eth0"}, "198.51.100.10:50000", "10.240.0.5:50000");
    for (auto *way : {&other.request, &other.reply})
        way->insert(way == &other.request ? way->begin() : way->end(),
                    {"client2/eth0", kNoWay, std::uint8_t(way == &other.request ? 64 : 62),
                     test::tcp("198.51.100.10:50000", "10.180.1.136:8080")});
    other.begin = 100 * kMilli;
    other.clientIsn = 77'000'000;
    other.serverIsn = 88'000'000;
    addTcp(scenario, other);
    const auto snapshot = trace(std::move(scenario));
    QCOMPARE(snapshot->paths.size(), std::size_t{2});
    QCOMPARE(text(route(*snapshot->paths.back())), "client2>node2[SNAT]>pod");
    QCOMPARE(text(route(*snapshot->paths.back(), tracer::Direction::reply)), "pod>node2[SNAT]>client2");
}

/// What came into the node was captured for one client and not for the other: that one is not the node itself.
void TestPartial::ownSource() {
    Scenario scenario;
    addTcp(scenario, masqueraded({"client/eth0", "node2/c1", "node2/eth0", "pod/eth0"}));
    Talk other = masqueraded({"node2/eth0", "pod/eth0"}, "198.51.100.10:50000", "10.240.0.5:50000");
    other.begin = 100 * kMilli;
    other.clientIsn = 77'000'000;
    other.serverIsn = 88'000'000;
    addTcp(scenario, other);
    const auto snapshot = trace(std::move(scenario));
    QCOMPARE(snapshot->paths.size(), std::size_t{2});
    const tracer::Path &path = *snapshot->paths.back();
    QCOMPARE(text(path.client.node), "");
    QVERIFY(!path.sourcePreserved.has_value());
    QCOMPARE(text(path.seenByEndpoint), "10.240.0.5:50000");
    QVERIFY(std::ranges::any_of(
        path.notes, [](const auto &note) { return note.starts_with("what came into node2 was not captured"); }));
}

void TestPartial::nodeOfPod_data() {
    QTest::addColumn<QStringList>("points");
    QTest::addColumn<QString>("node");
    QTest::newRow("its own node captured")
        << QStringList{"client/eth0", "node2/c1", "node2/eth0", "node1/eth0", "node1/cbr0", "pod/eth0"} << "node1";
    QTest::newRow("a router between") << QStringList{"client/eth0", "node2/c1", "node2/eth0", "pod/eth0"} << "";
}

/// A pod is on the node that passed the packet on to it, not on one from which it was routed further.
void TestPartial::nodeOfPod() {
    QFETCH(QStringList, points);
    QFETCH(QString, node);
    Scenario scenario;
    addTcp(scenario, masqueraded(points));
    const auto snapshot = trace(std::move(scenario));
    QCOMPARE(snapshot->paths.size(), std::size_t{1});
    QVERIFY(snapshot->paths.front()->endpoint.has_value());
    QCOMPARE(text(snapshot->paths.front()->endpoint->node), node);
}

/// A snap length that ends within the TCP headers is the reason why no answer is recognised, not an early end.
void TestPartial::headersCut() {
    Scenario scenario;
    addTcp(scenario, masqueraded({"node2/c1"}));
    for (auto &packet : scenario.packets) {
        packet.length = static_cast<std::uint32_t>(packet.bytes.size());
        packet.bytes.resize(14 + 20 + 12);
    }
    const auto snapshot = trace(std::move(scenario));
    QCOMPARE(snapshot->paths.size(), std::size_t{1});
    const tracer::Path &path = *snapshot->paths.front();
    QCOMPARE(named(path.outcome), "incomplete");
    const auto says = [&](std::string_view words) {
        return std::ranges::any_of(path.notes, [&](const auto &note) { return note.contains(words); });
    };
    QVERIFY(says("cut by the snap length within their TCP headers"));
    QVERIFY(!says("the capture ended"));
}

void TestPartial::sameTime_data() {
    QTest::addColumn<bool>("requestToo"); // nothing but addresses and time to live tells
    QTest::addColumn<bool>("doubted");
    QTest::newRow("replies") << false << false;
    QTest::newRow("requests and replies") << true << true;
}

/// Clocks of classic files tick in microseconds, in which a router may well pass a packet on.
void TestPartial::sameTime() {
    QFETCH(bool, requestToo);
    QFETCH(bool, doubted);
    const Talk talk = masqueraded({"node2/eth0", "node1/eth0", "pod/eth0"});
    Scenario scenario;
    addTcp(scenario, talk);
    for (auto &packet : scenario.packets) {
        const std::int64_t inMillisecond = packet.time % kMilli;
        const bool isReply = packet.bytes[26] == std::byte{10} && packet.bytes[27] == std::byte{180};
        if (packet.point.starts_with("node") && (isReply || requestToo)) packet.time -= inMillisecond;
    }
    // As they came from two files, in whatever order.
    std::ranges::stable_sort(scenario.packets, {}, [](const Captured &c) { return c.point == "node2/eth0" ? 0 : 1; });
    const auto snapshot = trace(std::move(scenario));
    QCOMPARE(snapshot->paths.size(), std::size_t{1});
    const tracer::Path &path = *snapshot->paths.front();
    const QString request = text(route(path)), reply = text(route(path, tracer::Direction::reply));
    QStringList hosts = request.split('>');
    std::reverse(hosts.begin(), hosts.end());
    QCOMPARE(reply, hosts.join('>'));
    if (!requestToo) QCOMPARE(request, "node2>node1>pod");
    for (const auto &hop : path.hops)
        if (hop.host != "pod" && hop.direction == tracer::Direction::request)
            QCOMPARE(std::ranges::any_of(hop.doubts, [](const auto &d) { return d.contains("at the same time"); }),
                     doubted);
}

NATLENS_TEST(TestPartial)
#include "tst_partial.moc"
