// A healthCheckNodePort that something else has: the Service works, the lab says what is missing.
#include "tests/test_program.h"

#include "lab/natlens_run.h"

#include <QTemporaryDir>

using namespace natlens::test;

class TestHealthPorts : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void taken_data() {
        QTest::addColumn<QString>("datapath");
        QTest::newRow("nftables") << "nftables";
        QTest::newRow("engine") << "engine";
    }
    void taken() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, datapath);
        QTemporaryDir folder;
        QFile file(folder.filePath("taken.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        // 10256 is kube-proxy's own.
        const char *text = "{'name': 'taken', 'base': 'nodeport', 'clusterPatch': [{'kind': 'Service', 'metadata': "
                           "{'name': 'nodeport', 'namespace': 'default'}, 'spec': {'type': 'LoadBalancer', "
                           "'externalTrafficPolicy': 'Local', 'healthCheckNodePort': 10256}}], 'steps': [{'do': "
                           "'request', 'from': 'client', 'url': 'http://10.240.0.4:32080/'}], 'expect': []}";
        file.write(QByteArray(text).replace('\'', '"'));
        file.close();
        const QString ready = folder.filePath("ready");
        QProcess lab;
        lab.start(program(), {"lab", "up", file.fileName(), "--datapath", datapath, "--ready-file", ready});
        QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(ready), 30'000);
        QByteArray heard;
        QTRY_VERIFY2_WITH_TIMEOUT((heard += lab.readAllStandardError())
                                      .contains("node1: Service default/nodeport: FailedToStartServiceHealthcheck: "),
                                  heard.constData(), 30'000);
        lab.terminate();
        QVERIFY(lab.waitForFinished(30'000));
        const Run done = run({"lab", "run", file.fileName(), "--json", "--datapath", datapath});
        QVERIFY2(done.status == 0, done.said());
        const auto paths = done.pathsOfKind("service");
        QVERIFY2(!paths.empty() && paths.front()["outcome"] == "delivered", done.said());
    }
};

NATLENS_TEST(TestHealthPorts)
#include "tst_health_ports.moc"
