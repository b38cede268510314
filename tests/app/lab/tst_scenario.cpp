// Scenarios: the built-in ones are sound, broken ones are refused with their place.
#include "app/lab/scenario.h"

#include <QTemporaryDir>
#include "quoted_json.h"
#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::lab;
using natlens::test::json;

class TestScenario : public QObject {
    Q_OBJECT
private Q_SLOTS:
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
        QVERIFY(names.size() > expected.size());
        for (std::size_t i = expected.size(); i < names.size(); ++i) QVERIFY(names[i].starts_with("findings/"));
        names.resize(expected.size()); // the document's come first
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
        QTest::newRow("unknown base") << json("{'base':'nothing','name':'x'}") << "/base: there is no scenario";
        QTest::newRow("no host to act on") << json("{'name':'x','steps':[{'do':'nft','rules':[]}]}") << "/steps/0/on: is missing";
        QTest::newRow("setting of another kind")
            << json("{'name':'x','setup':[{'do':'sysctl','on':'a','key':'kernel/x','value':'1'}]}") << "/setup/0/key";
        QTest::newRow("a request is no set-up") << json("{'name':'x','setup':[{'do':'request','on':'a'}]}") << "/setup/0/do";
        QTest::newRow("bad prefix") << json("{'name':'x','setup':[{'do':'route','on':'a','to':'1.2.3.4/40'}]}")
                                    << "/setup/0/to";
        QTest::newRow("patch deletes nothing")
            << json("{'base':'nodeport','name':'x','clusterPatch':[{'kind':'Pod','metadata':{'name':'gone'},'delete':true}]}")
            << "no such object";
        QTest::newRow("unknown preset") << json("{'name':'x','loadBalancer':{'address':'1.2.3.4','preset':'aws'}}")
                                        << "/loadBalancer/preset: is not one of gce-2016, gce, azure";
        QTest::newRow("no web") << json("{'name':'x','steps':[{'do':'request','from':'c','url':'gopher://1.2.3.4/'}]}")
                                << "/steps/0/url: \"gopher://1.2.3.4/\" does not begin with http://";
        QTest::newRow("misspelt") << json("{'name':'x','steps':[{'do':'pause','durationMS':5}]}")
                                  << "/steps/0/durationMS: is not known here";
        QTest::newRow("misspelt, of a host") << json("{'name':'x','steps':[{'do':'nft','on':'a','rule':[]}]}")
                                             << "/steps/0/rule: is not known here";
        QTest::newRow("misspelt list") << json("{'name':'x','stepz':[]}") << "/stepz: is not known here";
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

    /// Interval, time-out, checks until a node enters and leaves.
    void healthChecksOfProviders_data() {
        QTest::addColumn<QString>("fields");
        QTest::addColumn<QString>("checks");
        QTest::newRow("the lab's own") << "" << "150 1000 1 3";
        QTest::newRow("gce-2016") << ",'preset':'gce-2016'" << "2000 1000 1 5";
        QTest::newRow("gce") << ",'preset':'gce'" << "8000 1000 1 3";
        QTest::newRow("azure") << ",'preset':'azure'" << "5000 5000 1 2";
        QTest::newRow("a preset, but for") << ",'preset':'gce','intervalMs':200,'unhealthyAfter':1" << "200 1000 1 1";
    }

    void healthChecksOfProviders() {
        QFETCH(QString, fields);
        QFETCH(QString, checks);
        const auto text = json(("{'name':'x','loadBalancer':{'address':'1.2.3.4'" + fields + "}}").toUtf8().constData());
        const auto scenario = readScenario(std::string_view(text.data(), std::size_t(text.size())), "file.json");
        QVERIFY2(scenario, scenario ? "" : scenario.error().sentence().c_str());
        const auto &lb = *scenario->loadBalancer;
        QCOMPARE(QString("%1 %2 %3 %4").arg(lb.interval.count()).arg(lb.timeout.count()).arg(lb.healthyAfter).arg(lb.unhealthyAfter),
                 checks);
    }

    /// Only what is different is said: objects are merged by kind and name, lists replaced, null takes away.
    void aScenarioMayBeginWithAnother() {
        const auto text = json("{'base':'nodeport','name':'mine','clusterPatch':["
                               "{'kind':'Service','metadata':{'name':'nodeport'},'spec':{'externalTrafficPolicy':'Local'}},"
                               "{'kind':'Pod','metadata':{'name':'source-ip-app'},'delete':true},"
                               "{'kind':'NetworkPolicy','metadata':{'name':'p'}}],"
                               "'proxyConfig':{'clusterCIDR':null},"
                               "'setup':[{'do':'route','on':'client','to':'1.2.3.4','via':'10.0.0.1'}],"
                               "'steps':[{'do':'connect','on':'client','to':'10.240.0.5:32080','lines':['a','b']},"
                               "{'do':'delete','object':{'kind':'Pod','metadata':{'name':'x'}}}]}");
        const auto scenario = readScenario(std::string_view(text.data(), std::size_t(text.size())), "file.json");
        QVERIFY2(scenario, scenario ? "" : scenario.error().sentence().c_str());
        QCOMPARE(scenario->name, std::string("mine"));
        QCOMPARE(scenario->outside.size(), 1u);
        QVERIFY(scenario->cluster.pods.empty());
        const auto service = scenario->cluster.service("default", "nodeport");
        QVERIFY(service && service->externalTrafficPolicy == proxycore::TrafficPolicy::local);
        QCOMPARE(service->ports.at(0).nodePort, packet::Port(32080));
        QVERIFY(scenario->proxyConfig.clusterCIDRs.empty());
        QCOMPARE(scenario->otherObjects.size(), 1u);
        const auto *route = std::get_if<RouteAction>(&scenario->setup.at(0).what);
        QVERIFY(route && route->destination.length == 32 && route->via);
        const auto *connect = std::get_if<ConnectAction>(&scenario->steps.at(0).action->what);
        QVERIFY(connect);
        QCOMPARE(connect->text, std::string("a\nb\n"));
        QVERIFY(scenario->steps.at(1).event.find("DELETED") != std::string::npos);
        QVERIFY(!scenario->kernelNeed().empty());
        QCOMPARE(loadScenario("nodeport")->kernelNeed(), std::string());
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

NATLENS_TEST(TestScenario)
#include "tst_scenario.moc"
