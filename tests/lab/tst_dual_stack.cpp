// A dual-stack cluster on every datapath: what its Services do to IPv6 connections, with and without a kernel.
#include "tests/test_program.h"

#include "lab/natlens_run.h"

#include <QTemporaryDir>
#include <fstream>
#include <span>

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
    {"client", "http://[fd00:ffff::2]/", "delivered", "2001:db8::6884:14f"},      // load balancer IP, policy Local
};

/// A cluster that has no IPv4 at all, and a node with a second address that would suit the pods better as a source.
constexpr Case kOnlyIpv6[] = {
    {"client", "http://[fd00:192::2]:30080/", "delivered", "fd00:10:1::1"},
    {"client", "http://[fd00:192::3]:30080/", "delivered", "fd00:192::3"},
    {"n1", "http://[fd00:30::4]/", "delivered", "fd00:192::2"},
};

json fileJson(const char *name) {
    std::ifstream file(name);
    return json::parse(file);
}

bool isV6(const json &text) { return text.get<std::string>().find(':') != std::string::npos; }

/// Takes everything of IPv4 out of a List.
json withoutIpv4(json list) {
    json items = json::array();
    for (auto item : list["items"]) {
        const auto keepV6 = [](const json &array) {
            json kept = json::array();
            for (const auto &text : array)
                if (isV6(text)) kept.push_back(text);
            return kept;
        };
        if (item["kind"] == "EndpointSlice" && item["addressType"] == "IPv4") continue;
        if (item["kind"] == "Service") {
            item["spec"]["clusterIPs"] = keepV6(item["spec"]["clusterIPs"]);
            item["spec"]["clusterIP"] = item["spec"]["clusterIPs"][0];
        }
        if (item["kind"] == "Node") {
            item["spec"]["podCIDRs"] = keepV6(item["spec"]["podCIDRs"]);
            item["spec"].erase("podCIDR");
            json addresses = json::array();
            for (const auto &entry : item["status"]["addresses"])
                if (isV6(entry["address"])) addresses.push_back(entry);
            if (item["metadata"]["name"] == "n1")
                addresses.push_back({{"type", "InternalIP"}, {"address", "fd00:10:1ff::77"}});
            item["status"]["addresses"] = addresses;
        }
        items.push_back(item);
    }
    list["items"] = items;
    return list;
}

json scenario(const json &cluster, std::span<const Case> cases) {
    json made{{"name", "dual"},
              {"outside", json::array({{{"name", "client"}, {"address", "104.132.1.79"}}})},
              {"proxyConfig", {{"kind", "KubeProxyConfiguration"}, {"clusterCIDR", "10.1.0.0/16,fd00:10::/32"}}},
              {"loadBalancer", {{"name", "lb"}, {"address", "10.240.0.100"}}},
              {"cluster", cluster}};
    made["steps"].push_back({{"do", "wait-rotation"}, {"nodes", {"n1"}}});
    for (const auto &one : cases)
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

    static void labs() {
        QTest::addColumn<QStringList>("options");
        QTest::newRow("nftables") << QStringList{"--datapath", "nftables"};
        QTest::newRow("iptables") << QStringList{"--datapath", "iptables"};
        QTest::newRow("engine") << QStringList{"--datapath", "engine"};
        QTest::newRow("simulated") << QStringList{"--simulated"};
    }

    /// Plays the requests and looks at what became of each.
    static void play(const json &cluster, std::span<const Case> cases) {
        QFETCH(QStringList, options);
        if (!options.contains("--simulated")) NATLENS_NEEDS_LAB();
        QTemporaryDir folder;
        const QString file = folder.filePath("dual.json");
        std::ofstream(file.toStdString()) << scenario(cluster, cases);
        const Run lab = run(QStringList{"lab", "run", file, "--json"} + options);
        QVERIFY2(lab.status == 0, lab.said());
        for (const auto &one : cases) {
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
        // Nothing but the requests and health checks: no neighbour discovery, no listener reports.
        QCOMPARE(lab.paths().size() - lab.pathsOfKind("health-check").size(), cases.size());
    }

private Q_SLOTS:
    void requests_data() { labs(); }
    void requests() { play(fileJson(NATLENS_TEST_DATA "/cluster/dual-stack.json"), kCases); }

    void onlyIpv6_data() { labs(); }
    void onlyIpv6() { play(withoutIpv4(fileJson(NATLENS_TEST_DATA "/cluster/dual-stack.json")), kOnlyIpv6); }
};

NATLENS_TEST(TestDualStack)
#include "tst_dual_stack.moc"
