// Endpoints objects, as kube-proxy 1.5 read them: they become EndpointSlices of Services that have none.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/plan/proxy_plan.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;

namespace {

constexpr const char *kNode = R"({"kind":"Node","metadata":{"name":"n1"},"status":{"addresses":[
    {"type":"InternalIP","address":"10.240.0.3"}]}})";
constexpr const char *kService = R"({"kind":"Service","metadata":{"name":"web","namespace":"d"},
    "spec":{"clusterIP":"10.0.0.1","ports":[{"name":"http","port":80},{"name":"dns","port":53,"protocol":"UDP"}]}})";
constexpr const char *kSlice = R"({"kind":"EndpointSlice","metadata":{"name":"web-abcde","namespace":"d",
    "labels":{"kubernetes.io/service-name":"web"}},"ports":[{"name":"http","port":8080}],
    "endpoints":[{"addresses":["10.1.0.9"],"nodeName":"n1"}]})";

std::string endpoints(const std::string &subsets, const std::string &metadata = "") {
    return R"({"kind":"Endpoints","metadata":{"name":"web","namespace":"d")" + metadata + R"(},"subsets":[)" + subsets +
           "]}";
}

const std::string kOne = R"({"addresses":[{"ip":"10.1.0.5","nodeName":"n1","targetRef":{"kind":"Pod","namespace":"d",
    "name":"p5"}}],"notReadyAddresses":[{"ip":"10.1.0.6","nodeName":"n2"}],
    "ports":[{"name":"http","port":8080},{"name":"dns","port":5353,"protocol":"UDP"}]})";

std::string list(const std::vector<std::string> &items) {
    std::string text;
    for (const auto &item : items)
        text += (text.empty() ? "" : ",") + item;
    return R"({"kind":"List","items":[)" + text + "]}";
}

/// JSON with ' for ": moc 6.4 cannot read past every raw string.
std::string quoted(std::string text) {
    std::ranges::replace(text, '\'', '"');
    return text;
}

ClusterState stateOf(const std::string &text) {
    auto state = readClusterState(text, "test.json");
    return state ? *state : ClusterState{};
}

/// "http: 10.1.0.5:8080 n1, 10.1.0.6:8080 n2 (unready); ..." of the plan for n1.
QString endpointsOf(const ClusterState &state, ProxyRelease release = ProxyRelease::today) {
    ProxyConfig config;
    config.release = release;
    const auto plan = makePlan(state, config, {.nodeName = "n1", .localAddresses = {}, .mode = Mode::iptables});
    QStringList all;
    for (const auto &service : plan.services) {
        QStringList some;
        for (const auto &endpoint : service->cluster)
            some << QString::fromStdString(endpoint.address.toString() + (endpoint.local ? " here" : ""));
        for (const auto &endpoint : service->excluded)
            some << QString::fromStdString(endpoint.address.toString() + " " + std::string(toString(endpoint.reason)));
        all << QString::fromStdString(service->name.port) + ": " + some.join(", ");
    }
    return all.join("; ");
}

} // namespace

class TestEndpointsObject : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void read_data() {
        QTest::addColumn<QString>("json");
        QTest::addColumn<QString>("endpoints");
        const auto row = [](const char *name, const std::vector<std::string> &items, const char *found) {
            auto all = items;
            all.insert(all.begin(), {kNode, kService});
            QTest::newRow(name) << QString::fromStdString(list(all)) << found;
        };
        row("one subset", {endpoints(kOne)},
            "dns: 10.1.0.5:5353 here, 10.1.0.6:5353 not ready; http: 10.1.0.5:8080 here, 10.1.0.6:8080 not ready");
        row("ports in subsets of their own",
            {endpoints(R"({"addresses":[{"ip":"10.1.0.5"}],"ports":[{"name":"http","port":8080}]},
                          {"addresses":[{"ip":"10.1.0.6"}],"ports":[{"name":"dns","port":5353,"protocol":"UDP"}]})")},
            "dns: 10.1.0.6:5353; http: 10.1.0.5:8080");
        row("no subsets", {endpoints("")}, "dns: ; http: ");
        row("both families",
            {endpoints(R"({"addresses":[{"ip":"fd00::5"},{"ip":"10.1.0.5"}],"ports":[{"name":"http","port":1}]})")},
            "dns: ; http: 10.1.0.5:1");
        row("another Service's",
            {R"({"kind":"Endpoints","metadata":{"name":"web","namespace":"other"},"subsets":[)" + kOne + "]}"},
            "dns: ; http: ");
        row("EndpointSlices count where there are some", {endpoints(kOne), kSlice}, "dns: ; http: 10.1.0.9:8080 here");
        row("in whatever order", {kSlice, endpoints(kOne)}, "dns: ; http: 10.1.0.9:8080 here");
        row("headless", {endpoints(kOne, R"(,"labels":{"service.kubernetes.io/headless":""})")}, "dns: ; http: ");
        QTest::newRow("a list of them")
            << QString::fromStdString(
                   std::string(kNode) + kService +
                   R"({"kind":"EndpointsList","items":[{"metadata":{"name":"web","namespace":"d"},"subsets":[)" + kOne +
                   "]}]}")
            << "dns: 10.1.0.5:5353 here, 10.1.0.6:5353 not ready; http: 10.1.0.5:8080 here, 10.1.0.6:8080 not ready";
    }
    void read() {
        QFETCH(QString, json);
        QFETCH(QString, endpoints);
        const auto state = stateOf(json.toStdString());
        QVERIFY2(state.problems.empty(), state.problems.empty() ? "" : state.problems.front().toString().c_str());
        QCOMPARE(endpointsOf(state), endpoints);
        // Written and read again they are the same.
        QCOMPARE(endpointsOf(stateOf(toJson(state))), endpoints);
        // For one flow only what it needs is read.
        const FlowEnds ends{*IpAddress::parse("10.1.0.77"), *natlens::packet::SocketAddress::parse("10.0.0.1:80")};
        QCOMPARE(endpointsOf(readClusterState(json.toStdString(), "part", &ends).value()), endpoints);
    }

    /// Which slices belong to a Service, and which nobody looks at.
    void slices_data() {
        QTest::addColumn<QString>("json");
        QTest::addColumn<QString>("endpoints");
        const auto slice = [](const std::string &nameSpace, const std::string &labels, const std::string &type,
                              const std::string &address) {
            return quoted("{'kind':'EndpointSlice','metadata':{'name':'web-abcde','namespace':'" + nameSpace +
                          "','labels':{" + labels + "}},'addressType':'" + type +
                          "','ports':[{'name':'http','port':8080}],'endpoints':[{'addresses':['" + address + "']}]}");
        };
        const auto row = [](const char *name, const std::vector<std::string> &items, const char *found) {
            auto all = items;
            all.insert(all.begin(), {kNode, kService});
            QTest::newRow(name) << QString::fromStdString(list(all)) << found;
        };
        const std::string ours = "'kubernetes.io/service-name':'web'";
        row("its own", {slice("d", ours, "IPv4", "10.1.0.5")}, "dns: ; http: 10.1.0.5:8080");
        row("in another namespace", {slice("e", ours, "IPv4", "10.1.0.5")}, "dns: ; http: ");
        row("of one name in two namespaces",
            {slice("e", ours, "IPv4", "10.1.0.6"), slice("d", ours, "IPv4", "10.1.0.5")}, "dns: ; http: 10.1.0.5:8080");
        row("without a Service", {slice("d", "", "IPv4", "10.1.0.5")}, "dns: ; http: ");
        row("whose name only looks like the Service's", {slice("d", "'app':'web'", "IPv4", "10.1.0.5")},
            "dns: ; http: ");
        row("of names", {slice("d", ours, "FQDN", "web.example.org")}, "dns: ; http: ");
        row("of the other family", {slice("d", ours, "IPv6", "fd00::5")}, "dns: ; http: ");
    }
    void slices() {
        QFETCH(QString, json);
        QFETCH(QString, endpoints);
        const auto state = stateOf(json.toStdString());
        QVERIFY2(state.problems.empty(), state.problems.empty() ? "" : state.problems.front().toString().c_str());
        QCOMPARE(endpointsOf(state), endpoints);
    }

    /// A slice that came and went leaves the Endpoints, whatever stands first in the file.
    void afterASliceIsGone() {
        const auto event = [](const char *type, const std::string &object) {
            return std::string("{\"type\":\"") + type + "\",\"object\":" + object + "}\n";
        };
        const auto text = std::string(kNode) + kService + event("ADDED", kSlice) + event("DELETED", kSlice) +
                          event("ADDED", endpoints(kOne));
        QCOMPARE(endpointsOf(stateOf(text)),
                 "dns: 10.1.0.5:5353 here, 10.1.0.6:5353 not ready; http: 10.1.0.5:8080 here, 10.1.0.6:8080 not ready");
    }

    /// 1.5 knew no others: what is ready gets packets, the rest does not exist.
    void of15() {
        const auto state = stateOf(list({kNode, kService, endpoints(kOne)}));
        QCOMPARE(endpointsOf(state, ProxyRelease::v1_5),
                 "dns: 10.1.0.5:5353 here, 10.1.0.6:5353 not ready; http: 10.1.0.5:8080 here, 10.1.0.6:8080 not ready");
        QCOMPARE(state.endpointSlices.begin()->second->endpoints.front().pod.toString(), std::string("d/p5"));
        // The plan remembers where they stood: explanations name that object.
        const auto ofObject = [](const ClusterState &cluster) {
            const auto plan = makePlan(cluster, {}, {.nodeName = "n1", .localAddresses = {}, .mode = Mode::iptables});
            return plan.services.back()->ofEndpointsObject;
        };
        QVERIFY(ofObject(state));
        QVERIFY(!ofObject(stateOf(list({kNode, kService, kSlice}))));
    }

    void events() {
        auto state = stateOf(list({kNode, kService}));
        const auto apply = [&](WatchEventType type, const std::string &object) {
            QVERIFY(applyWatchEvent(state, watchEvent(type, object)).has_value());
        };
        apply(WatchEventType::added, endpoints(kOne + "," + kOne));
        QCOMPARE(state.endpointSlices.size(), std::size_t{2});
        apply(WatchEventType::modified,
              endpoints(R"({"addresses":[{"ip":"10.1.0.7"}],"ports":[{"name":"http","port":8080}]})"));
        QCOMPARE(endpointsOf(state), QString("dns: ; http: 10.1.0.7:8080"));
        apply(WatchEventType::added, kSlice);
        QCOMPARE(state.endpointSlices.size(), std::size_t{1});
        apply(WatchEventType::modified, endpoints(kOne));
        QCOMPARE(endpointsOf(state), QString("dns: ; http: 10.1.0.9:8080 here"));
        apply(WatchEventType::deleted, kSlice);
        apply(WatchEventType::added, endpoints(kOne));
        QCOMPARE(state.endpointSlices.size(), std::size_t{1});
        apply(WatchEventType::deleted, endpoints(""));
        QVERIFY(state.endpointSlices.empty() && state.problems.empty());
    }

    void problems_data() {
        QTest::addColumn<QString>("subsets");
        QTest::addColumn<QString>("problem");
        QTest::newRow("address") << R"({"addresses":[{"ip":"10.1.0.256"}]})"
                                 << "Endpoints d/web: /subsets/0/addresses/0/ip";
        QTest::newRow("addresses") << R"({"addresses":7})"
                                   << "Endpoints d/web: /subsets/0/addresses";
        QTest::newRow("port") << R"({"ports":[{"port":70000}]})"
                              << "Endpoints d/web: /subsets/0/ports/0/port";
        QTest::newRow("protocol") << R"({"ports":[{"port":7,"protocol":"X"}]})"
                                  << "Endpoints d/web: /subsets/0/ports/0/protocol";
        QTest::newRow("subset") << "7"
                                << "Endpoints d/web: /subsets/0";
    }
    void problems() {
        QFETCH(QString, subsets);
        QFETCH(QString, problem);
        const auto state = stateOf(endpoints(subsets.toStdString()));
        QCOMPARE(state.problems.size(), std::size_t{1});
        QVERIFY2(QString::fromStdString(state.problems.front().toString()).startsWith(problem),
                 state.problems.front().toString().c_str());
    }

    void twice() {
        const auto state = stateOf(list({endpoints(kOne), endpoints(kOne)}));
        QCOMPARE(state.problems.size(), std::size_t{1});
        QCOMPARE(state.problems.front().toString(),
                 std::string("Endpoints d/web: /items/1: occurs more than once; the last one is used"));
    }
};

NATLENS_TEST(TestEndpointsObject)
#include "tst_endpoints_object.moc"
