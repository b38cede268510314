// A dual-stack cluster on every datapath: what its Services do to IPv6 connections, with and without a kernel.
#include <QtTest>

#include "lab/natlens_run.h"

#include <QTemporaryDir>
#include <fstream>

using namespace natlens::test;
using nlohmann::json;

namespace {

struct Case {
    const char *from, *url;
    const char *outcome;
    const char *seen; ///< by the endpoint; "" when nobody saw it
};

/// A client outside and the cluster of tests/data/cluster/dual-stack.json. A fresh address has nothing in common with
/// the IPv4 ones but the lab's word: 2001:db8::6884:14f is 104.132.1.79.
constexpr Case kCases[] = {
    {"pod-fd00-10-2--7", "http://[fd00:30::1]/", "delivered", "fd00:10:2::7"}, // cluster IP, from a pod
    {"client", "http://[fd00:192::2]:30080/", "delivered", "fd00:10:1::1"},    // node port, where the endpoint is
    {"client", "http://[fd00:192::3]:30080/", "delivered", "fd00:192::3"},     // and elsewhere
    {"client", "http://192.168.0.3:30080/", "delivered", "192.168.0.3"},       // the same Service, the other family
    {"client", "http://[fd00:192::2]:30081/", "delivered", "2001:db8::6884:14f"}, // policy Local
    {"client", "http://[fd00:192::3]:30081/", "dropped", ""},                     // where it has no endpoint
    {"client", "http://[fd00:192::2]:30082/", "rejected", ""},                    // no endpoint at all
    {"pod-10-1-1-5", "http://[fd00:30::5]/", "delivered", "fd00:10:1::1"},        // a pod reaches itself
    {"n1", "http://[fd00:30::4]/", "delivered", "fd00:192::2"},                   // a node
};

json fileJson(const char *name) {
    std::ifstream file(name);
    return json::parse(file);
}

json scenario() {
    json made{{"name", "dual"},
              {"outside", json::array({{{"name", "client"}, {"address", "104.132.1.79"}}})},
              {"proxyConfig", {{"kind", "KubeProxyConfiguration"}, {"clusterCIDR", "10.1.0.0/16,fd00:10::/32"}}},
              {"cluster", fileJson(NATLENS_TEST_DATA "/cluster/dual-stack.json")}};
    for (const auto &one : kCases)
        made["steps"].push_back({{"do", "request"}, {"from", one.from}, {"url", one.url}, {"connectTimeoutMs", 1300}});
    return made;
}

/// "[fd00:30::1]:80" as the URL asks for it.
QString askedBy(const QString &url) {
    auto host = url.mid(7).chopped(1);
    return host.endsWith(']') || host.count(':') == 0 ? host + ":80" : host;
}

} // namespace

class TestDualStack : public QObject {
    Q_OBJECT
private slots:
    void requests_data() {
        QTest::addColumn<QStringList>("options");
        QTest::newRow("nftables") << QStringList{"--datapath", "nftables"};
        QTest::newRow("iptables") << QStringList{"--datapath", "iptables"};
        QTest::newRow("engine") << QStringList{"--datapath", "engine"};
        QTest::newRow("simulated") << QStringList{"--simulated"};
    }

    void requests() {
        QFETCH(QStringList, options);
        if (!options.contains("--simulated")) NATLENS_NEEDS_LAB();
        QTemporaryDir folder;
        const QString file = folder.filePath("dual.json");
        std::ofstream(file.toStdString()) << scenario();
        const Run lab = run(QStringList{"lab", "run", file, "--json"} + options);
        QVERIFY2(lab.status == 0, lab.said());
        for (const auto &one : kCases) {
            std::vector<json> found;
            for (const auto &path : lab.pathsOfKind("service")) {
                const auto ip = QString::fromStdString(path["requested"]["ip"]);
                const auto asked =
                    QString(ip.contains(':') ? "[%1]:%2" : "%1:%2").arg(ip).arg(int(path["requested"]["port"]));
                if (asked == askedBy(one.url)) found.push_back(path);
            }
            QVERIFY2(found.size() == 1, one.url + QByteArray("\n") + lab.said());
            QCOMPARE(found[0]["outcome"].get<std::string>(), std::string(one.outcome));
            const auto &seen = found[0]["seenByEndpoint"];
            QCOMPARE(seen.is_object() ? seen["ip"].get<std::string>() : std::string(), std::string(one.seen));
        }
        // Nothing but the requests: no neighbour discovery, no listener reports.
        QCOMPARE(lab.paths().size(), std::size(kCases));
    }
};

QTEST_GUILESS_MAIN(TestDualStack)
#include "tst_dual_stack.moc"
