// The answers byte for byte.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/health/health.h"
#include "proxycore/test_state.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;

namespace {

QString header(const HttpAnswer &answer, const char *name) {
    for (const auto &[key, value] : answer.headers)
        if (key == name) return QString::fromStdString(value);
    return {};
}

} // namespace

class TestHealth : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void healthCheck_data() {
        QTest::addColumn<int>("profile");
        QTest::addColumn<unsigned>("endpoints");
        QTest::addColumn<bool>("proxyHealthy");
        QTest::addColumn<int>("status");
        QTest::addColumn<QString>("type");
        QTest::addColumn<QString>("weight");
        QTest::addColumn<QByteArray>("body");
        const int picture = static_cast<int>(HealthProfile::picture),
                  document = static_cast<int>(HealthProfile::document), today = static_cast<int>(HealthProfile::today);
        const QByteArray found = "1 Service Endpoints found", none = "No Service Endpoints Found";
        const auto json = [](int count, const char *healthy) {
            return QByteArray(
                       "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"loadbalancer\"\n\t},\n"
                       "\t\"localEndpoints\": ") +
                   QByteArray::number(count) + ",\n\t\"serviceProxyHealthy\": " + healthy + "\n}";
        };
        QTest::newRow("picture, endpoint") << picture << 1U << true << 200 << "text/plain"
                                           << "" << found;
        QTest::newRow("picture, none") << picture << 0U << true << 500 << "text/plain"
                                       << "" << none;
        QTest::newRow("picture counts Services") << picture << 7U << true << 200 << "text/plain"
                                                 << "" << found;
        QTest::newRow("picture ignores the proxy") << picture << 1U << false << 200 << "text/plain"
                                                   << "" << found;
        QTest::newRow("document, endpoint") << document << 1U << true << 200 << "text/plain"
                                            << "" << found;
        QTest::newRow("document counts Services") << document << 7U << true << 200 << "text/plain"
                                                  << "" << found;
        QTest::newRow("document, none") << document << 0U << true << 503 << "text/plain"
                                        << "" << none;
        QTest::newRow("document ignores the proxy") << document << 1U << false << 200 << "text/plain"
                                                    << "" << found;
        QTest::newRow("today, endpoint") << today << 1U << true << 200 << "application/json"
                                         << "1" << json(1, "true");
        QTest::newRow("today, three") << today << 3U << true << 200 << "application/json"
                                      << "3" << json(3, "true");
        QTest::newRow("today, none") << today << 0U << true << 503 << "application/json"
                                     << "0" << json(0, "true");
        QTest::newRow("today, proxy ill") << today << 2U << false << 503 << "application/json"
                                          << "2" << json(2, "false");
    }
    void healthCheck() {
        QFETCH(int, profile);
        QFETCH(unsigned, endpoints);
        QFETCH(bool, proxyHealthy);
        QFETCH(int, status);
        QFETCH(QString, type);
        QFETCH(QString, weight);
        QFETCH(QByteArray, body);
        const auto answer = healthCheckAnswer(static_cast<HealthProfile>(profile),
                                              ObjectName{"default", "loadbalancer"}, endpoints, proxyHealthy);
        QCOMPARE(answer.status, status);
        QCOMPARE(header(answer, "Content-Type"), type);
        QCOMPARE(header(answer, "X-Load-Balancing-Endpoint-Weight"), weight);
        QCOMPARE(header(answer, "X-Content-Type-Options"), QString(type == "text/plain" ? "" : "nosniff"));
        QCOMPARE(QByteArray::fromStdString(answer.body), body);
    }

    void proxyHealth_data() {
        QTest::addColumn<bool>("eligible");
        QTest::addColumn<bool>("healthy");
        QTest::addColumn<int>("healthz");
        QTest::addColumn<int>("livez");
        QTest::addColumn<QByteArray>("healthzBody");
        QTest::addColumn<QByteArray>("livezBody");
        const QByteArray now = "2026-01-01T00:00:02.000000002Z", old = "2026-01-01T00:00:01.000000001Z";
        const auto body = [&](const QByteArray &updated, const QByteArray &node, const QByteArray &healthy) {
            return "{\"lastUpdated\":\"" + updated + "\",\"currentTime\":\"" + now + "\"," + node +
                   "\"healthy\":" + healthy + ",\"status\":{\"IPv4\":{\"lastUpdated\":\"" + old +
                   "\",\"healthy\":" + healthy + "}}}";
        };
        QTest::newRow("well") << true << true << 200 << 200 << body(now, "\"nodeEligible\":true,", "true")
                              << body(now, "", "true");
        QTest::newRow("node leaves") << false << true << 503 << 200 << body(old, "\"nodeEligible\":false,", "true")
                                     << body(now, "", "true");
        QTest::newRow("stuck") << true << false << 503 << 503 << body(old, "\"nodeEligible\":true,", "false")
                               << body(old, "", "false");
    }
    void proxyHealth() {
        QFETCH(bool, eligible);
        QFETCH(bool, healthy);
        QFETCH(int, healthz);
        QFETCH(int, livez);
        QFETCH(QByteArray, healthzBody);
        QFETCH(QByteArray, livezBody);
        const std::string now = "2026-01-01T00:00:02.000000002Z", old = "2026-01-01T00:00:01.000000001Z";
        const ProxyHealth health{now, old, eligible, {{IpFamily::v4, old, healthy}}};
        QCOMPARE(healthzAnswer(health).status, healthz);
        QCOMPARE(QByteArray::fromStdString(healthzAnswer(health).body), healthzBody);
        QCOMPARE(livezAnswer(health).status, livez);
        QCOMPARE(QByteArray::fromStdString(livezAnswer(health).body), livezBody);
    }

    void eligibility() {
        Node node;
        QVERIFY(isEligible(&node));
        QVERIFY(!isEligible(nullptr));
        node.taintKeys = {"example.com/other"};
        QVERIFY(isEligible(&node));
        node.taintKeys.push_back("ToBeDeletedByClusterAutoscaler");
        QVERIFY(!isEligible(&node));
        node.taintKeys.clear();
        node.beingDeleted = true;
        QVERIFY(!isEligible(&node));
    }

    void proxyMode() {
        QCOMPARE(proxyModeAnswer(Mode::iptables).body, std::string("iptables"));
        QCOMPARE(proxyModeAnswer(Mode::nftables).body, std::string("nftables"));
        QCOMPARE(header(proxyModeAnswer(Mode::iptables), "Content-Type"), QString("text/plain; charset=utf-8"));
    }

    void localEndpointsOfThePlan() {
        auto state = documentNodes();
        auto service = test::service("loadbalancer", "10.0.65.118", ServiceType::loadBalancer, 32081);
        service.externalTrafficPolicy = TrafficPolicy::local;
        service.healthCheckNodePort = 32122;
        service.ports.push_back({.name = "more", .protocol = Protocol::tcp, .port = 81, .targetPort = ""});
        state.put(service);
        // Two ports of one pod count once; a terminating one does not count although it still serves.
        state.put(
            slice(service,
                  {{"10.180.1.136", "node1"}, {"10.180.1.137", "node1", false, true, true}, {"10.180.2.5", "node2"}}));
        const auto count = [&](const char *node) {
            const auto plan = makePlan(state, {}, {.nodeName = node, .localAddresses = {}});
            return plan.healthChecks.size() == 1 ? static_cast<int>(plan.healthChecks.front().localEndpoints) : -1;
        };
        QCOMPARE(count("node1"), 1);
        QCOMPARE(count("node2"), 1);
        QCOMPARE(count("node3"), 0);
    }

    void listensWhereNodePortsAre() {
        const auto state = documentNodes();
        const auto nft = makePlan(state, {}, {.nodeName = "node1", .localAddresses = {}, .mode = Mode::nftables});
        const auto ipt = makePlan(state, {}, {.nodeName = "node1", .localAddresses = {}, .mode = Mode::iptables});
        QCOMPARE(healthCheckAddresses(nft, HealthProfile::today), std::vector{ip("10.240.0.4")});
        for (const auto old : {HealthProfile::document, HealthProfile::picture})
            QVERIFY(healthCheckAddresses(nft, old).empty());
        QVERIFY(healthCheckAddresses(ipt, HealthProfile::today).empty());
    }
};

NATLENS_TEST(TestHealth)
#include "tst_health.moc"
