// The rules of kube-proxy 1.5: names, order and words; loaded by a kernel; kept in step by changes.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/kernel_test.h"
#include "proxycore/kernel/random_changes.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;

namespace {

ProxyConfig config15() {
    auto config = podRange("10.180.0.0/16");
    config.release = ProxyRelease::v1_5;
    return config;
}

ProxyPlan planOf15(const ClusterState &state, const ProxyPlan *previous = nullptr) {
    return makePlan(state, config15(),
                    {.nodeName = "node1", .localAddresses = {}, .mode = Mode::iptables, .family = IpFamily::v4},
                    previous);
}

Service annotated(Service service, const char *value) {
    service.annotations[std::string(kExternalTrafficBeta)] = value;
    service.externalTrafficPolicy =
        value == std::string_view("OnlyLocal") ? TrafficPolicy::local : TrafficPolicy::cluster;
    service.externalTrafficPolicySource = PolicySource::annotation;
    return service;
}

QStringList rulesOf(const ProxyPlan &plan, const std::string &table, const std::string &chain) {
    QStringList rules;
    for (const auto &one : iptablesChains(plan))
        if (one.table == table && one.name == chain)
            for (const auto &rule : one.rules)
                rules << QString::fromStdString(rule);
    return rules;
}

} // namespace

class TestIptables15 : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void nodePort_data() {
        QTest::addColumn<bool>("onlyLocal");
        QTest::addColumn<bool>("here");
        QTest::addColumn<QString>("chain");
        QTest::addColumn<QStringList>("rules");
        const QString name = "-m comment --comment \"default/nodeport:\"";
        const QString port = "-p tcp " + name + " -m tcp --dport 32080 -j ";
        const QString tail =
            "-m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this "
            "chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS";
        const QString ip =
            "-d 10.0.1.2/32 -p tcp -m comment --comment \"default/nodeport: cluster IP\" -m tcp --dport 80 -j ";
        const QString svc = "KUBE-SVC-XP7QDA4CRQ2QA33W", xlb = "KUBE-XLB-XP7QDA4CRQ2QA33W",
                      sep = "KUBE-SEP-5RU4SWI7Q4POHOTC";
        for (const bool local : {false, true})
            QTest::addRow("cluster IP, %s", local ? "OnlyLocal" : "Global")
                << local << true << "KUBE-SERVICES"
                << QStringList{"! -s 10.180.0.0/16 " + ip + "KUBE-MARK-MASQ", ip + svc, tail};
        QTest::newRow("node port") << false << true << "KUBE-NODEPORTS"
                                   << QStringList{port + "KUBE-MARK-MASQ", port + svc};
        QTest::newRow("node port, OnlyLocal") << true << true << "KUBE-NODEPORTS" << QStringList{port + xlb};
        QTest::newRow("no XLB without OnlyLocal") << false << true << xlb << QStringList{};
        const QString pods =
            "-s 10.180.0.0/16 -m comment --comment \"Redirect pods trying to reach external loadbalancer VIP "
            "to clusterIP\" -j " +
            svc;
        QTest::newRow("XLB with an endpoint here")
            << true << true << xlb
            << QStringList{pods, "-m comment --comment \"Balancing rule 0 for default/nodeport:\" -j " + sep};
        QTest::newRow("XLB without")
            << true << false << xlb
            << QStringList{pods, "-m comment --comment \"default/nodeport: has no local endpoints\" -j KUBE-MARK-DROP"};
        QTest::newRow("SVC") << true << true << svc << QStringList{name + " -j " + sep};
        QTest::newRow("SEP") << false << true << sep
                             << QStringList{"-s 10.180.1.136/32 " + name + " -j KUBE-MARK-MASQ",
                                            "-p tcp " + name + " -m tcp -j DNAT --to-destination 10.180.1.136:8080"};
        QTest::newRow("postrouting")
            << false << true << "KUBE-POSTROUTING"
            << QStringList{"-m comment --comment \"kubernetes service traffic requiring SNAT\" -m mark "
                           "--mark 0x4000/0x4000 -j MASQUERADE"};
        QTest::newRow("mark to drop") << false << true << "KUBE-MARK-DROP"
                                      << QStringList{"-j MARK --set-xmark 0x8000/0x8000"};
    }
    void nodePort() {
        QFETCH(bool, onlyLocal);
        QFETCH(bool, here);
        QFETCH(QString, chain);
        QFETCH(QStringList, rules);
        auto state = documentNodes();
        const auto web = annotated(service("nodeport", "10.0.1.2", ServiceType::nodePort, 32080),
                                   onlyLocal ? "OnlyLocal" : "Global");
        state.put(web);
        state.put(slice(web, {{"10.180.1.136", here ? "node1" : "node2"}}));
        QCOMPARE(rulesOf(planOf15(state), "nat", chain.toStdString()), rules);
    }

    void otherFrontEnds() {
        auto state = documentNodes();
        auto web = annotated(service("loadbalancer", "10.0.1.4", ServiceType::loadBalancer, 32090), "OnlyLocal");
        web.ingress = {{.ip = ip("203.0.113.140"), .hostname = ""}};
        web.externalIPs = {ip("198.51.100.7")};
        web.loadBalancerSourceRanges = {*IpPrefix::parse("104.132.0.0/16")};
        web.clientIpAffinity = true;
        state.put(web);
        state.put(slice(web, {{"10.180.1.136", "node1"}, {"10.180.2.5", "node2"}, {"10.180.2.6", "node2"}}));
        const auto empty = service("empty", "10.0.1.3", ServiceType::nodePort, 32081);
        state.put(empty);
        const auto plan = planOf15(state);
        const QString hash = "J3BEA7WOARFSAXTQ";
        const auto services = rulesOf(plan, "nat", "KUBE-SERVICES");
        const QString external =
            "-d 198.51.100.7/32 -p tcp -m comment --comment \"default/loadbalancer: external IP\" -m tcp --dport 80 ";
        const auto first = services.indexOf(external + "-j KUBE-MARK-MASQ");
        QVERIFY(first >= 0);
        QCOMPARE(services.value(first + 1),
                 external + "-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j KUBE-SVC-" + hash);
        QCOMPARE(services.value(first + 2), external + "-m addrtype --dst-type LOCAL -j KUBE-SVC-" + hash);
        const QString balancer = "-m comment --comment \"default/loadbalancer: loadbalancer IP\" -j ";
        QCOMPARE(rulesOf(plan, "nat", "KUBE-FW-" + hash.toStdString()),
                 (QStringList{"-s 104.132.0.0/16 " + balancer + "KUBE-XLB-" + hash, balancer + "KUBE-MARK-DROP"}));
        const auto cluster = rulesOf(plan, "nat", "KUBE-SVC-" + hash.toStdString());
        QCOMPARE(cluster.size(), 6);
        QVERIFY2(cluster[0].contains("-m recent --rcheck --seconds 180 --reap"), qPrintable(cluster[0]));
        QVERIFY2(cluster[3].contains("--probability 0.33332999982"), qPrintable(cluster[3]));
        for (const auto &rule : rulesOf(plan, "nat", "KUBE-XLB-" + hash.toStdString()))
            QVERIFY(!rule.contains("recent")); // affinity came there in 1.9
        QCOMPARE(rulesOf(plan, "filter", "KUBE-SERVICES"),
                 QStringList(
                     "-d 10.0.1.3/32 -p tcp -m comment --comment \"default/empty: has no endpoints\" -m tcp --dport 80 "
                     "-j REJECT --reject-with icmp-port-unreachable"));
        QVERIFY(rulesOf(plan, "nat", "KUBE-NODEPORTS").filter("32081").isEmpty());
    }

    /// Listed by iptables word for word, and kept in step by a hundred changes.
    void kernelKeepsInStep() {
        if (!IptablesApplier::open(IptablesBackend::nft)) QSKIP("iptables-nft is not installed");
        const auto result = natlens::test::inNamespace([]() -> std::string {
            auto applier = IptablesApplier::open(IptablesBackend::nft);
            if (!applier) return applier.error().sentence();
            std::mt19937 random(15);
            auto state = recordedCluster();
            ProxyConfig config = recordedConfig();
            config.release = ProxyRelease::v1_5;
            const PlanTarget target{.nodeName = "n1", .localAddresses = {}, .mode = Mode::iptables};
            auto plan = makePlan(state, config, target);
            for (int round = 0; round < 100; ++round) {
                if (auto text = failure(applier->apply(plan)); !text.empty()) return text;
                const auto drift = applier->drift(plan);
                if (!drift) return drift.error().sentence();
                if (!drift->empty()) return "round " + std::to_string(round) + ": " + drift->front().sentence();
                mutate(state, random);
                for (auto &[name, service] : state.services)
                    if (service->externalTrafficPolicy == TrafficPolicy::local)
                        service = std::make_shared<const Service>(annotated(*service, "OnlyLocal"));
                plan = makePlan(state, config, target, &plan);
            }
            // Only what a node does as a whole is written anew: its health checks.
            const auto &done = applier->statistics();
            return done.failed == 0 && done.incremental > 30 ? "fine" : "incremental " + std::to_string(done.incremental);
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString("fine"));
    }
};

NATLENS_TEST(TestIptables15)
#include "tst_iptables_15.moc"
