// The rules of a running node, taken from inside the lab, instead of cluster state: names, chains, and P01.
#include "tests/test_program.h"

#include "lab/running_lab.h"

#include <set>

using namespace natlens::test;
using nlohmann::json;

namespace {

void write(const QString &path, const QByteArray &text) {
    QFile file(path);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write(text);
}

std::set<std::string> codes(const json &path) {
    std::set<std::string> found;
    for (const auto &finding : path["findings"])
        found.insert(finding["code"].get<std::string>());
    return found;
}

/// The hop of the node that was asked.
json entryHop(const json &path) {
    for (const auto &hop : path["hops"])
        if (hop["direction"] == "request" && hop["role"] == "node") return hop;
    return nullptr;
}

std::string summary(const json &path) {
    return path["outcome"].dump() + path["requested"].dump() + path["endpoint"]["ip"].dump() +
           path["endpoint"]["port"].dump() + path["seenByEndpoint"].dump();
}

} // namespace

class TestLabNodeRules : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void replayed_data() {
        QTest::addColumn<QString>("datapath");
        QTest::addColumn<QString>("command");
        QTest::addColumn<QString>("ending");
        QTest::addColumn<QStringList>("chains");
        QTest::newRow("nftables") << "nftables"
                                  << "nft -j list ruleset"
                                  << ".nft.json" << QStringList{"service-nodeports > external-", " > service-"};
        QTest::newRow("iptables") << "iptables"
                                  << "iptables-nft-save"
                                  << ".iptables-save"
                                  << QStringList{"KUBE-NODEPORTS > KUBE-EXT-", " > KUBE-SVC-", " > KUBE-SEP-"};
    }
    void replayed() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        QFETCH(QString, command);
        QFETCH(QString, ending);
        QFETCH(QStringList, chains);
        QTemporaryDir place;
        const QString ready = place.filePath("ready"), recording = place.filePath("recording.pcapng");
        QProcess lab;
        lab.start(program(), {"lab", "up", "nodeport", "--datapath", datapath, "--ready-file", ready, "--record",
                              recording, "--quiet"});
        QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(ready), 30'000);
        const QStringList nodes{"node1", "node2", "node3"};
        std::vector<QByteArray> rules;
        for (const auto &node : nodes) {
            const Run listed = run(insideLab(lab, node, {"sh", "-c", "PATH=$PATH:/usr/sbin; " + command}));
            QVERIFY2(listed.status == 0, listed.said());
            rules.push_back(listed.out);
            write(place.filePath(node + ending), listed.out);
        }
        for (const char *ip : {"10.240.0.4", "10.240.0.5", "10.240.0.3"}) {
            const Run asked =
                run(insideLab(lab, "client", {"curl", "-s", "-m", "5", QString("http://%1:32080/").arg(ip)}));
            QVERIFY2(asked.status == 0, asked.said());
        }
        lab.terminate();
        QVERIFY(lab.waitForFinished(30'000));

        // With the recorded objects, with the nodes' rules alone, and with both.
        const QString nothing = place.filePath("nothing.json");
        write(nothing, R"({"kind":"List","items":[]})");
        QStringList ruled;
        for (const auto &node : nodes)
            ruled << "--cluster" << place.filePath(node + ending);
        const Run objects = run({"replay", recording, "--json"});
        const Run alone = run(QStringList{"replay", recording, "--json", "--cluster", nothing} + ruled);
        const Run both = run(QStringList{"replay", recording, "--json"} + ruled);
        for (const auto *replay : {&objects, &alone, &both})
            QVERIFY2(replay->status == 0 && replay->err.isEmpty(), replay->said());
        const auto known = objects.pathsOfKind("service");
        QCOMPARE(known.size(), std::size_t{3});
        for (const auto *replay : {&alone, &both}) {
            const auto paths = replay->pathsOfKind("service");
            QCOMPARE(paths.size(), known.size());
            for (std::size_t i = 0; i < paths.size(); ++i) {
                const auto text = QByteArray::fromStdString(paths[i].dump());
                QCOMPARE(summary(paths[i]), summary(known[i]));
                QVERIFY2(paths[i]["service"]["name"] == "nodeport" && paths[i]["service"]["via"] == "nodePort", text);
                QVERIFY2(!codes(paths[i]).contains("P01"), text);
                const auto rule = QString::fromStdString(entryHop(paths[i])["rule"].get<std::string>());
                for (const auto &chain : chains)
                    QVERIFY2(rule.contains(chain), qPrintable(rule));
            }
        }
        QVERIFY(alone.pathsOfKind("service").front()["endpoint"]["pod"].is_null()); // no rule names a pod

        // Rules that say another endpoint: the first difference is there.
        const auto endpoint = QByteArray::fromStdString(known.front()["endpoint"]["ip"].get<std::string>());
        for (int i = 0; i < 3; ++i) {
            auto altered = rules[static_cast<std::size_t>(i)];
            QVERIFY(altered.contains(endpoint));
            write(place.filePath("altered"), altered.replace(endpoint, "10.180.1.99"));
            const Run differs =
                run({"replay", recording, "--json", "--cluster", nodes[i] + "=" + place.filePath("altered")});
            QVERIFY2(differs.status == 0, differs.said());
            int told = 0;
            for (const auto &path : differs.pathsOfKind("service")) {
                const bool entered = entryHop(path)["node"] == nodes[i].toStdString();
                QVERIFY2(codes(path).contains("P01") == entered, differs.said());
                if (!entered) continue;
                ++told;
                for (const auto &finding : path["findings"])
                    if (finding["code"] == "P01")
                        QVERIFY2(finding["text"].get<std::string>().find("sent it to " + endpoint.toStdString() +
                                                                         ":8080; by its rules it would have sent it to "
                                                                         "10.180.1.99:8080") != std::string::npos,
                                 differs.said());
            }
            QCOMPARE(told, 1);
        }
    }
};

NATLENS_TEST(TestLabNodeRules)
#include "tst_node_rules.moc"
