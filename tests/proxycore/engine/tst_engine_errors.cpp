// What is not a plain packet of a connection: ICMP errors through NAT, echo, fragments, SCTP's checksum, hostile bytes.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/engine/engine_node.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;
using namespace std::chrono_literals;

namespace {

constexpr const char *kPodSocket = "10.180.2.5:8080", *kMapped = "10.240.0.4:1044";
const PacketOrigin kEth0{.inputInterface = "eth0"};

/// All three protocols on port 80; IPv6 by the addresses given.
ProxyPlan errorPlan(const std::string &clusterIp, const std::string &endpoint, const std::string &node,
                    Mode mode = Mode::nftables) {
    auto one = service("web", clusterIp);
    EndpointSlice endpoints;
    one.ports.clear();
    for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
        one.ports.push_back({.name = natlens::packet::toString(protocol),
                             .protocol = protocol,
                             .port = 80,
                             .targetPort = "8080",
                             .nodePort = 0});
    endpoints =
        slice(one, endpoint.empty() ? std::vector<TestEndpoint>{} : std::vector<TestEndpoint>{{endpoint, "node2"}});
    for (std::size_t i = 0; i < one.ports.size(); ++i)
        endpoints.ports[i].protocol = one.ports[i].protocol;
    const bool isV6 = ip(clusterIp).isV6();
    if (isV6) endpoints.addressType = AddressType::ipv6;
    ClusterState state;
    Node self;
    self.name = "node1";
    self.addresses = {{"InternalIP", node}};
    state.put(self);
    state.put(one);
    state.put(endpoints);
    return makePlan(state, podRange(isV6 ? "fd00:180::/32" : "10.180.0.0/16"),
                    {.nodeName = "node1",
                     .localAddresses = {},
                     .mode = mode,
                     .family = isV6 ? natlens::packet::IpFamily::v6 : natlens::packet::IpFamily::v4});
}

ProxyPlan v4Plan(Mode mode = Mode::nftables) {
    return errorPlan("10.0.1.2", "10.180.2.5", "10.240.0.4", mode);
}
ProxyPlan v6Plan() {
    return errorPlan("fd00:1::2", "fd00:180:2::5", "fd00:240::4");
}

PacketBuilder between(const char *source, const char *destination) {
    return PacketBuilder().ip(ip(source), ip(destination));
}

} // namespace

class TestEngineErrors : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void errorFromARouterBeyondTheService() {
        TestNode node;
        node.engine.setPlan(v4Plan());
        node.random.script = {20};
        QCOMPARE(q(node.send(udp(kClientSocket, kVipSocket))), "UDP 10.240.0.4:1044 > 10.180.2.5:8080");
        const Bytes onItsWay = node.packet;
        QCOMPARE(q(node.send(between("10.9.9.9", "10.240.0.4").icmpError(3, 1, onItsWay))),
                 "ICMP 10.0.1.2:0 > 104.132.1.79:0"); // the Service speaks, as with netfilter
        QCOMPARE(q(node.decoded.quoted.toString()), "UDP 104.132.1.79:40000 > 10.0.1.2:80");
        const auto quoted = std::span(node.packet).subspan(28);
        QCOMPARE(
            natlens::packet::transportChecksum(ip("104.132.1.79"), ip("10.0.1.2"), Protocol::udp, quoted.subspan(20)),
            0);
        QCOMPARE(node.engine.connectionCount(), 1U);
    }

    void errorFromTheClientsSide() {
        TestNode node;
        node.engine.setPlan(v4Plan());
        node.random.script = {20};
        node.send(tcp(kClientSocket, kVipSocket, kSyn));
        QCOMPARE(q(node.send(tcp(kPodSocket, kMapped, kSynAck, 9, 1001))), "TCP 10.0.1.2:80 > 104.132.1.79:40000");
        Bytes reply = node.packet;
        reply.resize(28); // an old router quotes eight bytes
        QCOMPARE(q(node.send(between("104.132.1.1", "10.0.1.2").icmpError(3, 4, reply, 1400))),
                 "ICMP 10.240.0.4:0 > 10.180.2.5:0");
        QCOMPARE(q(node.decoded.quoted.toString()), "TCP 10.180.2.5:8080 > 10.240.0.4:1044");
    }

    void errorsThatBelongToNothing() {
        for (const auto mode : {Mode::nftables, Mode::iptables}) {
            TestNode node;
            node.engine.setPlan(v4Plan(mode));
            const auto stranger = udp("10.180.1.9:4000", "10.180.2.5:8080").buildIp();
            QCOMPARE(q(node.send(between("10.9.9.9", "10.180.1.9").icmpError(3, 1, stranger))),
                     mode == Mode::nftables ? "ICMP 10.9.9.9:0 > 10.180.1.9:0" : "drop");
            node.random.script = {20};
            node.send(udp(kClientSocket, kVipSocket));
            // It quotes a packet of ours but goes to somebody else.
            const Bytes onItsWay = node.packet;
            QCOMPARE(q(node.send(between("10.9.9.9", "10.180.1.9").icmpError(3, 1, onItsWay))),
                     mode == Mode::nftables ? "ICMP 10.9.9.9:0 > 10.180.1.9:0" : "drop");
            QCOMPARE(q(node.send(between("10.9.9.9", "10.240.0.4").icmpError(5, 1, onItsWay))), "drop"); // a redirect
        }
    }

    void ipv6() {
        TestNode node;
        node.engine.setPlan(v6Plan());
        node.random.script = {20};
        const char *client = "[2001:db8::79]:40000", *vip = "[fd00:1::2]:80";
        QCOMPARE(q(node.send(udp(client, vip))), "UDP [fd00:240::4]:1044 > [fd00:180:2::5]:8080");
        const Bytes onItsWay = node.packet;
        QCOMPARE(q(node.send(between("fd00:9::9", "fd00:240::4").icmpError(1, 3, onItsWay))),
                 "ICMPv6 [fd00:1::2]:0 > [2001:db8::79]:0");
        QCOMPARE(q(node.decoded.quoted.toString()), "UDP [2001:db8::79]:40000 > [fd00:1::2]:80");
        QCOMPARE(q(node.send(udp("[fd00:180:2::5]:8080", "[fd00:240::4]:1044"))),
                 "UDP [fd00:1::2]:80 > [2001:db8::79]:40000");
        QCOMPARE(q(node.send(tcp(client, "[fd00:1::2]:81", kSyn))),
                 "reject: ICMPv6 [fd00:240::4]:0 > [2001:db8::79]:0");
        QVERIFY(node.decoded.icmpType == 1 && node.decoded.icmpCode == 4);
        QCOMPARE(q(node.decoded.quoted.toString()), "TCP [2001:db8::79]:40000 > [fd00:1::2]:81");
    }

    void echo() {
        TestNode node;
        node.engine.setPlan(v4Plan());
        const auto ask = between("10.180.1.9", "10.180.2.5").icmpEchoRequest(77, 1);
        QCOMPARE(q(node.send(ask)), "ICMP 10.180.1.9:77 > 10.180.2.5:77");
        QCOMPARE(q(node.send(between("10.180.2.5", "10.180.1.9").icmpEchoReply(77, 1))),
                 "ICMP 10.180.2.5:77 > 10.180.1.9:77");
        QCOMPARE(node.engine.connectionCount(), 1U);
        QVERIFY(node.engine.connections().front().seenReply);
        QCOMPARE(node.engine.connections().front().timeout, 30s);
        // An answer that nobody asked for makes no connection; a cluster IP does not answer.
        node.send(between("10.180.2.5", "10.180.1.9").icmpEchoReply(78, 1));
        QCOMPARE(node.engine.connectionCount(), 1U);
        QCOMPARE(q(node.send(between("10.180.1.9", "10.0.1.2").icmpEchoRequest(79, 1))),
                 "reject: ICMP 10.180.1.1:0 > 10.180.1.9:0");
    }

    /// 1.5 ended UDP connections to the cluster IP of a Service that is gone; today they wait for their time-out.
    void datagramsOfAServiceThatIsGone_data() {
        QTest::addColumn<bool>("today");
        QTest::addColumn<int>("left");
        QTest::newRow("1.5") << false << 1;
        QTest::newRow("today") << true << 2;
    }
    void datagramsOfAServiceThatIsGone() {
        QFETCH(bool, today);
        QFETCH(int, left);
        auto plan = v4Plan(Mode::iptables);
        plan.behaviour.endsAllStaleUdp = today;
        TestNode node;
        node.engine.setPlan(plan);
        node.send(udp(kClientSocket, kVipSocket));
        node.send(udp(kClientSocket, "10.180.2.5:8080")); // not to the Service
        QCOMPARE(node.engine.connectionCount(), 2U);
        plan.services.clear();
        node.engine.setPlan(plan);
        QCOMPARE(node.engine.connectionCount(), std::size_t(left));
    }

    void longPacketsAreQuotedInPart() {
        TestNode node;
        node.engine.setPlan(errorPlan("10.0.1.2", "", "10.240.0.4"));
        node.send(udp("10.180.1.9:4000", kVipSocket, std::string(1400, 'x')));
        QCOMPARE(node.engine.generated().front().size(), 576U);
        QCOMPARE(node.send(udp("0.0.0.0:4000", kVipSocket)), "reject: silent");
    }

    void fragments_data() {
        QTest::addColumn<QList<int>>("order");
        QTest::addColumn<bool>("isV6");
        for (const bool isV6 : {false, true}) {
            const char *family = isV6 ? "v6" : "v4";
            QTest::addRow("in order, %s", family) << QList<int>{0, 1, 2} << isV6;
            QTest::addRow("first one in the middle, %s", family) << QList<int>{1, 0, 2} << isV6;
            QTest::addRow("backwards, %s", family) << QList<int>{2, 1, 0} << isV6;
        }
    }
    void fragments() {
        QFETCH(QList<int>, order);
        QFETCH(bool, isV6);
        TestNode node;
        node.engine.setPlan(isV6 ? v6Plan() : v4Plan());
        const char *source = isV6 ? "2001:db8::79" : "104.132.1.79", *vip = isV6 ? "fd00:1::2" : "10.0.1.2";
        const std::size_t header = isV6 ? 40 : 20;
        const std::string text(100, 'y');
        const auto whole = between(source, vip).udp(40000, 80).payload(text).buildIp();
        const auto body = std::span<const std::byte>(whole).subspan(header);
        // Three fragments of the datagram: 48, 48 and the rest, as the bytes of the whole have them.
        const auto piece = [&](int n) {
            const std::size_t offset = static_cast<std::size_t>(n) * 48;
            auto part = body.subspan(offset, std::min<std::size_t>(48, body.size() - offset));
            auto bytes = between(source, vip)
                             .udp(40000, 80)
                             .ipId(99)
                             .fragment(static_cast<std::uint16_t>(offset), n < 2)
                             .payload(n == 0 ? part.subspan(8) : part)
                             .buildIp();
            // The first one's UDP header is the whole's: its length and checksum are about all of it.
            if (n == 0) std::copy_n(body.begin(), 8, bytes.end() - 48);
            return bytes;
        };
        std::map<int, Bytes> arrived; // by offset
        const auto arrive = [&](const Bytes &bytes) {
            const auto decoded = natlens::packet::decode(natlens::packet::LinkType::rawIp, bytes);
            QCOMPARE(q(decoded.tuple.dst.ip.toString()), isV6 ? "fd00:180:2::5" : "10.180.2.5");
            QCOMPARE(q(decoded.tuple.src.ip.toString()), isV6 ? "fd00:240::4" : "10.240.0.4");
            if (!isV6) QCOMPARE(natlens::packet::internetChecksum(std::span(bytes).first(20)), 0);
            arrived[decoded.fragmentOffset] = Bytes(bytes.begin() + (isV6 ? 48 : 20), bytes.end());
        };
        bool firstCame = false;
        for (const int n : order) {
            auto bytes = piece(n);
            const auto action = node.engine.process(bytes, kEth0, node.now);
            firstCame = firstCame || n == 0;
            QVERIFY(action == (firstCame ? PacketAction::forward : PacketAction::hold));
            if (action == PacketAction::forward) arrive(bytes);
            for (const auto &released : node.engine.generated())
                arrive(released);
        }
        Bytes together;
        for (const auto &[offset, part] : arrived) {
            QCOMPARE(static_cast<std::size_t>(offset), together.size());
            together.insert(together.end(), part.begin(), part.end());
        }
        QCOMPARE(together.size(), body.size());
        const auto translated =
            isV6 ? std::pair("fd00:240::4", "fd00:180:2::5") : std::pair("10.240.0.4", "10.180.2.5");
        QCOMPARE(
            natlens::packet::transportChecksum(ip(translated.first), ip(translated.second), Protocol::udp, together),
            0);
    }

    void fragmentsWaitOnlySoLong() {
        TestNode node;
        node.engine.setPlan(v4Plan());
        const auto later = [](std::uint16_t id) {
            return between("104.132.1.79", "10.0.1.2").udp(1, 80).ipId(id).fragment(1480, false).payload("rest");
        };
        const auto first = [](std::uint16_t id) {
            return between("104.132.1.79", "10.0.1.2")
                .udp(1, 80)
                .ipId(id)
                .fragment(0, true)
                .payload(std::string(16, 'a'));
        };
        QCOMPARE(q(node.send(later(5))), "hold");
        node.wait(30s);
        node.send(first(5));
        QVERIFY(node.engine.generated().empty());
        int held = 0;
        for (std::uint16_t id = 100; id < 1100; ++id)
            held += node.send(later(id)) == "hold" ? 1 : 0;
        QVERIFY(held >= 1 && held <= 256); // bounded, whoever sends
        // What the first one's fate was, the others share: a rejected datagram is rejected once.
        node.wait(31s);
        node.engine.setPlan(errorPlan("10.0.1.2", "", "10.240.0.4"));
        QVERIFY(node.send(first(7)).starts_with("reject"));
        QCOMPARE(q(node.send(later(7))), "drop");
    }

    void sctpChecksumIsRenewed() {
        TestNode node;
        node.engine.setPlan(v4Plan());
        node.random.script = {20};
        QCOMPARE(q(node.send(between("104.132.1.79", "10.0.1.2")
                                 .sctp(40000, 80)
                                 .payload(std::string("\1\0\0\24", 4) + std::string(16, '\0')))),
                 "SCTP 10.240.0.4:1044 > 10.180.2.5:8080");
        QCOMPARE(q(node.send(between("10.180.2.5", "10.240.0.4")
                                 .sctp(8080, 1044, 7)
                                 .payload(std::string("\2\0\0\24", 4) + std::string(16, '\0')))),
                 "SCTP 10.0.1.2:80 > 104.132.1.79:40000");
    }

    void sctpStates() {
        using enum ConnectionState;
        TestNode node;
        node.engine.setPlan(v4Plan());
        const auto chunk = [](std::uint8_t type) {
            return std::string(1, static_cast<char>(type)) + std::string("\0\0\4", 3);
        };
        const auto ask = [&](std::uint8_t type) {
            node.send(between("10.180.1.9", "10.0.1.2").sctp(4000, 80).payload(chunk(type)));
        };
        const auto answer = [&](std::uint8_t type) {
            node.send(between("10.180.2.5", "10.180.1.9").sctp(8080, 4000).payload(chunk(type)));
        };
        const auto is = [&](ConnectionState state, std::chrono::seconds timeout) {
            const auto view = node.engine.connections().front();
            return view.state == state && view.timeout == timeout;
        };
        ask(10); // a cookie that nobody baked begins nothing
        QCOMPARE(node.engine.connectionCount(), 0U);
        ask(1);
        QVERIFY(is(sctpCookieWait, 3s));
        answer(2);
        ask(10);
        QVERIFY(is(sctpCookieEchoed, 3s));
        answer(11);
        QVERIFY(is(sctpEstablished, 210s));
        QVERIFY(node.engine.connections().front().assured);
        ask(0);
        QVERIFY(is(sctpEstablished, 210s));
        ask(7);
        QVERIFY(is(sctpShutdownSent, 3s));
        answer(8);
        QVERIFY(is(sctpShutdownAckSent, 3s));
        ask(14);
        QVERIFY(is(none, 10s));
    }

    void udpWithoutChecksumStaysWithout() {
        TestNode node;
        node.engine.setPlan(v4Plan());
        auto bytes = udp("10.180.1.9:4000", kVipSocket).buildIp();
        bytes[26] = bytes[27] = std::byte{0};
        QVERIFY(node.engine.process(bytes, kEth0, node.now) == PacketAction::forward);
        QVERIFY(bytes[26] == std::byte{0} && bytes[27] == std::byte{0});
        QCOMPARE(q(node.describe(bytes)), "UDP 10.180.1.9:4000 > 10.180.2.5:8080");
    }

    void hostileBytes() { // every cut and every changed byte: nothing is read outside, nothing is longer than it was
        TestNode node;
        node.engine.setPlan(v4Plan());
        node.engine.setPlan(v6Plan());
        const std::vector<Bytes> seeds = {
            tcp(kClientSocket, kVipSocket, kSyn).mss(1460).windowScale(7).buildIp(),
            udp("[2001:db8::79]:1", "[fd00:1::2]:80").buildIp(),
            between("10.9.9.9", "10.240.0.4").icmpError(3, 1, udp("10.240.0.4:1", kPodSocket).buildIp()).buildIp(),
            between("2001:db8::79", "fd00:1::2").udp(1, 80).ipId(3).fragment(0, true).payload("12345678").buildIp()};
        int sent = 0;
        for (const auto &seed : seeds) {
            for (std::size_t cut = 0; cut < seed.size(); ++cut) {
                Bytes bytes(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(cut));
                bytes.shrink_to_fit();
                // A length that promises more than there is: not an IP packet.
                QVERIFY(node.engine.process(bytes, kEth0, node.now) == PacketAction::drop);
                ++sent;
            }
            for (std::size_t at = 0; at < seed.size(); ++at)
                for (const unsigned value : {0x00U, 0x01U, 0x7fU, 0x80U, 0xffU}) {
                    Bytes bytes = seed;
                    bytes[at] = static_cast<std::byte>(value);
                    (void)node.engine.process(bytes, kEth0, node.now);
                    QCOMPARE(bytes.size(), seed.size());
                    ++sent;
                }
        }
        QVERIFY(sent > 500);
        QVERIFY(node.send(udp("10.180.1.9:4000", kVipSocket)) == "UDP 10.180.1.9:4000 > 10.180.2.5:8080");
    }
};

NATLENS_TEST(TestEngineErrors)
#include "tst_engine_errors.moc"
