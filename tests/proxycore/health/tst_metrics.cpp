// /metrics: names, types, buckets and labels as kube-proxy has them.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/health/metrics.h"
#include "proxycore/test_state.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;
using std::chrono::milliseconds;

class TestMetrics : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void syncs() {
        ProxyMetrics metrics(Mode::nftables);
        metrics.synced(IpFamily::v4, ProxyMetrics::Sync::full, milliseconds(3), 1700000000.5);
        metrics.synced(IpFamily::v4, ProxyMetrics::Sync::partial, milliseconds(1), 1700000001);
        metrics.refused(IpFamily::v4, {.syncs = 1, .partial = 0, .cleanUps = 2});
        const auto text = QString::fromStdString(metrics.text());
        for (const char *line : {
                 "# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram",
                 "kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.001\"} 1",
                 "kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.002\"} 1",
                 "kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.004\"} 2",
                 "kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"16.384\"} 2",
                 "kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"+Inf\"} 2",
                 "kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family=\"IPv4\"} 0.004",
                 "kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 1",
                 "kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 1",
                 "kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"IPv4\"} 1700000001",
                 "kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family=\"IPv4\"} 1",
                 "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total{ip_family=\"IPv4\"} 2",
             })
            QVERIFY2(text.split('\n').contains(line), qPrintable(QString(line) + " is missing in\n" + text));
        QVERIFY(!text.contains("iptables")); // metrics exist only in the mode they concern
        QCOMPARE(text.count("_bucket{"), 4 * 16 + 81); // and network programming's: 80 bounds and infinity
    }

    void noLocalEndpoints() {
        auto state = documentNodes();
        auto local = service("web", "10.0.0.1", ServiceType::nodePort, 30000);
        local.externalTrafficPolicy = TrafficPolicy::local;
        state.put(slice(local, {{"10.180.2.5", "node2"}}));
        state.put(local);
        ProxyMetrics metrics(Mode::iptables);
        metrics.noLocalEndpoints(IpFamily::v4, makePlan(state, podRange("10.180.0.0/16"),
                                                        {.nodeName = "node1", .localAddresses = {}, .mode = Mode::iptables,
                                                         .family = IpFamily::v4}));
        const auto text = QString::fromStdString(metrics.text());
        const QString name = "kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=";
        QVERIFY(text.contains(name + "\"external\"} 1\n"));
        QVERIFY(text.contains(name + "\"internal\"} 0\n"));
    }

    void changes() {
        auto before = documentNodes();
        const auto web = service("web", "10.0.0.1");
        before.put(web);
        before.put(slice(web, {{"10.180.2.5", "node2"}}));
        auto after = before;
        after.put(service("other", "10.0.0.2"));
        after.put(slice(web, {{"10.180.2.6", "node2"}}));
        ProxyMetrics metrics(Mode::iptables);
        metrics.queued(IpFamily::v4, 5, {}, before);
        metrics.queued(IpFamily::v4, 7, before, after);
        const auto text = QString::fromStdString(metrics.text());
        QVERIFY(text.contains("kubeproxy_sync_proxy_rules_service_changes_total 2\n"));
        QVERIFY(text.contains("kubeproxy_sync_proxy_rules_endpoint_changes_total 2\n"));
        QVERIFY(text.contains("last_queued_timestamp_seconds{ip_family=\"IPv4\"} 7\n"));
    }

    /// From a change of endpoints to the end of its sync; the first sync is no change.
    void networkProgramming() {
        auto before = documentNodes();
        const auto web = service("web", "10.0.0.1");
        before.put(web);
        before.put(slice(web, {{"10.180.2.5", "node2"}}));
        auto after = before;
        after.put(slice(web, {{"10.180.2.6", "node2"}}));
        ProxyMetrics metrics(Mode::iptables);
        const QString name = "kubeproxy_network_programming_duration_seconds";
        metrics.queued(IpFamily::v4, 5, {}, before);
        QVERIFY(
            QString::fromStdString(metrics.text()).contains("kubeproxy_sync_proxy_rules_endpoint_changes_pending 1\n"));
        metrics.synced(IpFamily::v4, ProxyMetrics::Sync::full, milliseconds(1), 6);
        QVERIFY(QString::fromStdString(metrics.text()).contains(name + "_count{ip_family=\"IPv4\"} 0\n"));
        metrics.queued(IpFamily::v4, 10, before, after);
        metrics.synced(IpFamily::v4, ProxyMetrics::Sync::partial, milliseconds(1), 10.4);
        const auto text = QString::fromStdString(metrics.text());
        for (const char *line :
             {"_bucket{ip_family=\"IPv4\",le=\"0.25\"} 0\n", "_bucket{ip_family=\"IPv4\",le=\"0.5\"} 1\n",
              "_bucket{ip_family=\"IPv4\",le=\"59\"} 1\n", "_bucket{ip_family=\"IPv4\",le=\"115\"} 1\n",
              "_bucket{ip_family=\"IPv4\",le=\"300\"} 1\n"})
            QVERIFY2(text.contains(name + line), line);
        QVERIFY(text.contains("kubeproxy_sync_proxy_rules_endpoint_changes_pending 0\n"));
    }

    /// kube-proxy has the packet counters where the kernel has nfacct; what is not counted is not told.
    void iptablesCounters() {
        ProxyMetrics metrics(Mode::iptables);
        metrics.refused(IpFamily::v6, {.syncs = 2, .partial = 1, .cleanUps = 0});
        metrics.refused(IpFamily::v6, {.syncs = 1, .partial = 1, .cleanUps = 0});
        auto text = QString::fromStdString(metrics.text());
        QVERIFY(text.contains("kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family=\"IPv6\"} 3\n"));
        QVERIFY(text.contains("kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total{ip_family=\"IPv6\"} 2\n"));
        QVERIFY(!text.contains("packets_total") && !text.contains("nftables"));
        metrics.packets({.invalidDropped = 5, .localhostNodePorts = std::nullopt});
        text = QString::fromStdString(metrics.text());
        QVERIFY(text.contains("\nkubeproxy_iptables_ct_state_invalid_dropped_packets_total 5\n"));
        QVERIFY(!text.contains("localhost"));
        metrics.packets({.invalidDropped = 6, .localhostNodePorts = 7});
        text = QString::fromStdString(metrics.text());
        QVERIFY(text.contains("\nkubeproxy_iptables_localhost_nodeports_accepted_packets_total 7\n"));
    }

    void rules() {
        ProxyMetrics metrics(Mode::iptables);
        metrics.rules(IpFamily::v6, "nat", 40, 3);
        const auto text = QString::fromStdString(metrics.text());
        QVERIFY(text.contains("kubeproxy_sync_proxy_rules_iptables_total{ip_family=\"IPv6\",table=\"nat\"} 40\n"));
        QVERIFY(text.contains("kubeproxy_sync_proxy_rules_iptables_last{ip_family=\"IPv6\",table=\"nat\"} 3\n"));
    }

    void answers() {
        ProxyMetrics metrics(Mode::iptables);
        metrics.answeredHealthz(200);
        metrics.answeredHealthz(503);
        metrics.answeredHealthz(503);
        const auto answer = metricsAnswer(metrics);
        QCOMPARE(answer.status, 200);
        QVERIFY(answer.body.find("kubeproxy_proxy_healthz_total{code=\"503\"} 2\n") != std::string::npos);
        QVERIFY(answer.headers.front().second.starts_with("text/plain; version=0.0.4"));
    }
};

NATLENS_TEST(TestMetrics)
#include "tst_metrics.moc"
