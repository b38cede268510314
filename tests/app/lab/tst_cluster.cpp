// The lab's Kubernetes: what changes when somebody annotates, flips, moves or scales.
#include "app/lab/cluster.h"
#include "app/lab/scenario.h"

#include "tests/test_program.h"
#include <nlohmann/json.hpp>

using namespace natlens;
using namespace natlens::lab;

namespace {

LabCluster cluster(const char *scenario) { return LabCluster(loadScenario(scenario)->cluster); }

/// Applies the watch events of a change to a copy of an older state: a watcher must arrive where the lab is.
bool watcherAgrees(const LabCluster &after, const std::vector<std::string> &events) {
    std::map<std::string, nlohmann::json> slices;
    for (const auto &text : events) {
        const auto event = nlohmann::json::parse(text);
        if (event["object"]["kind"] == "EndpointSlice") slices[event["object"]["metadata"]["name"]] = event["object"];
    }
    for (const auto &[name, slice] : after.state().endpointSlices) {
        const auto found = slices.find(name.name);
        if (found == slices.end()) continue;
        if (found->second["endpoints"].size() != slice->endpoints.size()) return false;
    }
    return true;
}

} // namespace

class TestCluster : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void slicesAreMadeForSelectors() {
        const auto lab = cluster("nodeport");
        QCOMPARE(lab.state().endpointSlices.size(), std::size_t(1));
        const auto &slice = *lab.state().endpointSlices.begin()->second;
        QCOMPARE(slice.endpoints.size(), std::size_t(1));
        QCOMPARE(QString::fromStdString(slice.endpoints[0].addresses[0].toString()), QString("10.180.1.136"));
        QCOMPARE(slice.endpoints[0].nodeName, std::string("node1"));
        QCOMPARE(*slice.ports[0].port, packet::Port(8080));
        // Every object is told of at the start: 3 nodes, 1 pod, 1 service, 1 slice.
        QCOMPARE(lab.initialEvents().size(), std::size_t(6));
    }

    /// spec.trafficDistribution is the controller's to obey: kube-proxy looks at the hints that it writes.
    void distributionBecomesHints_data() {
        QTest::addColumn<QString>("distribution");
        QTest::addColumn<bool>("zone");
        QTest::addColumn<bool>("node");
        QTest::newRow("none") << "" << false << false;
        QTest::newRow("PreferClose") << "PreferClose" << true << false;
        QTest::newRow("PreferSameZone") << "PreferSameZone" << true << false;
        QTest::newRow("PreferSameNode") << "PreferSameNode" << true << true;
    }
    void distributionBecomesHints() {
        QFETCH(QString, distribution);
        QFETCH(bool, zone);
        QFETCH(bool, node);
        auto state = loadScenario("nodeport")->cluster;
        auto first = *state.node("node1");
        first.labels[std::string(proxycore::kZoneLabel)] = "west";
        state.put(first);
        auto service = *state.service("default", "nodeport");
        service.trafficDistribution = distribution.toStdString();
        state.put(service);
        const LabCluster lab(state);
        const auto endpoint = lab.state().endpointSlices.begin()->second->endpoints.front();
        QCOMPARE(endpoint.zone, std::string("west"));
        QCOMPARE(endpoint.zoneHints, zone ? std::vector<std::string>{"west"} : std::vector<std::string>{});
        QCOMPARE(endpoint.nodeHints, node ? std::vector<std::string>{"node1"} : std::vector<std::string>{});
    }

    /// What a real controller wrote says more than the pods do; it counts until the lab changes them.
    void slicesOfAControllerStay() {
        auto state = loadScenario("nodeport")->cluster;
        auto slice = *LabCluster(state).state().endpointSlices.begin()->second;
        slice.name.name = "nodeport-x7k2p";
        slice.labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io";
        slice.endpoints.front().ready = false;
        slice.endpoints.front().terminating = true;
        state.put(slice);
        LabCluster lab(state);
        QCOMPARE(lab.state().endpointSlices.size(), std::size_t(1));
        QVERIFY(!lab.state().endpointSlices.begin()->second->endpoints.front().ready);
        const auto change = lab.movePod("default/source-ip-app", "node3");
        QVERIFY(change);
        QCOMPARE(lab.state().endpointSlices.size(), std::size_t(1));
        QCOMPARE(lab.state().endpointSlices.begin()->second->endpoints.front().nodeName, std::string("node3"));
        QVERIFY(std::ranges::any_of(change->events, [](const auto &event) {
            return event.find("DELETED") != std::string::npos && event.find("nodeport-x7k2p") != std::string::npos;
        }));
    }

    void annotationMakesThePolicyLocalAndGivesAHealthCheckPort() {
        auto lab = cluster("loadbalancer");
        const auto change = lab.annotate("default/loadbalancer", "service.beta.kubernetes.io/external-traffic", "OnlyLocal");
        QVERIFY(change);
        const auto service = lab.state().service("default", "loadbalancer");
        QVERIFY(service->externalTrafficPolicy == proxycore::TrafficPolicy::local);
        QCOMPARE(service->healthCheckNodePort, packet::Port(32122));
        QVERIFY(change->events.size() >= 1);
        QVERIFY(change->events[0].find("OnlyLocal") != std::string::npos);

        // and back, through the API's field name
        QVERIFY(lab.setPolicy("default/loadbalancer", "Cluster"));
        QVERIFY(lab.state().service("default", "loadbalancer")->externalTrafficPolicy == proxycore::TrafficPolicy::cluster);
        QCOMPARE(lab.state().service("default", "loadbalancer")->healthCheckNodePort, packet::Port(0));
    }

    void aMovedPodIsANewPod() {
        auto lab = cluster("nodeport");
        const auto change = lab.movePod("default/source-ip-app", "node3");
        QVERIFY(change);
        QCOMPARE(change->podsRemoved.size(), std::size_t(1));
        QCOMPARE(change->podsAdded.size(), std::size_t(1));
        QCOMPARE(change->podsAdded[0].name.name, std::string("source-ip-app-2"));
        QCOMPARE(QString::fromStdString(change->podsAdded[0].ips[0].toString()), QString("10.180.3.136"));
        QVERIFY(watcherAgrees(lab, change->events));
        QCOMPARE(lab.state().endpointSlices.begin()->second->endpoints[0].nodeName, std::string("node3"));
        // to where it already is: nothing happens
        const auto again = lab.movePod("source-ip-app-2", "node3");
        QVERIFY(again && again->events.empty() && again->podsAdded.empty());
    }

    void scalingSpreadsAndShrinks() {
        auto lab = cluster("nodeport");
        const auto up = lab.scale(4);
        QVERIFY(up);
        QCOMPARE(up->podsAdded.size(), std::size_t(3));
        std::map<std::string, int> perNode;
        for (const auto &[name, pod] : lab.state().pods) ++perNode[pod->nodeName];
        QCOMPARE(perNode["node1"] + perNode["node2"] + perNode["node3"], 4);
        QVERIFY(perNode["node2"] >= 1 && perNode["node3"] >= 1);
        QVERIFY(watcherAgrees(lab, up->events));

        QVERIFY(lab.scale(0));
        QCOMPARE(lab.state().pods.size(), std::size_t(0));
        QCOMPARE(lab.state().endpointSlices.begin()->second->endpoints.size(), std::size_t(0));
        const auto one = lab.scale(1); // from nothing: the template is remembered
        QVERIFY(one);
        QCOMPARE(one->podsAdded[0].nodeName, std::string("node1"));
    }

    void nonsenseIsRefused() {
        auto lab = cluster("nodeport");
        QVERIFY(!lab.annotate("default/none", "x", "y"));
        QVERIFY(!lab.annotate("default/nodeport", "service.beta.kubernetes.io/external-traffic", "Sometimes"));
        QVERIFY(!lab.setPolicy("default/nodeport", "local"));
        QVERIFY(!lab.movePod("default/none", "node1"));
        QVERIFY(!lab.movePod("default/source-ip-app", "node9"));
        QVERIFY(!lab.scale(7));
    }

    /// A cluster from elsewhere may come without its pods: whoever is named as an endpoint is there and answers.
    void endpointsGetPods() {
        proxycore::ClusterState state = cluster("nodeport").state();
        proxycore::EndpointSlice slice;
        slice.name = {"t", "other-1"};
        slice.serviceName = "other";
        slice.ports = {{.name = "http", .protocol = packet::Protocol::tcp, .port = packet::Port(9090)},
                       {.name = "dns", .protocol = packet::Protocol::udp, .port = packet::Port(53)}};
        proxycore::Endpoint here, elsewhere;
        here.addresses = {*packet::IpAddress::parse("10.180.2.9")};
        elsewhere.addresses = {*packet::IpAddress::parse("198.51.100.1")};
        slice.endpoints = {here, elsewhere};
        state.put(slice);
        const LabCluster lab(state);
        const auto pod = lab.state().podWithAddress(here.addresses.front());
        QVERIFY(pod);
        QCOMPARE(pod->name.name, std::string("pod-10-180-2-9"));
        QCOMPARE(pod->nodeName, std::string("node2"));
        QCOMPARE(lab.serverPorts(*pod), std::vector<packet::Port>{9090});
        QCOMPARE(lab.serverPorts(*pod, packet::Protocol::udp), std::vector<packet::Port>{53});
        QVERIFY(!lab.state().podWithAddress(elsewhere.addresses.front())); // in no node's range
    }

    void clientsServeNothing() {
        const auto lab = cluster("clusterip");
        for (const auto &[name, pod] : lab.state().pods) {
            const auto ports = lab.serverPorts(*pod);
            if (name.name == "busybox") QVERIFY(ports.empty());
            else QCOMPARE(ports, std::vector<packet::Port>{8080});
        }
    }
};

NATLENS_TEST(TestCluster)
#include "tst_cluster.moc"
