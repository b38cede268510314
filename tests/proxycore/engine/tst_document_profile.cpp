// kube-proxy 1.5 (profile `document`): who is translated, who keeps the source, who is dropped, on each of three nodes.
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

constexpr Port kNodePort15 = 32080;

/// Three nodes, of which n1 has the only endpoint, 10.180.1.136, behind a bridge with 10.180.1.1.
ClusterState threeNodes15(bool onlyLocal, ServiceType type = ServiceType::nodePort) {
    ClusterState state;
    for (int i = 1; i <= 3; ++i) {
        Node node;
        node.name = "n" + std::to_string(i);
        node.addresses = {{"InternalIP", "10.240.0." + std::to_string(i + 2)}};
        state.put(node);
    }
    auto web = service("nodeport", "10.0.1.2", type, kNodePort15);
    web.externalIPs = {ip("198.51.100.7")};
    if (type == ServiceType::loadBalancer) web.ingress = {{.ip = ip("203.0.113.140"), .hostname = ""}};
    web.annotations[std::string(kExternalTrafficBeta)] = onlyLocal ? "OnlyLocal" : "Global";
    web.externalTrafficPolicy = onlyLocal ? TrafficPolicy::local : TrafficPolicy::cluster;
    web.externalTrafficPolicySource = PolicySource::annotation;
    state.put(web);
    state.put(slice(web, {{"10.180.1.136", "n1"}}));
    auto empty = service("empty", "10.0.1.3", ServiceType::nodePort, 32081);
    state.put(empty);
    state.put(slice(empty, {{"10.180.1.200", "n1", false}}));
    return state;
}

ProxyConfig config15() {
    auto config = podRange("10.180.0.0/16");
    config.release = ProxyRelease::v1_5;
    return config;
}

ProxyPlan planOf15(const ClusterState &state, const std::string &node) {
    const auto bridge = "10.180." + node.substr(1) + ".1";
    return makePlan(state, config15(), {.nodeName = node, .localAddresses = {ip(bridge)}, .mode = Mode::iptables});
}

/// "replaced" or "kept" source, "dropped", "rejected", "untouched".
QString outcome(const Decision &decision) {
    switch (decision.verdict) {
    case Verdict::forwarded: {
        const bool each = !decision.endpoints.empty() && decision.endpoints.front().masquerade;
        return decision.masquerade || each ? "replaced" : "kept";
    }
    case Verdict::dropped: return "dropped";
    case Verdict::rejected: return "rejected";
    default: return "untouched";
    }
}

QString outcomeOf(const ProxyPlan &plan, const std::string &from, const std::string &to) {
    const auto destination = packet::SocketAddress::parse(to).value();
    const auto source = ip(from);
    return outcome(decide(plan, {.protocol = Protocol::tcp,
                                 .source = {source, 0},
                                 .destination = destination,
                                 .inputInterface = "",
                                 .locallyGenerated = source.isLoopback() || plan.isLocalAddress(source)}));
}

} // namespace

class TestDocumentProfile : public QObject {
    Q_OBJECT

private Q_SLOTS:
    /// Explanations name the object that the endpoints stood in.
    void fieldsOfTheObjectThatWasRead_data() {
        QTest::addColumn<QString>("kind");
        QTest::addColumn<QString>("field");
        QTest::newRow("Endpoints") << "Endpoints"
                                   << "Endpoints subsets[].addresses, .notReadyAddresses";
        QTest::newRow("EndpointSlice") << "EndpointSlice"
                                       << "EndpointSlice endpoints[].conditions";
    }
    void fieldsOfTheObjectThatWasRead() {
        QFETCH(QString, kind);
        QFETCH(QString, field);
        const bool slices = kind == "EndpointSlice";
        std::string text =
            "{'kind':'Service','metadata':{'name':'web'},'spec':{'clusterIP':'10.0.0.1','ports':[{'port':80}]}}"
            "{'kind':'" +
            kind.toStdString() + "','metadata':{'name':'web','labels':{'kubernetes.io/service-name':'web'}},";
        text += slices ? "'ports':[{'name':'','port':8080}],'endpoints':[{'addresses':['10.180.1.5']}]}"
                       : "'subsets':[{'addresses':[{'ip':'10.180.1.5'}],'ports':[{'port':8080}]}]}";
        std::ranges::replace(text, '\'', '"');
        const auto state = readClusterState(text, "test.json");
        QVERIFY(state.has_value());
        const auto decision = decide(planOf15(*state, "n1"), {.protocol = Protocol::tcp,
                                                              .source = {ip("10.180.3.8"), 0},
                                                              .destination = {ip("10.0.0.1"), 80},
                                                              .inputInterface = ""});
        QCOMPARE(outcome(decision), QString("kept"));
        QVERIFY(
            std::ranges::any_of(decision.steps, [&](const auto &step) { return step.field == field.toStdString(); }));
        QVERIFY(std::ranges::none_of(
            decision.steps, [&](const auto &step) { return !slices && step.field.starts_with("EndpointSlice"); }));
    }

    /// What was seen with rules of that time: `node` decides first, and the answer decides what the pod sees.
    void observed_data() {
        QTest::addColumn<QString>("node");
        QTest::addColumn<QString>("from");
        QTest::addColumn<QString>("to");
        QTest::addColumn<QString>("everywhere"); ///< without the annotation
        QTest::addColumn<QString>("onlyLocal");
        const QString np = ":32080", client = "10.240.0.100", c3 = "10.180.3.8", clusterIp = "10.0.1.2:80";
        const QString n1 = "10.240.0.3" + np, n2 = "10.240.0.4" + np, n3 = "10.240.0.5" + np, lo = "127.0.0.1" + np;
        QTest::newRow("client, n1's node port") << "n1" << client << n1 << "replaced"
                                                << "kept";
        QTest::newRow("client, n2's node port") << "n2" << client << n2 << "replaced"
                                                << "dropped";
        QTest::newRow("pod on n3, cluster IP") << "n3" << c3 << clusterIp << "kept"
                                               << "kept";
        QTest::newRow("pod on n3, own node's node port") << "n3" << c3 << n3 << "replaced"
                                                         << "kept";
        // n2 takes a pod of n3 for its own and sends it on; the answer goes past n2, so the client waits.
        QTest::newRow("pod on n3, n2's node port") << "n2" << c3 << n2 << "replaced"
                                                   << "kept";
        QTest::newRow("the endpoint itself, cluster IP") << "n1"
                                                         << "10.180.1.136" << clusterIp << "replaced"
                                                         << "replaced";
        QTest::newRow("n3 itself, cluster IP") << "n3"
                                               << "10.240.0.5" << clusterIp << "replaced"
                                               << "replaced";
        QTest::newRow("n1 itself, cluster IP") << "n1"
                                               << "10.240.0.3" << clusterIp << "replaced"
                                               << "replaced";
        QTest::newRow("n3, its loopback's node port") << "n3"
                                                      << "127.0.0.1" << lo << "replaced"
                                                      << "dropped";
        // With the source kept, 127.0.0.1 arrives at the pod's side: a martian, so the client waits.
        QTest::newRow("n1, its loopback's node port") << "n1"
                                                      << "127.0.0.1" << lo << "replaced"
                                                      << "kept";
        QTest::newRow("n3 itself, n2's node port, at n2") << "n2"
                                                          << "10.240.0.5" << n2 << "replaced"
                                                          << "dropped";
        QTest::newRow("n3 itself, its own node port") << "n3"
                                                      << "10.240.0.5" << n3 << "replaced"
                                                      << "dropped";
        QTest::newRow("client by way of n2, cluster IP") << "n2" << client << clusterIp << "replaced"
                                                         << "replaced";
        QTest::newRow("pod, no endpoints") << "n3" << c3 << "10.0.1.3:80"
                                           << "rejected"
                                           << "rejected";
        QTest::newRow("client, node port without endpoints") << "n2" << client << "10.240.0.4:32081"
                                                             << "untouched"
                                                             << "untouched";
        QTest::newRow("pod, wrong port of a cluster IP") << "n3" << c3 << "10.0.1.2:81"
                                                         << "untouched"
                                                         << "untouched";
        QTest::newRow("pod, address of no Service") << "n3" << c3 << "10.0.9.9:80"
                                                    << "untouched"
                                                    << "untouched";
        QTest::newRow("client, external IP") << "n2" << client << "198.51.100.7:80"
                                             << "replaced"
                                             << "replaced";
        QTest::newRow("n2 itself, external IP") << "n2"
                                                << "10.240.0.4"
                                                << "198.51.100.7:80"
                                                << "untouched"
                                                << "untouched";
    }
    void observed() {
        QFETCH(QString, node);
        QFETCH(QString, from);
        QFETCH(QString, to);
        QFETCH(QString, everywhere);
        QFETCH(QString, onlyLocal);
        QCOMPARE(outcomeOf(planOf15(threeNodes15(false), node.toStdString()), from.toStdString(), to.toStdString()),
                 everywhere);
        QCOMPARE(outcomeOf(planOf15(threeNodes15(true), node.toStdString()), from.toStdString(), to.toStdString()),
                 onlyLocal);
    }

    /// What a load balancer's address turns away is marked; only what is for the node or from it is dropped.
    void forwardedPacketsAreOnlyMarked() {
        const auto state = threeNodes15(true, ServiceType::loadBalancer);
        QCOMPARE(outcomeOf(planOf15(state, "n1"), "10.240.0.100", "203.0.113.140:80"), QString("kept"));
        QCOMPARE(outcomeOf(planOf15(state, "n2"), "10.240.0.100", "203.0.113.140:80"), QString("untouched"));
        QCOMPARE(outcomeOf(planOf15(state, "n2"), "10.240.0.4", "203.0.113.140:80"), QString("dropped"));
        QCOMPARE(outcomeOf(planOf15(state, "n2"), "10.180.3.8", "203.0.113.140:80"), QString("kept"));
    }

    /// Source ranges stood in an annotation where a Service had no field yet; today nobody looks there.
    void annotatedSourceRanges() {
        auto state = threeNodes15(false, ServiceType::loadBalancer);
        auto web = *state.services.at({"default", "nodeport"});
        web.annotatedSourceRanges = {*IpPrefix::parse("198.51.100.0/24")};
        state.put(web);
        const std::string vip = "203.0.113.140:80";
        QCOMPARE(outcomeOf(planOf15(state, "n1"), "198.51.100.9", vip), QString("replaced"));
        QCOMPARE(outcomeOf(planOf15(state, "n1"), "10.240.0.3", vip), QString("dropped"));
        auto config = config15();
        config.release = ProxyRelease::today;
        const auto today = makePlan(state, config, {.nodeName = "n1", .localAddresses = {}, .mode = Mode::iptables});
        QCOMPARE(outcomeOf(today, "10.240.0.3", vip), QString("replaced"));
        web.loadBalancerSourceRanges = {*IpPrefix::parse("10.240.0.0/24")};
        state.put(web);
        QCOMPARE(outcomeOf(planOf15(state, "n1"), "10.240.0.3", vip), QString("replaced"));
    }

    /// The health check belonged to the annotation.
    void healthCheckOfTheAnnotation() {
        auto state = threeNodes15(true, ServiceType::loadBalancer);
        auto web = *state.services.at({"default", "nodeport"});
        web.healthCheckNodePort = 32122;
        state.put(web);
        QCOMPARE(planOf15(state, "n1").healthChecks.size(), std::size_t{1});
        web.externalTrafficPolicySource = PolicySource::field;
        state.put(web);
        QVERIFY(planOf15(state, "n1").healthChecks.empty());
    }

    void annotationNotField() {
        auto state = threeNodes15(false);
        auto field = *state.services.at({"default", "nodeport"});
        field.annotations.clear();
        field.externalTrafficPolicy = TrafficPolicy::local;
        field.externalTrafficPolicySource = PolicySource::field;
        state.put(field);
        const auto plan = planOf15(state, "n2");
        QCOMPARE(outcomeOf(plan, "10.240.0.100", "10.240.0.4:32080"), QString("replaced"));
        QCOMPARE(plan.problems.size(), std::size_t{1});
        QVERIFY(plan.problems.front().toString().find("annotation") != std::string::npos);
    }

    void whatItDidNotKnow() {
        auto state = threeNodes15(false);
        auto one = *state.services.at({"default", "nodeport"});
        one.clientIpAffinity = true;
        one.affinityTimeout = std::chrono::seconds(10800);
        one.internalTrafficPolicy = TrafficPolicy::local;
        state.put(one);
        auto slices = *state.endpointSlices.at({"default", "nodeport-slice"});
        slices.endpoints.front().ready = false;
        slices.endpoints.front().terminating = true;
        state.put(slices);
        const auto plan = planOf15(state, "n2");
        const auto *web = plan.find({{"default", "nodeport"}, "", Protocol::tcp});
        QVERIFY(web != nullptr && !web->internalLocal && !web->hasAny);
        QCOMPARE(web->affinity.count(), 180);
        const auto six =
            makePlan(state, config15(),
                     {.nodeName = "n2", .localAddresses = {}, .mode = Mode::iptables, .family = IpFamily::v6});
        QVERIFY(six.services.empty() && !six.problems.empty());
        // Nftables mode came later.
        const auto nft = makePlan(state, config15(), {.nodeName = "n2", .localAddresses = {}});
        QVERIFY(nft.behaviour.layout == RuleLayout::today && nft.behaviour.nodeShortCircuit);
    }
};

NATLENS_TEST(TestDocumentProfile)
#include "tst_document_profile.moc"
