// `natlens explain` and `natlens rules` as people run them: kube-proxy's recorded decisions, and bad questions.
#include "write_file.h"
#include "tests/test_program.h"

#include "lab/natlens_run.h"

#include <QTemporaryDir>
#include <atomic>
#include <set>
#include <sys/stat.h>
#include <thread>

using namespace natlens::test;
using nlohmann::json;

namespace {

QString text(const json &value) {
    return QString::fromStdString(value.get<std::string>());
}

} // namespace

class TestExplain : public QObject {
    Q_OBJECT

    json m_scenarios;
    QTemporaryDir m_folder;
    QString at(const QString &name) const { return m_folder.filePath(name); }

private Q_SLOTS:
    void initTestCase() {
        QFile file(QStringLiteral(NATLENS_TEST_DATA "/conformance/flows.json"));
        QVERIFY(file.open(QIODevice::ReadOnly));
        m_scenarios = json::parse(file.readAll().toStdString());
        for (std::size_t s = 0; s < m_scenarios.size(); ++s) {
            const auto &scenario = m_scenarios[s];
            auto items = scenario["items"];
            if (!scenario["config"]["serviceCIDRs"].empty())
                items.push_back({{"kind", "ServiceCIDR"},
                                 {"metadata", {{"name", "kubernetes"}}},
                                 {"spec", {{"cidrs", scenario["config"]["serviceCIDRs"]}}}});
            const auto &config = scenario["config"];
            const json section{{"masqueradeAll", config["masqueradeAll"]},
                               {"localhostNodePorts", config["localhostNodePorts"]}};
            const json proxy{{"kind", "KubeProxyConfiguration"},
                             {"mode", scenario["mode"]},
                             {"clusterCIDR", config["clusterCIDR"]},
                             {"nodePortAddresses", config["nodePortAddresses"]},
                             {"iptables", section},
                             {"nftables", section}};
            QVERIFY(write(at(QString("cluster-%1.json").arg(s)), json{{"kind", "List"}, {"items", items}}.dump().c_str()));
            QVERIFY(write(at(QString("proxy-%1.json").arg(s)), proxy.dump().c_str()));
        }
        QVERIFY(write(at("broken.json"), "{\n  \"kind\": \"List\",\n  \"items\": [,]\n}\n"));
        QVERIFY(write(at("list.yaml"), "kind: List\nitems: []\n"));
        QVERIFY(write(at("empty.json"), ""));
        QFile sparse(at("sparse.json"));
        QVERIFY(sparse.open(QIODevice::WriteOnly) && sparse.resize(qint64{1} << 30));
        QFile holes(at("holes.json"));
        QVERIFY(holes.open(QIODevice::WriteOnly) && holes.resize((qint64{1} << 30) - 1));
        QCOMPARE(::mkfifo(at("fifo").toUtf8().constData(), 0600), 0);
    }

    /// Every decision of kube-proxy's own tests, through the program; a few at a time, because starting it takes
    /// longest.
    void decisions() {
        std::vector<QStringList> questions;
        for (std::size_t s = 0; s < m_scenarios.size(); ++s) {
            const auto &scenario = m_scenarios[s];
            for (const auto &row : scenario["flows"]) {
                questions.push_back({"explain", "--json", "--cluster", at(QString("cluster-%1.json").arg(s)),
                                     "--proxy-config", at(QString("proxy-%1.json").arg(s)), "--node",
                                     text(scenario["node"]), "--protocol", text(row[1]).toLower(), "--from",
                                     text(row[2]), "--to", text(row[3])});
                for (const auto &address : scenario["localAddresses"])
                    questions.back() << "--node-address" << text(address);
            }
        }
        std::vector<Run> answers(questions.size());
        {
            std::atomic<std::size_t> next = 0;
            std::vector<std::jthread> askers;
            for (int i = 0; i < 4; ++i)
                askers.emplace_back([&] {
                    for (std::size_t mine = next++; mine < questions.size(); mine = next++)
                        answers[mine] = run(questions[mine]);
                });
        }
        std::size_t count = 0;
        for (const auto &scenario : m_scenarios) {
            for (const auto &row : scenario["flows"]) {
                const Run &ran = answers[count];
                const QByteArray what =
                    QByteArray::fromStdString(scenario["id"].get<std::string>() + ": " + row[0].get<std::string>()) +
                    "\n" + ran.said();
                QVERIFY2(ran.status == 0, what);
                const auto answer = json::parse(ran.out.toStdString());
                QVERIFY2(answer["schema"] == "natlens.explain/1" && answer["verdict"] == row[4] &&
                             answer["masquerade"] == row[6],
                         what);
                std::set<std::string> expected, seen;
                for (const auto &endpoint : row[5])
                    expected.insert(endpoint.get<std::string>());
                double sum = 0;
                for (const auto &endpoint : answer["endpoints"]) {
                    const auto ip = endpoint["ip"].get<std::string>();
                    const auto port = std::to_string(endpoint["port"].get<int>());
                    seen.insert(ip.find(':') == ip.npos ? ip + ":" + port : "[" + ip + "]:" + port);
                    sum += endpoint["probability"].get<double>();
                }
                QVERIFY2(seen == expected && !answer["rules"].empty(), what);
                QVERIFY2(expected.empty() || std::abs(sum - 1) < 1e-9, what);
                ++count;
            }
        }
        QCOMPARE(count, std::size_t{446});
    }

    void badQuestions_data() {
        QTest::addColumn<QStringList>("words");
        QTest::addColumn<QStringList>("mentions");
        const QString good = at("cluster-0.json");
        const auto ask = [&](const QString &cluster, const QString &node, const QString &from, const QString &to) {
            return QStringList{"explain", "--cluster", cluster, "--node", node, "--from", from, "--to", to};
        };
        QTest::newRow("missing file") << ask(at("none.json"), "n", "10.0.0.1", "10.0.0.2:80")
                                      << QStringList{"none.json", "No such file"};
        QTest::newRow("folder") << ask(m_folder.path(), "n", "10.0.0.1", "10.0.0.2:80") << QStringList{"folder"};
        QTest::newRow("broken JSON") << ask(at("broken.json"), "n", "10.0.0.1", "10.0.0.2:80")
                                     << QStringList{"broken.json", "line 3"};
        QTest::newRow("YAML") << ask(at("list.yaml"), "n", "10.0.0.1", "10.0.0.2:80")
                              << QStringList{"list.yaml", "not JSON"};
        for (const auto &[file, says] : {std::pair("empty.json", "empty"),
                                         {"sparse.json", "larger than 1 GiB"},
                                         {"holes.json", "line 1, column 1"},
                                         {"fifo", "nobody writes"}})
            QTest::newRow(file) << ask(at(file), "n", "10.0.0.1", "10.0.0.2:80") << QStringList{file, says};
        QTest::newRow("device without end")
            << ask("/dev/zero", "n", "10.0.0.1", "10.0.0.2:80") << QStringList{"/dev/zero", "line 1, column 1"};
        QTest::newRow("configuration is a FIFO")
            << ask(good, "test-node", "10.0.0.1", "10.0.0.2:80") + QStringList{"--proxy-config", at("fifo")}
            << QStringList{"fifo", "nobody writes"};
        QTest::newRow("configuration of something else")
            << ask(good, "test-node", "10.0.0.1", "10.0.0.2:80") + QStringList{"--proxy-config", good}
            << QStringList{"/kind", "KubeProxyConfiguration"};
        QTest::newRow("unknown node") << ask(good, "nobody", "10.0.0.1", "10.0.0.2:80")
                                      << QStringList{"nobody", "test-node"};
        QTest::newRow("no port") << ask(good, "test-node", "10.0.0.1", "10.0.0.2") << QStringList{"--to", "IP:PORT"};
        QTest::newRow("port 0") << ask(good, "test-node", "10.0.0.1", "10.0.0.2:0") << QStringList{"--to"};
        QTest::newRow("no address") << ask(good, "test-node", "client", "10.0.0.2:80")
                                    << QStringList{"--from", "client"};
        QTest::newRow("two families") << ask(good, "test-node", "fd00::1", "10.0.0.2:80") << QStringList{"family"};
        QTest::newRow("protocol") << ask(good, "test-node", "10.0.0.1", "10.0.0.2:80") +
                                         QStringList{"--protocol", "icmp"}
                                  << QStringList{"--protocol", "tcp"};
        QTest::newRow("rules of nothing")
            << QStringList{"rules", "--cluster", good, "--node", "test-node", "--format", "ipvs"}
            << QStringList{"--format", "nftables"};
    }
    void badQuestions() {
        QFETCH(QStringList, words);
        QFETCH(QStringList, mentions);
        const Run ran = run(words);
        QVERIFY2(ran.status == 2 && ran.out.isEmpty(), ran.said());
        QCOMPARE(ran.err.count('\n'), 1);
        for (const QString &word : mentions)
            QVERIFY2(ran.err.contains(word.toUtf8()), ran.said());
    }

    /// In words for people, and the plan.
    void words() {
        const Run ran = run({"explain", "--cluster", QStringLiteral(NATLENS_TEST_DATA "/cluster/cluster.json"),
                             "--node", "n1", "--from", "203.0.113.7", "--to", "192.168.0.2:30080"});
        QVERIFY2(ran.status == 0, ran.said());
        for (const char *word : {"forwarded", "t/np-cluster", "50.0 %", "spec.externalTrafficPolicy: Cluster", "1. ",
                                 "KUBE-NODEPORTS", "the endpoint sees an address of this node"})
            QVERIFY2(ran.out.contains(word), ran.said());
        QVERIFY2(ran.err.isEmpty(), ran.said()); // a node port is masqueraded whoever asks
        const Run plan = run({"rules", "--cluster", QStringLiteral(NATLENS_TEST_DATA "/cluster/cluster.json"), "--node",
                              "n1", "--format", "plan"});
        QVERIFY2(plan.status == 0 && plan.out.contains("service t/np-cluster"), plan.said());
    }

    /// Who is a pod only kube-proxy's configuration says: where the answer depends on it, that is said.
    void unknownClusterRange() {
        QTemporaryDir folder;
        const QString config = folder.filePath("config.json");
        QFile file(config);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(R"({"kind":"KubeProxyConfiguration","apiVersion":"kubeproxy.config.k8s.io/v1alpha1",)"
                   R"("clusterCIDR":"10.244.0.0/16"})");
        file.close();
        const auto ask = [](const QString &from, const QStringList &more = {}) {
            return run(QStringList{"explain", "--cluster", QStringLiteral(NATLENS_TEST_DATA "/cluster/cluster.json"),
                                   "--node", "n1", "--from", from, "--to", "172.30.1.1:80"} +
                       more);
        };
        const Run open = ask("192.168.0.77");
        QVERIFY2(open.status == 0 && open.out.contains("forwarded"), open.said());
        QVERIFY2(open.err.contains("does not cover 192.168.0.77: forwarded") && open.err.contains("source replaced") &&
                     open.err.contains("--proxy-config") && open.err.count('\n') == 1,
                 open.said());
        // A pod is sent to another endpoint than others are, though to as many.
        const Run other = run({"explain", "--cluster", QStringLiteral(NATLENS_TEST_DATA "/cluster/cluster.json"),
                               "--node", "n1", "--from", "8.8.8.8", "--to", "1.2.3.6:80"});
        QVERIFY2(other.err.contains("covers 8.8.8.8: forwarded to 10.1.2.5:8080, source kept"), other.said());
        const Run known = ask("192.168.0.77", {"--proxy-config", config});
        QVERIFY2(known.status == 0 && known.err.isEmpty() && known.out.contains("an address of this node"), known.said());
    }
};

NATLENS_TEST(TestExplain)
#include "tst_explain.moc"
