// Someone changes a node's rules in a running lab: the lab says what.
#include "tests/test_program.h"

#include "lab/running_lab.h"

using namespace natlens::test;

class TestLabDrift : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void isTold_data() {
        QTest::addColumn<QString>("datapath");
        QTest::addColumn<QString>("change");
        QTest::addColumn<QByteArray>("told");
        QTest::newRow("nftables") << "nftables"
                                  << "nft add rule ip kube-proxy services ip saddr 9.9.9.9 drop"
                                  << QByteArray("warning: someone else changed the rules of node2: foreign rule in chain "
                                                "services: ip saddr 9.9.9.9 drop");
        QTest::newRow("iptables") << "iptables"
                                  << "iptables-nft -t nat -I KUBE-SERVICES -s 9.9.9.9 -j ACCEPT"
                                  << QByteArray("warning: someone else changed the rules of node2: foreign rule in chain "
                                                "KUBE-SERVICES of table nat: -s 9.9.9.9/32 -j ACCEPT");
    }
    void isTold() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        QFETCH(QString, change);
        QFETCH(QByteArray, told);
        QTemporaryDir place;
        const QString ready = place.filePath("ready");
        QProcess lab;
        lab.start(program(), {"lab", "up", "nodeport", "--datapath", datapath, "--ready-file", ready});
        QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(ready), 30'000);
        const Run changed = run(insideLab(lab, "node2", {"sh", "-c", "PATH=$PATH:/usr/sbin; " + change}));
        QVERIFY2(changed.status == 0, changed.said());
        QByteArray heard;
        QTRY_VERIFY2_WITH_TIMEOUT((heard += lab.readAllStandardError()).contains(told), heard.constData(), 30'000);
        lab.terminate();
        QVERIFY(lab.waitForFinished(30'000));
        QCOMPARE(lab.exitCode(), 0);
    }
};

NATLENS_TEST(TestLabDrift)
#include "tst_drift.moc"
