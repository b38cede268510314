// The iptables rule set: against what kube-proxy wrote, by its own rule counts, and through iptables-restore.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/kernel/iptables.h"
#include "proxycore/kernel/namespace_child.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/read_file.h"
#include "proxycore/test_state.h"

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#endif

#include <QRegularExpression>
#include <QStandardPaths>
#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;
using Json = nlohmann::json;

namespace {

/// Chain to rules. In the fixed chains the order between Services is arbitrary (a Go map's), so those are sorted,
/// except for the last rule of nat KUBE-SERVICES.
using Chains = std::map<std::string, std::vector<std::string>>;

void normalise(Chains &chains) {
    for (const auto *name : {"nat KUBE-SERVICES", "nat KUBE-NODEPORTS", "filter KUBE-SERVICES",
                             "filter KUBE-EXTERNAL-SERVICES", "filter KUBE-NODEPORTS", "filter KUBE-PROXY-FIREWALL"}) {
        auto &rules = chains[name];
        const bool hasTail = std::string_view(name) == "nat KUBE-SERVICES" && !rules.empty();
        std::sort(rules.begin(), hasTail ? rules.end() - 1 : rules.end());
    }
}

/// What kube-proxy wrote, without the nfacct counters.
Chains expectedChains(const std::string &file) {
    Chains chains;
    const auto document = Json::parse(natlens::test::dataFile("cluster/" + file));
    for (const auto &[name, rules] : document.items())
        for (const auto &rule : rules.empty() ? Json::array({""}) : rules) {
            auto &list = chains[name];
            auto text = rule.get<std::string>();
            if (text.empty() || text.find("localhost_nps_accepted_pkts") != std::string::npos) continue;
            list.push_back(std::regex_replace(text, std::regex(" -m nfacct --nfacct-name +\\S+"), ""));
        }
    normalise(chains);
    return chains;
}

Chains madeChains(const ProxyPlan &plan) {
    Chains chains;
    for (const auto &chain : iptablesChains(plan))
        chains[chain.table + " " + chain.name] = chain.rules;
    normalise(chains);
    return chains;
}

ProxyPlan clusterPlan(const char *node, IpFamily family) {
    const auto state = readClusterState(natlens::test::dataFile("cluster/cluster.json"), "cluster.json").value();
    ProxyConfig config;
    config.clusterCIDRs = {*IpPrefix::parse("10.1.0.0/16"), *IpPrefix::parse("fd00:10::/32")};
    return makePlan(state, config, {.nodeName = node, .localAddresses = {}, .mode = Mode::iptables, .family = family});
}

} // namespace

class TestIptables : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void sameRulesAsKubeProxy_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("node");
        QTest::addColumn<bool>("six");
        QTest::newRow("n1 IPv4") << "iptables-n1-v4.json"
                                 << "n1" << false;
        QTest::newRow("n1 IPv6") << "iptables-n1-v6.json"
                                 << "n1" << true;
        QTest::newRow("n2 IPv4") << "iptables-n2-v4.json"
                                 << "n2" << false;
    }
    void sameRulesAsKubeProxy() {
        QFETCH(QString, file);
        QFETCH(QString, node);
        QFETCH(bool, six);
        const auto made = madeChains(clusterPlan(node.toUtf8().constData(), six ? IpFamily::v6 : IpFamily::v4));
        const auto expected = expectedChains(file.toStdString());
        QVERIFY(expected.size() > 10);
        for (const auto &[name, rules] : expected) {
            QVERIFY2(made.contains(name), ("missing: " + name).c_str());
            const auto &ours = made.at(name);
            for (std::size_t i = 0; i < std::max(rules.size(), ours.size()); ++i) {
                const std::string a = i < ours.size() ? ours[i] : "(nothing)",
                                  b = i < rules.size() ? rules[i] : "(nothing)";
                QVERIFY2(a == b, (name + "\n  made     " + a + "\n  expected " + b).c_str());
            }
        }
        for (const auto &[name, rules] : made)
            QVERIFY2(expected.contains(name), ("not expected: " + name).c_str());
    }

    void ruleCounts_data() {
        QTest::addColumn<bool>("loadBalancer");
        QTest::addColumn<int>("services");
        QTest::addColumn<int>("endpoints");
        QTest::addColumn<int>("filter");
        QTest::addColumn<int>("nat");
        const auto row = [](bool lb, int services, int endpoints, int filter, int nat) {
            QTest::addRow("%s %d x %d", lb ? "LB" : "ClusterIP", services, endpoints)
                << lb << services << endpoints << filter << nat;
        };
        // kube-proxy's TestNumberIptablesRules; LB rows without the one nfacct rule each Service has there (when it has
        // endpoints).
        row(false, 0, 0, 4, 5);
        row(false, 1, 0, 5, 5);
        row(false, 1, 1, 4, 10);
        row(false, 1, 2, 4, 13);
        row(false, 1, 10, 4, 37);
        row(false, 10, 0, 14, 5);
        row(false, 10, 1, 4, 55);
        row(false, 10, 2, 4, 85);
        row(false, 10, 10, 4, 325);
        row(true, 1, 0, 8, 5);
        row(true, 1, 1, 5, 18 - 1);
        row(true, 1, 2, 5, 21 - 1);
        row(true, 1, 10, 5, 45 - 1);
        row(true, 10, 0, 44, 5);
        row(true, 10, 1, 14, 135 - 10);
        row(true, 10, 2, 14, 165 - 10);
        row(true, 10, 10, 14, 405 - 10);
    }
    void ruleCounts() {
        QFETCH(bool, loadBalancer);
        QFETCH(int, services);
        QFETCH(int, endpoints);
        auto state = documentNodes();
        for (int s = 0; s < services; ++s) {
            auto one = service("s" + std::to_string(s), "10.0.0." + std::to_string(s + 1));
            if (loadBalancer) {
                one.type = ServiceType::loadBalancer;
                one.ports[0].nodePort = static_cast<Port>(30000 + s);
                one.externalIPs = {ip("1.2.3." + std::to_string(s + 1))};
                one.ingress = {{.ip = ip("5.6.7." + std::to_string(s + 1)), .hostname = "", .mode = IpMode::vip}};
                one.loadBalancerSourceRanges = {*IpPrefix::parse("203.0.113.0/24")};
            }
            state.put(one);
            std::vector<TestEndpoint> list;
            for (int e = 0; e < endpoints; ++e)
                list.push_back({"10.180." + std::to_string(s) + "." + std::to_string(e + 1), "node2"});
            state.put(slice(one, list));
        }
        const auto plan = makePlan(state, podRange("10.180.0.0/16"),
                                   {.nodeName = "node1", .localAddresses = {}, .mode = Mode::iptables});
        std::map<std::string, int> counts;
        for (const auto &chain : iptablesChains(plan))
            if (!chain.isBuiltIn()) counts[chain.table] += static_cast<int>(chain.rules.size());
        QTEST(counts["filter"], "filter");
        QTEST(counts["nat"], "nat");
    }

    /// What the configuration says, in the rules that change with it.
    void settings_data() {
        QTest::addColumn<QString>("setting");
        QTest::addColumn<QString>("chain"); ///< table and name
        QTest::addColumn<QString>("rule");
        QTest::addColumn<bool>("present");
        const auto row = [](const char *name, const char *setting, const char *chain, const char *rule, bool present) {
            QTest::newRow(name) << setting << chain << rule << present;
        };
        const char *svc = "nat KUBE-SVC-*", *services = "nat KUBE-SERVICES", *fwd = "filter KUBE-FORWARD";
        row("detector", "", svc, "! -s 10.180.0.0/16 -d 10.0.0.1/32 *-j KUBE-MARK-MASQ", true);
        row("no detector", "none", svc, "*-j KUBE-MARK-MASQ", false);
        row("masqueradeAll", "all", svc, "-d 10.0.0.1/32 *-j KUBE-MARK-MASQ", true);
        row("bridge", "bridge", svc, "-d 10.0.0.1/32 ! -i cbr0 *-j KUBE-MARK-MASQ", true);
        row("interfaces of a prefix", "prefix", svc, "-d 10.0.0.1/32 ! -i veth+ *-j KUBE-MARK-MASQ", true);
        row("masqueradeBit", "bit", "nat KUBE-MARK-MASQ", "-j MARK --set-xmark 0x8/0x8", true);
        row("masqueradeBit, cleared", "bit", "nat KUBE-POSTROUTING", "-j MARK --set-xmark 0x8/0x0", true);
        row("masqueradeBit, accepted", "bit", fwd, "*-m mark --mark 0x8/0x8 -j ACCEPT", true);
        row("invalid dropped", "", fwd, "-m conntrack --ctstate INVALID -j DROP", true);
        row("tcpBeLiberal", "liberal", fwd, "-m conntrack --ctstate INVALID -j DROP", false);
        row("node ports everywhere", "", services, "-m comment *-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS", true);
        row("node ports not on localhost", "localhost off", services, "! -d 127.0.0.0/8 *-j KUBE-NODEPORTS", true);
        row("localhost guarded", "", "filter KUBE-FIREWALL", "! -s 127.0.0.0/8 -d 127.0.0.0/8 *-j DROP", true);
        row("localhost not guarded", "localhost off", "filter KUBE-FIREWALL", "*", false);
        row("node ports on the primary address", "primary", services, "-d 10.240.0.4/32 *-j KUBE-NODEPORTS", true);
        row("not elsewhere", "primary", services, "*--dst-type LOCAL*", false);
        row("comments of endpoints", "", svc, "-m comment --comment \"default/s -> 10.180.1.1:8080\" *", true);
        row("of 1000 endpoints", "1000", svc, "-m comment --comment \"default/s -> 10.180.1.1:8080\" *", true);
        row("of more none", "1001", svc, "*->*", false);
        row("of more none at the endpoints", "1001", "nat KUBE-SEP-*", "*comment*", false);
        row("affinity", "affinity", svc, "*-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-*", true);
        row("affinity is remembered", "affinity", "nat KUBE-SEP-*", "-p tcp *-m recent --set --name KUBE-SEP-*-j DNAT*", true);
    }
    void settings() {
        QFETCH(QString, setting);
        QFETCH(QString, chain);
        QFETCH(QString, rule);
        QFETCH(bool, present);
        auto config = podRange("10.180.0.0/16");
        if (setting == "none") config.clusterCIDRs.clear();
        config.masqueradeAll = setting == "all";
        if (setting == "bridge") config.detectLocalMode = DetectLocalMode::bridgeInterface;
        if (setting == "prefix") config.detectLocalMode = DetectLocalMode::interfaceNamePrefix;
        config.bridgeInterface = "cbr0";
        config.interfaceNamePrefix = "veth";
        if (setting == "bit") config.masqueradeBit = 3;
        config.tcpBeLiberal = setting == "liberal";
        config.localhostNodePorts = setting != "localhost off";
        if (setting == "primary") config.nodePortAddresses = {"primary"};
        auto state = documentNodes();
        auto one = service("s", "10.0.0.1");
        one.clientIpAffinity = setting == "affinity";
        state.put(one);
        std::vector<TestEndpoint> endpoints;
        for (int i = 0; i < std::max(setting.toInt(), 2); ++i)
            endpoints.push_back({"10.180." + std::to_string(1 + i / 250) + "." + std::to_string(1 + i % 250), "node2"});
        state.put(slice(one, endpoints));
        const auto plan =
            makePlan(state, config, {.nodeName = "node1", .localAddresses = {}, .mode = Mode::iptables});
        const auto pattern = [](QString text) {
            return QRegularExpression(QRegularExpression::anchoredPattern(QRegularExpression::escape(text).replace("\\*", ".*")));
        };
        bool found = false;
        QString all;
        for (const auto &made : iptablesChains(plan)) {
            if (!pattern(chain).match(QString::fromStdString(made.table + " " + made.name)).hasMatch()) continue;
            for (const auto &text : made.rules) {
                all += QString::fromStdString(text) + "\n";
                found = found || pattern(rule).match(QString::fromStdString(text)).hasMatch();
            }
        }
        QVERIFY2(found == present, qPrintable(all.left(4000)));
    }

    void probabilities_data() {
        QTest::addColumn<int>("index");
        QTest::addColumn<int>("count");
        QTest::addColumn<QString>("text");
        QTest::newRow("1/2") << 0 << 2 << "0.50000000000";
        QTest::newRow("1/3") << 0 << 3 << "0.33333333349";
        QTest::newRow("1/2 of 3") << 1 << 3 << "0.50000000000";
        QTest::newRow("1/4") << 0 << 4 << "0.25000000000";
    }
    void probabilities() {
        QFETCH(int, index);
        QFETCH(int, count);
        QFETCH(QString, text);
        QCOMPARE(QString::fromStdString(
                     iptablesProbability(static_cast<std::size_t>(index), static_cast<std::size_t>(count))),
                 text);
    }

    /// Loads through iptables-restore in a namespace, and iptables-save prints it back as it was written.
    void loadsAndListsBack_data() {
        QTest::addColumn<bool>("six");
        QTest::newRow("IPv4") << false;
        QTest::newRow("IPv6") << true;
    }
    void loadsAndListsBack() {
        QFETCH(bool, six);
        const auto find = [](const QString &name) {
            const auto here = QStandardPaths::findExecutable(name);
            return here.isEmpty() ? QStandardPaths::findExecutable(name, {"/usr/sbin", "/sbin"}) : here;
        };
        const auto restore = find(six ? "ip6tables-restore" : "iptables-restore").toStdString();
        const auto save = find(six ? "ip6tables-save" : "iptables-save").toStdString();
        if (restore.empty() || save.empty()) QSKIP("iptables is not installed");
        const auto plan = clusterPlan("n1", six ? IpFamily::v6 : IpFamily::v4);
        const auto text = toIptablesText(plan);
        const auto result = natlens::test::inNamespace([&]() -> std::string {
            FILE *input = ::popen((restore + " 2>&1").c_str(), "w");
            if (input == nullptr) return "no popen";
            std::fwrite(text.data(), 1, text.size(), input);
            if (const int status = ::pclose(input); status != 0) return "restore failed: " + std::to_string(status);
            FILE *output = ::popen(save.c_str(), "r");
            if (output == nullptr) return "no popen";
            std::string listed;
            char buffer[4096];
            for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, output)) > 0;)
                listed.append(buffer, n);
            return ::pclose(output) == 0 ? listed : "save failed";
        });
        if (!result.available) {
            if (qEnvironmentVariable("NATLENS_REQUIRE_LAB") == "1")
                QFAIL("unprivileged user namespaces are not available");
            QSKIP("unprivileged user namespaces are not available");
        }
        QVERIFY2(result.text.find("COMMIT") != std::string::npos, result.text.c_str());
        std::multiset<std::string> written, listed;
        const auto rules = [](const std::string &from, std::multiset<std::string> &to) {
            std::istringstream lines(from);
            for (std::string line; std::getline(lines, line);)
                if (line.starts_with("-A ")) to.insert(line);
        };
        rules(text, written);
        rules(result.text, listed);
        QVERIFY(written.size() > 15);
        for (const auto &rule : written)
            QVERIFY2(listed.contains(rule), ("not listed: " + rule).c_str());
        QCOMPARE(listed.size(), written.size());
    }
};

NATLENS_TEST(TestIptables)
#include "tst_iptables.moc"
