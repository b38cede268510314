// Scenarios: the built-in ones are sound, broken ones are refused with their place.
#include "app/lab/scenario.h"

#include <QTemporaryDir>
#include <QtTest>

using namespace natlens;
using namespace natlens::lab;

namespace {

/// JSON with ' for ": moc 6.4 cannot read past raw strings.
QByteArray json(const char *text) { return QByteArray(text).replace('\'', '"'); }

} // namespace

class TestScenario : public QObject {
    Q_OBJECT
private slots:
    void builtInScenariosAreSound_data() {
        QTest::addColumn<QString>("name");
        for (const auto &[name, json] : builtInScenarios())
            QTest::newRow(std::string(name).c_str()) << QString::fromUtf8(name.data(), qsizetype(name.size()));
    }

    void builtInScenariosAreSound() {
        QFETCH(QString, name);
        const auto scenario = loadScenario(name.toStdString());
        QVERIFY2(scenario, scenario ? "" : scenario.error().sentence().c_str());
        QCOMPARE(QString::fromStdString(scenario->name), name);
        QVERIFY(!scenario->summary.empty());
        QVERIFY(!scenario->steps.empty());
        QVERIFY(scenario->expectJson.size() > 2);
        QCOMPARE(scenario->cluster.nodes.size(), std::size_t(3));
        QVERIFY(scenario->cluster.problems.empty());
        QVERIFY(scenario->proxyConfig.problems.empty());
    }

    void theFiveOfTheDocumentAreThere() {
        std::vector<std::string_view> names;
        for (const auto &scenario : builtInScenarios()) names.push_back(scenario.name);
        const std::vector<std::string_view> expected{"clusterip", "nodeport", "nodeport-local", "loadbalancer",
                                                     "loadbalancer-local"};
        QCOMPARE(names, expected);
    }

    void badScenariosNameTheirPlace_data() {
        QTest::addColumn<QByteArray>("json");
        QTest::addColumn<QString>("says");
        QTest::newRow("not JSON") << QByteArray("{\n  \"name\": oops\n}") << "line 2, column 1";
        QTest::newRow("empty") << QByteArray("") << "not JSON";
        QTest::newRow("array") << QByteArray("[]") << "must be an object";
        QTest::newRow("no name") << QByteArray("{}") << "/name: is missing";
        QTest::newRow("wrong type") << json("{'name':5}") << "/name: must not be a number";
        QTest::newRow("bad address") << json("{'name':'x','outside':[{'name':'c','address':'1.2.3'}]}")
                                     << "/outside/0/address";
        QTest::newRow("bad step") << json("{'name':'x','steps':[{'do':'dance'}]}") << "\"dance\" is not a step";
        QTest::newRow("request without url") << json("{'name':'x','steps':[{'do':'request','from':'c'}]}")
                                             << "/steps/0";
        QTest::newRow("negative") << json("{'name':'x','steps':[{'do':'scale','replicas':-1}]}")
                                  << "/steps/0/replicas";
        QTest::newRow("absurd") << json("{'name':'x','steps':[{'do':'pause','durationMs':99999999999}]}")
                                << "too large";
    }

    void badScenariosNameTheirPlace() {
        QFETCH(QByteArray, json);
        QFETCH(QString, says);
        const auto scenario = readScenario(std::string_view(json.data(), std::size_t(json.size())), "file.json");
        QVERIFY(!scenario);
        const QString sentence = QString::fromStdString(scenario.error().sentence());
        QVERIFY2(sentence.contains("file.json"), qPrintable(sentence));
        QVERIFY2(sentence.contains(says), qPrintable(sentence));
        QCOMPARE(base::exitStatus(scenario.error()), 2);
    }

    void unknownNameListsTheKnownOnes() {
        const auto scenario = loadScenario("nodeporf");
        QVERIFY(!scenario);
        const QString sentence = QString::fromStdString(scenario.error().sentence());
        QVERIFY2(sentence.contains("nodeport-local") && sentence.contains("nodeporf"), qPrintable(sentence));
    }

    void aFileIsAScenarioToo() {
        QTemporaryDir folder;
        QFile file(folder.filePath("mine.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(json("{'name':'mine','steps':[{'do':'move-pod','pod':'a','node':'b'}]}"));
        file.close();
        const auto scenario = loadScenario(file.fileName().toStdString());
        QVERIFY(scenario);
        QVERIFY(scenario->steps.front().kind == Step::Kind::movePod);
        QVERIFY(!loadScenario(folder.filePath("none.json").toStdString()));
    }
};

QTEST_GUILESS_MAIN(TestScenario)
#include "tst_scenario.moc"
