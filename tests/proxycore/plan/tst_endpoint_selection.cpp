// The 32 cases of kube-proxy's own test of endpoint selection.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/plan/endpoint_selection.h"
#include "proxycore/read_file.h"

#include <nlohmann/json.hpp>
#include <set>
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using Json = nlohmann::json;

class TestEndpointSelection : public QObject {
    Q_OBJECT

    Json m_cases;

private Q_SLOTS:
    void initTestCase() {
        m_cases = Json::parse(natlens::test::dataFile("conformance/selection.json"));
        QCOMPARE(m_cases.size(), std::size_t{32});
    }

    void selection_data() {
        QTest::addColumn<int>("number");
        for (std::size_t i = 0; i < m_cases.size(); ++i)
            QTest::newRow(m_cases[i]["id"].get<std::string>().c_str()) << static_cast<int>(i);
    }

    void selection() {
        QFETCH(int, number);
        const auto &given = m_cases[static_cast<std::size_t>(number)];
        std::vector<PlannedEndpoint> endpoints;
        for (const auto &entry : given["endpoints"]) {
            PlannedEndpoint endpoint;
            endpoint.address = natlens::packet::SocketAddress::parse(entry["address"].get<std::string>()).value();
            endpoint.local = entry.value("local", false);
            endpoint.ready = entry.value("ready", false);
            endpoint.serving = entry.value("serving", false);
            endpoint.terminating = entry.value("terminating", false);
            endpoint.zoneHints = entry.value("zoneHints", std::vector<std::string>{});
            endpoint.nodeHints = entry.value("nodeHints", std::vector<std::string>{});
            endpoints.push_back(std::move(endpoint));
        }
        const auto node = given["node"].get<std::string>(), zone = given["zone"].get<std::string>();
        const auto selection = selectEndpoints(endpoints, {.usesCluster = given["usesCluster"],
                                                           .usesLocal = given["usesLocal"],
                                                           .nodeName = node,
                                                           .zone = zone,
                                                           .nodeHints = given["nodeHints"]});
        const auto names = [&](const std::vector<std::size_t> &indices) {
            std::set<std::string> result;
            for (const auto index : indices)
                result.insert(endpoints[index].address.toString());
            return result;
        };
        QCOMPARE(names(selection.cluster), given["cluster"].get<std::set<std::string>>());
        QCOMPARE(names(selection.local), given["local"].get<std::set<std::string>>());
        QCOMPARE(names(selection.reachable), given["reachable"].get<std::set<std::string>>());
        QCOMPARE(selection.hasAny, given["hasAny"].get<bool>());
        // Every endpoint is either used for Cluster traffic or has a reason why not.
        if (given["usesCluster"]) QCOMPARE(selection.cluster.size() + selection.excluded.size(), endpoints.size());
    }
};

NATLENS_TEST(TestEndpointSelection)
#include "tst_endpoint_selection.moc"
