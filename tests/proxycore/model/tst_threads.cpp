// Of a cluster read for one flow nothing depends on the threads that read it, and whatever is wrong is reported as of
// the whole cluster, even where objects were only glanced at.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/model/kubernetes_json.h"

#include <algorithm>
#include <thread>
#include <vector>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::proxycore;

namespace {

const FlowEnds kEnds{*IpAddress::parse("10.128.0.1"), *packet::SocketAddress::parse("10.96.0.2:80")};

/// Each portion in a thread of its own, all at once.
void allAtOnce(std::size_t count, const std::function<void(std::size_t)> &work) {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < count; ++i)
        threads.emplace_back([&work, i] { work(i); });
}

void lastFirst(std::size_t count, const std::function<void(std::size_t)> &work) {
    while (count-- > 0)
        work(count);
}

std::string number(unsigned n) {
    return std::to_string(n);
}

std::string serviceOf(unsigned n, const std::string &more) {
    return R"({"kind":"Service","metadata":{"name":"s)" + number(n) +
           R"(","namespace":"n"},"spec":{"clusterIP":"10.96.)" + number(n / 200) + "." + number(n % 200) +
           R"(","ports":[{"port":80,"name":"http"}])" + more + "}}";
}

std::string sliceOf(unsigned n, const std::string &more) {
    return R"({"kind":"EndpointSlice","metadata":{"name":"e)" + number(n) +
           R"(","namespace":"n","labels":{"kubernetes.io/service-name":"s)" + number(n) +
           R"("}},"addressType":"IPv4","ports":[{"name":"http","port":8080}],"endpoints":[{"addresses":["10.128.)" +
           number(n / 200) + "." + number(n % 200) + R"("]})" + more + "]}";
}

/// `services` of them with their slices, and a fault in every `wrong`th of either (none: 0). The white space between
/// objects is `between`.
std::string cluster(unsigned services, unsigned wrong, const std::string &between) {
    std::string text = R"({"kind":"List","items":[{"kind":"Node","metadata":{"name":"n1"}})";
    const auto fault = [&](unsigned n, const char *what) { return wrong != 0 && n % wrong == 0 ? what : ""; };
    for (unsigned n = 0; n < services; ++n)
        text += "," + between + serviceOf(n, fault(n, R"(,"sessionAffinity":"Maybe")"));
    for (unsigned n = 0; n < services; ++n)
        text += "," + between + sliceOf(n, fault(n, R"(,{"addresses":["10.1.1.256"],"zone":7})"));
    return text + "]}";
}

bool same(const ClusterState &a, const ClusterState &b) {
    const auto equal = [](const auto &left, const auto &right) {
        return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                          [](const auto &x, const auto &y) { return x.first == y.first && *x.second == *y.second; });
    };
    return equal(a.nodes, b.nodes) && equal(a.pods, b.pods) && equal(a.services, b.services) &&
           equal(a.endpointSlices, b.endpointSlices) && a.serviceCIDRs == b.serviceCIDRs && a.problems == b.problems;
}

/// One object among others.
struct OneObject {
    const char *name;
    const char *kind;    ///< "": `members` is the whole object
    const char *members; ///< besides the kind, and a name where they have none
};

std::string jsonOf(const OneObject &object) {
    std::string members = object.members;
    if (*object.kind == 0) return members;
    if (!members.starts_with(R"("metadata")"))
        members = R"("metadata":{"name":"x"})" + std::string(members.empty() ? "" : ",") + members;
    return R"({"kind":")" + std::string(object.kind) + R"(",)" + members + "}";
}

constexpr OneObject kObjects[] = {
    {"plain Service", "Service", R"("spec":{"clusterIP":"10.9.9.9","ports":[{"port":1}]})"},
    {"no metadata", "", R"({"kind":"Service"})"},
    {"metadata null", "Service", R"("metadata":null)"},
    {"name null", "Service", R"("metadata":{"name":null})"},
    {"name empty", "Pod", R"("metadata":{"name":""})"},
    {"name twice", "Pod", R"("metadata":{"name":"a","name":"b"})"},
    {"name escaped", "Pod", R"("metadata":{"name":"\u0061","labels":{"x":0}})"},
    {"spec a list", "Service", R"("spec":[])"},
    {"spec null", "Service", R"("spec":null)"},
    {"label null", "Service", R"("metadata":{"name":"x","labels":{"a":null}})"},
    {"label a number in a Pod", "Pod", R"("metadata":{"name":"x","labels":{"a":1}})"},
    {"annotation a number", "Service", R"("metadata":{"name":"x","annotations":{"a":1}})"},
    {"annotation of 1.5, wrong", "Service",
     R"("metadata":{"name":"x","annotations":{"service.beta.kubernetes.io/external-traffic":"x"}})"},
    {"annotation of 1.5, a port of the flow", "Service",
     R"("metadata":{"name":"x","annotations":{"service.alpha.kubernetes.io/healthcheck-nodeport":"80"}})"},
    {"selector a number", "Service", R"("spec":{"selector":{"a":1}})"},
    {"unknown type", "Service", R"("spec":{"type":"Magic"})"},
    {"type escaped", "Service", R"("spec":{"type":"Cluster\u0049P"})"},
    {"headless", "Service", R"("spec":{"clusterIP":"None","clusterIPs":["None"]})"},
    {"cluster IP with a leading zero", "Service", R"("spec":{"clusterIP":"010.96.0.2"})"},
    {"cluster IP of the flow", "Service", R"("spec":{"clusterIPs":["10.96.0.2"]})"},
    {"cluster IP 1.2.3", "Service", R"("spec":{"clusterIP":"1.2.3"})"},
    {"cluster IP -", "Service", R"("spec":{"clusterIP":"-"})"},
    {"cluster IP of six", "Service", R"("spec":{"clusterIPs":["fd00::1","10.0.0.1"]})"},
    {"cluster IPs with a number", "Service", R"("spec":{"clusterIPs":[1]})"},
    {"external IP empty", "Service", R"("spec":{"externalIPs":[""]})"},
    {"external IP of the flow", "Service", R"("spec":{"externalIPs":["10.96.0.2"]})"},
    {"port 0", "Service", R"("spec":{"ports":[{"port":0}]})"},
    {"port missing", "Service", R"("spec":{"ports":[{}]})"},
    {"port null", "Service", R"("spec":{"ports":[{"port":null}]})"},
    {"port 70000", "Service", R"("spec":{"ports":[{"port":70000}]})"},
    {"port 65536e0", "Service", R"("spec":{"ports":[{"port":80e0}]})"},
    {"port -1", "Service", R"("spec":{"ports":[{"port":-1}]})"},
    {"port 8000000000", "Service", R"("spec":{"ports":[{"port":8000000000}]})"},
    {"port as text", "Service", R"("spec":{"ports":[{"port":"80"}]})"},
    {"port a number in the list", "Service", R"("spec":{"ports":[1]})"},
    {"ports of one name", "Service", R"("spec":{"ports":[{"port":1,"name":"a"},{"port":2,"name":"a"}]})"},
    {"ports of two names", "Service", R"("spec":{"ports":[{"port":1,"name":"a"},{"port":2,"name":"b"}]})"},
    {"ports without names", "Service", R"("spec":{"ports":[{"port":1,"name":"a"},{"port":2},{"port":3}]})"},
    {"target port twice", "Service", R"("spec":{"ports":[{"port":1,"targetPort":1,"targetPort":2}]})"},
    {"unknown protocol", "Service", R"("spec":{"ports":[{"port":1,"protocol":"X"}]})"},
    {"node port of the flow", "Service", R"("spec":{"ports":[{"port":1,"nodePort":80}]})"},
    {"node port 0", "Service", R"("spec":{"ports":[{"port":1,"nodePort":0}]})"},
    {"health check port of the flow", "Service", R"("spec":{"healthCheckNodePort":80})"},
    {"unknown policy", "Service", R"("spec":{"internalTrafficPolicy":"local"})"},
    {"unknown external policy", "Service", R"("spec":{"externalTrafficPolicy":"x"})"},
    {"affinity timeout 0", "Service", R"("spec":{"sessionAffinityConfig":{"clientIP":{"timeoutSeconds":0}}})"},
    {"affinity without a value", "Service", R"("spec":{"sessionAffinityConfig":{"clientIP":null}})"},
    {"ranges", "Service", R"("spec":{"loadBalancerSourceRanges":[" 10.0.0.0/8 "]})"},
    {"a wrong range", "Service", R"("spec":{"loadBalancerSourceRanges":["10.0.0.0/33"]})"},
    {"flag as text", "Service", R"("spec":{"publishNotReadyAddresses":"true"})"},
    {"flag 1", "Service", R"("spec":{"allocateLoadBalancerNodePorts":1})"},
    {"distribution a list", "Service", R"("spec":{"trafficDistribution":[]})"},
    {"ingress of the flow", "Service", R"("status":{"loadBalancer":{"ingress":[{"ip":"10.96.0.2"}]}})"},
    {"ingress mode empty", "Service", R"("status":{"loadBalancer":{"ingress":[{"ipMode":""}]}})"},
    {"ingress address wrong", "Service", R"("status":{"loadBalancer":{"ingress":[{"ip":"x"}]}})"},
    {"plain slice", "EndpointSlice", R"("endpoints":[{"addresses":["10.1.1.1"]}])"},
    {"slice with the source", "EndpointSlice",
     R"("metadata":{"name":"x","namespace":"n","labels":{"kubernetes.io/service-name":"s1"}},)"
     R"("endpoints":[{"addresses":["10.128.0.1"]}])"},
    {"slice with the source second", "EndpointSlice",
     R"("metadata":{"name":"x","namespace":"n","labels":{"kubernetes.io/service-name":"s1"}},)"
     R"("endpoints":[{"addresses":["10.1.1.1","10.128.0.1"]}])"},
    {"slice of an escaped Service", "EndpointSlice",
     R"("metadata":{"name":"x","namespace":"n","labels":{"kubernetes.io/service-name":"s\u0032"}},"endpoints":[])"},
    {"slice with an escaped label", "EndpointSlice",
     R"("metadata":{"name":"x","namespace":"n","labels":{"kubernetes.io\/service-name":"s2"}},"endpoints":[])"},
    {"slice of two Services", "EndpointSlice",
     R"("metadata":{"name":"x","namespace":"n","labels":{"kubernetes.io/service-name":"s3",)"
     R"("kubernetes.io/service-name":"s2"}})"},
    {"slice of a Service that is a number", "EndpointSlice",
     R"("metadata":{"name":"x","labels":{"kubernetes.io/service-name":2}})"},
    {"slice of the wrong family", "EndpointSlice", R"("addressType":"IPv6","endpoints":[{"addresses":["10.1.1.1"]}])"},
    {"slice of the wrong family, said behind", "EndpointSlice",
     R"("endpoints":[{"addresses":["fd00::1"]}],"addressType":"IPv4")"},
    {"slice of IPv6", "EndpointSlice", R"("endpoints":[{"addresses":["fd00::1"]}],"addressType":"IPv6")"},
    {"slice of names", "EndpointSlice", R"("endpoints":[{"addresses":["a.example"]}],"addressType":"FQDN")"},
    {"slice of unknown addresses", "EndpointSlice", R"("addressType":"")"},
    {"slice with a condition as text", "EndpointSlice",
     R"("endpoints":[{"addresses":[],"conditions":{"ready":"yes"}}])"},
    {"slice with a hint of another type", "EndpointSlice",
     R"("endpoints":[{"addresses":[],"hints":{"forZones":["a"]}}])"},
    {"slice with a zone twice", "EndpointSlice", R"("endpoints":[{"zone":"a","zone":"b"}])"},
    {"slice of a Pod without a name", "EndpointSlice", R"("endpoints":[{"targetRef":{"kind":"Pod","name":7}}])"},
    {"slice with port 0", "EndpointSlice", R"("ports":[{"port":0},{"port":-0}])"},
    {"slice whose ports are an object", "EndpointSlice", R"("ports":{})"},
    {"slice port without a name", "EndpointSlice", R"("ports":[{"port":1}])"},
    {"source ranges of 1.5", "Service",
     R"("metadata":{"name":"x","annotations":{"service.beta.kubernetes.io/load-balancer-source-ranges":"10.0.0.0/40"}})"},
    {"plain Endpoints", "Endpoints",
     R"("subsets":[{"addresses":[{"ip":"10.1.1.1"}],"notReadyAddresses":[{"ip":"10.1.1.2"}],"ports":[{"port":80}]}])"},
    {"Endpoints with the source", "Endpoints",
     R"("metadata":{"name":"s1","namespace":"x"},"subsets":[{"addresses":[{"ip":"10.1.1.1"},{"ip":"10.128.0.1"}]}])"},
    {"Endpoints with the source, not ready", "Endpoints",
     R"("metadata":{"name":"s9","namespace":"n"},"subsets":[{"notReadyAddresses":[{"ip":"10.128.0.1"}]}])"},
    {"Endpoints of the destination's Service", "Endpoints",
     R"("metadata":{"name":"s2","namespace":"n"},"subsets":[{"addresses":[{"ip":"10.1.1.1"}]}])"},
    {"Endpoints with a wrong address", "Endpoints", R"("subsets":[{"addresses":[{"ip":"10.1.1.300"}]}])"},
    {"Endpoints with a wrong port", "Endpoints", R"("subsets":[{"ports":[{"port":70000}]}])"},
    {"Endpoints with a Pod that is a number", "Endpoints",
     R"("subsets":[{"addresses":[{"ip":"10.1.1.1","targetRef":{"kind":"Pod","name":7}}]}])"},
    {"Endpoints without subsets", "Endpoints", ""},
    {"Endpoints whose subsets are an object", "Endpoints", R"("subsets":{})"},
    {"plain Pod", "Pod", R"("spec":{"hostNetwork":true},"status":{"podIPs":[{"ip":"10.1.1.1"}],"podIP":"10.1.1.1"})"},
    {"Pod with a wrong address", "Pod", R"("status":{"podIPs":[{"ip":"10.1.1.300"}]})"},
    {"Pod with a wrong phase", "Pod", R"("status":{"phase":1})"},
    {"Pod with an escaped key", "Pod", R"("status":{"ph\u0061se":1})"},
    {"Node", "Node", R"("spec":{"podCIDR":"x"})"},
    {"service range", "ServiceCIDR", R"("spec":{"cidrs":["10.96.0.0/16","y"]})"},
    {"kind twice", "", R"({"kind":"Pod","kind":"Service","metadata":{"name":"x"},"spec":{"clusterIP":"10.96.0.2"}})"},
    {"kind escaped", "", R"({"kind":"Serv\u0069ce","metadata":{"name":"x"},"spec":{"clusterIP":"10.96.0.2"}})"},
    {"an object that occurs twice", "Service", R"("metadata":{"name":"s1","namespace":"n"})"},
};

} // namespace

class TestThreads : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void threads_data() {
        QTest::addColumn<unsigned>("services");
        QTest::addColumn<unsigned>("wrong");
        QTest::addColumn<QByteArray>("between");
        QTest::newRow("none") << 0U << 0U << QByteArray();
        QTest::newRow("some") << 40U << 7U << QByteArray();
        QTest::newRow("many, on one line") << 9000U << 0U << QByteArray();
        QTest::newRow("many, a line each") << 9000U << 401U << QByteArray("\n        ");
        QTest::newRow("more faults than are listed") << 3000U << 2U << QByteArray(" ");
    }
    void threads() {
        QFETCH(unsigned, services);
        QFETCH(unsigned, wrong);
        QFETCH(QByteArray, between);
        const auto text = cluster(services, wrong, between.toStdString());
        const auto one = readClusterState(text, "one", &kEnds).value();
        QVERIFY(same(readClusterState(text, "many", &kEnds, allAtOnce).value(), one));
        QVERIFY(same(readClusterState(text, "backwards", &kEnds, lastFirst).value(), one));
        const auto whole = readClusterState(text, "whole").value();
        QVERIFY(same(readClusterState(text, "whole", nullptr, allAtOnce).value(), whole));
        QVERIFY(one.problems == whole.problems);
        QCOMPARE(one.services.size(), std::min<std::size_t>(services, 2)); // the destination and the source
        QCOMPARE(one.endpointSlices.size(), one.services.size());
        QCOMPARE(one.problems.empty(), wrong == 0);
    }

    /// Places are found stretch by stretch; where one ends is guessed, and a wrong guess may change nothing.
    void borderInsideAText_data() {
        QTest::addColumn<QByteArray>("text");
        const QByteArray filling(700000, 'x');
        QTest::newRow("two objects, as it seems") << filling + "},{";
        QTest::newRow("two objects, escaped") << filling + "},{\\\"a\\\":1},{\\\"";
        QTest::newRow("a backslash at the end") << filling + "},{\\\\";
        QTest::newRow("letters of two bytes") << QByteArray("\xc3\xa4").repeated(700000);
        QTest::newRow("nothing that looks like a border") << filling.repeated(3);
    }
    void borderInsideAText() {
        QFETCH(QByteArray, text);
        auto json = cluster(4000, 0, "");
        const auto object = QByteArray(",{'kind':'Service','metadata':{'name':'long','annotations':{'a':'@'}},"
                                       "'spec':{'clusterIP':'10.96.0.2'}}")
                                .replace('\'', '"')
                                .replace("@", text)
                                .toStdString();
        json.insert(json.find(",{"), object);
        const auto one = readClusterState(json, "one").value();
        QVERIFY(same(readClusterState(json, "many", nullptr, allAtOnce).value(), one));
        QVERIFY(same(readClusterState(json, "backwards", nullptr, lastFirst).value(), one));
        QCOMPARE(one.services.size(), std::size_t{4001});
        QVERIFY(one.problems.empty());
        QVERIFY(one.service("default", "long")->annotations.at("a").size() > 600000);
    }

    void brokenFarBehind_data() {
        QTest::addColumn<QByteArray>("broken");
        QTest::newRow("line break in a text") << QByteArray("{\"kind\":\"a\nb\"}");
        QTest::newRow("no bracket") << QByteArray("{\"kind\":1");
        QTest::newRow("bracket too many") << QByteArray("{}}");
        QTest::newRow("wrong escape") << QByteArray("{\"kind\":\"\\x\"}");
        QTest::newRow("backslash outside") << QByteArray("{\"kind\":1\\}");
        QTest::newRow("backslash alone") << QByteArray("{\"kind\": \\ \"a\"}");
        QTest::newRow("backslash behind a text") << QByteArray("{\"kind\":\"a\"\\}");
        QTest::newRow("half a letter") << QByteArray("{\"kind\":\"\xc3\"}");
        QTest::newRow("text without an end") << QByteArray("{\"kind\":\"a}");
    }
    void brokenFarBehind() {
        QFETCH(QByteArray, broken);
        for (const char *const between : {"", "\n"}) {
            auto json = cluster(4000, 0, between);
            json.insert(json.find(",", json.size() - 60000), "," + broken.toStdString());
            const auto one = readClusterState(json, "file");
            const auto many = readClusterState(json, "file", nullptr, allAtOnce);
            QVERIFY(!one && !many);
            QCOMPARE(QString::fromStdString(many.error().sentence()), QString::fromStdString(one.error().sentence()));
            QVERIFY2(one.error().message.find("not JSON: ") != std::string::npos, one.error().message.c_str());
        }
    }

    /// A glance may only pass over what reading has nothing to say about.
    void oneObject_data() {
        QTest::addColumn<QByteArray>("json");
        for (const auto &object : kObjects)
            QTest::newRow(object.name) << QByteArray::fromStdString(jsonOf(object));
    }
    void oneObject() {
        QFETCH(QByteArray, json);
        auto text = cluster(3, 0, "");
        text.insert(text.size() - 2, "," + json.toStdString());
        const auto whole = readClusterState(text, "whole").value();
        const auto part = readClusterState(text, "part", &kEnds).value();
        QVERIFY(part.problems == whole.problems);
        for (const auto &[name, service] : whole.services)
            if (concerns(*service, kEnds)) QVERIFY2(part.services.contains(name), name.toString().c_str());
        for (const auto &[name, slice] : whole.endpointSlices) {
            const ObjectName owner{name.nameSpace, slice->serviceName};
            const bool wanted = part.services.contains(owner);
            QVERIFY(!hasEndpoint(*slice, kEnds.source) || wanted || !whole.services.contains(owner));
            QVERIFY(part.endpointSlices.contains(name) || !wanted);
        }
        for (const auto &[name, service] : part.services)
            QVERIFY(*service == *whole.services.at(name));
        for (const auto &[name, slice] : part.endpointSlices)
            QVERIFY(*slice == *whole.endpointSlices.at(name));
    }
};

NATLENS_TEST(TestThreads)
#include "tst_threads.moc"
