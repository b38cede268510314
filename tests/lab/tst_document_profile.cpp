// kube-proxy 1.5 in the lab: its own rules in the kernel, and the engine that obeys the same plan. What endpoints see is
// what was measured of that time's rules, and the document's pictures come out of it.
#include "tests/test_program.h"

#include "lab/running_lab.h"

using namespace natlens::test;

namespace {

void datapaths() {
    QTest::addColumn<QString>("datapath");
    for (const char *name : {"iptables", "engine"}) QTest::newRow(name) << QString(name);
}

/// The address that the endpoint saw; "" when nothing came back.
QByteArray seen(const RunningLab &lab, const QString &host, const QString &ip, int port) {
    return lab.shell(host, "timeout 2 bash -c \"" + http(ip, port).replace("\"", "\\\"") + "\"")
        .trimmed()
        .replace("client_address=", "");
}

} // namespace

class TestDocumentProfile : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void scenarios_data() {
        QTest::addColumn<QString>("datapath");
        QTest::addColumn<QString>("scenario");
        QTest::addColumn<QString>("picture");
        const char *pictures[][2] = {{"clusterip", ""},
                                     {"nodeport", "nodeport.txt"},
                                     {"nodeport-local", "nodeport-local.txt"},
                                     {"loadbalancer", ""},
                                     {"loadbalancer-local", "loadbalancer-local-503.txt"}};
        for (const auto &[scenario, picture] : pictures) QTest::newRow(scenario) << "iptables" << scenario << picture;
        QTest::newRow("the engine") << "engine" << "nodeport-local" << "nodeport-local.txt";
    }

    /// Every scenario ends as the document prints; its pictures are drawn (with 503 where its drawing says 500).
    void scenarios() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        QFETCH(QString, scenario);
        QFETCH(QString, picture);
        const QStringList options{"lab", "run", scenario, "--datapath", datapath, "--profile", "document"};
        const Run lab = run(options + QStringList{"--diagram", "document"});
        QVERIFY2(lab.status == 0, lab.said());
        if (!picture.isEmpty()) QVERIFY2(lab.out.contains(documentPicture(picture.toLatin1())), lab.said());
    }

    void sources_data() { datapaths(); }

    /// 10.240.0.4 has the endpoint, behind the bridge 10.180.1.1; 10.240.0.5 (node2) has none.
    void sources() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        RunningLab lab({"--datapath", datapath, "--profile", "document"});
        QVERIFY2(lab.ready(), lab.said());
        QCOMPARE(seen(lab, "client", "10.240.0.4", 32080), QByteArray("10.180.1.1"));
        QCOMPARE(seen(lab, "client", "10.240.0.5", 32080), QByteArray("10.240.0.5"));
        QCOMPARE(seen(lab, "node2", "10.0.83.45", 80), QByteArray("10.240.0.5"));
        QCOMPARE(seen(lab, "node2", "127.0.0.1", 32080), QByteArray("10.240.0.5"));
    }

    void onlyLocal_data() { datapaths(); }

    /// OnlyLocal as it was before 1.15: not even the node itself gets through without an endpoint of its own.
    void onlyLocal() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        RunningLab lab({"--cluster", NATLENS_TEST_DATA "/cluster/only-local.json", "--datapath", datapath, "--profile", "document"});
        QVERIFY2(lab.ready(), lab.said());
        QCOMPARE(seen(lab, "client", "10.240.0.4", 32080), QByteArray("104.132.1.79"));
        QCOMPARE(seen(lab, "client", "10.240.0.5", 32080), QByteArray(""));
        QCOMPARE(seen(lab, "node2", "10.240.0.5", 32080), QByteArray(""));
        QCOMPARE(seen(lab, "node2", "10.0.83.45", 80), QByteArray("10.240.0.5"));
        if (datapath != "iptables") return;
        const QByteArray rules = lab.shell("node1", "PATH=$PATH:/usr/sbin:/sbin; iptables-nft-save");
        for (const char *chain : {"KUBE-SVC-XP7QDA4CRQ2QA33W", "KUBE-XLB-XP7QDA4CRQ2QA33W"})
            QVERIFY2(rules.contains(chain), rules); // hashes of "default/nodeport:", with its colon
        QVERIFY2(!rules.contains("random-fully") && !rules.contains("KUBE-EXT-"), rules);
    }
};

NATLENS_TEST(TestDocumentProfile)
#include "tst_document_profile.moc"
