// kube-proxy's chain names and verdicts in words.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tracer/stitch/rule_words.h"
#endif

#include "tests/test_program.h"

using namespace natlens::tracer;

namespace {

QString text(const std::string &value) {
    return QString::fromStdString(value);
}

} // namespace

class TestRuleWords : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void chainNames_data();
    void chainNames();
    void decisions_data();
    void decisions();
};

void TestRuleWords::chainNames_data() {
    QTest::addColumn<QString>("chain");
    QTest::addColumn<QString>("role");
    QTest::addColumn<QString>("servicePort");
    QTest::addColumn<QString>("endpoint");
    QTest::newRow("service") << "service-ULMVA6XW-ns1/svc1/tcp/p80"
                             << "service"
                             << "ns1/svc1:p80"
                             << "";
    QTest::newRow("no port name") << "external-RMQUIEU7-default/nodeport/tcp/"
                                  << "external"
                                  << "default/nodeport"
                                  << "";
    QTest::newRow("endpoint") << "endpoint-BCCX3FJF-default/nodeport/tcp/__10.180.1.136/8080"
                              << "endpoint"
                              << "default/nodeport"
                              << "10.180.1.136:8080";
    QTest::newRow("base chain") << "nat-prerouting"
                                << ""
                                << ""
                                << "";
    QTest::newRow("check chain") << "service-endpoints-check"
                                 << ""
                                 << ""
                                 << "";
    QTest::newRow("broken") << "external-RMQUIEU7"
                            << ""
                            << ""
                            << "";
    QTest::newRow("empty") << ""
                           << ""
                           << ""
                           << "";
}

void TestRuleWords::chainNames() {
    QFETCH(QString, chain);
    QFETCH(QString, role);
    QFETCH(QString, servicePort);
    QFETCH(QString, endpoint);
    const auto name = parseChainName(chain.toStdString());
    QCOMPARE(name.has_value(), !role.isEmpty());
    if (!name) return;
    QCOMPARE(text(name->role), role);
    QCOMPARE(text(name->servicePort()), servicePort);
    QCOMPARE(text(name->endpoint), endpoint);
}

void TestRuleWords::decisions_data() {
    QTest::addColumn<QStringList>("steps"); // "chain verdict target"
    QTest::addColumn<int>("via");
    QTest::addColumn<bool>("masqueraded");
    QTest::addColumn<QString>("rule");
    QTest::addColumn<QString>("field");
    const auto via = [](Via v) { return static_cast<int>(v); };
    const QString s = "service-AAAAAAAA-ns/svc/tcp/http", e = "external-AAAAAAAA-ns/svc/tcp/http",
                  l = "local-AAAAAAAA-ns/svc/tcp/http", f = "firewall-AAAAAAAA-ns/svc/tcp/http";
    QTest::newRow("node port") << QStringList{"services goto " + e, e + " goto " + s} << via(Via::nodePort) << true
                               << "ns/svc:http node port, masquerade"
                               << "spec.externalTrafficPolicy: Cluster";
    QTest::newRow("load balancer, local")
        << QStringList{"services goto " + e, e + " goto " + l} << via(Via::loadBalancerIP) << false
        << "ns/svc:http load balancer IP, local endpoints only"
        << "spec.externalTrafficPolicy: Local";
    QTest::newRow("cluster IP") << QStringList{"services goto " + s} << via(Via::clusterIP) << false
                                << "ns/svc:http cluster IP"
                                << "";
    QTest::newRow("address not named") << QStringList{"services goto " + e, e + " goto " + s} << via(Via::none) << true
                                       << "ns/svc:http external address, masquerade"
                                       << "spec.externalTrafficPolicy: Cluster";
    QTest::newRow("no local endpoint") << QStringList{"services goto " + e, "nodeport-endpoints-check drop "}
                                       << via(Via::nodePort) << false
                                       << "ns/svc:http node port, no local endpoint, drop"
                                       << "spec.externalTrafficPolicy: Local";
    QTest::newRow("no endpoint") << QStringList{"service-endpoints-check goto reject-chain"} << via(Via::clusterIP)
                                 << false << "cluster IP, no endpoint, reject"
                                 << "EndpointSlice: no ready endpoint";
    QTest::newRow("no endpoint, the reject seen as a drop")
        << QStringList{"service-endpoints-check goto reject-chain", "reject-chain drop "} << via(Via::clusterIP)
        << false << "cluster IP, no endpoint, reject"
        << "EndpointSlice: no ready endpoint";
    QTest::newRow("source ranges") << QStringList{"firewall-check goto " + f, f + " drop "} << via(Via::loadBalancerIP)
                                   << false << "ns/svc:http load balancer IP, source not allowed, drop"
                                   << "spec.loadBalancerSourceRanges";
    QTest::newRow("nothing of a Service") << QStringList{"input accept "} << via(Via::none) << false << ""
                                          << "";
}

void TestRuleWords::decisions() {
    QFETCH(QStringList, steps);
    QFETCH(int, via);
    QFETCH(bool, masqueraded);
    QFETCH(QString, rule);
    QFETCH(QString, field);
    RuleTrace trace;
    for (const QString &step : steps) {
        const QStringList words = step.split(' ');
        RuleTraceEvent event;
        event.chain = words[0].toStdString();
        event.verdict = words[1].toStdString();
        event.target = words.value(2).toStdString();
        trace.steps.push_back(event);
    }
    const auto decision = explain(trace, static_cast<Via>(via), masqueraded);
    QCOMPARE(text(decision.rule), rule);
    QCOMPARE(text(decision.field), field);
}

NATLENS_TEST(TestRuleWords)
#include "tst_rule_words.moc"
