// A cluster that is not the document's, on every datapath: what its Services do to real packets.
#include "tests/test_program.h"

#include "lab/running_lab.h"

using namespace natlens::test;

class TestAnyCluster : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void services_data() {
        QTest::addColumn<QString>("datapath");
        for (const char *name : {"nftables", "iptables", "engine"}) QTest::newRow(name) << QString(name);
    }

    void services() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        QTemporaryDir folder;
        const QString config = folder.filePath("proxy.json");
        QFile file(config);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(
            "{\"kind\":\"KubeProxyConfiguration\",\"clusterCIDR\":\"10.1.0.0/16,fd00:10::/32\",\"mode\":\"nftables\"}");
        file.close();
        RunningLab lab({"--cluster", NATLENS_TEST_DATA "/cluster/cluster.json", "--proxy-config", config, "--datapath", datapath});
        QVERIFY2(lab.ready(), lab.said());
        // a pod's own address through a cluster IP; the node's through a node port; the client's with policy Local
        QCOMPARE(lab.shell("pod-10-1-1-6", http("172.30.1.1", 80)).trimmed(), QByteArray("client_address=10.1.1.6"));
        QCOMPARE(lab.shell("client", http("192.168.0.2", 30081)).trimmed(), QByteArray("client_address=104.132.1.79"));
        const QByteArray masqueraded = lab.shell("client", http("192.168.0.2", 30080)).trimmed();
        QVERIFY2(masqueraded == "client_address=192.168.0.2" || masqueraded == "client_address=10.1.1.1", masqueraded);
        QCOMPARE(lab.shell("pod-10-1-1-5", http("172.30.1.19", 80)).trimmed(), QByteArray("client_address=10.1.1.1")); // hairpin
        const QByteArray udp = lab.shell("pod-10-1-1-6", "exec 3<>/dev/udp/172.30.1.8/53; echo question >&3; timeout 2 head -n 1 <&3");
        QCOMPARE(udp.trimmed(), QByteArray("client_address=10.1.1.6"));
        // nobody there: refused at once
        const QByteArray refused = lab.shell("client", "(exec 3<>/dev/tcp/192.168.0.2/30084) 2>&1 | grep -o refused | head -n 1");
        QCOMPARE(refused.trimmed(), QByteArray("refused"));
        const QByteArray local = lab.shell("n1", http("127.0.0.1", 30080)).trimmed();
        QVERIFY2(local.isEmpty() == (datapath != "iptables"), local); // node ports on localhost: iptables mode only

        // One Service has IPv6 endpoints, so all hosts have IPv6 addresses, though no Node object has.
        QCOMPARE(lab.shell("pod-10-1-1-6", http("fd00:30::16", 80)).trimmed(),
                 QByteArray("client_address=fd00:10:1::6"));
        const QByteArray masqueraded6 = lab.shell("client", http("2001:db8::c0a8:2", 30085)).trimmed();
        QVERIFY2(masqueraded6 == "client_address=2001:db8::c0a8:2" || masqueraded6 == "client_address=fd00:10:1::1",
                 masqueraded6);
        const QByteArray refused6 = lab.shell("n1", "(exec 3<>/dev/tcp/::1/30085) 2>&1 | grep -o refused | head -n 1");
        QCOMPARE(refused6.trimmed(), QByteArray("refused")); // never on ::1
    }

    void dualStack_data() { services_data(); }

    /// UDP and a healthCheckNodePort over IPv6.
    void dualStack() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        RunningLab lab(
            {"--cluster", NATLENS_TEST_DATA "/cluster/dual-stack.json", "--profile", "today", "--datapath", datapath});
        QVERIFY2(lab.ready(), lab.said());
        const QByteArray udp =
            lab.shell("client", "exec 3<>/dev/udp/fd00:192::3/30053; echo question >&3; timeout 2 head -n 1 <&3");
        QCOMPARE(udp.trimmed(), QByteArray("client_address=fd00:192::3"));
        const QString check =
            "exec 3<>/dev/tcp/%1/%2 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 2 head -n 1 <&3";
        const auto status = [&](const char *ip, int port) {
            return lab.shell("client", check.arg(ip).arg(port)).simplified().mid(9, 3);
        };
        QCOMPARE(status("fd00:192::2", 32001), QByteArray("200"));
        QCOMPARE(status("fd00:192::3", 32001), QByteArray("503"));
        QCOMPARE(status("192.168.0.2", 32001), QByteArray("")); // a Service of IPv6 alone has no IPv4 listener
        QCOMPARE(status("fd00:192::3", 10256), QByteArray("200"));
        // One kube-proxy instance for each family.
        const QByteArray synced =
            lab.shell("n1", "exec 3<>/dev/tcp/127.0.0.1/10249 && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && "
                            "timeout 2 grep -c 'sync_proxy_rules_last_timestamp_seconds{ip_family=' <&3");
        QCOMPARE(synced.trimmed(), QByteArray("2"));
    }

    void awkward_data() { services_data(); }

    /// What clusters are like: a node named as the lab's client is, nodes without pod ranges, addresses or objects; pods of
    /// the same name, pods that have ended; endpoints on a node's own address and outside the cluster.
    void awkward() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        QTemporaryDir folder;
        QFile config(folder.filePath("proxy.json"));
        QVERIFY(config.open(QIODevice::WriteOnly));
        config.write(R"({"kind":"KubeProxyConfiguration","clusterCIDR":"192.168.0.0/16","mode":"nftables"})");
        config.close();
        RunningLab lab({"--cluster", NATLENS_TEST_DATA "/cluster/awkward.json", "--proxy-config", config.fileName(), "--datapath", datapath});
        QVERIFY2(lab.ready(), lab.said());
        const QByteArray pod = "client_address=192.168.9.9";
        QCOMPARE(lab.shell("asker", http("10.43.0.10", 80)).trimmed(), pod);  // blue/web, on the same node
        QCOMPARE(lab.shell("asker", http("10.43.0.11", 80)).trimmed(), pod);  // green/web, on another
        QCOMPARE(lab.shell("asker", http("10.43.0.1", 443)).trimmed(), pod);  // a node's own address
        QCOMPARE(lab.shell("asker", http("10.43.0.12", 5432)).trimmed(), pod); // outside
        QCOMPARE(lab.shell("asker", http("10.43.0.13", 80)).trimmed(), pod);  // on a node without an object
        QCOMPARE(lab.shell("green/web", http("10.43.0.10", 80)).trimmed(), QByteArray("client_address=192.168.7.2"));
        QCOMPARE(lab.shell("client-outside", http("172.20.0.3", 30080)).trimmed(), QByteArray("client_address=172.20.0.3"));
        QCOMPARE(lab.shell("nameonly", http("10.43.0.10", 80)).trimmed(), QByteArray("client_address=198.18.0.3"));
    }

    /// More descriptors than select() knows.
    void hundredNodes() {
        NATLENS_NEEDS_LAB();
        if (qEnvironmentVariableIntValue("NATLENS_LONG") != 1) QSKIP("a hundred nodes: set NATLENS_LONG=1");
        nlohmann::json list{{"apiVersion", "v1"}, {"kind", "List"}, {"items", nlohmann::json::array()}};
        for (int i = 1; i <= 100; ++i) {
            const auto number = std::to_string(i);
            list["items"].push_back(
                {{"kind", "Node"},
                 {"metadata", {{"name", "node" + number}}},
                 {"spec", {{"podCIDRs", {"10.100." + number + ".0/24", "fd00:10:" + number + "::/64"}}}},
                 {"status", {{"addresses", {{{"type", "InternalIP"}, {"address", "10.240.0." + number}}}}}}});
        }
        QTemporaryDir folder;
        QFile file(folder.filePath("hundred.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(QByteArray::fromStdString(list.dump()));
        file.close();
        RunningLab lab({"--cluster", file.fileName()}, 60'000);
        QVERIFY2(lab.ready(), lab.said());
        QCOMPARE(lab.shell("node1", "exec 3<>/dev/tcp/10.240.0.100/10256 && echo reached").trimmed(),
                 QByteArray("reached"));
    }
};

NATLENS_TEST(TestAnyCluster)
#include "tst_any_cluster.moc"
