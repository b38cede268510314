// What was seen with a running kube-proxy of today on three nodes, and what `explain` says where nothing is done.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/engine/explain.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/test_state.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;
namespace packet = natlens::packet;

namespace {

/// n1 (10.240.0.3) with the only endpoint 10.180.1.136, n2 (10.240.0.4), n3 (10.240.0.5) with the pod 10.180.3.8. A
/// load balancer IP, which is routed to a node, and a Service without endpoints.
ClusterState nodesOfCluster(bool local, const std::vector<const char *> &ranges = {}) {
    ClusterState state;
    for (int i = 1; i <= 3; ++i) {
        Node node;
        node.name = "n" + std::to_string(i);
        node.addresses = {{"InternalIP", "10.240.0." + std::to_string(i + 2)}};
        node.podCIDRs = {*IpPrefix::parse("10.180." + std::to_string(i) + ".0/24")};
        state.put(node);
    }
    auto web = service("web", "10.0.1.2", ServiceType::loadBalancer, 32080);
    web.ingress = {{.ip = ip("203.0.113.140"), .hostname = ""}};
    web.externalTrafficPolicy = local ? TrafficPolicy::local : TrafficPolicy::cluster;
    web.healthCheckNodePort = local ? 32122 : 0;
    for (const char *range : ranges)
        web.loadBalancerSourceRanges.push_back(*IpPrefix::parse(range));
    state.put(web);
    state.put(slice(web, {{"10.180.1.136", "n1"}}));
    state.put(service("empty", "10.0.1.3"));
    return state;
}

ProxyConfig clusterCidr() {
    auto config = podRange("10.180.0.0/16");
    config.serviceCIDRs = {*IpPrefix::parse("10.0.0.0/16")};
    return config;
}

Decision askObserved(const ClusterState &state, const ProxyConfig &config, Mode mode, const std::string &node,
                     const std::string &from, const std::string &to) {
    const auto plan = makePlan(
        state, config, {.nodeName = node, .localAddresses = {ip("10.180." + node.substr(1) + ".1")}, .mode = mode});
    return decide(plan, {.protocol = Protocol::tcp,
                         .source = {ip(from), 0},
                         .destination = packet::SocketAddress::parse(to).value(),
                         .inputInterface = "",
                         .locallyGenerated = plan.isLocalAddress(ip(from))});
}

/// "replaced" or "kept" source, "timeout", "refused", "untouched".
QString seen(const Decision &decision) {
    switch (decision.verdict) {
    case Verdict::forwarded: return decision.masquerade ? "replaced" : "kept";
    case Verdict::dropped: return "timeout";
    case Verdict::rejected: return "refused";
    case Verdict::notAService: return "untouched";
    }
    return {};
}

std::string sentences(const Decision &decision) {
    std::string text;
    for (const auto &step : decision.steps)
        text += step.decided + " [" + step.field + "]\n";
    return text;
}

} // namespace

class TestObserved : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void nodePorts_data() {
        QTest::addColumn<QString>("node"); ///< that decides
        QTest::addColumn<QString>("from");
        QTest::addColumn<QString>("to");
        QTest::addColumn<QStringList>(
            "expected"); ///< iptables Cluster, iptables Local, nftables Cluster, nftables Local
        const auto row = [](const char *name, const char *node, const char *from, const char *to, const char *ipt,
                            const char *iptLocal, const char *nft, const char *nftLocal) {
            QTest::newRow(name) << node << from << to << QStringList{ipt, iptLocal, nft, nftLocal};
        };
        const char *r = "replaced", *k = "kept", *t = "timeout";
        row("client, n1's node port", "n1", "10.240.0.100", "10.240.0.3:32080", r, k, r, k);
        row("client, n2's node port", "n2", "10.240.0.100", "10.240.0.4:32080", r, t, r, t);
        row("pod on n3, cluster IP", "n3", "10.180.3.8", "10.0.1.2:80", k, k, k, k);
        row("pod on n3, its node's node port", "n3", "10.180.3.8", "10.240.0.5:32080", r, k, r, k);
        row("pod on n3, n2's node port", "n2", "10.180.3.8", "10.240.0.4:32080", r, k, r, k); // its answer goes astray
        row("pod on n3, n1's node port", "n1", "10.180.3.8", "10.240.0.3:32080", r, k, r, k);
        row("the endpoint itself, cluster IP", "n1", "10.180.1.136", "10.0.1.2:80", r, r, r, r);
        row("n3 itself, cluster IP", "n3", "10.240.0.5", "10.0.1.2:80", r, r, r, r);
        row("n1 itself, cluster IP", "n1", "10.240.0.3", "10.0.1.2:80", r, r, r, r);
        row("n3, its loopback's node port", "n3", "127.0.0.1", "127.0.0.1:32080", r, r, "untouched", "untouched");
        row("n1, its loopback's node port", "n1", "127.0.0.1", "127.0.0.1:32080", r, r, "untouched", "untouched");
        row("n3, n2's node port", "n2", "10.240.0.5", "10.240.0.4:32080", r, t, r, t);
        row("client by way of n2, cluster IP", "n2", "10.240.0.100", "10.0.1.2:80", r, r, r, r);
        row("pod, no endpoints", "n3", "10.180.3.8", "10.0.1.3:80", "refused", "refused", "refused", "refused");
        row("pod, wrong port", "n3", "10.180.3.8", "10.0.1.2:81", "untouched", "untouched", "refused", "refused");
        row("pod, address of no Service", "n3", "10.180.3.8", "10.0.9.9:80", "untouched", "untouched", t, t);
    }
    void nodePorts() {
        QFETCH(QString, node);
        QFETCH(QString, from);
        QFETCH(QString, to);
        QFETCH(QStringList, expected);
        QStringList found;
        for (const auto mode : {Mode::iptables, Mode::nftables})
            for (const bool local : {false, true})
                found << seen(askObserved(nodesOfCluster(local), clusterCidr(), mode, node.toStdString(),
                                          from.toStdString(), to.toStdString()));
        QCOMPARE(found, expected);
    }

    void loadBalancerIp_data() {
        QTest::addColumn<QString>("node");
        QTest::addColumn<QString>("from");
        QTest::addColumn<QStringList>("expected"); ///< Cluster, Local, range of the client, client in no range
        const auto row = [](const char *name, const char *node, const char *from, QStringList expected) {
            QTest::newRow(name) << node << from << expected;
        };
        const QString t = "timeout";
        row("client by way of n1", "n1", "10.240.0.100", {"replaced", "kept", "replaced", t});
        row("client by way of n2", "n2", "10.240.0.100", {"replaced", t, "replaced", t});
        row("pod on n3", "n3", "10.180.3.8", {"replaced", "kept", t, t});
        row("n3 itself", "n3", "10.240.0.5", {"replaced", "replaced", t, t});
        row("n1 itself", "n1", "10.240.0.3", {"replaced", "replaced", t, t});
    }
    void loadBalancerIp() {
        QFETCH(QString, node);
        QFETCH(QString, from);
        QFETCH(QStringList, expected);
        for (const auto mode : {Mode::nftables, Mode::iptables}) {
            QStringList found;
            for (const auto &state :
                 {nodesOfCluster(false), nodesOfCluster(true), nodesOfCluster(false, {"10.240.0.100/32"}),
                  nodesOfCluster(false, {"198.51.100.0/24"})})
                found << seen(askObserved(state, clusterCidr(), mode, node.toStdString(), from.toStdString(),
                                          "203.0.113.140:80"));
            QCOMPARE(found, expected);
        }
        // Node ports are not behind the ranges.
        QCOMPARE(seen(askObserved(nodesOfCluster(false, {"198.51.100.0/24"}), clusterCidr(), Mode::nftables, "n2",
                                  "10.240.0.100", "10.240.0.4:32080")),
                 QString("replaced"));
    }

    /// With the node's own range as detector a pod of another node is a client from outside.
    void detectorOfTheNode() {
        auto config = clusterCidr();
        config.detectLocalMode = DetectLocalMode::nodeCIDR;
        QCOMPARE(
            seen(askObserved(nodesOfCluster(true), config, Mode::iptables, "n2", "10.180.3.8", "10.240.0.4:32080")),
            "timeout");
        QCOMPARE(
            seen(askObserved(nodesOfCluster(true), config, Mode::iptables, "n3", "10.180.3.8", "10.240.0.5:32080")),
            "kept");
        auto bare = nodesOfCluster(true);
        auto node = *bare.nodes.at({"", "n2"});
        node.podCIDRs.clear();
        bare.put(node);
        const auto plan = makePlan(bare, config, {.nodeName = "n2", .localAddresses = {}});
        QVERIFY(plan.detector.kind == LocalDetector::Kind::none);
        QCOMPARE(plan.problems.size(), std::size_t{1});
        QCOMPARE(plan.problems.front().pointer, std::string("/spec/podCIDRs"));
    }

    void answersPastThisNode() {
        const auto state = nodesOfCluster(true);
        const auto hazard = [&](const char *node, const char *from, const char *to) {
            return sentences(askObserved(state, clusterCidr(), Mode::nftables, node, from, to))
                       .find("past this node") != std::string::npos;
        };
        QVERIFY(hazard("n2", "10.180.3.8", "10.240.0.4:32080"));
        QVERIFY(!hazard("n3", "10.180.3.8", "10.240.0.5:32080"));   // its own node
        QVERIFY(!hazard("n1", "10.180.3.8", "10.240.0.3:32080"));   // the endpoint's node
        QVERIFY(!hazard("n3", "10.180.3.8", "10.0.1.2:80"));        // cluster IP, where it is asked
        QVERIFY(!hazard("n2", "10.240.0.100", "10.240.0.4:32080")); // no pod
    }

    /// Addresses of Services that are left alone: the field that says so is named.
    void leftAlone_data() {
        QTest::addColumn<QString>("change");
        QTest::addColumn<QString>("to");
        QTest::addColumn<QString>("iptables");
        QTest::addColumn<QString>("nftables");
        QTest::addColumn<QString>("field");
        const QString proxy = "status.loadBalancer.ingress[].ipMode: Proxy",
                      label = "metadata.labels[service.kubernetes.io/service-proxy-name]",
                      gate = "featureGates.AllowServiceExternalIPs: false";
        const QString no = "untouched";
        QTest::newRow("ipMode Proxy") << "proxy"
                                      << "203.0.113.140:80" << no << no << proxy;
        QTest::newRow("ipMode Proxy, another port") << "proxy"
                                                    << "203.0.113.140:81" << no << no << "";
        QTest::newRow("ipMode Proxy, node port works") << "proxy"
                                                       << "10.240.0.3:32080"
                                                       << "replaced"
                                                       << "replaced"
                                                       << "";
        QTest::newRow("another proxy's, cluster IP") << "label"
                                                     << "10.0.1.2:80" << no << "timeout" << label;
        QTest::newRow("another proxy's, node port") << "label"
                                                    << "10.240.0.3:32080" << no << no << label;
        QTest::newRow("another proxy's, load balancer IP") << "label"
                                                           << "203.0.113.140:80" << no << no << label;
        QTest::newRow("external IPs on") << ""
                                         << "198.51.100.7:80"
                                         << "replaced"
                                         << "replaced"
                                         << "";
        QTest::newRow("external IPs off") << "gate"
                                          << "198.51.100.7:80" << no << no << gate;
    }
    void leftAlone() {
        QFETCH(QString, change);
        QFETCH(QString, to);
        QFETCH(QString, iptables);
        QFETCH(QString, nftables);
        QFETCH(QString, field);
        auto state = nodesOfCluster(false);
        auto web = *state.services.at({"default", "web"});
        web.externalIPs = {ip("198.51.100.7")};
        if (change == "proxy") web.ingress.front().mode = IpMode::proxy;
        if (change == "label") web.labels[std::string(kServiceProxyNameLabel)] = "other";
        state.put(web);
        auto config = clusterCidr();
        config.allowExternalIPs = change != "gate";
        for (const auto mode : {Mode::iptables, Mode::nftables}) {
            const auto decision = askObserved(state, config, mode, "n1", "10.240.0.100", to.toStdString());
            QCOMPARE(seen(decision), mode == Mode::iptables ? iptables : nftables);
            const auto named = std::any_of(decision.steps.begin(), decision.steps.end(), [&](const DecisionStep &step) {
                return QString::fromStdString(step.field) == field;
            });
            QVERIFY2(named || field.isEmpty(), sentences(decision).c_str());
            const auto text = toText(makePlan(state, config, {.nodeName = "n1", .localAddresses = {}, .mode = mode}));
            QCOMPARE(text.find("not taken") != std::string::npos, !change.isEmpty());
            // The same when only what concerns the flow is read.
            const FlowEnds ends{ip("10.240.0.100"), packet::SocketAddress::parse(to.toStdString()).value()};
            const auto part = readClusterState(toJson(state), "part", &ends).value();
            QCOMPARE(sentences(askObserved(part, config, mode, "n1", "10.240.0.100", to.toStdString())),
                     sentences(decision));
        }
    }

    /// Without the gate of node hints a hint to this node is no reason to stay on it.
    void nodeHints() {
        auto state = nodesOfCluster(false);
        auto endpoints = slice(*state.services.at({"default", "web"}), {{"10.180.1.136", "n1"}, {"10.180.2.5", "n2"}});
        for (auto &endpoint : endpoints.endpoints)
            endpoint.nodeHints = {endpoint.nodeName};
        state.put(endpoints);
        auto config = clusterCidr();
        QCOMPARE(askObserved(state, config, Mode::nftables, "n1", "10.180.1.9", "10.0.1.2:80").endpoints.size(),
                 std::size_t{1});
        config.nodeHints = false;
        QCOMPARE(askObserved(state, config, Mode::nftables, "n1", "10.180.1.9", "10.0.1.2:80").endpoints.size(),
                 std::size_t{2});
    }
};

NATLENS_TEST(TestObserved)
#include "tst_observed.moc"
