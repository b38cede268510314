// kube-proxy's own test scenarios (tests/data/conformance), with real packets: the lab builds each cluster, sends every
// flow, and what its captures show must be what kube-proxy decides.
#include "tests/test_program.h"

#include "lab/natlens_run.h"

#include <QTemporaryDir>
#include <map>
#include <set>

using namespace natlens::test;
using Json = nlohmann::json;

namespace {

/// Enough of them for every run: all verdicts, both modes, both families, policies, ranges, hairpin, node ports. The
/// others with NATLENS_LONG=1.
const std::set<std::string> kAlways{
    "iptables/TestNoEndpointsReject#1",
    "nftables/TestLoadBalancer#1",
    "iptables/TestNodePorts#1",
    "nftables/TestExternalTrafficPolicyLocal#1",
};

/// "" for what a path does not know.
std::string textOf(const Json &value) {
    return value.is_string() ? value.get<std::string>() : std::string();
}
std::string portOf(const Json &end) {
    return end["port"].is_number() ? std::to_string(end["port"].get<int>()) : std::string();
}
std::string hostOf(const std::string &address) {
    return address.substr(0, address.rfind(':'));
}
/// "[fd00::1]" -> "fd00::1".
std::string bare(std::string ip) {
    return ip.starts_with('[') ? ip.substr(1, ip.size() - 2) : ip;
}

/// One scenario of the table as a scenario of the lab.
class LabScenario final {
public:
    LabScenario(const Json &row, const QString &lab)
        : m_row(row)
        , m_traced(lab == "kernel") {
        m_lab = {{"name", "conformance"}, {"profile", "today"}, {"outside", Json::array()}, {"steps", Json::array()}};
        cluster();
        const auto &config = row["config"];
        m_lab["proxyConfig"] = {
            {"kind", "KubeProxyConfiguration"},
            {"mode", row["mode"]},
            {"clusterCIDR", config["clusterCIDR"]},
            {"nodePortAddresses", config["nodePortAddresses"]},
            {"iptables",
             {{"masqueradeAll", config["masqueradeAll"]}, {"localhostNodePorts", config["localhostNodePorts"]}}},
            {"nftables", {{"masqueradeAll", config["masqueradeAll"]}}}};
        for (const auto &flow : row["flows"])
            add(flow);
        m_lab["cluster"] = {{"kind", "List"}, {"apiVersion", "v1"}, {"items", m_items}};
    }

    [[nodiscard]] const Json &lab() const { return m_lab; }
    [[nodiscard]] const std::vector<Json> &sent() const { return m_sent; }
    [[nodiscard]] bool isNode(const std::string &ip) const {
        const auto &own = m_row["localAddresses"];
        return ip == "127.0.0.1" || ip == "::1" || std::find(own.begin(), own.end(), ip) != own.end();
    }

private:
    void cluster() {
        m_items = m_row["items"];
        for (auto &item : m_items) {
            if (item["kind"] == "Node") {
                const auto first = textOf(item["status"]["addresses"][0]["address"]);
                for (const auto &more : m_row["localAddresses"])
                    if (more != first)
                        item["status"]["addresses"].push_back({{"type", "InternalIP"}, {"address", more}});
            }
            if (item["kind"] != "EndpointSlice" || !item.contains("endpoints") || item["endpoints"].is_null()) continue;
            for (auto &endpoint : item["endpoints"]) {
                m_endpoints.insert(textOf(endpoint["addresses"][0]));
                // Hosts outside send to the first node: that must be the one that the table is about.
                if (endpoint.contains("nodeName") && endpoint["nodeName"] != m_row["node"])
                    endpoint["nodeName"] = "z-" + textOf(endpoint["nodeName"]);
            }
        }
        for (const auto &range : m_row["config"]["serviceCIDRs"])
            m_items.push_back({{"kind", "ServiceCIDR"},
                               {"apiVersion", "networking.k8s.io/v1"},
                               {"metadata", {{"name", "kubernetes"}}},
                               {"spec", {{"cidrs", {range}}}}});
    }

    /// The host that has this source address; "" when none can have it (a VIP as a source).
    std::string sourceHost(const std::string &ip) {
        if (isNode(ip)) return m_row["node"];
        if (const auto known = m_hosts.find(ip); known != m_hosts.end()) return known->second;
        auto name = ip;
        for (auto &c : name)
            if (c == '.' || c == ':') c = '-';
        const bool endpoint = m_endpoints.contains(ip);
        const bool pod = endpoint || ip.starts_with("10.") || ip.starts_with("fd00:10:");
        const bool outside = ip.starts_with("203.0.113.") || ip.starts_with("2600:");
        if (!pod && !outside) return {};
        name = (pod ? "pod-" : "client-") + name;
        if (outside)
            m_lab["outside"].push_back({{"name", name}, {"address", ip}});
        else if (!endpoint)
            m_items.push_back({{"kind", "Pod"},
                               {"apiVersion", "v1"},
                               {"metadata", {{"name", name}, {"namespace", "asking"}}},
                               {"spec", {{"nodeName", m_row["node"]}}},
                               {"status", {{"podIP", ip}, {"podIPs", {{{"ip", ip}}}}, {"phase", "Running"}}}});
        return m_hosts[ip] = name;
    }

    void add(const Json &flow) {
        const auto from = sourceHost(flow[2]);
        const bool tcp = flow[1] == "TCP";
        if (from.empty() || (flow[1] != "UDP" && !tcp)) return;
        if (tcp)
            m_lab["steps"].push_back({{"do", "request"},
                                      {"from", from},
                                      {"url", "http://" + textOf(flow[3]) + "/"},
                                      {"connectTimeoutMs", m_traced || flow[4] != "dropped" ? 300 : 1400}});
        else
            m_lab["steps"].push_back({{"do", "datagrams"}, {"on", from}, {"to", flow[3]}, {"waitMs", 100}});
        m_sent.push_back(flow);
    }

    const Json &m_row;
    bool m_traced; ///< the kernel tells of a drop; elsewhere a SYN must be sent again, and not arrive again, to be
                   ///< believed
    Json m_lab, m_items;
    std::set<std::string> m_endpoints;
    std::map<std::string, std::string> m_hosts; ///< by address
    std::vector<Json> m_sent;
};

/// What the captures say about one flow, against the table: "" or what is wrong.
std::string objection(const LabScenario &lab, const Json &flow, const Json &path) {
    const auto verdict = textOf(flow[4]), outcome = textOf(path["outcome"]);
    const bool reached = !path["endpoint"].is_null() && !path["seenByEndpoint"].is_null();
    bool translated = false;
    for (const auto &hop : path["hops"])
        for (const auto &what : hop["nat"])
            translated = translated || what == "DNAT";
    if (verdict == "not-a-service") return translated ? "translated" : "";
    if (verdict != "forwarded") return outcome == verdict && !translated ? "" : "is " + outcome;
    if (!reached) return "reaches nobody, is " + outcome;
    const auto ip = textOf(path["endpoint"]["ip"]);
    const auto endpoint = (ip.find(':') == ip.npos ? ip : "[" + ip + "]") + ":" + portOf(path["endpoint"]);
    if (std::find(flow[5].begin(), flow[5].end(), endpoint) == flow[5].end()) return "goes to " + endpoint;
    const auto seen = textOf(path["seenByEndpoint"]["ip"]);
    // A packet of the node's own may have any of its addresses before and after.
    const bool kept = seen == textOf(path["client"]["ip"]);
    if (!lab.isNode(textOf(flow[2])) && kept == flow[6].get<bool>()) return "endpoint sees " + seen;
    return {};
}

} // namespace

class TestConformanceLab : public QObject {
    Q_OBJECT

    Json m_rows;
    std::map<std::string, std::pair<int, int>> m_counts; ///< by lab: flows that agree, flows sent

private Q_SLOTS:
    void initTestCase() {
        QFile file(NATLENS_TEST_DATA "/conformance/flows.json");
        QVERIFY(file.open(QIODevice::ReadOnly));
        m_rows = Json::parse(file.readAll().toStdString());
    }
    void cleanupTestCase() {
        for (const auto &[lab, count] : m_counts)
            qInfo("%s: %d of %d flows as decided", lab.c_str(), count.first, count.second);
    }

    void scenario_data() {
        QTest::addColumn<int>("row");
        QTest::addColumn<QString>("lab");
        const bool all = qEnvironmentVariableIntValue("NATLENS_LONG") == 1;
        for (std::size_t i = 0; i < m_rows.size(); ++i)
            for (const char *lab : {"kernel", "engine", "simulated"})
                if (all || kAlways.contains(textOf(m_rows[i]["id"])))
                    QTest::addRow("%s %s", lab, textOf(m_rows[i]["id"]).c_str()) << static_cast<int>(i) << QString(lab);
    }

    void scenario() {
        QFETCH(int, row);
        QFETCH(QString, lab);
        const auto &given = m_rows[static_cast<std::size_t>(row)];
        const bool simulated = lab == "simulated";
        if (!simulated) NATLENS_NEEDS_LAB();
        const LabScenario scenario(given, lab);
        if (scenario.sent().empty()) return;
        QTemporaryDir folder;
        QFile file(folder.filePath("scenario.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(QByteArray::fromStdString(scenario.lab().dump(1)));
        file.close();
        QFile config(folder.filePath("proxy.json")); // its mode counts only from there
        QVERIFY(config.open(QIODevice::WriteOnly));
        config.write(QByteArray::fromStdString(scenario.lab()["proxyConfig"].dump(1)));
        config.close();
        QStringList options{"lab",    "run", file.fileName(),  "--json",
                            "--seed", "1",   "--proxy-config", config.fileName()};
        if (simulated)
            options << "--simulated"
                    << "--datapath"
                    << "engine";
        else
            options << "--datapath" << (lab == "engine" ? "engine" : QString::fromStdString(textOf(given["mode"])));
        const Run done = run(options);
        QVERIFY2(done.status == 0, done.said());
        auto paths = done.paths();
        std::stable_sort(paths.begin(), paths.end(), [](const Json &a, const Json &b) {
            const auto time = [](const Json &path) {
                for (const auto &hop : path["hops"])
                    for (const char *side : {"in", "out"})
                        if (!hop[side].is_null()) return textOf(hop[side]["time"]);
                return std::string();
            };
            return time(a) < time(b);
        });
        QStringList wrong;
        auto &[agree, all] = m_counts[lab.toStdString() + " " + textOf(given["mode"])];
        for (const auto &flow : scenario.sent()) {
            ++all;
            const auto to = textOf(flow[3]);
            const auto found = std::find_if(paths.begin(), paths.end(), [&](const Json &path) {
                return !path["requested"].is_null() && !path["client"].is_null() &&
                       path["requested"]["ip"] == bare(hostOf(to)) &&
                       portOf(path["requested"]) == to.substr(to.rfind(':') + 1) && path["protocol"] == flow[1] &&
                       (path["client"]["ip"] == flow[2] ||
                        (scenario.isNode(flow[2]) && scenario.isNode(path["client"]["ip"])));
            });
            const auto text = found == paths.end() ? (flow[4] == "not-a-service" ? "" : "no path")
                                                   : objection(scenario, flow, *found);
            if (text.empty())
                ++agree;
            else
                wrong << QString::fromStdString(flow.dump() + ": " + text);
            if (found != paths.end()) paths.erase(found);
        }
        QVERIFY2(wrong.isEmpty(), (wrong.join('\n').toUtf8() + "\n" + done.said()).left(6000));
    }
};

NATLENS_TEST(TestConformanceLab)
#include "tst_conformance.moc"
