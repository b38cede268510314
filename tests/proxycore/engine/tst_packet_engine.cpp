// Conversations through the engine: connections, translation, policies. Errors and fragments: tst_engine_errors.cpp.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/engine/engine_node.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;
using namespace std::chrono_literals;

namespace {

constexpr const char *kNodeSocket = "10.240.0.4:32080";

Service web(Protocol protocol = Protocol::tcp) {
    auto result = service("web", "10.0.1.2", ServiceType::nodePort, 32080);
    result.ports.front().protocol = protocol;
    return result;
}

ProxyPlan planOf(const Service &one, const std::vector<TestEndpoint> &endpoints, Mode mode = Mode::nftables) {
    auto state = documentNodes();
    state.put(one);
    auto endpointSlice = slice(one, endpoints);
    for (std::size_t i = 0; i < endpointSlice.ports.size(); ++i)
        endpointSlice.ports[i].protocol = one.ports[i].protocol;
    state.put(endpointSlice);
    auto config = podRange("10.180.0.0/16");
    config.serviceCIDRs = {*IpPrefix::parse("10.0.0.0/16")};
    return makePlan(state, config, {.nodeName = "node1", .localAddresses = {ip("10.180.1.1")}, .mode = mode});
}

const std::vector<TestEndpoint> kOne = {{"10.180.2.5", "node2"}},
                                kTwo = {{"10.180.1.136", "node1"}, {"10.180.2.5", "node2"}};

} // namespace

class TestPacketEngine : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void tcpOpensTransfersAndCloses() {
        TestNode node;
        node.engine.setPlan(planOf(web(), kOne));
        std::vector<std::pair<ConnectionChange, ConnectionState>> events;
        node.engine.listen([&](ConnectionChange c, const ConnectionView &v) { events.emplace_back(c, v.state); });
        node.random.script = {100};
        const char *in = kClientSocket, *pod = "10.180.2.5:8080", *mapped = "10.240.0.4:1124";
        const QString request = QString("TCP %1 > %2").arg(mapped, pod),
                      reply = QString("TCP %1 > %2").arg(kNodeSocket, in);
        QCOMPARE(q(node.send(tcp(in, kNodeSocket, kSyn, 1000).mss(1460).windowScale(7))), request);
        QCOMPARE(q(node.send(tcp(pod, mapped, kSynAck, 5000, 1001).mss(1460).windowScale(7))), reply);
        QCOMPARE(q(node.send(tcp(in, kNodeSocket, kAck, 1001, 5001))), request);
        QCOMPARE(q(node.send(tcp(in, kNodeSocket, kAck, 1001, 5001).payload("GET / HTTP/1.1"))), request);
        QCOMPARE(q(node.send(tcp(pod, mapped, kAck, 5001, 1015).payload("an odd answer"))), reply);
        QVERIFY(node.engine.connections().front().assured);
        QCOMPARE(node.engine.connections().front().timeout, 300s); // the answer is not acknowledged yet
        QCOMPARE(q(node.send(tcp(in, kNodeSocket, kAck, 1015, 5014))), request);
        QCOMPARE(node.engine.connections().front().timeout, 86'400s);
        QCOMPARE(q(node.send(tcp(in, kNodeSocket, kFin, 1015, 5014))), request);
        QCOMPARE(q(node.send(tcp(pod, mapped, kAck, 5014, 1016))), reply);
        QCOMPARE(node.engine.connections().front().timeout, 3'600s);
        QCOMPARE(q(node.send(tcp(pod, mapped, kFin, 5014, 1016))), reply);
        QCOMPARE(q(node.send(tcp(in, kNodeSocket, kAck, 1016, 5015))), request);
        QVERIFY(node.engine.connections().front().state == ConnectionState::timeWait);
        node.wait(119s);
        node.engine.expire(node.now);
        QCOMPARE(node.engine.connectionCount(), 1U);
        node.wait(1s);
        node.engine.expire(node.now);
        QCOMPARE(node.engine.connectionCount(), 0U);

        using enum ConnectionState;
        const std::vector<std::pair<ConnectionChange, ConnectionState>> expected = {
            {ConnectionChange::added, synSent},       {ConnectionChange::updated, synReceived},
            {ConnectionChange::updated, established}, {ConnectionChange::updated, finWait},
            {ConnectionChange::updated, closeWait},   {ConnectionChange::updated, lastAck},
            {ConnectionChange::updated, timeWait},    {ConnectionChange::destroyed, timeWait}};
        QCOMPARE(events.size(), expected.size());
        QVERIFY(events == expected);
    }

    void views() {
        TestNode node;
        node.engine.setPlan(planOf(web(), kOne));
        node.random.script = {6};
        node.send(tcp(kClientSocket, kNodeSocket, kSyn));
        const auto view = node.engine.connections().front();
        QCOMPARE(q(view.original.toString()), "TCP 104.132.1.79:40000 > 10.240.0.4:32080");
        QCOMPARE(q(view.reply.toString()), "TCP 10.180.2.5:8080 > 10.240.0.4:1030");
        QVERIFY(view.sourceNat && view.destinationNat && !view.seenReply && !view.assured);
        QVERIFY(view.state == ConnectionState::synSent);
        QCOMPARE(view.timeout, 120s);
    }

    void verdicts_data() {
        QTest::addColumn<QString>("source");
        QTest::addColumn<QString>("destination");
        QTest::addColumn<bool>("endpoints");
        QTest::addColumn<bool>("nftables");
        QTest::addColumn<QString>("expected");
        const auto row = [](const char *name, const char *source, const char *destination, bool endpoints, bool nft,
                            const char *expected) {
            QTest::newRow(name) << source << destination << endpoints << nft << expected;
        };
        row("pod keeps its address", "10.180.1.9:4000", kVipSocket, true, true,
            "TCP 10.180.1.9:4000 > 10.180.2.5:8080");
        row("outside is masqueraded", kClientSocket, kVipSocket, true, true, "TCP 10.240.0.4:1024 > 10.180.2.5:8080");
        row("no endpoints", "10.180.1.9:4000", kVipSocket, false, true, "reject: ICMP 10.180.1.1:0 > 10.180.1.9:0");
        row("no endpoints, node port", kClientSocket, kNodeSocket, false, true,
            "reject: ICMP 10.240.0.4:0 > 104.132.1.79:0");
        row("wrong port, nftables", kClientSocket, "10.0.1.2:81", true, true,
            "reject: ICMP 10.240.0.4:0 > 104.132.1.79:0");
        row("wrong port, iptables", kClientSocket, "10.0.1.2:81", true, false, "TCP 104.132.1.79:40000 > 10.0.1.2:81");
        row("unallocated, nftables", kClientSocket, "10.0.9.9:80", true, true, "drop");
        row("no Service", kClientSocket, "10.240.0.4:22", true, true, "TCP 104.132.1.79:40000 > 10.240.0.4:22");
    }
    void verdicts() {
        QFETCH(QString, source);
        QFETCH(QString, destination);
        QFETCH(bool, endpoints);
        QFETCH(bool, nftables);
        TestNode node;
        node.engine.setPlan(
            planOf(web(), endpoints ? kOne : std::vector<TestEndpoint>{}, nftables ? Mode::nftables : Mode::iptables));
        QTEST(q(node.send(tcp(source.toStdString(), destination.toStdString(), kSyn))), "expected");
        if (node.action != PacketAction::reject) return;
        QCOMPARE(node.decoded.icmpType, 3);
        QCOMPARE(node.decoded.icmpCode, 3);
        QCOMPARE(q(node.decoded.quoted.toString()), "TCP " + source + " > " + destination);
        QCOMPARE(node.engine.connectionCount(), 0U);
    }

    void hairpinIsMasqueraded() {
        TestNode node;
        node.engine.setPlan(planOf(web(), {{"10.180.1.136", "node1"}}));
        const PacketOrigin fromPod{.inputInterface = "cbr0"};
        QCOMPARE(q(node.send(tcp("10.180.1.136:5000", kVipSocket, kSyn), fromPod)),
                 "TCP 10.180.1.1:1024 > 10.180.1.136:8080");
        QCOMPARE(q(node.send(tcp("10.180.1.136:8080", "10.180.1.1:1024", kSynAck, 9, 1001), fromPod)),
                 "TCP 10.0.1.2:80 > 10.180.1.136:5000");
    }

    void endpointRemovedInMidConnection() {
        TestNode node;
        node.engine.setPlan(planOf(web(), kOne));
        const std::string pod = "10.180.1.9:4000";
        node.send(tcp(pod, kVipSocket, kSyn));
        node.send(tcp("10.180.2.5:8080", pod, kSynAck, 9, 1001));
        node.engine.setPlan(planOf(web(), {{"10.180.3.7", "node3"}}));
        QCOMPARE(q(node.send(tcp(pod, kVipSocket, kAck, 1001, 10))), "TCP 10.180.1.9:4000 > 10.180.2.5:8080");
        QCOMPARE(q(node.send(tcp("10.180.1.9:4001", kVipSocket, kSyn))), "TCP 10.180.1.9:4001 > 10.180.3.7:8080");

        TestNode other;
        other.engine.setPlan(planOf(web(Protocol::udp), kOne));
        QCOMPARE(q(other.send(udp(pod, kVipSocket))), "UDP 10.180.1.9:4000 > 10.180.2.5:8080");
        other.engine.setPlan(planOf(web(Protocol::udp), {{"10.180.3.7", "node3"}}));
        QCOMPARE(other.engine.connectionCount(), 0U);
        QCOMPARE(q(other.send(udp(pod, kVipSocket))), "UDP 10.180.1.9:4000 > 10.180.3.7:8080");
        // Without any endpoint that serves, the cleanup has nothing to compare with and leaves the entry.
        other.engine.setPlan(planOf(web(Protocol::udp), {}));
        QCOMPARE(other.engine.connectionCount(), 1U);
    }

    void udpBecomesAStream() {
        TestNode node;
        node.engine.setPlan(planOf(web(Protocol::udp), kOne));
        const std::string pod = "10.180.1.9:4000", endpoint = "10.180.2.5:8080";
        node.send(udp(pod, kVipSocket));
        QCOMPARE(node.engine.connections().front().timeout, 30s);
        QCOMPARE(q(node.send(udp(endpoint, pod))), "UDP 10.0.1.2:80 > 10.180.1.9:4000");
        QCOMPARE(node.engine.connections().front().timeout, 30s);
        node.wait(3s);
        node.send(udp(pod, kVipSocket));
        QCOMPARE(node.engine.connections().front().timeout, 120s);
        QVERIFY(node.engine.connections().front().assured);
        node.wait(121s);
        QCOMPARE(q(node.send(udp(endpoint, pod))), "UDP 10.180.2.5:8080 > 10.180.1.9:4000"); // a stranger now
    }

    void affinity() {
        auto sticky = web();
        sticky.clientIpAffinity = true;
        sticky.affinityTimeout = 100s;
        TestNode node;
        node.engine.setPlan(planOf(sticky, kTwo));
        const auto ask = [&](const char *host, int port, const char *to = kVipSocket) {
            node.send(tcp(std::string(host) + ":" + std::to_string(port), to, kSyn));
            return q(node.decoded.tuple.dst.ip.toString());
        };
        node.random.script = {1};
        QCOMPARE(ask("10.180.1.9", 1000), "10.180.2.5");
        node.random.script = {0};
        QCOMPARE(ask("10.180.1.9", 1001), "10.180.2.5");
        node.random.script = {5}; // the port of masquerade: the endpoint is not drawn
        QCOMPARE(ask("10.180.1.9", 1002, kNodeSocket), "10.180.2.5");
        node.wait(99s);
        node.random.script = {0};
        QCOMPARE(ask("10.180.1.9", 1003), "10.180.2.5"); // and refreshed
        node.wait(99s);
        QCOMPARE(ask("10.180.1.9", 1004), "10.180.2.5");
        node.wait(100s);
        node.random.script = {0};
        QCOMPARE(ask("10.180.1.9", 1005), "10.180.1.136"); // expired: drawn anew
        node.engine.setPlan(planOf(sticky, kOne));
        QCOMPARE(ask("10.180.1.9", 1006), "10.180.2.5");
        node.engine.setPlan(planOf(sticky, kTwo));
        QCOMPARE(ask("10.180.1.9", 1007), "10.180.2.5"); // the other's memory went with its rule
    }

    void affinityForgetsTheOldestClient() {
        auto sticky = web();
        sticky.clientIpAffinity = true;
        sticky.affinityTimeout = 10'000s;
        TestNode node;
        auto plan = planOf(sticky, kTwo, Mode::iptables);
        QVERIFY(plan.behaviour.affinityEvictsOldest);
        QCOMPARE(plan.behaviour.affinityCapacity, 100U);
        node.engine.setPlan(plan);
        const auto ask = [&](int host, int port, std::uint32_t draw) {
            node.random.script = {draw};
            node.wait(1ms);
            node.send(tcp("10.180.1." + std::to_string(host) + ":" + std::to_string(port), kVipSocket, kSyn));
            return q(node.decoded.tuple.dst.ip.toString());
        };
        for (int host = 1; host <= 101; ++host)
            QCOMPARE(ask(host, 1000, 0), "10.180.1.136");
        QCOMPARE(ask(2, 1001, 1), "10.180.1.136"); // still known
        QCOMPARE(ask(1, 1001, 1), "10.180.2.5");   // forgotten for the 101st
    }

    void portClash() {
        TestNode node;
        node.engine.setPlan(planOf(web(), kOne));
        node.random.script = {7, 7};
        QCOMPARE(q(node.send(tcp(kClientSocket, kVipSocket, kSyn))), "TCP 10.240.0.4:1031 > 10.180.2.5:8080");
        QCOMPARE(q(node.send(tcp("104.132.1.80:40000", kVipSocket, kSyn))), "TCP 10.240.0.4:1032 > 10.180.2.5:8080");
        // The node's own connection has the tuple that a masqueraded one has: it gets another port.
        node.random.script = {9};
        QCOMPARE(q(node.send(tcp("10.240.0.4:1031", "10.180.2.5:8080", kSyn), {.locallyGenerated = true})),
                 "TCP 10.240.0.4:1033 > 10.180.2.5:8080");
        QVERIFY(node.engine.connections().back().sourceNat);
        QCOMPARE(q(node.send(tcp("10.180.2.5:8080", "10.240.0.4:1033", kSynAck, 9, 1001))),
                 "TCP 10.180.2.5:8080 > 10.240.0.4:1031");
    }

    void oldModesKeepThePort() {
        TestNode node;
        auto plan = planOf(web(), kOne, Mode::iptables);
        plan.behaviour.fullyRandomPorts = false;
        node.engine.setPlan(plan);
        QCOMPARE(q(node.send(tcp(kClientSocket, kVipSocket, kSyn))), "TCP 10.240.0.4:40000 > 10.180.2.5:8080");
        node.random.script = {0};
        QCOMPARE(q(node.send(tcp("104.132.1.80:40000", kVipSocket, kSyn))), "TCP 10.240.0.4:1024 > 10.180.2.5:8080");
    }

    void resets() {
        TestNode node;
        node.engine.setPlan(planOf(web(), kOne));
        const std::string pod = "10.180.1.9:4000", endpoint = "10.180.2.5:8080";
        node.send(tcp(pod, kVipSocket, kSyn));
        QCOMPARE(q(node.send(tcp(endpoint, pod, kRst | kAck, 0, 1001))), "TCP 10.0.1.2:80 > 10.180.1.9:4000");
        QCOMPARE(node.engine.connectionCount(), 0U); // refused: nothing to remember

        node.send(tcp(pod, kVipSocket, kSyn));
        node.send(tcp(endpoint, pod, kSynAck, 9, 1001));
        node.send(tcp(pod, kVipSocket, kAck, 1001, 10));
        node.send(tcp(endpoint, pod, kRst, 4, 0)); // behind what was acknowledged: a forgery
        QVERIFY(node.engine.connections().front().state == ConnectionState::established);
        node.send(tcp(endpoint, pod, kRst, 10, 0));
        QVERIFY(node.engine.connections().front().state == ConnectionState::close);
        QCOMPARE(node.engine.connections().front().timeout, 10s);
    }

    void outsideTheWindow() {
        for (const bool liberal : {false, true}) {
            PacketEngine::Options options;
            options.tcpLiberal = liberal;
            TestNode node(options);
            node.engine.setPlan(planOf(web(), kOne, Mode::iptables));
            const std::string pod = "10.180.1.9:4000", endpoint = "10.180.2.5:8080";
            node.send(tcp(pod, kVipSocket, kSyn));
            node.send(tcp(endpoint, pod, kSynAck, 9, 1001));
            node.send(tcp(pod, kVipSocket, kAck, 1001, 10));
            QCOMPARE(q(node.send(tcp(endpoint, pod, kAck, 10 + 1'000'000, 1001).payload("late"))),
                     liberal ? "TCP 10.0.1.2:80 > 10.180.1.9:4000" : "drop"); // iptables mode drops what is invalid
        }
        TestNode node;
        node.engine.setPlan(planOf(web(), kOne));
        node.send(tcp("10.180.1.9:4000", kVipSocket, kSyn));
        QCOMPARE(q(node.send(tcp("10.180.2.5:8080", "10.180.1.9:4000", kSynAck, 9, 5000))), // acknowledges nothing sent
                 "TCP 10.180.2.5:8080 > 10.180.1.9:4000"); // nftables mode lets it pass, untranslated
    }

    /// What kube-proxy's metrics count: invalid packets that are dropped, and node ports of localhost.
    void counters() {
        TestNode node;
        node.engine.setPlan(planOf(web(), kOne, Mode::iptables));
        node.send(tcp("10.180.1.9:4000", kVipSocket, kSyn));
        node.send(tcp("10.180.2.5:8080", "10.180.1.9:4000", kSynAck, 9, 5000)); // invalid, and forwarded
        node.send(tcp("10.180.2.5:8080", "10.240.0.4:4000", kSyn | kFin));      // invalid, for the node: passes
        QCOMPARE(node.engine.counters().invalidDropped, std::uint64_t{1});
        QCOMPARE(node.engine.counters().localhostNodePorts, std::uint64_t{0});
        const PacketOrigin own{.inputInterface = {}, .locallyGenerated = true};
        auto service = web();
        service.type = ServiceType::nodePort;
        service.ports.front().nodePort = 32080;
        node.engine.setPlan(planOf(service, kOne, Mode::iptables));
        node.send(tcp("127.0.0.1:4001", "127.0.0.1:32080", kSyn), own);
        node.send(tcp("127.0.0.1:4001", "127.0.0.1:32080", kAck, 1001, 5), own); // of the same connection
        node.send(tcp("104.132.1.79:4001", "10.240.0.4:32080", kSyn));
        QCOMPARE(node.engine.counters().localhostNodePorts, std::uint64_t{1});
        QCOMPARE(node.engine.counters().invalidDropped, std::uint64_t{1});
    }

    /// Connection tracking as kube-proxy would set the kernel up; what it leaves alone is the kernel's own.
    void optionsOfTheConfiguration() {
        using std::chrono::seconds;
        const auto plain = PacketEngine::Options::of({});
        QVERIFY(plain.tcpEstablished == seconds(86'400) && plain.tcpCloseWait == seconds(3'600));
        QVERIFY(plain.udp == seconds(30) && plain.udpStream == seconds(120) && !plain.tcpLiberal);
        QCOMPARE(plain.maximumConnections, std::size_t{131'072});
        ProxyConfig config;
        config.conntrack = {0, 5, seconds(60), seconds(0), std::chrono::milliseconds(1500), seconds(9)};
        config.tcpBeLiberal = true;
        const auto set = PacketEngine::Options::of(config);
        QVERIFY(set.tcpEstablished == seconds(60) && set.tcpCloseWait == seconds(3'600));
        QVERIFY(set.udp == seconds(2) && set.udpStream == seconds(9) && set.tcpLiberal);
        QCOMPARE(set.maximumConnections, PacketEngine::Options{}.maximumConnections);
        TestNode node(set);
        node.engine.setPlan(planOf(web(), kOne));
        node.send(tcp("10.180.1.9:4000", kVipSocket, kSyn));
        node.send(tcp("10.180.2.5:8080", "10.180.1.9:4000", kSynAck, 9, 1001));
        node.send(tcp("10.180.1.9:4000", kVipSocket, kAck, 1001, 10));
        QVERIFY(node.engine.connections().front().timeout == seconds(60));
    }

    void midStreamAndReopening() {
        TestNode node;
        node.engine.setPlan(planOf(web(), kTwo));
        const std::string pod = "10.180.1.9:4000";
        node.random.script = {1, 0};
        QCOMPARE(q(node.send(tcp(pod, kVipSocket, kAck, 500, 600))), "TCP 10.180.1.9:4000 > 10.180.2.5:8080");
        QVERIFY(node.engine.connections().front().state == ConnectionState::established);
        node.send(tcp("10.180.2.5:8080", pod, kFin, 600, 500));
        node.send(tcp(pod, kVipSocket, kFin, 500, 601));
        node.send(tcp("10.180.2.5:8080", pod, kAck, 601, 501));
        QVERIFY(node.engine.connections().front().state == ConnectionState::timeWait);
        QCOMPARE(q(node.send(tcp(pod, kVipSocket, kSyn, 90'000))),
                 "TCP 10.180.1.9:4000 > 10.180.1.136:8080"); // chosen anew
        QCOMPARE(node.engine.connectionCount(), 1U);

        PacketEngine::Options strict;
        strict.tcpLoose = false;
        TestNode other(strict);
        other.engine.setPlan(planOf(web(), kOne));
        QCOMPARE(q(other.send(tcp(pod, kVipSocket, kAck, 500, 600))), "TCP 10.180.1.9:4000 > 10.0.1.2:80");
        QCOMPARE(other.engine.connectionCount(), 0U);
    }

    void atMostSoManyConnections() {
        PacketEngine::Options options;
        options.maximumConnections = 2;
        TestNode node(options);
        node.engine.setPlan(planOf(web(Protocol::udp), kOne));
        QVERIFY(node.send(udp("10.180.1.9:1", kVipSocket)) != "drop");
        QVERIFY(node.send(udp("10.180.1.9:2", kVipSocket)) != "drop");
        QCOMPARE(q(node.send(udp("10.180.1.9:3", kVipSocket))), "drop");
        node.wait(31s);
        QVERIFY(node.send(udp("10.180.1.9:3", kVipSocket)) != "drop");
    }

    void localProcessKeepsTheClient() { // masquerade stands where packets leave the node
        TestNode node;
        node.engine.setPlan(planOf(web(), {{"10.240.0.4", "node1"}}));
        QCOMPARE(q(node.send(tcp(kClientSocket, kNodeSocket, kSyn))), "TCP 104.132.1.79:40000 > 10.240.0.4:8080");
    }

    void otherFamilyPassesUntouched() {
        TestNode node;
        node.engine.setPlan(planOf(web(), kOne));
        QCOMPARE(q(node.send(tcp("[fd00::1]:1000", "[fd00::2]:80", kSyn))), "TCP [fd00::1]:1000 > [fd00::2]:80");
        QCOMPARE(node.engine.connectionCount(), 0U);
    }

    void batchesAreTheSame() {
        TestNode one, many;
        std::vector<Bytes> packets;
        for (int i = 0; i < 50; ++i)
            packets.push_back(tcp("10.180.1.9:" + std::to_string(1000 + i % 30),
                                  i % 7 == 0 ? "10.0.1.2:81" : kVipSocket, i < 30 ? kSyn : kAck, i < 30 ? 1000 : 1001,
                                  1)
                                  .buildIp());
        // From outside, so masqueraded with random ports; some twice, some in the middle, others than TCP between them.
        for (int i = 0; i < 200; ++i) {
            const auto client = "104.132.1.79:" + std::to_string(2000 + (i % 11 == 3 ? i - 1 : i));
            packets.push_back(i % 13 == 5   ? udp(client, "10.0.1.2:82").buildIp()
                              : i % 17 == 7 ? tcp(client, kVipSocket, kAck, 5, 5).buildIp()
                                            : tcp(client, i % 5 == 0 ? kNodeSocket : kVipSocket, kSyn).buildIp());
        }
        std::vector<std::span<std::byte>> spans;
        auto copies = packets;
        for (auto &copy : copies)
            spans.emplace_back(copy);
        std::vector<PacketAction> actions(spans.size());
        one.engine.setPlan(planOf(web(), kTwo));
        many.engine.setPlan(planOf(web(), kTwo));
        many.engine.processBatch(spans, {.inputInterface = "cbr0"}, many.now, actions);
        std::size_t generated = 0;
        for (std::size_t i = 0; i < packets.size(); ++i) {
            QVERIFY(one.engine.process(packets[i], {.inputInterface = "cbr0"}, one.now) == actions[i]);
            QVERIFY(packets[i] == copies[i]);
            generated += one.engine.generated().size();
        }
        QVERIFY(generated > 3);
        QCOMPARE(many.engine.generated().size(), generated);
    }
};

NATLENS_TEST(TestPacketEngine)
#include "tst_packet_engine.moc"
