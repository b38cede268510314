// Decisions: kube-proxy's truth table of policies and sources, both modes; then what the modes disagree about.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/engine/explain.h"
#include "proxycore/test_state.h"

#include <nlohmann/json.hpp>
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;

namespace {

constexpr const char *kClusterIp = "10.0.1.2", *kVip = "104.198.149.140", *kExternal = "198.51.100.7",
                     *kNode = "10.240.0.4";
constexpr const char *kPod = "10.180.1.9", *kClient = "104.132.1.79";
constexpr Port kNodePort = 32080;

/// One Service of type LoadBalancer on node1 with one local and one remote endpoint.
Service everyWay() {
    auto result = service("web", kClusterIp, ServiceType::loadBalancer, kNodePort);
    result.externalIPs = {ip(kExternal)};
    result.ingress = {{.ip = ip(kVip), .hostname = "", .mode = IpMode::vip}};
    result.healthCheckNodePort = 32122;
    return result;
}

ClusterState stateWith(const Service &one, const std::vector<TestEndpoint> &endpoints = {{"10.180.1.136", "node1"},
                                                                                         {"10.180.2.5", "node2"}}) {
    auto state = documentNodes();
    state.put(one);
    state.put(slice(one, endpoints));
    return state;
}

Decision ask(const ClusterState &state, const ProxyConfig &config, Mode mode, const std::string &from,
             const std::string &to, Port port, const std::string &interface = "") {
    const auto plan =
        makePlan(state, config, {.nodeName = "node1", .localAddresses = {ip("10.180.1.1")}, .mode = mode});
    return decide(plan, {.protocol = Protocol::tcp,
                         .source = {ip(from), 0},
                         .destination = {ip(to), port},
                         .inputInterface = interface});
}

/// "all, masq", "local, keep", "dropped", ...
QString summary(const Decision &decision) {
    if (decision.verdict != Verdict::forwarded) return QString::fromStdString(std::string(toString(decision.verdict)));
    const char *which = decision.endpoints.size() == 2 ? "all" : decision.endpoints.front().local ? "local" : "remote";
    return QString("%1, %2").arg(which, decision.masquerade ? "masq" : "keep");
}

} // namespace

class TestDecision : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void truthTable_data() {
        QTest::addColumn<int>("mode");
        QTest::addColumn<QString>("setting");
        QTest::addColumn<QString>("from");
        QTest::addColumn<bool>("external"); ///< node port, load balancer IP and external IP; else the cluster IP
        QTest::addColumn<QString>("expected");
        const struct {
            const char *from;
            bool external;
            std::array<const char *, 6>
                expected; // default, eTP Local, iTP Local, both, no detector (eTP Local), masqueradeAll
        } rows[] = {
            {kPod, false, {"all, keep", "all, keep", "local, keep", "local, keep", "all, keep", "all, masq"}},
            {kPod, true, {"all, masq", "all, keep", "all, masq", "all, keep", "local, keep", "all, masq"}},
            {kNode, false, {"all, masq", "all, masq", "local, masq", "local, masq", "all, keep", "all, masq"}},
            {kNode, true, {"all, masq", "all, masq", "all, masq", "all, masq", "all, masq", "all, masq"}},
            {kClient, false, {"all, masq", "all, masq", "local, masq", "local, masq", "all, keep", "all, masq"}},
            {kClient, true, {"all, masq", "local, keep", "all, masq", "local, keep", "local, keep", "all, masq"}},
        };
        const char *settings[] = {"default",      "eTP Local", "iTP Local", "both Local", "no detector, eTP Local",
                                  "masqueradeAll"};
        for (const auto mode : {Mode::iptables, Mode::nftables})
            for (const auto &row : rows)
                for (std::size_t s = 0; s < 6; ++s)
                    QTest::addRow("%s, %s, %s %s", toString(mode).data(), settings[s], row.from,
                                  row.external ? "external" : "clusterIP")
                        << static_cast<int>(mode) << settings[s] << row.from << row.external << row.expected[s];
    }
    void truthTable() {
        QFETCH(int, mode);
        QFETCH(QString, setting);
        QFETCH(QString, from);
        QFETCH(bool, external);
        QFETCH(QString, expected);
        auto one = everyWay();
        if (setting.contains("eTP Local") || setting == "both Local") one.externalTrafficPolicy = TrafficPolicy::local;
        if (setting == "iTP Local" || setting == "both Local") one.internalTrafficPolicy = TrafficPolicy::local;
        auto config = setting.startsWith("no detector") ? ProxyConfig{} : podRange("10.180.0.0/16");
        config.masqueradeAll = setting == "masqueradeAll";
        const auto state = stateWith(one);
        const auto source = from.toStdString();
        if (!external) {
            QCOMPARE(summary(ask(state, config, static_cast<Mode>(mode), source, kClusterIp, 80)), expected);
            return;
        }
        QCOMPARE(summary(ask(state, config, static_cast<Mode>(mode), source, kNode, kNodePort)), expected);
        QCOMPARE(summary(ask(state, config, static_cast<Mode>(mode), source, kVip, 80)), expected);
        QCOMPARE(summary(ask(state, config, static_cast<Mode>(mode), source, kExternal, 80)), expected);
    }

    void modesDisagree_data() {
        QTest::addColumn<QString>("from");
        QTest::addColumn<QString>("to");
        QTest::addColumn<int>("port");
        QTest::addColumn<QString>("iptables");
        QTest::addColumn<QString>("nftables");
        const auto row = [](const char *name, const char *from, const char *to, int port, const char *ipt,
                            const char *nft) { QTest::newRow(name) << from << to << port << ipt << nft; };
        row("node port on loopback", "127.0.0.1", "127.0.0.1", kNodePort, "all, masq", "not-a-service");
        row("node port on another address", kClient, "10.180.1.1", kNodePort, "all, masq", "not-a-service");
        row("wrong port of the cluster IP", kPod, kClusterIp, 81, "not-a-service", "rejected");
        row("address without a Service", kPod, "10.0.1.77", 80, "not-a-service", "dropped");
        row("port without a Service", kClient, kNode, 31000, "not-a-service", "not-a-service");
        row("health check port", kClient, kNode, 32122, "not-a-service", "not-a-service");
    }
    void modesDisagree() {
        QFETCH(QString, from);
        QFETCH(QString, to);
        QFETCH(int, port);
        QFETCH(QString, iptables);
        QFETCH(QString, nftables);
        auto config = podRange("10.180.0.0/16");
        config.serviceCIDRs = {*IpPrefix::parse("10.0.0.0/16")};
        const auto state = stateWith(everyWay());
        const auto asked = [&](Mode mode) {
            return summary(ask(state, config, mode, from.toStdString(), to.toStdString(), static_cast<Port>(port)));
        };
        QCOMPARE(asked(Mode::iptables), iptables);
        QCOMPARE(asked(Mode::nftables), nftables);
    }

    void hairpin() {
        const auto config = podRange("10.180.0.0/16");
        const auto oneEndpoint = stateWith(everyWay(), {{kPod, "node1"}});
        QCOMPARE(summary(ask(oneEndpoint, config, Mode::nftables, kPod, kClusterIp, 80)), QString("local, masq"));
        const auto remote = stateWith(everyWay(), {{kPod, "node2"}});
        QCOMPARE(summary(ask(remote, config, Mode::nftables, kPod, kClusterIp, 80)), QString("remote, keep"));
        QCOMPARE(summary(ask(remote, config, Mode::iptables, kPod, kClusterIp, 80)), QString("remote, masq"));
        const auto two = ask(stateWith(everyWay(), {{kPod, "node1"}, {"10.180.2.5", "node2"}}), config, Mode::nftables,
                             kPod, kClusterIp, 80);
        QVERIFY(!two.masquerade);
        QVERIFY(two.endpoints[0].masquerade != two.endpoints[1].masquerade);
    }

    /// nftables mode keeps one set of the endpoints on the node for all Services: what one of them says counts for all.
    void hairpinOfAnotherService() {
        const auto asked = service("web", kClusterIp), other = service("other", "10.0.9.9");
        ProxyConfig config;
        config.clusterCIDRs = {*IpPrefix::parse("10.180.0.0/16")};
        auto state = documentNodes();
        state.put(asked);
        state.put(slice(asked, {{"10.180.1.136", "node2"}}));
        const auto alone = ask(state, config, Mode::nftables, "10.180.1.136", kClusterIp, 80);
        QCOMPARE(summary(alone), "remote, keep");
        state.put(other);
        state.put(slice(other, {{"10.180.1.136", "node1"}}));
        QCOMPARE(summary(ask(state, config, Mode::nftables, "10.180.1.136", kClusterIp, 80)), "remote, masq");
        QCOMPARE(summary(ask(state, config, Mode::nftables, "10.180.1.7", kClusterIp, 80)), "remote, keep");
        // The same with an index that is brought up to date, there and back.
        const PlanTarget target{.nodeName = "node1", .localAddresses = {}, .mode = Mode::nftables};
        const auto both = makePlan(state, config, target);
        state.services.erase(other.name);
        const auto one = makePlan(state, config, target, &both);
        FrontEndIndex index(both);
        const FlowQuery query{.source = {ip("10.180.1.136"), 0}, .destination = {ip(kClusterIp), 80}};
        QVERIFY(decide(index, query).masquerade);
        index.update(one);
        QVERIFY(!decide(index, query).masquerade);
        index.update(both);
        QVERIFY(decide(index, query).masquerade);
    }

    void sourceRanges() {
        auto one = everyWay();
        one.loadBalancerSourceRanges = {*IpPrefix::parse("104.132.0.0/16")};
        const auto config = podRange("10.180.0.0/16");
        const auto none = std::vector<TestEndpoint>{};
        const auto asked = [&](const ClusterState &state, Mode mode, const char *from, const char *to, Port port) {
            return summary(ask(state, config, mode, from, to, port));
        };
        for (const auto mode : {Mode::iptables, Mode::nftables}) {
            const auto state = stateWith(one);
            QCOMPARE(asked(state, mode, kClient, kVip, 80), QString("all, masq"));
            QCOMPARE(asked(state, mode, "203.0.113.9", kVip, 80), QString("dropped"));
            QCOMPARE(asked(state, mode, kPod, kVip, 80), QString("dropped"));
            QCOMPARE(asked(state, mode, "203.0.113.9", kNode, kNodePort), QString("all, masq"));
            QCOMPARE(asked(stateWith(one, none), mode, kClient, kVip, 80), QString("rejected"));
        }
        QCOMPARE(asked(stateWith(one, none), Mode::iptables, "203.0.113.9", kVip, 80), QString("rejected"));
        QCOMPARE(asked(stateWith(one, none), Mode::nftables, "203.0.113.9", kVip, 80), QString("dropped"));
        one.loadBalancerSourceRanges.push_back(*IpPrefix::parse("0.0.0.0/0"));
        QCOMPARE(asked(stateWith(one), Mode::nftables, "203.0.113.9", kVip, 80), QString("all, masq"));
        one.loadBalancerSourceRanges = {*IpPrefix::parse("10.240.0.0/24")}; // the node itself
        QCOMPARE(asked(stateWith(one), Mode::nftables, kVip, kVip, 80), QString("all, masq"));
    }

    void noLocalEndpoint() {
        auto one = everyWay();
        one.externalTrafficPolicy = TrafficPolicy::local;
        const auto state = stateWith(one, {{"10.180.2.5", "node2"}});
        const auto config = podRange("10.180.0.0/16");
        for (const auto mode : {Mode::iptables, Mode::nftables}) {
            const auto decision = ask(state, config, mode, kClient, kNode, kNodePort);
            QCOMPARE(summary(decision), QString("dropped"));
            QCOMPARE(QString::fromStdString(decision.steps.back().field), QString("spec.externalTrafficPolicy: Local"));
            QCOMPARE(summary(ask(state, config, mode, kPod, kNode, kNodePort)), QString("remote, keep"));
            QCOMPARE(summary(ask(state, config, mode, kNode, kNode, kNodePort)), QString("remote, masq"));
            QCOMPARE(summary(ask(state, config, mode, kPod, kClusterIp, 80)), QString("remote, keep"));
        }
    }

    void detectorByInterface() {
        ProxyConfig config;
        config.detectLocalMode = DetectLocalMode::interfaceNamePrefix;
        config.interfaceNamePrefix = "veth";
        const auto state = stateWith(everyWay());
        QCOMPARE(summary(ask(state, config, Mode::nftables, kPod, kClusterIp, 80, "veth7")), QString("all, keep"));
        QCOMPARE(summary(ask(state, config, Mode::nftables, kPod, kClusterIp, 80, "eth0")), QString("all, masq"));
        QCOMPARE(summary(ask(state, config, Mode::nftables, kPod, kClusterIp, 80)), QString("all, masq"));
    }

    void twoServicesOneAddress() {
        auto state = stateWith(everyWay());
        auto second = service("web2", "10.0.1.3", ServiceType::nodePort, kNodePort);
        state.put(second);
        state.put(slice(second, {{"10.180.3.3", "node3"}}));
        const auto plan = makePlan(state, {}, {.nodeName = "node1", .localAddresses = {}});
        QCOMPARE(plan.problems.size(), std::size_t{1});
        QCOMPARE(plan.problems.front().object, std::string("Service default/web2"));
        const auto decision = decide(plan, {.source = {ip(kClient), 0}, .destination = {ip(kNode), kNodePort}});
        QCOMPARE(decision.service->name.service.name, std::string("web"));
    }

    void jsonHasTheSchema() {
        const auto decision =
            ask(stateWith(everyWay()), podRange("10.180.0.0/16"), Mode::iptables, kClient, kNode, kNodePort);
        const auto json = nlohmann::json::parse(toExplainJson(decision));
        QCOMPARE(json["schema"].get<std::string>(), std::string("natlens.explain/1"));
        QCOMPARE(json["verdict"].get<std::string>(), std::string("forwarded"));
        QCOMPARE(json["via"].get<std::string>(), std::string("nodePort"));
        QCOMPARE(json["service"]["name"].get<std::string>(), std::string("web"));
        QCOMPARE(json["service"]["type"].get<std::string>(), std::string("LoadBalancer"));
        QCOMPARE(json["endpoints"].size(), std::size_t{2});
        QCOMPARE(json["endpoints"][0]["probability"].get<double>(), 0.5);
        QCOMPARE(json["masquerade"].get<bool>(), true);
        for (std::size_t i = 0; i < json["rules"].size(); ++i)
            QCOMPARE(json["rules"][i]["step"].get<std::size_t>(), i + 1);
        const auto nothing = nlohmann::json::parse(toExplainJson(Decision{}));
        QVERIFY(nothing["service"].is_null() && nothing["via"].is_null() && nothing["endpoints"].empty());
    }

    void badQuestions() {
        const auto state = documentNodes();
        ExplainRequest request{.nodeName = "node9",
                               .nodeAddresses = {},
                               .mode = Mode::iptables,
                               .flow = {.source = {ip(kClient), 0}, .destination = {ip(kNode), 80}}};
        auto answer = explain(state, {}, request);
        QVERIFY(!answer.has_value());
        QVERIFY(answer.error().sentence().find("node1, node2, node3") != std::string::npos);
        request.nodeName = "node1";
        request.flow.destination.ip = ip("fd00::1");
        QVERIFY(!explain(state, {}, request).has_value());
        request.flow.destination.ip = ip(kNode);
        request.flow.protocol = Protocol::icmp;
        QVERIFY(!explain(state, {}, request).has_value());
        request.flow.protocol = Protocol::udp;
        QVERIFY(explain(state, {}, request).has_value());
    }
};

NATLENS_TEST(TestDecision)
#include "tst_decision.moc"
