// Files that hold what several interfaces saw, and hosts that a packet visits twice.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/impairment.h"
#include "tests/tracer/node_port.h"
#include "tracer/diagram/scene.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

/// The Ethernet addresses of a wire.
struct Wire {
    packet::MacAddress from, to;
};

packet::MacAddress mac(std::uint8_t last) {
    return {2, 0, 0, 0, 0, last};
}

/// client -> router, which translates both addresses -> server; every stop has the Ethernet addresses of its wire.
Scenario throughRouter(const std::string &point, packet::MacAddress outside, packet::MacAddress inside) {
    const Tuple before = tcp("192.0.2.11:40000", "192.0.2.1:80"), after = tcp("10.9.0.1:50000", "10.9.0.11:9090");
    Talk talk;
    talk.request = {{point, kNoWay, 64, before}, {point, kNoWay, 63, after}};
    talk.reply = {{point, kNoWay, 64, after}, {point, kNoWay, 63, before}};
    Scenario scenario;
    addTcp(scenario, talk);
    for (auto &captured : scenario.packets) {
        const auto packet = packet::decode(packet::LinkType::ethernet, captured.bytes);
        const bool isOutside = packet.tuple.src.ip == before.src.ip || packet.tuple.dst.ip == before.src.ip;
        const bool toRouter = packet.ttl == 64;
        const auto peer = mac(isOutside ? 1 : 2), own = isOutside ? outside : inside;
        const Wire wire = toRouter ? Wire{peer, own} : Wire{own, peer};
        std::ranges::transform(wire.to, captured.bytes.begin(), [](std::uint8_t b) { return std::byte(b); });
        std::ranges::transform(wire.from, captured.bytes.begin() + 6, [](std::uint8_t b) { return std::byte(b); });
    }
    return scenario;
}

} // namespace

class TestMixed : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void interfacesByEthernetAddress_data();
    void interfacesByEthernetAddress();
    void hostsVisitedTwice_data();
    void hostsVisitedTwice();
    void nodesAreNamedByWhatIsAsked();
};

void TestMixed::interfacesByEthernetAddress_data() {
    QTest::addColumn<int>("outside");
    QTest::addColumn<int>("inside");
    QTest::addColumn<QString>("hosts");
    constexpr int kVirtual = 0x100, kNone = 0x200;
    // One interface: the file is that host's. Two: the file is nobody's, the router is named after its own address.
    QTest::newRow("a router with one interface") << 7 << 7 << "router[SNAT,DNAT]";
    QTest::newRow("two interfaces in one file") << 7 << 8 << "10.9.0.1[SNAT,DNAT]";
    QTest::newRow("an address that routers share") << kVirtual << 8 << "router[SNAT,DNAT]";
    QTest::newRow("one of HSRP version 2") << 0x101 << 8 << "router[SNAT,DNAT]";
    QTest::newRow("one of HSRP for IPv6") << 0x102 << 8 << "router[SNAT,DNAT]";
    QTest::newRow("one of GLBP") << 0x103 << 8 << "router[SNAT,DNAT]";
    QTest::newRow("one that only looks like HSRP's") << 0x104 << 8 << "10.9.0.1[SNAT,DNAT]";
    QTest::newRow("no addresses") << kNone << kNone << "router[SNAT,DNAT]";
}

void TestMixed::interfacesByEthernetAddress() {
    QFETCH(int, outside);
    QFETCH(int, inside);
    QFETCH(QString, hosts);
    const auto address = [](int which) {
        constexpr packet::MacAddress kShared[] = {{0, 0, 0x5e, 0, 1, 9},
                                                  {0, 0, 0x0c, 0x9f, 0xf3, 9},
                                                  {0, 5, 0x73, 0xa0, 0x0f, 9},
                                                  {0, 7, 0xb4, 3, 0xff, 2},
                                                  {0, 0, 0x0c, 0x9f, 0xe3, 9}};
        if (which >= 0x100 && which < 0x105) return kShared[which - 0x100];
        return which == 0x200 ? packet::MacAddress{} : mac(static_cast<std::uint8_t>(which));
    };
    for (const bool byPoint : {false, true}) {
        const auto snapshot =
            trace(throughRouter("router/eth0", address(outside), address(inside)), {.byPoint = byPoint});
        QCOMPARE(snapshot->paths.size(), 1u);
        QCOMPARE(QString::fromStdString(route(*snapshot->paths[0])), hosts);
        QCOMPARE(QString::fromStdString(route(*snapshot->paths[0], tracer::Direction::reply)), hosts);
    }
}

void TestMixed::hostsVisitedTwice_data() {
    QTest::addColumn<bool>("crossings");
    QTest::addColumn<bool>("otherCaptured");
    QTest::addColumn<QString>("hosts");
    QTest::newRow("a pod that forwards, captured") << true << true << "node1>svclb[SNAT,DNAT]>node1";
    QTest::newRow("a pod that forwards, not captured") << true << false << "node1>10.180.1.9[SNAT,DNAT]?>node1";
    QTest::newRow("without directions") << false << true << "node1>svclb[SNAT,DNAT]>node1";
}

/// client -> node1 -> a pod that translates -> node1 -> the endpoint (as k3s's service load balancer).
void TestMixed::hostsVisitedTwice() {
    QFETCH(bool, crossings);
    QFETCH(bool, otherCaptured);
    QFETCH(QString, hosts);
    const Tuple before = tcp("192.0.2.11:40000", "10.180.1.9:80"), after = tcp("10.180.1.9:50000", "10.180.1.136:8080");
    Talk talk;
    talk.request = {{"node1/eth0", kIn, 64, before}, {"node1/cbr0", kOut, 63, before},
                    {"svclb/eth0", kIn, 63, before}, {"svclb/eth0", kOut, 62, after},
                    {"node1/cbr0", kIn, 62, after},  {"node1/veth2", kOut, 61, after}};
    talk.reply = {{"node1/veth2", kIn, 64, after},  {"node1/cbr0", kOut, 63, after}, {"svclb/eth0", kIn, 63, after},
                  {"svclb/eth0", kOut, 62, before}, {"node1/cbr0", kIn, 62, before}, {"node1/eth0", kOut, 61, before}};
    Scenario scenario;
    addTcp(scenario, talk);
    if (!otherCaptured) std::erase_if(scenario.packets, [](const Captured &c) { return c.point == "svclb/eth0"; });
    const auto snapshot = trace(scenario, {.crossings = crossings});
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(QString::fromStdString(route(*snapshot->paths[0])), hosts);
}

/// A file that mixes the points of a cluster is no host; nodes are known by the addresses at which they are asked,
/// which cluster state gives names to.
void TestMixed::nodesAreNamedByWhatIsAsked() {
    Scenario scenario;
    Talk crossing = viaNode2();
    Talk own = viaNode1(tcp("104.132.1.79:53211", "10.240.0.4:32080"), tcp("10.180.1.1:4022", "10.180.1.136:8080"));
    own.begin = 100 * kMilli;
    own.clientIsn = 2'000'000;
    own.serverIsn = 8'000'000;
    for (Talk *talk : {&crossing, &own}) {
        talk->answer = "HTTP/1.1 200 OK\r\n\r\n";
        addTcp(scenario, *talk);
    }
    scenario.clusterState.emplace_back(0, nodePortState("Cluster"));
    impair::merge(scenario.packets);
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 2u);
    QCOMPARE(QString::fromStdString(route(*snapshot->paths[0])), "10.240.0.5[SNAT,DNAT]>router to 10.180.1.136");
    QCOMPARE(QString::fromStdString(route(*snapshot->paths[1])), "10.240.0.4[SNAT,DNAT]");
    for (const auto &path : snapshot->paths) {
        QCOMPARE(path->findings.size(), std::size_t(1));
        QCOMPARE(path->findings[0].code, std::string("D01"));
    }
    const auto scene = diagram::sceneOf(*snapshot, {});
    QVERIFY(scene.find("merged") == nullptr);
    QCOMPARE(scene.find("10.240.0.4")->title, std::string("node1"));
    QCOMPARE(scene.find("10.240.0.4")->address, std::string("10.240.0.4"));
    QCOMPARE(scene.find("10.240.0.5")->title, std::string("node2"));
}

NATLENS_TEST(TestMixed)
#include "tst_mixed.moc"
