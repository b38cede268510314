// Connections through the document's cluster: packets at capture points in, paths out.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using tracer::Direction;

namespace {

const Tuple kAskedNode = tcp(kOutside, "10.240.0.4:32080");

/// A client behind the load balancer, which passes packets on but never sees the answers.
Talk viaBalancer() {
    const Tuple outside = tcp(kOutside, "104.198.149.140:80"), inside = tcp("10.240.0.5:4021", "10.180.1.136:8080");
    Talk talk;
    talk.request = {{"client/eth0", kOut, 64, outside}, {"lb/eth0", kIn, 64, outside},
                    {"lb/eth0", kOut, 63, outside},     {"node2/eth0", kIn, 63, outside},
                    {"node2/eth0", kOut, 62, inside},   {"node1/eth0", kIn, 62, inside},
                    {"node1/cbr0", kOut, 61, inside},   {"source-ip-app/eth0", kIn, 61, inside}};
    talk.reply = {{"source-ip-app/eth0", kOut, 64, inside}, {"node1/cbr0", kIn, 64, inside},
                  {"node1/eth0", kOut, 63, inside},         {"node2/eth0", kIn, 63, inside},
                  {"node2/eth0", kOut, 62, outside},        {"client/eth0", kIn, 62, outside}};
    return talk;
}

/// A pod on node3 asks a cluster IP; the endpoint is on node1.
Talk viaClusterIp() {
    const Tuple outside = tcp("10.244.3.8:40000", "10.0.170.92:80"),
                inside = tcp("10.244.3.8:40000", "10.180.1.136:8080");
    Talk talk;
    talk.request = {{"busybox/eth0", kOut, 64, outside},    {"node3/veth2", tracer::Crossing::unknown, 64, outside},
                    {"node3/cbr0", kIn, 64, outside},       {"node3/eth0", kOut, 63, inside},
                    {"node1/eth0", kIn, 63, inside},        {"node1/cbr0", kOut, 62, inside},
                    {"source-ip-app/eth0", kIn, 62, inside}};
    talk.reply = {{"source-ip-app/eth0", kOut, 64, inside}, {"node1/cbr0", kIn, 64, inside},
                  {"node1/eth0", kOut, 63, inside},         {"node3/eth0", kIn, 63, inside},
                  {"node3/cbr0", kOut, 62, outside},        {"node3/veth2", tracer::Crossing::unknown, 62, outside},
                  {"busybox/eth0", kIn, 62, outside}};
    return talk;
}

Talk healthCheck(const char *node, const char *address, const char *source, const std::string &status) {
    const Tuple tuple = tcp(source, address);
    Talk talk;
    talk.request = {{"lb/eth0", kOut, 64, tuple}, {std::string(node) + "/eth0", kIn, 64, tuple}};
    talk.reply = {{std::string(node) + "/eth0", kOut, 64, tuple}, {"lb/eth0", kIn, 64, tuple}};
    talk.ask = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    talk.answer = "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n";
    return talk;
}

void keepOnly(Scenario &scenario, const std::function<bool(const Captured &)> &wanted) {
    std::erase_if(scenario.packets, [&](const Captured &captured) { return !wanted(captured); });
}

bool isReply(const Captured &captured) {
    const auto decoded = packet::decode(packet::LinkType::ethernet, captured.bytes);
    return decoded.tuple.dst.ip == *packet::IpAddress::parse("104.132.1.79") ||
           decoded.tuple.src.ip == *packet::IpAddress::parse("10.180.1.136");
}

} // namespace

class TestTracer : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void twoNodes_data();
    void twoNodes();
    void routes_data();
    void routes();
    void requestOnly();
    void missingPoints_data();
    void missingPoints();
    void healthChecks();
    void balancerIsRecognised();
    void connectionOfTheNodeItself();
    void hairpin();
    void roles();
    void outOfOrder();
    void packetsAfterTheEnd();
    void snapshotsShareUnchangedPaths();
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
    const auto snapshot = trace(
        scenario, {.evidence = evidence, .crossings = crossings, .byPoint = byPoint, .snapshotEvery = snapshotEvery});
    QCOMPARE(snapshot->paths.size(), 1u);
    const tracer::Path &path = *snapshot->paths[0];
    QCOMPARE(text(route(path)), "client>node2[SNAT,DNAT]>node1>source-ip-app");
    QCOMPARE(text(route(path, Direction::reply)), "source-ip-app>node1>node2[SNAT,DNAT]>client");
    QCOMPARE(named(path.outcome), "delivered");
    QCOMPARE(named(path.kind), "service");
    QCOMPARE(text(path.client.address), "104.132.1.79:53210");
    QCOMPARE(text(path.client.node), "client");
    QCOMPARE(text(path.requested), "10.240.0.5:32080");
    QVERIFY(path.endpoint.has_value());
    QCOMPARE(text(path.endpoint->address), "10.180.1.136:8080");
    QCOMPARE(text(path.endpoint->host), "source-ip-app");
    QCOMPARE(text(path.endpoint->node), "node1");
    QCOMPARE(text(path.seenByEndpoint), "10.240.0.5:4021");
    QCOMPARE(path.sourcePreserved, std::optional(false));
    QCOMPARE(path.http->status, 200);
    QCOMPARE(text(path.http->target), "/");
    QCOMPARE(text(path.http->clientAddress), "10.0.0.1");
    QCOMPARE(segments(path, Direction::request), "client>node2 6, node2>node1 6, node1>source-ip-app 6");
    QCOMPARE(segments(path, Direction::reply), "source-ip-app>node1 3, node1>node2 3, node2>client 3");
    QCOMPARE(path.packets, 9u);
    QCOMPARE(path.attempts, 1u);
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
    QCOMPARE(path.findings.size(), 1u);
    QCOMPARE(text(path.findings[0].code), "D01");
}

void TestTracer::routes_data() {
    QTest::addColumn<QString>("which");
    QTest::addColumn<QString>("request");
    QTest::addColumn<QString>("reply");
    QTest::addColumn<QString>("seenByEndpoint");
    QTest::addColumn<QString>("via");
    QTest::newRow("own node, SNAT to its bridge") << "node1-snat"
                                                  << "client>node1[SNAT,DNAT]>source-ip-app"
                                                  << "source-ip-app>node1[SNAT,DNAT]>client"
                                                  << "10.180.1.1:4021"
                                                  << "nodePort";
    QTest::newRow("own node, source kept") << "node1-local"
                                           << "client>node1[DNAT]>source-ip-app"
                                           << "source-ip-app>node1[DNAT]>client" << kOutside << "nodePort";
    QTest::newRow("load balancer, two nodes") << "balancer"
                                              << "client>lb>node2[SNAT,DNAT]>node1>source-ip-app"
                                              << "source-ip-app>node1>node2[SNAT,DNAT]>client"
                                              << "10.240.0.5:4021"
                                              << "loadBalancerIP";
    QTest::newRow("cluster IP from a pod") << "cluster"
                                           << "busybox>node3[DNAT]>node1>source-ip-app"
                                           << "source-ip-app>node1>node3[DNAT]>busybox"
                                           << "10.244.3.8:40000"
                                           << "clusterIP";
}

void TestTracer::routes() {
    QFETCH(QString, which);
    QFETCH(QString, request);
    QFETCH(QString, reply);
    QFETCH(QString, seenByEndpoint);
    QFETCH(QString, via);
    Scenario scenario;
    if (which == "node1-snat") addTcp(scenario, viaNode1(kAskedNode, tcp("10.180.1.1:4021", "10.180.1.136:8080")));
    if (which == "node1-local") addTcp(scenario, viaNode1(kAskedNode, tcp(kOutside, "10.180.1.136:8080")));
    if (which == "balancer") addTcp(scenario, viaBalancer());
    if (which == "cluster") addTcp(scenario, viaClusterIp());
    for (const bool crossings : {true, false}) {
        for (const bool byPoint : {true, false}) {
            const auto snapshot = trace(scenario, {.crossings = crossings, .byPoint = byPoint});
            QCOMPARE(snapshot->paths.size(), 1u);
            const tracer::Path &path = *snapshot->paths[0];
            QCOMPARE(text(route(path)), request);
            QCOMPARE(text(route(path, Direction::reply)), reply);
            QCOMPARE(text(path.seenByEndpoint), seenByEndpoint);
            QCOMPARE(named(path.outcome), "delivered");
            QVERIFY(path.service.has_value());
            QCOMPARE(named(path.service->via), via);
        }
    }
}

void TestTracer::requestOnly() {
    Scenario scenario;
    addTcp(scenario, viaNode2());
    keepOnly(scenario, [](const Captured &captured) { return !isReply(captured); });
    const auto snapshot = trace(scenario, {.evidence = false});
    QCOMPARE(snapshot->paths.size(), 1u);
    const tracer::Path &path = *snapshot->paths[0];
    QCOMPARE(text(route(path)), "client>node2[SNAT,DNAT]>node1>source-ip-app");
    QCOMPARE(text(route(path, Direction::reply)), "");
    QCOMPARE(segments(path, Direction::reply), "");
    QCOMPARE(named(path.outcome), "delivered"); // the client's acknowledgements prove it
}

void TestTracer::missingPoints_data() {
    QTest::addColumn<QString>("missing");
    QTest::addColumn<QString>("request");
    QTest::addColumn<QString>("client");
    QTest::addColumn<QString>("endpoint");
    QTest::newRow("client") << "client"
                            << "node2[SNAT,DNAT]>node1>source-ip-app"
                            << ""
                            << "source-ip-app";
    QTest::newRow("pod") << "source-ip-app"
                         << "client>node2[SNAT,DNAT]>node1"
                         << "client"
                         << "10.180.1.136";
    QTest::newRow("the node that translates") << "node2"
                                              << "client>10.240.0.5[SNAT,DNAT]?>node1>source-ip-app"
                                              << "client"
                                              << "source-ip-app";
    QTest::newRow("the node that routes") << "node1"
                                          << "client>node2[SNAT,DNAT]>source-ip-app"
                                          << "client"
                                          << "source-ip-app";
}

void TestTracer::missingPoints() {
    QFETCH(QString, missing);
    QFETCH(QString, request);
    QFETCH(QString, client);
    QFETCH(QString, endpoint);
    Scenario scenario;
    addTcp(scenario, viaNode2());
    keepOnly(scenario, [&](const Captured &c) { return !c.point.starts_with(missing.toStdString() + "/"); });
    for (const bool crossings : {true, false}) {
        const auto snapshot = trace(scenario, {.crossings = crossings});
        QCOMPARE(snapshot->paths.size(), 1u);
        const tracer::Path &path = *snapshot->paths[0];
        QCOMPARE(text(route(path)), request);
        QCOMPARE(text(path.client.node), client);
        QCOMPARE(text(path.endpoint->host), endpoint);
        QCOMPARE(named(path.outcome), "delivered");
    }
}

void TestTracer::healthChecks() {
    Scenario scenario;
    Talk good = healthCheck("node1", "10.240.0.4:32122", "10.240.0.2:40001", "200 OK");
    Talk bad = healthCheck("node2", "10.240.0.5:32122", "10.240.0.2:40002", "503 Service Unavailable");
    Talk silent = healthCheck("node3", "10.240.0.3:32122", "10.240.0.2:40003", "");
    bad.begin = 100 * kMilli;
    bad.clientIsn += 1000;
    silent.begin = 200 * kMilli;
    silent.clientIsn += 2000;
    silent.reply.clear();
    addTcp(scenario, good);
    addTcp(scenario, bad);
    addSyns(scenario, silent, 2);
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 3u);
    for (const auto &path : snapshot->paths)
        QCOMPARE(named(path->kind), "health-check");
    QCOMPARE(snapshot->paths[0]->http->status, 200);
    QCOMPARE(text(snapshot->paths[0]->endpoint->host), "node1");
    QCOMPARE(snapshot->paths[1]->http->status, 503);
    QVERIFY(!snapshot->paths[2]->http.has_value());
    QVERIFY(snapshot->paths[2]->findings.empty());
}

void TestTracer::balancerIsRecognised() {
    Scenario scenario;
    addTcp(scenario, viaBalancer());
    const auto snapshot = trace(scenario, {.evidence = false});
    const auto role = [&](const char *name) {
        for (const auto &host : snapshot->hosts)
            if (host.name == name) return named(host.role);
        return QString("missing");
    };
    QCOMPARE(role("lb"), "load balancer");
    QCOMPARE(role("client"), "client");
    QCOMPARE(role("node1"), "node");
    QCOMPARE(role("node2"), "node");
    QCOMPARE(role("source-ip-app"), "pod");
}

void TestTracer::connectionOfTheNodeItself() {
    // node2 asks a cluster IP: the packet is translated before it leaves, only conntrack knows what it was.
    const Tuple asked = tcp("10.240.0.5:50000", "10.0.170.92:80"), sent = tcp("10.240.0.5:6000", "10.180.1.136:8080");
    Talk talk;
    talk.request = {{"node2/eth0", kOut, 64, sent},
                    {"node1/eth0", kIn, 64, sent},
                    {"node1/cbr0", kOut, 63, sent},
                    {"source-ip-app/eth0", kIn, 63, sent}};
    talk.reply = {{"source-ip-app/eth0", kOut, 64, sent},
                  {"node1/cbr0", kIn, 64, sent},
                  {"node1/eth0", kOut, 63, sent},
                  {"node2/eth0", kIn, 63, sent}};
    Scenario scenario;
    addTcp(scenario, talk);
    addConntrack(scenario, "node2", 5 * kMicro, asked, sent);
    const auto with = trace(scenario);
    QCOMPARE(with->paths.size(), 1u);
    QCOMPARE(text(with->paths[0]->requested), "10.0.170.92:80");
    QCOMPARE(text(route(*with->paths[0])), "node2[SNAT,DNAT]>node1>source-ip-app");
    QCOMPARE(text(with->paths[0]->client.node), "node2");
    const auto without = trace(scenario, {.evidence = false});
    QCOMPARE(without->paths.size(), 1u);
    QCOMPARE(text(without->paths[0]->requested), "10.180.1.136:8080");
    QCOMPARE(text(route(*without->paths[0])), "node2>node1>source-ip-app");
}

void TestTracer::hairpin() {
    // The pod asks its own Service: out of its interface and in again, with SNAT and DNAT.
    const Tuple asked = tcp("10.180.1.136:45000", "10.0.170.92:80"), back = tcp("10.180.1.1:7000", "10.180.1.136:8080");
    Talk talk;
    talk.request = {{"source-ip-app/eth0", kOut, 64, asked},
                    {"node1/cbr0", kIn, 64, asked},
                    {"node1/cbr0", kOut, 63, back},
                    {"source-ip-app/eth0", kIn, 63, back}};
    talk.reply = {{"source-ip-app/eth0", kOut, 64, back},
                  {"node1/cbr0", kIn, 64, back},
                  {"node1/cbr0", kOut, 63, asked},
                  {"source-ip-app/eth0", kIn, 63, asked}};
    Scenario scenario;
    addTcp(scenario, talk);
    addConntrack(scenario, "node1", 15 * kMicro, asked, back);
    for (const bool evidence : {true, false}) {
        const auto snapshot = trace(scenario, {.evidence = evidence});
        QCOMPARE(snapshot->paths.size(), 1u);
        const tracer::Path &path = *snapshot->paths[0];
        QCOMPARE(text(path.requested), "10.0.170.92:80");
        QCOMPARE(text(path.seenByEndpoint), "10.180.1.1:7000");
        QCOMPARE(named(path.outcome), "delivered");
        QVERIFY(path.findings.empty());
    }
}

void TestTracer::roles() {
    Scenario scenario;
    addTcp(scenario, viaNode2());
    scenario.clusterState.emplace_back(-kMilli, R"({"kind":"List","apiVersion":"v1","items":[
            {"kind":"Node","apiVersion":"v1","metadata":{"name":"node1"},
             "status":{"addresses":[{"type":"InternalIP","address":"10.240.0.4"}]}},
            {"kind":"Pod","apiVersion":"v1","metadata":{"namespace":"default","name":"source-ip-app"},
             "spec":{"nodeName":"node1"},"status":{"podIP":"10.180.1.136","podIPs":[{"ip":"10.180.1.136"}]}}]})");
    const auto snapshot = trace(scenario);
    for (const auto &host : snapshot->hosts) {
        if (host.name == "node1") QVERIFY(!host.roleInferred && named(host.role) == "node");
        if (host.name == "node2") QVERIFY(host.roleInferred && named(host.role) == "node");
        if (host.name == "source-ip-app") {
            QVERIFY(!host.roleInferred && named(host.role) == "pod");
            QCOMPARE(text(host.podNode), "node1");
            QCOMPARE(text(host.label), "default/source-ip-app");
        }
    }
    QCOMPARE(text(snapshot->paths[0]->endpoint->pod), "default/source-ip-app");
}

void TestTracer::outOfOrder() {
    // Packets of one point swapped within the reorder window give the same path.
    Scenario scenario;
    addTcp(scenario, viaNode2());
    const auto ordered = trace(scenario);
    for (unsigned seed = 1; seed < 20; ++seed) {
        Scenario shuffled = scenario;
        // Times stay; the order of delivery changes: sort by time plus a jitter of up to 3 ms.
        tracer::Tracer tracer;
        std::map<std::string, base::CapturePointId> points;
        std::uint32_t random = seed;
        std::vector<std::pair<std::int64_t, const Captured *>> order;
        std::ranges::stable_sort(shuffled.packets, {}, &Captured::time);
        for (const auto &captured : shuffled.packets) {
            random = random * 1664525 + 1013904223;
            order.emplace_back(captured.time + (random >> 16) % (3 * kMilli), &captured);
            if (points.try_emplace(captured.point, base::CapturePointId{static_cast<unsigned>(points.size())}).second)
                tracer.addCapturePoint(points[captured.point], captured.point, packet::LinkType::ethernet);
        }
        std::ranges::stable_sort(order, {}, &std::pair<std::int64_t, const Captured *>::first);
        for (const auto &[when, captured] : order)
            tracer.addPacket(points[captured->point], base::Timestamp{kStart + captured->time},
                             base::PacketNumber{static_cast<std::uint64_t>(captured - shuffled.packets.data()) + 1},
                             captured->crossing, static_cast<std::uint32_t>(captured->bytes.size()), captured->bytes);
        tracer.finish();
        const auto snapshot = tracer.snapshot();
        QCOMPARE(snapshot->paths.size(), 1u);
        QVERIFY(*snapshot->paths[0] == *ordered->paths[0]);
    }
}

/// Whoever goes on after an end (a growing file that was thought to be complete) gets the same paths.
void TestTracer::packetsAfterTheEnd() {
    Scenario scenario;
    addTcp(scenario, viaNode2());
    const auto whole = trace(scenario);
    std::ranges::stable_sort(scenario.packets, {}, &Captured::time);
    tracer::Tracer tracer;
    std::map<std::string, base::CapturePointId> points;
    std::uint64_t number = 0;
    for (const auto &captured : scenario.packets) {
        if (points.try_emplace(captured.point, base::CapturePointId{static_cast<unsigned>(points.size())}).second)
            tracer.addCapturePoint(points[captured.point], captured.point, packet::LinkType::ethernet);
        tracer.addPacket(points[captured.point], base::Timestamp{kStart + captured.time}, base::PacketNumber{++number},
                         captured.crossing, static_cast<std::uint32_t>(captured.bytes.size()), captured.bytes);
        tracer.finish();
    }
    const auto snapshot = tracer.snapshot();
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(snapshot->paths[0]->packets, whole->paths[0]->packets);
    QCOMPARE(snapshot->paths[0]->segments.size(), whole->paths[0]->segments.size());
}

void TestTracer::snapshotsShareUnchangedPaths() {
    Scenario first;
    addTcp(first, viaNode2());
    tracer::Tracer tracer;
    std::map<std::string, base::CapturePointId> points;
    std::uint64_t number = 0;
    const auto feed = [&](const Scenario &scenario) {
        for (const auto &captured : scenario.packets) {
            if (points.try_emplace(captured.point, base::CapturePointId{static_cast<unsigned>(points.size())}).second)
                tracer.addCapturePoint(points[captured.point], captured.point, packet::LinkType::ethernet);
            tracer.addPacket(points[captured.point], base::Timestamp{kStart + captured.time},
                             base::PacketNumber{++number}, captured.crossing,
                             static_cast<std::uint32_t>(captured.bytes.size()), captured.bytes);
        }
    };
    feed(first);
    const auto before = tracer.snapshot();
    QVERIFY(before == tracer.snapshot());
    Scenario second;
    Talk talk = viaNode2("104.132.1.79:60000", "10.240.0.5:9999");
    talk.begin = 500 * kMilli;
    talk.clientIsn = 42;
    talk.serverIsn = 4242;
    addTcp(second, talk);
    feed(second);
    const auto after = tracer.snapshot();
    QVERIFY(after->version > before->version);
    QCOMPARE(after->paths.size(), 2u);
    QCOMPARE(text(after->paths[0]->id), text(before->paths[0]->id));
    (void)tracer.snapshot();
    Scenario third;
    talk.begin = 900 * kMilli;
    talk.clientIsn = 43;
    addTcp(third, talk);
    const auto middle = tracer.snapshot();
    feed(third);
    const auto last = tracer.snapshot();
    QCOMPARE(last->paths.size(), 3u);
    QVERIFY(last->paths[0] == middle->paths[0]); // the same object
}

NATLENS_TEST(TestTracer)
#include "tst_tracer.moc"
