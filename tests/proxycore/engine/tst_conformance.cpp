// Every packet of kube-proxy's own test scenarios, through plan and decision.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/conformance_config.h"
#include "proxycore/engine/explain.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/model/proxy_config.h"
#include "proxycore/read_file.h"

#include <nlohmann/json.hpp>
#include <set>
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using Json = nlohmann::json;

class TestConformance : public QObject {
    Q_OBJECT

    Json m_scenarios;

private Q_SLOTS:
    void initTestCase() {
        m_scenarios = Json::parse(natlens::test::dataFile("conformance/flows.json"));
        std::size_t flows = 0;
        for (const auto &scenario : m_scenarios)
            flows += scenario["flows"].size();
        QCOMPARE(m_scenarios.size(), std::size_t{97});
        QCOMPARE(flows, std::size_t{446});
    }

    void flow_data() {
        QTest::addColumn<int>("scenario");
        QTest::addColumn<int>("flow");
        for (std::size_t s = 0; s < m_scenarios.size(); ++s)
            for (std::size_t f = 0; f < m_scenarios[s]["flows"].size(); ++f) {
                const auto name = m_scenarios[s]["id"].get<std::string>() + ": " +
                                  m_scenarios[s]["flows"][f][0].get<std::string>() + " (" + std::to_string(f) + ")";
                QTest::newRow(name.c_str()) << static_cast<int>(s) << static_cast<int>(f);
            }
    }

    void flow() {
        QFETCH(int, scenario);
        QFETCH(int, flow);
        const auto &given = m_scenarios[static_cast<std::size_t>(scenario)];
        const auto &row = given["flows"][static_cast<std::size_t>(flow)];
        const auto text = Json{{"kind", "List"}, {"items", given["items"]}}.dump();
        const auto state = readClusterState(text, "scenario");
        QVERIFY(state.has_value());
        QVERIFY2(state->problems.empty(), state->problems.empty() ? "" : state->problems.front().toString().c_str());

        ExplainRequest request;
        request.nodeName = given["node"];
        request.mode = given["mode"] == "nftables" ? Mode::nftables : Mode::iptables;
        for (const auto &address : given["localAddresses"])
            request.nodeAddresses.push_back(IpAddress::parse(address.get<std::string>()).value());
        request.flow.protocol = natlens::packet::parseProtocol(row[1].get<std::string>()).value();
        request.flow.source = {IpAddress::parse(row[2].get<std::string>()).value(), 0};
        request.flow.destination = natlens::packet::SocketAddress::parse(row[3].get<std::string>()).value();
        const auto decision = explain(*state, natlens::test::configOf(given), request);
        QVERIFY2(decision.has_value(), decision ? "" : decision.error().sentence().c_str());

        const auto answer = Json::parse(toExplainJson(*decision));
        const auto why = toExplainText(*decision);
        QVERIFY2(answer["verdict"] == row[4], why.c_str());
        QVERIFY2(answer["masquerade"] == row[6], why.c_str());
        std::set<std::string> expected, seen;
        for (const auto &endpoint : row[5])
            expected.insert(endpoint.get<std::string>());
        double sum = 0;
        for (const auto &endpoint : answer["endpoints"]) {
            const auto ip = IpAddress::parse(endpoint["ip"].get<std::string>()).value();
            seen.insert(natlens::packet::SocketAddress{ip, endpoint["port"].get<Port>()}.toString());
            sum += endpoint["probability"].get<double>();
        }
        QVERIFY2(seen == expected, why.c_str());
        QVERIFY(expected.empty() || std::abs(sum - 1) < 1e-9);
        QVERIFY2(!answer["rules"].empty(), "a decision without a reason");

        // The part of the cluster that concerns the flow gives the same answer, word for word.
        const FlowEnds ends{request.flow.source.ip, request.flow.destination};
        const auto part = readClusterState(text, "scenario", &ends);
        QVERIFY(part && part->services.size() <= state->services.size());
        QCOMPARE(toExplainText(explain(*part, natlens::test::configOf(given), request).value()).c_str(), why.c_str());
    }
};

NATLENS_TEST(TestConformance)
#include "tst_conformance.moc"
