// The plan as a value: printed, compared, shared; which Services are in it.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/test_state.h"

#include <random>
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;

namespace {

const PlanTarget kNode1{.nodeName = "node1", .localAddresses = {}, .mode = Mode::nftables, .family = IpFamily::v4};

ClusterState nodePortState(TrafficPolicy policy) {
    auto state = documentNodes();
    auto one = service("nodeport", "10.0.1.2", ServiceType::nodePort, 32080);
    one.externalTrafficPolicy = policy;
    state.put(one);
    state.put(slice(one, {{"10.180.1.136", "node1"}, {"10.180.2.5", "node2", false, false, false}}));
    return state;
}

} // namespace

class TestProxyPlan : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void text() {
        const auto plan = makePlan(nodePortState(TrafficPolicy::local), podRange("10.180.0.0/16"), kNode1);
        QCOMPARE(
            QString::fromStdString(toText(plan)),
            QString(
                "node node1, IPv4, nftables mode\n"
                "local addresses: 10.240.0.4\n"
                "local pods: source in 10.180.0.0/16\n"
                "cluster IPs: source replaced unless from a local pod\n"
                "node ports: on 10.240.0.4\n"
                "masquerade mark: 0x4000, random ports\n"
                "a pod that reaches itself: source replaced on the node it runs on\n"
                "other ports of a cluster IP: rejected\n"
                "service default/nodeport (NodePort, TCP):\n"
                "  externalTrafficPolicy Local\n"
                "  clusterIP 10.0.1.2:80: to a cluster endpoint\n"
                "  nodePort 32080: to a local endpoint, source kept; pods and the node itself: to a cluster endpoint\n"
                "  cluster endpoints: 10.180.1.136:8080 on node1 (this node)\n"
                "  local endpoints: 10.180.1.136:8080 on node1 (this node)\n"
                "  not used: 10.180.2.5:8080: not ready\n"));
    }

    void unchangedServicesAreShared() {
        auto state = nodePortState(TrafficPolicy::cluster);
        const auto other = service("other", "10.0.1.9");
        state.put(other);
        const auto first = makePlan(state, {}, kNode1);
        state.put(slice(other, {{"10.180.3.3", "node3"}}));
        const auto second = makePlan(state, {}, kNode1, &first);
        QCOMPARE(second.services.size(), std::size_t{2});
        QVERIFY(first.services[0] == second.services[0]);
        QVERIFY(first.services[1] != second.services[1]);
        QVERIFY(!(first == second));
        QVERIFY(second == makePlan(state, {}, kNode1));
    }

    /// Services that come, go, change and claim each other's front ends: a plan made with the one before is the plan
    /// made from nothing, its problems too.
    void plansWithAPreviousOneAreTheSame() {
        std::mt19937 random(20261126);
        const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
        ClusterState state = documentNodes();
        auto plan = makePlan(state, {}, kNode1);
        int conflicts = 0;
        for (int round = 0; round < 400; ++round) {
            const int which = below(12);
            const auto name = "s" + std::to_string(which);
            auto made = service(name, "10.0.0." + std::to_string(1 + below(14)), ServiceType::nodePort,
                                static_cast<Port>(below(2) == 0 ? 0 : 30000 + below(6)));
            switch (below(7)) {
            case 0: state.services.erase({"default", name}); break;
            case 1: state.endpointSlices.erase({"default", name + "-slice"}); break;
            case 2: {
                auto node = *state.nodes.at({"", "node1"});
                node.addresses.front().address = "10.240.0." + std::to_string(4 + below(2));
                if (below(4) == 0) state.put(node);
                break;
            }
            case 3: { // a slice that names another Service than before
                auto moved = slice(made, {{"10.180.1." + std::to_string(1 + below(9)), "node1"}});
                moved.serviceName = "s" + std::to_string(below(12));
                state.put(moved);
                break;
            }
            case 4:
                made.headless = below(2) == 0;
                state.put(made);
                break;
            case 5:
                made.externalIPs = {ip("192.0.2." + std::to_string(below(4)))};
                made.externalTrafficPolicy = below(2) == 0 ? TrafficPolicy::local : TrafficPolicy::cluster;
                state.put(made);
                break;
            default: state.put(slice(made, {{"10.180.2." + std::to_string(1 + below(9)), "node2"}})); break;
            }
            auto next = makePlan(state, {}, kNode1, &plan);
            const auto fresh = makePlan(state, {}, kNode1);
            QCOMPARE(toText(next), toText(fresh));
            QVERIFY(next == fresh && next.problems == fresh.problems);
            conflicts += fresh.problems.empty() ? 0 : 1;
            plan = std::move(next);
        }
        QVERIFY(conflicts > 50);
    }

    void whichServicesAreProxied_data() {
        QTest::addColumn<int>("kind");
        QTest::addColumn<bool>("proxied");
        QTest::newRow("plain") << 0 << true;
        QTest::newRow("headless") << 1 << false;
        QTest::newRow("ExternalName") << 2 << false;
        QTest::newRow("another proxy's") << 3 << false;
        QTest::newRow("no cluster IP") << 4 << false;
        QTest::newRow("other family only") << 5 << false;
    }
    void whichServicesAreProxied() {
        QFETCH(int, kind);
        QFETCH(bool, proxied);
        auto one = service("s", "10.0.1.2");
        if (kind == 1) one.headless = true;
        if (kind == 2) one.type = ServiceType::externalName;
        if (kind == 3) one.labels[std::string(kServiceProxyNameLabel)] = "";
        if (kind == 4) one.clusterIPs.clear();
        if (kind == 5) one.clusterIPs = {ip("fd00::2")};
        auto state = documentNodes();
        state.put(one);
        QCOMPARE(makePlan(state, {}, kNode1).services.size(), std::size_t{proxied ? 1U : 0U});
    }

    void duplicateEndpoints() {
        auto state = documentNodes();
        const auto one = service("s", "10.0.1.2");
        state.put(one);
        auto old = slice(one, {{"10.180.1.9", "node2", false, true, true}, {"10.180.1.10", "node1"}});
        auto fresh = slice(one, {{"10.180.1.9", "node1"}});
        fresh.name.name = "z-later";
        state.put(old);
        state.put(fresh);
        const auto plan = makePlan(state, {}, kNode1);
        const auto &cluster = plan.services[0]->cluster;
        QCOMPARE(cluster.size(), std::size_t{2});
        QCOMPARE(cluster[0].address.toString(), std::string("10.180.1.10:8080")); // by text, not by number
        QVERIFY(cluster[1].ready && cluster[1].local);
    }

    /// Of a slice: ports with a number, and of an endpoint the first address.
    void whatOfASliceCounts() {
        auto state = documentNodes();
        const auto one = service("s", "10.0.1.2");
        state.put(one);
        auto slices = slice(one, {{"10.180.1.9", "node1"}});
        slices.endpoints[0].addresses.push_back(ip("10.180.1.10"));
        auto without = slices, zero = slices;
        without.name.name = "without-number";
        without.ports[0].port.reset();
        zero.name.name = "zero";
        zero.ports[0].port = 0;
        state.put(without);
        state.put(zero);
        QCOMPARE(makePlan(state, {}, kNode1).services[0]->cluster.size(), std::size_t{0});
        state.put(slices);
        const auto plan = makePlan(state, {}, kNode1);
        QCOMPARE(plan.services[0]->cluster.size(), std::size_t{1});
        QCOMPARE(plan.services[0]->cluster[0].address.toString(), std::string("10.180.1.9:8080"));
    }

    void nodePortAddresses_data() {
        QTest::addColumn<int>("mode");
        QTest::addColumn<QStringList>("written");
        QTest::addColumn<bool>("all");
        QTest::addColumn<bool>("loopback");
        QTest::addColumn<QStringList>("addresses");
        const int nft = static_cast<int>(Mode::nftables), ipt = static_cast<int>(Mode::iptables);
        QTest::newRow("nftables default") << nft << QStringList{} << false << false << QStringList{"10.240.0.4"};
        QTest::newRow("iptables default") << ipt << QStringList{} << true << true << QStringList{};
        QTest::newRow("nftables all") << nft << QStringList{"0.0.0.0/0"} << true << false << QStringList{};
        QTest::newRow("iptables primary")
            << ipt << QStringList{"primary"} << false << false << QStringList{"10.240.0.4"};
        QTest::newRow("range") << nft << QStringList{"192.168.0.0/16"} << false << false << QStringList{"192.168.5.5"};
        QTest::newRow("loopback, iptables")
            << ipt << QStringList{"127.0.0.0/8"} << false << false << QStringList{"127.0.0.1"};
        QTest::newRow("loopback, nftables") << nft << QStringList{"127.0.0.0/8"} << false << false << QStringList{};
        QTest::newRow("other family") << nft << QStringList{"fd00::/64"} << true << false << QStringList{};
    }
    void nodePortAddresses() {
        QFETCH(int, mode);
        QFETCH(QStringList, written);
        QFETCH(bool, all);
        QFETCH(bool, loopback);
        QFETCH(QStringList, addresses);
        ProxyConfig config;
        for (const auto &one : written)
            config.nodePortAddresses.push_back(one.toStdString());
        const auto plan =
            makePlan(documentNodes(), config,
                     {.nodeName = "node1", .localAddresses = {ip("192.168.5.5")}, .mode = static_cast<Mode>(mode)});
        QCOMPARE(plan.nodePorts.allLocal, all);
        QCOMPARE(plan.nodePorts.loopback, loopback);
        QStringList found;
        for (const auto &one : plan.nodePorts.addresses)
            found << QString::fromStdString(one.toString());
        QCOMPARE(found, addresses);
    }

    void unknownNodeIsSaid() {
        const auto plan = makePlan(documentNodes(), {}, {.nodeName = "nowhere", .localAddresses = {}});
        QCOMPARE(plan.problems.size(), std::size_t{1});
        QVERIFY(plan.nodePorts.allLocal); // no primary address is known
    }
};

NATLENS_TEST(TestProxyPlan)
#include "tst_proxy_plan.moc"
