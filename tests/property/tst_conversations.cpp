// Whole conversations, and many of them: what the kernel does to each packet, the engine does too.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "../proxycore/test_state.h"
#include "property/nat.h"

#include <fmt/format.h>
#include <map>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using packet::TcpFlags;

namespace {

constexpr Port kNodePort = 30000;

/// One Service on its cluster IP's port 80 and a node port, TCP and UDP, with these endpoints: +5 is the pod 5 of n1,
/// -5 that of n2.
ProxyPlan planOf(const std::vector<int> &endpoints, Mode mode, IpFamily family) {
    const auto &world = World::of(family);
    ClusterState state;
    Node node;
    node.name = "n1";
    node.addresses = {{"InternalIP", world.node.toString()}};
    node.podCIDRs = {world.pods};
    state.put(node);
    auto service = proxycore::test::service("s", world.clusterIp(1).toString(), ServiceType::nodePort, kNodePort);
    service.ports.front().name = "tcp";
    service.ports.push_back(
        {.name = "udp", .protocol = Protocol::udp, .port = 80, .targetPort = "", .nodePort = kNodePort});
    std::vector<proxycore::test::TestEndpoint> list;
    for (const int endpoint : endpoints)
        list.push_back({world.pod(endpoint > 0, static_cast<unsigned>(std::abs(endpoint))).toString(),
                        endpoint > 0 ? "n1" : "n2"});
    state.put(proxycore::test::slice(service, list));
    state.put(service);
    return makePlan(state, proxycore::test::podRange(world.clusterRange.toString()),
                    {.nodeName = "n1", .localAddresses = {world.node, world.bridge}, .mode = mode, .family = family});
}

/// Who talks, and to whom.
struct Ends {
    IpAddress client;
    packet::SocketAddress asked;
};

std::vector<Ends> conversationsIn(const World &world) {
    const packet::SocketAddress cluster{world.clusterIp(1), 80};
    return {{world.pod(true, 9), cluster},                       // a pod
            {world.outside(7), {world.node, kNodePort}},         // somebody outside
            {world.pod(true, 5), cluster}};                      // an endpoint, now and then to itself
}

std::string tcp(Nat &nat, Mode mode, const Ends &ends, Port port, int round) {
    const auto family = ends.client.family;
    std::string trouble;
    Connection tcp(nat, {Protocol::tcp, {ends.client, port}, ends.asked});
    tcp.fromClient(TcpFlags::syn, 1000, 0);
    tcp.fromServer(TcpFlags::syn | TcpFlags::ack, 5000, 1001);
    tcp.fromClient(TcpFlags::ack, 1001, 5001);
    tcp.fromClient(TcpFlags::ack | TcpFlags::psh, 1001, 5001, "question");
    tcp.fromServer(TcpFlags::ack | TcpFlags::psh, 5001, 1009, "answer");
    if (round % 3 == 0) { // reset, and the same ports again
        tcp.fromServer(TcpFlags::rst | TcpFlags::ack, 5007, 1009);
        Connection again(nat, tcp.original());
        again.fromClient(TcpFlags::syn, 900'000, 0);
        again.fromServer(TcpFlags::syn | TcpFlags::ack, 7000, 900'001);
        trouble += again.trouble();
    } else { // an ordinary close, and the endpoint gone in the middle of it
        if (round % 3 == 2) trouble += nat.setPlan(planOf({-77}, mode, family));
        tcp.fromClient(TcpFlags::fin | TcpFlags::ack, 1009, 5007);
        tcp.fromServer(TcpFlags::fin | TcpFlags::ack, 5007, 1010);
        tcp.fromClient(TcpFlags::ack, 1010, 5008);
        if (round % 3 == 2) trouble += nat.setPlan(planOf({5, -5}, mode, family));
    }
    return trouble + tcp.trouble();
}

std::string udp(Nat &nat, const Ends &ends, Port port) {
    const bool v6 = ends.client.isV6();
    Connection udp(nat, {Protocol::udp, {ends.client, port}, ends.asked});
    udp.fromClient(0, 0, 0, "question");
    udp.fromServer(0, 0, 0, "answer");
    udp.fromClient(0, 0, 0, "once more");
    // A link on the way back is too small, one on the way there too, then the endpoint's port is closed.
    udp.errorToServer(v6 ? 2 : 3, v6 ? 0 : 4, 1280);
    udp.errorToClient(v6 ? 2 : 3, v6 ? 0 : 4, 1280);
    udp.errorToClient(v6 ? 1 : 3, v6 ? 4 : 3);
    udp.fromClient(0, 0, 0, "for all that");
    return udp.trouble();
}

std::string talk(Nat &nat, Mode mode, IpFamily family) {
    if (const auto failed = nat.setPlan(planOf({5, -5}, mode, family)); !failed.empty()) return failed;
    std::string trouble;
    Port port = 2000;
    for (const auto &ends : conversationsIn(World::of(family)))
        for (int round = 0; round < 6; ++round) {
            trouble += tcp(nat, mode, ends, ++port, round);
            trouble += udp(nat, ends, ++port);
        }
    return trouble;
}

/// How evenly many connections are spread over four endpoints: Pearson's chi-square, three degrees of freedom.
std::string spread(Nat &nat, Mode mode, IpFamily family) {
    const auto &world = World::of(family);
    if (const auto failed = nat.setPlan(planOf({5, 6, -5, -6}, mode, family)); !failed.empty()) return failed;
    std::map<std::string, int> counts;
    constexpr int kConnections = 1200;
    for (int i = 0; i < kConnections; ++i) {
        const packet::Tuple tuple{
            Protocol::tcp, {world.pod(true, 9), static_cast<Port>(10'000 + i)}, {world.clusterIp(1), 80}};
        const auto out = nat.pass(segment(tuple, TcpFlags::syn, 1, 0, {}), Way::pods);
        if (!out) return "a connection did not arrive";
        ++counts[tupleOf(*out).dst.toString()];
    }
    constexpr int kEndpoints = 4;
    if (counts.size() != kEndpoints) return fmt::format("{} endpoints were chosen", counts.size());
    constexpr double kExpected = static_cast<double>(kConnections) / kEndpoints;
    double chiSquare = 0;
    for (const auto &[endpoint, count] : counts) chiSquare += (count - kExpected) * (count - kExpected) / kExpected;
    // Beyond 27.9 with a probability of 4 in a million.
    return chiSquare < 27.9 ? "" : fmt::format("chi-square {}", chiSquare);
}

} // namespace

class TestConversations : public QObject {
    Q_OBJECT

    static void nats() {
        QTest::addColumn<int>("mode");
        QTest::addColumn<bool>("kernel");
        QTest::addColumn<bool>("v6");
        for (const bool kernel : {true, false})
            for (const auto mode : {Mode::nftables, Mode::iptables})
                for (const bool v6 : {false, true})
                    QTest::addRow("%s, %s, %s", kernel ? "kernel" : "engine", toString(mode).data(),
                                  v6 ? "IPv6" : "IPv4")
                        << static_cast<int>(mode) << kernel << v6;
    }

    /// The same script for all.
    static void with(const std::function<std::string(Nat &, Mode, IpFamily)> &script) {
        QFETCH(int, mode);
        QFETCH(bool, kernel);
        QFETCH(bool, v6);
        const auto given = static_cast<Mode>(mode);
        const auto text =
            withNat(given, kernel, [&](Nat &nat) { return script(nat, given, v6 ? IpFamily::v6 : IpFamily::v4); });
        if (text.starts_with("skip: ")) QSKIP(text.c_str() + 6);
        QVERIFY2(text.empty(), text.c_str());
    }

private Q_SLOTS:
    void conversations_data() { nats(); }
    void conversations() { with(talk); }
    void distribution_data() { nats(); }
    void distribution() { with(spread); }
};

NATLENS_TEST(TestConversations)
#include "tst_conversations.moc"
