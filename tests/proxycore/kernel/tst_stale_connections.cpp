// Which UDP connections end when endpoints change, and when to look.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/kernel/stale_connections.h"
#include "proxycore/test_state.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;
using natlens::packet::SocketAddress;
using natlens::packet::Tuple;

namespace {

/// A DNS Service on 10.0.0.53:53 and node port 30053, over UDP and TCP.
ProxyPlan planOf(const std::vector<TestEndpoint> &endpoints, ProxyRelease release = ProxyRelease::today) {
    auto state = documentNodes();
    auto dns = service("dns", "10.0.0.53", ServiceType::nodePort);
    dns.ports = {{.name = "dns", .protocol = Protocol::udp, .port = 53, .targetPort = "", .nodePort = 30053},
                 {.name = "dns-tcp", .protocol = Protocol::tcp, .port = 53, .targetPort = "", .nodePort = 30053}};
    state.put(slice(dns, endpoints));
    state.put(dns);
    auto config = podRange("10.180.0.0/16");
    config.release = release;
    const auto mode = release == ProxyRelease::v1_5 ? Mode::iptables : Mode::nftables;
    return makePlan(state, config, {.nodeName = "node1", .localAddresses = {}, .mode = mode, .family = IpFamily::v4});
}

SocketAddress at(const char *text) {
    return SocketAddress::parse(text).value();
}

} // namespace

class TestStaleConnections : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void contains_data() {
        QTest::addColumn<QString>("protocol");
        QTest::addColumn<QString>("asked");
        QTest::addColumn<QString>("answers");
        QTest::addColumn<bool>("stale");
        QTest::newRow("endpoint that serves") << "UDP"
                                              << "10.0.0.53:53"
                                              << "10.180.1.5:8080" << false;
        QTest::newRow("not ready, but serving") << "UDP"
                                                << "10.0.0.53:53"
                                                << "10.180.1.6:8080" << false;
        QTest::newRow("not serving any more") << "UDP"
                                              << "10.0.0.53:53"
                                              << "10.180.1.7:8080" << true;
        QTest::newRow("gone") << "UDP"
                              << "10.0.0.53:53"
                              << "10.180.1.8:8080" << true;
        QTest::newRow("another port of an endpoint") << "UDP"
                                                     << "10.0.0.53:53"
                                                     << "10.180.1.5:9090" << true;
        QTest::newRow("never translated") << "UDP"
                                          << "10.0.0.53:53"
                                          << "10.0.0.53:53" << true;
        QTest::newRow("node port, any address") << "UDP"
                                                << "192.0.2.1:30053"
                                                << "10.180.1.8:8080" << true;
        QTest::newRow("node port, serving") << "UDP"
                                            << "10.240.0.4:30053"
                                            << "10.180.1.5:8080" << false;
        QTest::newRow("nobody's address") << "UDP"
                                          << "10.0.0.54:53"
                                          << "10.180.1.8:8080" << false;
        QTest::newRow("TCP lives on") << "TCP"
                                      << "10.0.0.53:53"
                                      << "10.180.1.8:8080" << false;
    }
    void contains() {
        QFETCH(QString, protocol);
        QFETCH(QString, asked);
        QFETCH(QString, answers);
        QFETCH(bool, stale);
        const StaleConnections connections(planOf({{"10.180.1.5", "node1"},
                                                   {"10.180.1.6", "node1", false, true, false},
                                                   {"10.180.1.7", "node1", false, false, true}}));
        const auto kind = natlens::packet::parseProtocol(protocol.toStdString()).value();
        const auto client = at("10.180.3.8:40000");
        QCOMPARE(connections.contains({kind, client, at(qPrintable(asked))}, {kind, at(qPrintable(answers)), client}),
                 stale);
    }

    /// 1.5 looked at cluster IPs only, by the endpoint's address, and at nothing that had not been translated.
    void of15_data() {
        QTest::addColumn<QString>("asked");
        QTest::addColumn<QString>("answers");
        QTest::addColumn<bool>("stale");
        QTest::newRow("endpoint") << "10.0.0.53:53"
                                  << "10.180.1.5:8080" << false;
        QTest::newRow("another port of an endpoint") << "10.0.0.53:53"
                                                     << "10.180.1.5:9090" << false;
        QTest::newRow("gone") << "10.0.0.53:53"
                              << "10.180.1.8:8080" << true;
        QTest::newRow("never translated") << "10.0.0.53:53"
                                          << "10.0.0.53:53" << false;
        QTest::newRow("node port") << "192.0.2.1:30053"
                                   << "10.180.1.8:8080" << false;
    }
    void of15() {
        QFETCH(QString, asked);
        QFETCH(QString, answers);
        QFETCH(bool, stale);
        const auto client = at("10.180.3.8:40000");
        const Tuple original{Protocol::udp, client, at(qPrintable(asked))},
            reply{Protocol::udp, at(qPrintable(answers)), client};
        QCOMPARE(StaleConnections(planOf({{"10.180.1.5", "node1"}}, ProxyRelease::v1_5)).contains(original, reply),
                 stale);
        // The last endpoint's connections ended, too.
        QCOMPARE(StaleConnections(planOf({}, ProxyRelease::v1_5)).contains(original, reply),
                 stale || (asked.endsWith(":53") && !answers.startsWith("10.0.")));
    }

    /// 1.5 ended all of a Service that is gone, by its cluster IP; today nobody looks at addresses that no Service has.
    void serviceThatIsGone_data() {
        QTest::addColumn<bool>("old");
        QTest::newRow("1.5") << true;
        QTest::newRow("today") << false;
    }
    void serviceThatIsGone() {
        QFETCH(bool, old);
        const auto before = planOf({{"10.180.1.5", "node1"}}, old ? ProxyRelease::v1_5 : ProxyRelease::today);
        auto after = before;
        after.services.clear();
        const StaleConnections connections(after, &before);
        const auto client = at("10.180.3.8:40000");
        const auto isStale = [&](Protocol protocol, const char *asked) {
            return connections.contains({protocol, client, at(asked)}, {protocol, at("10.180.1.5:8080"), client});
        };
        QCOMPARE(isStale(Protocol::udp, "10.0.0.53:53"), old);
        QVERIFY(!isStale(Protocol::udp, "192.0.2.1:30053")); // its node port
        QVERIFY(!isStale(Protocol::udp, "10.0.0.99:53"));
        QVERIFY(!isStale(Protocol::tcp, "10.0.0.53:53"));
        QCOMPARE(servingChanged(before, after), old);
    }

    void withoutEndpoints() {
        const StaleConnections connections(planOf({}));
        const auto client = at("10.180.3.8:40000");
        QVERIFY(!connections.contains({Protocol::udp, client, at("10.0.0.53:53")},
                                      {Protocol::udp, at("10.180.1.5:8080"), client}));
    }

    void whenToLook() {
        const auto one = planOf({{"10.180.1.5", "node1"}}), other = planOf({{"10.180.1.6", "node1"}});
        QVERIFY(servingChanged(one, other));
        QVERIFY(!servingChanged(one, planOf({{"10.180.1.5", "node1"}})));
        // Readiness alone moves no connection.
        QVERIFY(!servingChanged(one, planOf({{"10.180.1.5", "node1", false, true, false}})));
        QVERIFY(servingChanged(planOf({}), one));
    }
};

NATLENS_TEST(TestStaleConnections)
#include "tst_stale_connections.moc"
