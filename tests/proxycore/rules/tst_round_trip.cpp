// Cluster state -> plan -> rules -> read back: the same decisions. And the rules of a running kube-proxy, read back.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/conformance_config.h"
#include "proxycore/kernel/iptables.h"
#include "proxycore/kernel/nftables.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/read_file.h"
#include "proxycore/rules/decisions.h"
#include "proxycore/rules/rules_state.h"

#include <nlohmann/json.hpp>
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;
using Json = nlohmann::json;

namespace {

enum class Form { iptables, nftText, nftJson };

std::string printed(const ProxyPlan &plan, Form form) {
    switch (form) {
    case Form::iptables: return toIptablesText(plan);
    case Form::nftText: return toNftText(plan);
    case Form::nftJson: return toNftJson(plan);
    }
    return {};
}

/// What a running kube-proxy wrote (tests/data/cluster, a normal form), as the programs list it.
std::string kubeProxys(const std::string &file) {
    const auto blocks = Json::parse(natlens::test::dataFile("cluster/" + file));
    std::string text;
    if (file.starts_with("iptables")) {
        for (const std::string table : {"filter", "nat"}) {
            std::string chains, rules;
            for (const auto &[name, list] : blocks.items()) {
                if (!name.starts_with(table + " ")) continue;
                const auto chain = name.substr(table.size() + 1);
                chains += ":" + chain + " - [0:0]\n";
                for (const auto &rule : list)
                    rules += "-A " + chain + " " + rule.get<std::string>() + "\n";
            }
            text += "*" + table + "\n" + chains + rules + "COMMIT\n";
        }
        return text;
    }
    text = std::string("table ") + (file.find("v6") != file.npos ? "ip6" : "ip") + " kube-proxy {\n";
    for (const auto &[name, lines] : blocks.items()) {
        text += "\t" + name + " {\n";
        for (const auto &line : lines) {
            if (line.is_string()) {
                text += "\t\t" + line.get<std::string>() + "\n";
                continue;
            }
            text += "\t\telements = { ";
            for (std::size_t i = 0; i < line.size(); ++i)
                text += (i == 0 ? "" : ",\n\t\t\t     ") + line[i].get<std::string>();
            text += " }\n";
        }
        text += "\t}\n";
    }
    return text + "}\n";
}

std::string problemsOf(const NodeRules &rules) {
    std::string text;
    for (const auto &problem : rules.problems)
        text += problem.toString() + "\n";
    return text;
}

/// "" or the first packet about which the plans differ.
std::string difference(const ProxyPlan &wanted, const ProxyPlan &read) {
    for (const auto &query : queriesOf(wanted)) {
        const auto left = decisionText(wanted, query), right = decisionText(read, query);
        if (left != right)
            return query.source.toString() + " to " + query.destination.toString() + ": " + left + "; read: " + right;
    }
    return {};
}

} // namespace

class TestRoundTrip : public QObject {
    Q_OBJECT

private Q_SLOTS:
    /// All 97 scenarios of kube-proxy's own tests with their 446 packets.
    void conformance() {
        const auto scenarios = Json::parse(natlens::test::dataFile("conformance/flows.json"));
        std::size_t asked = 0, services = 0;
        for (const auto &scenario : scenarios) {
            const auto state =
                readClusterState(Json{{"kind", "List"}, {"items", scenario["items"]}}.dump(), "scenario");
            QVERIFY(state.has_value());
            const bool nftables = scenario["mode"] == "nftables";
            PlanTarget target{.nodeName = scenario["node"],
                              .localAddresses = {},
                              .mode = nftables ? Mode::nftables : Mode::iptables,
                              .family = IpFamily::v4};
            for (const auto &address : scenario["localAddresses"])
                target.localAddresses.push_back(IpAddress::parse(address.get<std::string>()).value());
            for (const auto family : {IpFamily::v4, IpFamily::v6}) {
                target.family = family;
                const auto plan = makePlan(*state, natlens::test::configOf(scenario), target);
                services += plan.services.size();
                for (const auto form : {Form::iptables, Form::nftText, Form::nftJson}) {
                    if ((form == Form::iptables) == nftables) continue;
                    const auto text = printed(plan, form);
                    const auto rules = readNodeRules(text, "printed");
                    QVERIFY2(rules.has_value(), rules ? "" : rules.error().sentence().c_str());
                    QVERIFY2(rules->problems.empty(), problemsOf(*rules).c_str());
                    const auto *found = rules->of(family);
                    QVERIFY2(found != nullptr, text.c_str());
                    auto read = found->plan;
                    read.localAddresses = plan.localAddresses; // rules do not tell them
                    const auto id = scenario["id"].get<std::string>() + ": ";
                    for (const auto &row : scenario["flows"]) {
                        const auto destination =
                            natlens::packet::SocketAddress::parse(row[3].get<std::string>()).value();
                        if (destination.ip.family != family) continue;
                        const FlowQuery query{.protocol =
                                                  natlens::packet::parseProtocol(row[1].get<std::string>()).value(),
                                              .source = {IpAddress::parse(row[2].get<std::string>()).value(), 0},
                                              .destination = destination};
                        const auto wanted = decisionText(plan, query), seen = decisionText(read, query);
                        QVERIFY2(wanted == seen, (id + row.dump() + ": " + wanted + "; read: " + seen).c_str());
                        ++asked;
                    }
                    const auto differs = difference(plan, read);
                    QVERIFY2(differs.empty(), (id + differs).c_str());
                }
            }
        }
        QCOMPARE(asked, std::size_t{239 + 2 * 207}); // nftables mode in both forms
        QCOMPARE(services, std::size_t{122});
    }

    /// The rules of kube-proxy 1.5, for the Services of the same scenarios (it obeys the annotation of its time).
    void document() {
        const auto scenarios = Json::parse(natlens::test::dataFile("conformance/flows.json"));
        std::size_t plans = 0;
        for (const auto &scenario : scenarios) {
            if (scenario["mode"] == "nftables") continue;
            auto state = readClusterState(Json{{"kind", "List"}, {"items", scenario["items"]}}.dump(), "scenario");
            QVERIFY(state.has_value());
            for (const auto &[name, service] : ClusterState(*state).services) {
                auto changed = *service;
                const bool local = changed.externalTrafficPolicy == TrafficPolicy::local;
                changed.annotations[std::string(kExternalTrafficBeta)] = local ? "OnlyLocal" : "Global";
                changed.externalTrafficPolicySource = PolicySource::annotation;
                state->put(changed);
            }
            auto config = natlens::test::configOf(scenario);
            config.release = ProxyRelease::v1_5;
            PlanTarget target{
                .nodeName = scenario["node"], .localAddresses = {}, .mode = Mode::iptables, .family = IpFamily::v4};
            for (const auto &address : scenario["localAddresses"])
                target.localAddresses.push_back(IpAddress::parse(address.get<std::string>()).value());
            const auto plan = makePlan(*state, config, target);
            const auto rules = readNodeRules(toIptablesText(plan), "printed");
            QVERIFY(rules.has_value());
            QVERIFY2(rules->problems.empty(), problemsOf(*rules).c_str());
            QVERIFY(rules->v4.has_value());
            auto read = rules->v4->plan;
            read.localAddresses = plan.localAddresses;
            const auto differs = difference(plan, read);
            QVERIFY2(differs.empty(), (scenario["id"].get<std::string>() + ": " + differs).c_str());
            ++plans;
        }
        QVERIFY(plans > 40);
    }

    void kubeProxy_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("node");
        for (const char *file :
             {"iptables-n1-v4.json", "iptables-n1-v6.json", "nftables-n1-v4.json", "nftables-n1-v6.json"})
            QTest::newRow(file) << file << "n1";
        QTest::newRow("iptables-n2-v4.json") << "iptables-n2-v4.json"
                                             << "n2";
        QTest::newRow("nft -j list ruleset") << "rules/nftables-n1-v4.json"
                                             << "n1";
    }

    /// The rule sets of a running kube-proxy: Services, ports, addresses, endpoints and decisions are the cluster's.
    void kubeProxy() {
        QFETCH(QString, file);
        QFETCH(QString, node);
        const bool listed = file.startsWith("rules/");
        const auto text = listed ? natlens::test::dataFile(file.toStdString()) : kubeProxys(file.toStdString());
        const auto rules = readNodeRules(text, file.toStdString());
        QVERIFY(rules.has_value());
        QVERIFY2(rules->problems.empty(), problemsOf(*rules).c_str());
        const auto family = file.contains("v6") ? IpFamily::v6 : IpFamily::v4;
        QVERIFY(rules->of(family) != nullptr);
        QVERIFY(rules->of(family == IpFamily::v4 ? IpFamily::v6 : IpFamily::v4) == nullptr);

        auto state = readClusterState(natlens::test::dataFile("cluster/cluster.json"), "cluster.json");
        QVERIFY(state.has_value());
        // What the cluster had besides what the file keeps of it.
        Service kubernetes;
        kubernetes.name = {"default", "kubernetes"};
        kubernetes.clusterIPs = {IpAddress::parse("172.30.0.1").value()};
        kubernetes.ports = {{.name = "https", .protocol = Protocol::tcp, .port = 443, .targetPort = {}}};
        state->put(kubernetes);
        ProxyConfig config;
        config.clusterCIDRs = {*IpPrefix::parse("10.1.0.0/16"), *IpPrefix::parse("fd00:10::/32")};
        config.serviceCIDRs = {*IpPrefix::parse("172.30.0.0/16"), *IpPrefix::parse("fd00:30::/112")};
        const auto plan = makePlan(*state, config,
                                   {.nodeName = node.toStdString(),
                                    .localAddresses = {},
                                    .mode = file.contains("nftables") ? Mode::nftables : Mode::iptables,
                                    .family = family});
        auto read = rules->of(family)->plan;
        read.localAddresses = plan.localAddresses;
        if (plan.mode == Mode::iptables) read.serviceCIDRs = plan.serviceCIDRs; // not in these rules

        QCOMPARE(read.services.size(), plan.services.size());
        for (const auto &service : plan.services) {
            const auto *found = read.find(service->name);
            QVERIFY2(found != nullptr, service->name.toString().c_str());
            QCOMPARE(found->clusterIP.toString(), service->clusterIP.toString());
            QCOMPARE(found->port, service->port);
            QCOMPARE(found->nodePort, service->nodePort);
            QCOMPARE(found->externalLocal, service->externalLocal);
            QCOMPARE(found->affinity.count(), service->affinity.count());
            QVERIFY(found->allowedSources == service->allowedSources);
            const auto addresses = [](const std::vector<PlannedEndpoint> &endpoints) {
                std::set<std::string> texts;
                for (const auto &endpoint : endpoints)
                    texts.insert(endpoint.address.toString());
                return texts;
            };
            QVERIFY2(addresses(found->cluster) == addresses(service->cluster), service->name.toString().c_str());
            QVERIFY2(addresses(found->local) == addresses(service->local), service->name.toString().c_str());
        }
        const auto differs = difference(plan, read);
        QVERIFY2(differs.empty(), differs.c_str());
        QVERIFY(read.detector == plan.detector);
        QCOMPARE(read.masqueradeMark, plan.masqueradeMark);
        if (plan.mode == Mode::iptables) QVERIFY(read.healthChecks.size() == plan.healthChecks.size());
    }

    /// From the rules to cluster state and configuration, and from there to a plan: the node decides as before.
    void throughClusterState_data() {
        QTest::addColumn<QString>("mode");
        QTest::newRow("iptables") << "iptables";
        QTest::newRow("nftables") << "nftables";
    }
    void throughClusterState() {
        QFETCH(QString, mode);
        const auto text = kubeProxys(mode.toStdString() + "-n1-v4.json");
        const auto rules = readNodeRules(text, "rules");
        QVERIFY(rules.has_value());
        const RulesOfNode one{"n1", &*rules};
        const auto state = clusterStateOf({&one, 1});
        QVERIFY(state.problems.empty());
        QVERIFY(state.node("n1") != nullptr);
        // It is Kubernetes JSON like any other.
        const auto again = readClusterState(toJson(state), "again");
        QVERIFY(again.has_value());
        QVERIFY2(again->problems.empty(), again->problems.empty() ? "" : again->problems.front().toString().c_str());
        QCOMPARE(again->services.size(), state.services.size());
        auto config = proxyConfigOf(*rules);
        QVERIFY(config.mode == (mode == "iptables" ? Mode::iptables : Mode::nftables));
        const auto wanted = [&] {
            auto plan = rules->v4->plan;
            plan.localAddresses = {IpAddress::parse("192.168.0.2").value()};
            return plan;
        }();
        auto plan = makePlan(
            *again, config,
            {.nodeName = "n1", .localAddresses = wanted.localAddresses, .mode = config.mode, .family = IpFamily::v4});
        for (const auto &query : queriesOf(wanted)) {
            const auto left = decisionText(wanted, query), right = decisionText(plan, query);
            // Endpoints that only other nodes use are in nobody's rules here: without any, packets are rejected.
            const bool elsewhere = left.find("itp-none") != left.npos || right.find("itp-none") != right.npos;
            if (elsewhere) continue;
            QVERIFY2(
                left == right,
                (query.source.toString() + " to " + query.destination.toString() + ": " + left + "; " + right).c_str());
        }
    }

    /// The chains of a front end are the file's.
    void chains() {
        const auto iptables = readNodeRules(kubeProxys("iptables-n1-v4.json"), "rules");
        const auto nftables = readNodeRules(natlens::test::dataFile("rules/nftables-n1-v4.json"), "rules");
        const ServicePortName local{{"t", "np-local"}, "p80", Protocol::tcp},
            affine{{"t", "aff"}, "p80", Protocol::tcp};
        const ServicePortName ranged{{"t", "lb-src"}, "p80", Protocol::tcp};
        const auto to = natlens::packet::SocketAddress::parse("10.1.1.5:8080");
        const auto names = [&](const NodeRules &rules, const ServicePortName &name, Via via, bool toLocal) {
            std::string text;
            for (const auto &chain : chainsTo(*rules.v4, *rules.v4->plan.find(name), via, toLocal, to))
                text += (text.empty() ? "" : " ") + chain;
            return QString::fromStdString(text);
        };
        QCOMPARE(names(*iptables, local, Via::nodePort, true),
                 "KUBE-NODEPORTS KUBE-EXT-OLSK542FB7VYYFBA KUBE-SVL-OLSK542FB7VYYFBA KUBE-SEP-PGYJTVYW2TETS7DP");
        QCOMPARE(names(*iptables, affine, Via::clusterIP, false),
                 "KUBE-SERVICES KUBE-SVC-EIWHZX74GRNISC7C KUBE-SEP-EJKBD7EUEO7FWATP");
        QCOMPARE(names(*iptables, ranged, Via::loadBalancerIP, false),
                 "KUBE-SERVICES KUBE-FW-T3GZW3PCDI5LKNZM KUBE-EXT-T3GZW3PCDI5LKNZM KUBE-SVC-T3GZW3PCDI5LKNZM "
                 "KUBE-SEP-JHYDSRUFTLUBQNIS");
        QCOMPARE(names(*iptables, affine, Via::nodePort, false), ""); // it has none
        QCOMPARE(names(*nftables, local, Via::nodePort, true),
                 "service-nodeports external-VFBPBZMY-t/np-local/tcp/p80 local-VFBPBZMY-t/np-local/tcp/p80");
        QCOMPARE(names(*nftables, affine, Via::clusterIP, false),
                 "service-ips service-4A7HD423-t/aff/tcp/p80 endpoint-NTXPAOMY-t/aff/tcp/p80__10.1.1.5/8080");
    }
};

NATLENS_TEST(TestRoundTrip)
#include "tst_round_trip.moc"
