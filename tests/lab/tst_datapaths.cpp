// One plan, several datapaths: every scenario of the document ends the same on each of them.
#include "tests/test_program.h"

#include "lab/natlens_run.h"

using namespace natlens::test;
using nlohmann::json;

namespace {

const QStringList kDatapaths{"iptables", "engine"}; // compared with nftables

/// What a path must have in common on all datapaths: who asked whom, what each side saw, and what each node did.
json essence(const json &path) {
    json result;
    for (const char *key : {"kind", "service", "protocol", "requested", "endpoint", "sourcePreserved", "outcome", "droppedAt", "http"})
        result[key] = path[key];
    result["client"] = path["client"]["ip"];
    result["seen"] = path["seenByEndpoint"].is_null() ? json() : path["seenByEndpoint"]["ip"];
    for (const auto &hop : path["hops"]) {
        json entry{{"node", hop["node"]}, {"direction", hop["direction"]}, {"nat", hop["nat"]}};
        for (const char *end : {"in", "out"})
            entry[end] = hop[end].is_object() ? json{hop[end]["interface"], hop[end]["ttl"]} : json();
        result["hops"].push_back(entry);
    }
    return result;
}

std::vector<json> essences(const Run &lab) {
    std::vector<json> result;
    for (const auto &path : lab.pathsOfKind("service")) result.push_back(essence(path));
    return result;
}

} // namespace

class TestDatapaths : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void samePaths_data() {
        QTest::addColumn<QString>("datapath");
        QTest::addColumn<QString>("scenario");
        // Not `loadbalancer`: there the balancer picks the node, and so the path, by a hash of the client's port.
        for (const auto &datapath : kDatapaths)
            for (const char *scenario : {"clusterip", "nodeport", "nodeport-local", "loadbalancer-local"})
                QTest::addRow("%s on %s", scenario, qPrintable(datapath)) << datapath << QString(scenario);
    }
    void samePaths() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        QFETCH(QString, scenario);
        const Run lab = run({"lab", "run", scenario, "--datapath", datapath, "--json"});
        QVERIFY2(lab.status == 0, lab.said());
        const Run referee = run({"lab", "run", scenario, "--json"});
        const auto made = essences(lab), expected = essences(referee);
        QCOMPARE(made.size(), expected.size());
        for (std::size_t i = 0; i < made.size(); ++i)
            QVERIFY2(made[i] == expected[i], (made[i].dump() + "\n" + expected[i].dump()).c_str());
    }

    void loadBalancer_data() {
        QTest::addColumn<QString>("datapath");
        for (const auto &datapath : kDatapaths) QTest::newRow(qPrintable(datapath)) << datapath;
    }
    void loadBalancer() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        const Run lab = run({"lab", "run", "loadbalancer", "--datapath", datapath, "--json"});
        QVERIFY2(lab.status == 0, lab.said());
        for (const auto &path : lab.pathsOfKind("service")) QVERIFY2(path["sourcePreserved"] == false, lab.said());
    }

    void picture_data() { loadBalancer_data(); }
    void picture() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        const Run lab = run({"lab", "run", "nodeport", "--datapath", datapath, "--diagram", "document"});
        QVERIFY2(lab.status == 0, lab.said());
        QCOMPARE(lab.out, documentPicture("nodeport.txt"));
    }
};

NATLENS_TEST(TestDatapaths)
#include "tst_datapaths.moc"
