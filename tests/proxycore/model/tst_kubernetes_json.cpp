// Kubernetes JSON in and out, and what happens to bad input.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/model/proxy_config.h"
#include "proxycore/read_file.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;

namespace {

ClusterState read(const std::string &text) {
    auto state = readClusterState(text, "test.json");
    return state ? *state : ClusterState{};
}

std::string service(const std::string &spec, const std::string &metadata = "") {
    return R"({"kind":"Service","metadata":{"name":"s","namespace":"n")" + metadata + R"(},"spec":{)" + spec + "}}";
}

} // namespace

class TestKubernetesJson : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void bareServiceGetsDefaults() {
        const auto state = read(service(R"("clusterIP":"10.0.0.1","ports":[{"port":80}])"));
        QVERIFY(state.problems.empty());
        const auto s = state.service("n", "s");
        QVERIFY(s != nullptr);
        QVERIFY(s->type == ServiceType::clusterIP);
        QCOMPARE(s->ports.size(), std::size_t{1});
        QVERIFY(s->ports[0].protocol == Protocol::tcp && s->ports[0].name.empty() && s->ports[0].nodePort == 0);
        QVERIFY(s->externalTrafficPolicy == TrafficPolicy::cluster &&
                s->internalTrafficPolicy == TrafficPolicy::cluster);
        QVERIFY(s->externalTrafficPolicySource == PolicySource::defaulted);
        QVERIFY(!s->clientIpAffinity && s->affinityTimeout.count() == 10800);
    }

    void policy_data() {
        QTest::addColumn<QString>("spec");
        QTest::addColumn<QString>("annotations");
        QTest::addColumn<bool>("local");
        QTest::addColumn<int>("source");
        QTest::addColumn<int>("healthPort");
        const auto row = [](const char *name, const char *spec, const char *annotations, bool local,
                            PolicySource source, int port) {
            QTest::newRow(name) << spec << annotations << local << static_cast<int>(source) << port;
        };
        row("nothing", "", "", false, PolicySource::defaulted, 0);
        row("field", R"(,"externalTrafficPolicy":"Local","healthCheckNodePort":32122)", "", true, PolicySource::field,
            32122);
        row("beta", "",
            R"("service.beta.kubernetes.io/external-traffic":"OnlyLocal","service.beta.kubernetes.io/healthcheck-nodeport":"32122")",
            true, PolicySource::annotation, 32122);
        row("alpha", "",
            R"("service.alpha.kubernetes.io/external-traffic":"OnlyLocal","service.alpha.kubernetes.io/healthcheck-nodeport":"32123")",
            true, PolicySource::annotation, 32123);
        row("beta before alpha", "",
            R"("service.alpha.kubernetes.io/external-traffic":"OnlyLocal","service.beta.kubernetes.io/external-traffic":"Global")",
            false, PolicySource::annotation, 0);
        row("field before annotation", R"(,"externalTrafficPolicy":"Cluster")",
            R"("service.beta.kubernetes.io/external-traffic":"OnlyLocal")", false, PolicySource::field, 0);
    }
    void policy() {
        QFETCH(QString, spec);
        QFETCH(QString, annotations);
        QFETCH(bool, local);
        QFETCH(int, source);
        QFETCH(int, healthPort);
        const auto state =
            read(service(R"("type":"LoadBalancer","clusterIP":"10.0.0.1","ports":[{"port":80}])" + spec.toStdString(),
                         R"(,"annotations":{)" + annotations.toStdString() + "}"));
        QVERIFY(state.problems.empty());
        const auto s = state.service("n", "s");
        QVERIFY(s != nullptr);
        QCOMPARE(s->externalTrafficPolicy == TrafficPolicy::local, local);
        QCOMPARE(static_cast<int>(s->externalTrafficPolicySource), source);
        QCOMPARE(static_cast<int>(s->healthCheckNodePort), healthPort);
        // A change goes where the value is kept, and both survive writing and reading.
        for (const auto policy : {TrafficPolicy::local, TrafficPolicy::cluster}) {
            auto changed = *s;
            setExternalTrafficPolicy(changed, policy);
            setHealthCheckNodePort(changed, 32200);
            const auto again = read(toJson(changed)).service("n", "s");
            QVERIFY(again != nullptr);
            QVERIFY(*again == changed);
            QVERIFY(again->externalTrafficPolicy == policy);
        }
    }

    void annotationsOf15_data() {
        QTest::addColumn<QString>("spec");
        QTest::addColumn<QString>("annotations");
        QTest::addColumn<QStringList>("ranges"); ///< of the annotation
        QTest::addColumn<bool>("unready");
        const QString ranges = "'service.beta.kubernetes.io/load-balancer-source-ranges':",
                      unready = "'service.alpha.kubernetes.io/tolerate-unready-endpoints':";
        const auto row = [](const char *name, QString spec, QString annotations, QStringList found, bool isUnready) {
            QTest::newRow(name) << spec.replace('\'', '"') << annotations.replace('\'', '"') << found << isUnready;
        };
        row("none", "", "", {}, false);
        row("ranges", "", ranges + "'10.0.0.0/8, 192.168.1.0/24 '", {"10.0.0.0/8", "192.168.1.0/24"}, false);
        row("ranges beside the field", ",'loadBalancerSourceRanges':['1.2.3.4/32']", ranges + "'10.0.0.0/8'",
            {"10.0.0.0/8"}, false);
        row("unready endpoints", "", unready + "'true'", {}, true);
        row("no unready endpoints", "", unready + "'false'", {}, false);
        row("the field says otherwise", ",'publishNotReadyAddresses':false", unready + "'true'", {}, false);
    }
    void annotationsOf15() {
        QFETCH(QString, spec);
        QFETCH(QString, annotations);
        QFETCH(QStringList, ranges);
        QFETCH(bool, unready);
        const auto state = read(service(R"("clusterIP":"10.0.0.1","ports":[{"port":80}])" + spec.toStdString(),
                                        R"(,"annotations":{)" + annotations.toStdString() + "}"));
        QVERIFY(state.problems.empty());
        const auto s = state.service("n", "s");
        QVERIFY(s != nullptr);
        QStringList found;
        for (const auto &range : s->annotatedSourceRanges)
            found << QString::fromStdString(range.toString());
        QCOMPARE(found, ranges);
        QCOMPARE(s->publishNotReadyAddresses, unready);
        QCOMPARE(s->loadBalancerSourceRanges.size(), std::size_t{spec.contains("Ranges") ? 1U : 0U});
        QVERIFY(spec.contains("publish") || *read(toJson(*s)).service("n", "s") == *s);
    }

    /// An API server fills in the name of an endpoint port; kube-proxy would pass one without it by.
    void endpointPortsGetNames() {
        for (const char *name : {"", R"("name":null,)", R"("name":"",)"}) {
            const auto state = read(R"({"kind":"EndpointSlice","metadata":{"name":"e"},"ports":[{)" +
                                    std::string(name) + R"("port":80}]})");
            QVERIFY(state.problems.empty());
            QVERIFY(state.endpointSlices.begin()->second->ports.front().name == "");
        }
    }

    void conditionsAndHints() {
        const auto state =
            read(R"({"kind":"EndpointSlice","metadata":{"name":"e"},"ports":[{"port":0},{"name":"x"}],"endpoints":[
            {"addresses":["10.0.0.1","10.0.0.2"]},
            {"addresses":["10.0.0.3"],"conditions":{"ready":null,"serving":false,"terminating":true}},
            {"addresses":[]},
            {"addresses":["10.0.0.4"],"hints":{"forZones":[{"name":"a"},{"name":"b"}],"forNodes":[{"name":"n1"}]}}]})");
        QVERIFY(state.problems.empty());
        const auto &slice = *state.endpointSlices.begin()->second;
        const auto &all = slice.endpoints;
        QVERIFY(!slice.ports[0].port && !slice.ports[1].port);
        QVERIFY(all[0].ready && all[0].serving && !all[0].terminating && all[0].nodeName.empty());
        QCOMPARE(all[0].addresses.size(), std::size_t{2});
        QVERIFY(all[1].ready && !all[1].serving && all[1].terminating);
        QVERIFY(all[2].addresses.empty());
        QCOMPARE(all[3].zoneHints, (std::vector<std::string>{"a", "b"}));
        QCOMPARE(all[3].nodeHints, std::vector<std::string>{"n1"});
    }

    void writingAndReadingGivesTheSame() {
        const auto state = read(natlens::test::dataFile("cluster/cluster.json"));
        QVERIFY(state.problems.empty());
        QVERIFY(state.services.size() > 20 && state.endpointSlices.size() > 20 && state.nodes.size() == 2);
        const auto again = read(toJson(state));
        QVERIFY(again.problems.empty());
        QCOMPARE(again.services.size(), state.services.size());
        for (const auto &[name, one] : state.services)
            QVERIFY2(*again.services.at(name) == *one, name.toString().c_str());
        for (const auto &[name, one] : state.endpointSlices)
            QVERIFY2(*again.endpointSlices.at(name) == *one, name.toString().c_str());
        for (const auto &[name, one] : state.nodes)
            QVERIFY2(*again.nodes.at(name) == *one, name.toString().c_str());
    }

    void watchEvents() {
        ClusterState state;
        const auto json = service(R"("clusterIP":"10.0.0.1","ports":[{"port":80}])");
        QVERIFY(applyWatchEvent(state, watchEvent(WatchEventType::added, json)).has_value());
        QVERIFY(state.service("n", "s") != nullptr);
        const auto before = state;
        QVERIFY(applyWatchEvent(state, watchEvent(WatchEventType::modified, service(R"("clusterIP":"10.0.0.2")")))
                    .has_value());
        QVERIFY(state.service("n", "s")->clusterIPs.front() == IpAddress::v4(10, 0, 0, 2));
        QVERIFY(before.service("n", "s")->clusterIPs.front() == IpAddress::v4(10, 0, 0, 1));
        QVERIFY(state.problems.empty());
        QVERIFY(applyWatchEvent(state, R"({"type":"BOOKMARK","object":{"kind":"Service"}})").has_value());
        QVERIFY(applyWatchEvent(state, watchEvent(WatchEventType::deleted, json)).has_value());
        QVERIFY(state.services.empty());
        QVERIFY(!applyWatchEvent(state, "{").has_value());
    }

    void formsOfInput_data() {
        QTest::addColumn<QString>("text");
        const QString one =
            R"({"kind":"Service","metadata":{"name":"s","namespace":"n"},"spec":{"clusterIP":"10.0.0.1"}})";
        QTest::newRow("object") << one;
        QTest::newRow("List") << R"({"kind":"List","items":[)" + one + "]}";
        QTest::newRow("typed list")
            << R"({"kind":"ServiceList","items":[{"metadata":{"name":"s","namespace":"n"},"spec":{}}]})";
        QTest::newRow("watch event") << R"({"type":"ADDED","object":)" + one + "}";
        QTest::newRow("JSON Lines") << R"({"kind":"Node","metadata":{"name":"x"}})"
                                       "\n" +
                                           one + "\n\n";
        QTest::newRow("other kinds between")
            << R"({"kind":"List","items":[{"kind":"Secret","metadata":{"name":"x"}},)" + one + "]}";
    }
    void formsOfInput() {
        QFETCH(QString, text);
        const auto state = read(text.toStdString());
        QVERIFY(state.service("n", "s") != nullptr);
        QVERIFY(state.problems.empty());
    }

    void brokenJson_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("place");
        QTest::newRow("empty") << QByteArray("") << "line 1, column 1";
        QTest::newRow("cut off") << QByteArray("{\"kind\":") << "line 1, column 9";
        QTest::newRow("third line") << QByteArray("{\n\"kind\": \"List\",\n\"items\": [}\n}") << "line 3, column 11";
        QTest::newRow("not UTF-8") << QByteArray("{\"kind\":\"\xff\"}") << "line 1, column 10";
        QTest::newRow("second of two lines")
            << QByteArray("{\"kind\":\"Node\",\"metadata\":{\"name\":\"x\"}}\n{]\n") << "line 2, column 2";
        QTest::newRow("plain text") << QByteArray("hello") << "line 1, column 1";
    }
    void brokenJson() {
        QFETCH(QByteArray, text);
        QFETCH(QString, place);
        const auto state = readClusterState(text.toStdString(), "cluster.json");
        QVERIFY(!state.has_value());
        const auto sentence = QString::fromStdString(state.error().sentence());
        QVERIFY2(sentence.contains("cluster.json") && sentence.contains(place), qPrintable(sentence));
        QVERIFY(!sentence.contains('\n'));
        QCOMPARE(natlens::base::exitStatus(state.error()), 2);
    }

    void problems_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("problem"); ///< object and pointer
        QTest::addColumn<bool>("serviceStays");
        const auto row = [](const char *name, const std::string &text, const char *problem, bool stays) {
            QTest::newRow(name) << QString::fromStdString(text) << problem << stays;
        };
        const std::string ip = R"("clusterIP":"10.0.0.1",)";
        row("array as object", "[1]", "document: expected a Kubernetes object", false);
        row("no kind", R"({"metadata":{"name":"s"}})", "document: /kind", false);
        row("no name", R"({"kind":"Service","metadata":{}})", "Service: /metadata/name", false);
        row("metadata is text", R"({"kind":"Service","metadata":"x"})", "Service: /metadata", false);
        row("items is text", R"({"kind":"List","items":"x"})", "document: /items", false);
        row("item is number", R"({"kind":"List","items":[7]})", "document: /items/0", false);
        row("spec is a list", R"({"kind":"Service","metadata":{"name":"s","namespace":"n"},"spec":[]})",
            "Service n/s: /spec", true);
        row("type unknown", service(R"("type":"Magic")"), "Service n/s: /spec/type", false);
        row("port 0", service(ip + R"("ports":[{"port":0}])"), "Service n/s: /spec/ports/0/port", true);
        row("port 70000", service(ip + R"("ports":[{"port":70000}])"), "Service n/s: /spec/ports/0/port", true);
        row("port huge", service(ip + R"("ports":[{"port":18446744073709551615}])"), "Service n/s: /spec/ports/0/port",
            true);
        row("port negative", service(ip + R"("ports":[{"port":-1}])"), "Service n/s: /spec/ports/0/port", true);
        row("port text", service(ip + R"("ports":[{"port":"80"}])"), "Service n/s: /spec/ports/0/port", true);
        row("port missing", service(ip + R"("ports":[{}])"), "Service n/s: /spec/ports/0/port", true);
        row("port twice", service(ip + R"("ports":[{"port":80},{"port":81}])"), "Service n/s: /spec/ports/1", true);
        row("nodePort 99999", service(ip + R"("ports":[{"port":80,"nodePort":99999}])"),
            "Service n/s: /spec/ports/0/nodePort", true);
        row("protocol", service(ip + R"("ports":[{"port":80,"protocol":"ICMP"}])"),
            "Service n/s: /spec/ports/0/protocol", true);
        row("cluster IP", service(R"("clusterIP":"10.0.0.256")"), "Service n/s: /spec/clusterIP", true);
        row("external IP", service(ip + R"("externalIPs":["x"])"), "Service n/s: /spec/externalIPs/0", true);
        row("source range /40", service(ip + R"("loadBalancerSourceRanges":["10.0.0.0/40"])"),
            "Service n/s: /spec/loadBalancerSourceRanges/0", true);
        row("policy", service(ip + R"("externalTrafficPolicy":"Sometimes")"),
            "Service n/s: /spec/externalTrafficPolicy", true);
        row("timeout",
            service(ip + R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":0}})"),
            "Service n/s: /spec/sessionAffinityConfig/clientIP/timeoutSeconds", true);
        row("boolean as text", service(ip + R"("allocateLoadBalancerNodePorts":"no")"),
            "Service n/s: /spec/allocateLoadBalancerNodePorts", true);
        row("annotation",
            service(R"("clusterIP":"10.0.0.1")",
                    R"(,"annotations":{"service.beta.kubernetes.io/external-traffic":"local"})"),
            "Service n/s: /metadata/annotations", true);
        row("slice type", R"({"kind":"EndpointSlice","metadata":{"name":"e"},"addressType":"IPX"})",
            "EndpointSlice default/e: /addressType", false);
        row("endpoint address",
            R"({"kind":"EndpointSlice","metadata":{"name":"e"},"addressType":"IPv4","endpoints":[{"addresses":["fd00::1"]}]})",
            "EndpointSlice default/e: /endpoints/0/addresses", false);
        row("same object twice",
            R"({"kind":"List","items":[)" + service(R"("clusterIP":"10.0.0.1")") + "," +
                service(R"("clusterIP":"10.0.0.2")") + "]}",
            "Service n/s: /items/1", true);
    }
    void problems() {
        QFETCH(QString, text);
        QFETCH(QString, problem);
        QFETCH(bool, serviceStays);
        const auto state = readClusterState(text.toStdString(), "test.json");
        QVERIFY2(state.has_value(), state ? "" : state.error().sentence().c_str());
        QCOMPARE(state->problems.size(), std::size_t{1});
        const auto said = QString::fromStdString(state->problems.front().toString());
        QVERIFY2(said.startsWith(problem), qPrintable(said));
        QVERIFY(!said.contains('\n'));
        QCOMPARE(state->service("n", "s") != nullptr, serviceStays);
    }

    void sloppyAddresses() {
        const auto state =
            read(service(R"("clusterIP":"010.001.002.003","loadBalancerSourceRanges":[" 10.0.0.0/8 "])"));
        QVERIFY(state.problems.empty());
        QVERIFY(state.service("n", "s")->clusterIPs.front() == IpAddress::v4(10, 1, 2, 3));
        QCOMPARE(state.service("n", "s")->loadBalancerSourceRanges.size(), std::size_t{1});
    }

    void deepNestingIsNoCrash() {
        std::string deep(200000, '[');
        QVERIFY(!readClusterState(deep, "deep.json").has_value());
        deep.append(200000, ']');
        QVERIFY(readClusterState(deep, "deep.json").has_value());
        std::string events;
        for (int i = 0; i < 100000; ++i)
            events += R"({"type":"ADDED","object":)";
        events += "{}" + std::string(100000, '}');
        QVERIFY(readClusterState(events, "events.json").has_value());
        const auto target = read(service(R"("clusterIP":"10.0.0.1","ports":[{"port":80,"targetPort":)" + deep + "}]"));
        QVERIFY(target.service("n", "s") != nullptr);
    }

    void configuration() {
        const auto config =
            readProxyConfig(R"({"kind":"KubeProxyConfiguration","mode":"nftables","clusterCIDR":"10.0.0.0/8,fd00::/64",
            "detectLocalMode":"BridgeInterface","detectLocal":{"bridgeInterface":"cbr0"},"nftables":{"masqueradeAll":true,"masqueradeBit":15},
            "iptables":{"localhostNodePorts":false},"nodePortAddresses":["192.168.0.0/24","primary"],"unknownField":{}})",
                            "config.json");
        QVERIFY(config.has_value());
        QVERIFY(config->problems.empty());
        QVERIFY(config->mode == Mode::nftables && config->masqueradeAll && config->masqueradeBit == 15);
        QCOMPARE(config->clusterCIDRs.size(), std::size_t{2});
        QVERIFY(config->detectLocalMode == DetectLocalMode::bridgeInterface && config->bridgeInterface == "cbr0");
        QVERIFY(!config->localhostNodePorts);
        QCOMPARE(config->nodePortAddresses.size(), std::size_t{2});
    }

    /// Each mode has a section of its own and looks at no other; which mode counts can be said from outside.
    void configurationSections() {
        const auto read = [](const char *text, std::optional<Mode> mode) {
            return readProxyConfig(text, "config.json", mode).value();
        };
        const char *both =
            R"({"mode":"iptables","iptables":{"masqueradeAll":true,"masqueradeBit":1,"syncPeriod":"1m30s"},
            "nftables":{"masqueradeBit":2,"minSyncPeriod":"250ms"},"conntrack":{"tcpBeLiberal":true}})";
        const auto asWritten = read(both, std::nullopt), nftables = read(both, Mode::nftables);
        QVERIFY(asWritten.problems.empty() && asWritten.tcpBeLiberal);
        QVERIFY(asWritten.masqueradeAll && asWritten.masqueradeBit == 1);
        QVERIFY(asWritten.syncPeriod == std::chrono::seconds(90) && asWritten.minSyncPeriod == std::chrono::seconds(1));
        QVERIFY(!nftables.masqueradeAll && nftables.masqueradeBit == 2 && nftables.mode == Mode::iptables);
        QVERIFY(nftables.minSyncPeriod == std::chrono::milliseconds(250));
        const auto absent =
            read(R"({"mode":"nftables","iptables":{"masqueradeAll":true,"masqueradeBit":1}})", std::nullopt);
        QVERIFY(!absent.masqueradeAll && absent.masqueradeBit == 14);
    }

    void configurationOfConnectionTracking() {
        const auto plain = readProxyConfig("{}", "config.json").value();
        QVERIFY(plain.conntrack == ConntrackConfig{} && plain.allowExternalIPs && plain.nodeHints);
        QVERIFY(plain.conntrack.tcpEstablished == std::chrono::hours(24));
        QVERIFY(plain.conntrack.tcpCloseWait == std::chrono::hours(1));
        const auto config = readProxyConfig(
            R"({"conntrack":{"maxPerCore":0,"min":7,"tcpEstablishedTimeout":"1h","tcpCloseWaitTimeout":"90s","udpTimeout":"10s",
            "udpStreamTimeout":"20s"},"featureGates":{"AllowServiceExternalIPs":false,"PreferSameTrafficDistribution":false,
            "SomethingElse":true}})",
            "config.json");
        QVERIFY(config && config->problems.empty());
        using std::chrono::seconds;
        QVERIFY(config->conntrack == (ConntrackConfig{0, 7, seconds(3600), seconds(90), seconds(10), seconds(20)}));
        QVERIFY(!config->allowExternalIPs && !config->nodeHints);
    }

    void connectionMaximum_data() {
        QTest::addColumn<unsigned>("perCore");
        QTest::addColumn<unsigned>("least");
        QTest::addColumn<unsigned>("cores");
        QTest::addColumn<unsigned>("most");
        QTest::newRow("few cores") << 32768U << 131072U << 2U << 131072U;
        QTest::newRow("some cores") << 32768U << 131072U << 16U << 524288U;
        QTest::newRow("many cores") << 32768U << 131072U << 128U << 1048576U;
        QTest::newRow("as many as the kernel allows") << 0U << 131072U << 128U << 0U;
        QTest::newRow("a great minimum") << 1U << 2000000U << 1U << 1048576U;
    }
    void connectionMaximum() {
        QFETCH(unsigned, perCore);
        QFETCH(unsigned, least);
        QFETCH(unsigned, cores);
        QFETCH(unsigned, most);
        ConntrackConfig config;
        config.maxPerCore = perCore;
        config.min = least;
        QCOMPARE(config.maximum(cores), most);
    }

    void durations_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<int>("milliseconds"); ///< -1: not a duration
        const auto row = [](const char *text, int milliseconds) { QTest::newRow(text) << text << milliseconds; };
        row("0", 0);
        row("30s", 30'000);
        row("1h0m0.5s", 3'600'500);
        row("15m0s", 900'000);
        row("100us", 0);
        row("1.5h", 5'400'000);
        for (const char *wrong : {"30", "s", "-5s", "1d", "1m 30s", "1e3s", "nan s", "99999999999999999999h", "5s!"})
            row(wrong, -1);
    }
    void durations() {
        QFETCH(QString, text);
        QFETCH(int, milliseconds);
        const auto config =
            readProxyConfig("{\"iptables\":{\"syncPeriod\":\"" + text.toStdString() + "\"}}", "config.json").value();
        QCOMPARE(config.problems.empty(), milliseconds >= 0);
        QCOMPARE(config.syncPeriod.count(), std::chrono::milliseconds::rep{milliseconds < 0 ? 30'000 : milliseconds});
    }

    void configurationProblems_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("problem");
        QTest::newRow("range") << R"({"clusterCIDR":"10.0.0.0/40"})"
                               << "KubeProxyConfiguration: /clusterCIDR";
        QTest::newRow("mode") << R"({"mode":"ipvs"})"
                              << "KubeProxyConfiguration: /mode";
        QTest::newRow("bit") << R"({"iptables":{"masqueradeBit":32}})"
                             << "KubeProxyConfiguration: /iptables/masqueradeBit";
        QTest::newRow("addresses") << R"({"nodePortAddresses":["here"]})"
                                   << "KubeProxyConfiguration: /nodePortAddresses";
        QTest::newRow("localhost") << R"({"nodePortAddresses":["localhost"]})"
                                   << "KubeProxyConfiguration: /nodePortAddresses/0: \"localhost\" asks for";
        QTest::newRow("gate") << R"({"featureGates":{"KubeProxyNFTablesLocalhostNodePorts":true}})"
                              << "KubeProxyConfiguration: /featureGates/KubeProxyNFTablesLocalhostNodePorts";
        QTest::newRow("timeout") << R"({"conntrack":{"udpTimeout":"soon"}})"
                                 << "KubeProxyConfiguration: /conntrack/udpTimeout";
        QTest::newRow("cores") << R"({"conntrack":{"maxPerCore":-1}})"
                               << "KubeProxyConfiguration: /conntrack/maxPerCore";
        QTest::newRow("bridge") << R"({"detectLocalMode":"BridgeInterface","detectLocal":{}})"
                                << "KubeProxyConfiguration: /detectLocal/bridgeInterface";
        QTest::newRow("prefix") << R"({"detectLocalMode":"InterfaceNamePrefix"})"
                                << "KubeProxyConfiguration: /detectLocal/interfaceNamePrefix";
        QTest::newRow("duration") << R"({"iptables":{"minSyncPeriod":"soon"}})"
                                  << "KubeProxyConfiguration: /iptables/minSyncPeriod";
        QTest::newRow("detector") << R"({"detectLocalMode":"Guess"})"
                                  << "KubeProxyConfiguration: /detectLocalMode";
    }
    void configurationProblems() {
        QFETCH(QString, text);
        QFETCH(QString, problem);
        const auto config = readProxyConfig(text.toStdString(), "config.json");
        QVERIFY(config.has_value());
        QCOMPARE(config->problems.size(), std::size_t{1});
        QVERIFY(QString::fromStdString(config->problems.front().toString()).startsWith(problem));
    }

    void configurationErrors() {
        QVERIFY(!readProxyConfig("{", "config.json").has_value());
        QVERIFY(!readProxyConfig("[]", "config.json").has_value());
        QVERIFY(!readProxyConfig(R"({"kind":"Service"})", "config.json").has_value());
    }
};

NATLENS_TEST(TestKubernetesJson)
#include "tst_kubernetes_json.moc"
