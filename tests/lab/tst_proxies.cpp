// Real proxies, real sockets: a userland proxy on a node and one in front of the cluster that reads HTTP are joined
// with what they opened, by packets alone.
#include "tests/test_program.h"

#include "lab/natlens_run.h"

#include <QTemporaryDir>
#include <fstream>

using namespace natlens::test;
using nlohmann::json;

namespace {

/// Requests one after the other, of which every one is told from the others by time alone.
json often(const char *base, const char *url, unsigned times) {
    json steps = json::array();
    for (unsigned i = 0; i < times; ++i)
        steps.push_back({{"do", "request"}, {"from", "client"}, {"url", url}, {"connectTimeoutMs", 2000}});
    return {{"base", base},         {"name", "proxies"}, {"title", "proxies"},
            {"summary", "proxies"}, {"steps", steps},    {"expect", json::array()}};
}

} // namespace

class TestProxies : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void joined_data();
    void joined();
};

void TestProxies::joined_data() {
    QTest::addColumn<QByteArray>("base");
    QTest::addColumn<QByteArray>("url");
    QTest::addColumn<QByteArray>("requested");
    QTest::addColumn<QByteArray>("proxy");
    QTest::addColumn<QByteArray>("evidence");
    QTest::newRow("a userland proxy on a node")
        << QByteArray("findings/D05") << QByteArray("http://10.240.0.4:8081/") << QByteArray("10.240.0.4")
        << QByteArray("node1") << QByteArray("payload");
    QTest::newRow("PROXY protocol") << QByteArray("findings/D08") << QByteArray("http://10.240.0.9/")
                                    << QByteArray("10.240.0.9") << QByteArray("ingress") << QByteArray("proxy-header");
    QTest::newRow("X-Forwarded-For") << QByteArray("findings/D08-healthy") << QByteArray("http://10.240.0.9/")
                                     << QByteArray("10.240.0.9") << QByteArray("ingress") << QByteArray("proxy-header");
}

void TestProxies::joined() {
    NATLENS_NEEDS_LAB();
    QFETCH(QByteArray, base);
    QFETCH(QByteArray, url);
    QFETCH(QByteArray, requested);
    QFETCH(QByteArray, proxy);
    QFETCH(QByteArray, evidence);
    constexpr unsigned kTimes = 12;
    QTemporaryDir folder;
    const QString scenario = folder.filePath("proxies.json"), stream = folder.filePath("proxies.pcapng");
    std::ofstream(scenario.toStdString()) << often(base.constData(), url.constData(), kTimes).dump();
    const Run lab = run({"lab", "run", scenario, "--quiet", "--record", stream});
    QVERIFY2(lab.status == 0, lab.said());
    const Run replay = run({"replay", stream, "--json"});
    QVERIFY2(replay.status == 0, replay.said());
    unsigned found = 0;
    for (const auto &path : replay.paths()) {
        if (path["requested"]["ip"] != requested.constData()) continue;
        ++found;
        const json *hop = nullptr;
        for (const auto &each : path["hops"])
            if (each["direction"] == "request" && each["nat"] == json::array({"proxied"})) hop = &each;
        QVERIFY2(hop != nullptr, path.dump().c_str());
        QCOMPARE(QByteArray::fromStdString((*hop)["node"].get<std::string>()), proxy);
        QCOMPARE(QByteArray::fromStdString((*hop)["evidence"][0].get<std::string>()), evidence);
        QVERIFY((*hop)["confidence"] < 1.0);
        QCOMPARE(path["client"]["ip"], json("104.132.1.79"));
        QCOMPARE(path["endpoint"]["ip"], json("10.180.1.136"));
        QCOMPARE(path["sourcePreserved"], json(false));
    }
    QCOMPARE(found, kTimes);
}

NATLENS_TEST(TestProxies)
#include "tst_proxies.moc"
