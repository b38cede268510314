// Cluster files as nobody should write them: one clear line with file and place, the rest is used, and neither time nor
// memory runs away.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/model/proxy_config.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;

namespace {

/// A List of what stands in `items`, with a Node and a Service that are as they should be around it.
std::string listOf(const std::string &items) {
    return R"({"kind":"List","items":[{"kind":"Node","metadata":{"name":"n1"}},)" + items +
           R"(,{"kind":"Service","metadata":{"name":"good"},"spec":{"clusterIP":"10.0.0.9","ports":[{"port":80}]}}]})";
}

std::string serviceWith(const std::string &spec) {
    return R"({"kind":"Service","metadata":{"name":"s","namespace":"n"},"spec":{)" + spec + "}}";
}

std::string repeated(const std::string &text, int times) {
    std::string result;
    result.reserve(text.size() * static_cast<std::size_t>(times));
    for (int i = 0; i < times; ++i)
        result += text;
    return result;
}

std::string sliceWith(const std::string &endpoints) {
    return R"({"kind":"EndpointSlice","metadata":{"name":"e","labels":{"kubernetes.io/service-name":"good"}},)"
           R"("addressType":"IPv4","ports":[{"name":"","port":80}],"endpoints":[)" +
           endpoints + "]}";
}

} // namespace

class TestBadInput : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void notJson_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("place");
        const auto row = [](const char *name, const std::string &text, const char *place) {
            QTest::newRow(name) << QByteArray::fromStdString(text) << place;
        };
        row("empty", "", "line 1, column 1");
        row("blanks", " \n\t \n", "line 1, column 1");
        row("byte order mark alone", "\xef\xbb\xbf", "line 1, column 1");
        row("NUL bytes", std::string(100'000, '\0'), "line 1, column 1");
        row("NUL in a list", std::string("{\"kind\":\"List\",\n\"items\":[\0]}", 27), "line 2, column 10");
        row("NUL in a text", std::string("{\"kind\":\"Li\0st\"}", 16), "line 1, column 12");
        row("UTF-16", std::string("\xff\xfe{\0}\0", 6), "line 1, column 1");
        row("invalid UTF-8", "{\"kind\":\"List\",\"items\":[\"\xc3\x28\"]}", "line 1, column 27");
        row("lone surrogate", R"({"kind":"\ud800"})", "line 1, column 16");
        row("unknown escape", "{\n\"kind\":\"\\q\"}", "line 2, column 10");
        row("tab in a text", "{\"kind\":\"a\tb\"}", "line 1, column 11");
        row("comma at the end", R"({"kind":"List","items":[1,]})", "line 1, column 27");
        row("comma missing", R"({"kind":"List" "items":[]})", "line 1, column 22");
        row("comma missing where nothing is read",
            listOf(R"({"kind":"Secret","metadata":{"managedFields":[{"a":1 "b":2}]}})"), "line 1, column 121");
        row("colon missing", R"({"kind" "List"})", "line 1, column 14");
        row("single quotes", "{'kind':'List'}", "line 1, column 2");
        row("comment", "{\"kind\":\"List\" /* all of them */}", "line 1, column 16");
        row("number with leading zero", R"({"port":080})", "line 1, column 11");
        row("number with plus", R"({"port":+80})", "line 1, column 9");
        row("NaN", R"({"port":NaN})", "line 1, column 9");
        row("word cut off", R"({"ready":tru})", "line 1, column 13");
        row("two words", R"({"ready":truetrue})", "line 1, column 17");
        row("wrong bracket", R"({"items":[}])", "line 1, column 11");
        row("too many brackets", R"({"items":[]}])", "line 1, column 13");
        row("text without an end", "{\"kind\":\"List", "line 1, column 14");
        row("YAML", "kind: List\nitems: []\n", "line 1, column 1");
        row("second document broken", "{\"kind\":\"List\",\"items\":[]}\n\n{\"kind\":]\n", "line 3, column 9");
        row("open brackets without end", std::string(1'000'000, '['), "line 1, column 1000001");
    }
    void notJson() {
        QFETCH(QByteArray, text);
        QFETCH(QString, place);
        const auto state = readClusterState(text.toStdString(), "cluster.json");
        QVERIFY(!state.has_value());
        const auto said = QString::fromStdString(state.error().sentence());
        QVERIFY2(said.contains("cluster.json: " + place), qPrintable(said));
        for (const QChar c : said)
            QVERIFY2(c.unicode() >= ' ', qPrintable(said));
        QVERIFY2(said.size() < 500, qPrintable(said));
        QVERIFY(!readProxyConfig(text.toStdString(), "config.json").has_value());
    }

    /// Wrong parts are named, and what stands beside them is used.
    void wrongParts_data() {
        QTest::addColumn<QByteArray>("items");
        QTest::addColumn<QStringList>("problems");
        const auto row = [](const char *name, const std::string &items, const QStringList &problems) {
            QTest::newRow(name) << QByteArray::fromStdString(items) << problems;
        };
        row("List in a List", R"({"kind":"List","items":[{"kind":"Node","metadata":{"name":"n2"}}]})",
            {"document: /items/1: a List inside a List"});
        row("text, number, null, list", R"("x",7,null,[])",
            {"document: /items/1: ", "document: /items/2: ", "document: /items/3: ", "document: /items/4: "});
        row("no kind", R"({"metadata":{"name":"x"}})", {"document: /items/1/kind: missing"});
        row("kind is a number", R"({"kind":7})", {"/items/1/kind: expected text", "/items/1/kind: missing"});
        row("name with a line break", R"({"kind":"Service","metadata":{"name":"a\nb"},"spec":{"type":"Magic"}})",
            {"Service default/a?b: /items/1/spec/type: \"Magic\" is not a type"});
        row("key with a slash and a tilde", R"({"kind":"Node","metadata":{"name":"x","labels":{"a/b~c":1}}})",
            {"Node x: /items/1/metadata/labels/a~1b~0c: expected text, found 1"});
        row("key twice", serviceWith(R"("clusterIP":"10.0.0.1","clusterIP":"10.0.0.2")"),
            {"Service n/s: /items/1/spec/clusterIP: occurs more than once"});
        row("metadata twice", R"({"kind":"Node","metadata":{"name":"a"},"metadata":{"name":"b"}})",
            {"Node: /items/1/metadata: occurs more than once", "Node b: /items/1/metadata: occurs more than once"});
        row("object twice", serviceWith("") + "," + serviceWith(""), {"Service n/s: /items/2: occurs more than once"});
        row("port 0, 70000, text, fraction, huge",
            serviceWith(R"("clusterIP":"10.0.0.1","ports":[{"port":0},{"port":70000},{"port":"80"},{"port":8.5},)"
                        R"({"port":99999999999999999999}])"),
            {"/ports/0/port: expected a number from 1 to 65535, found 0",
             "/ports/1/port: ", "/ports/2/port: ", "/ports/3/port: ", "/ports/4/port: "});
        row("CIDR /40", serviceWith(R"("loadBalancerSourceRanges":["10.0.0.0/40","10.0.0.0/8","10.0.0.0/-1",""])"),
            {"/loadBalancerSourceRanges/0: \"10.0.0.0/40\"",
             "/loadBalancerSourceRanges/2: ", "/loadBalancerSourceRanges/3: "});
        row("wrong types everywhere",
            serviceWith(R"("type":[],"clusterIP":{},"ports":{},"externalIPs":"x","selector":[],"sessionAffinity":1,)"
                        R"("sessionAffinityConfig":"c","externalTrafficPolicy":true)"),
            {"/spec/selector: expected an object", "/spec/type: ", "/spec/clusterIP: ", "/spec/ports: expected a list",
             "/spec/externalIPs: ", "/spec/externalTrafficPolicy: ", "/spec/sessionAffinity: ",
             "/spec/sessionAffinityConfig: "});
        row("first address wrong: the endpoint does not exist for kube-proxy",
            sliceWith(R"({"addresses":["x","10.1.0.1"]},{"addresses":["10.1.0.2","y"]})"),
            {"/endpoints/0/addresses/0: \"x\" is not an IP address; the endpoint is left out",
             "/endpoints/1/addresses/1: \"y\" is not an IP address; ignored"});
        row("wrong family", sliceWith(R"({"addresses":["fd00::1"]})"),
            {"/endpoints/0/addresses/0: \"fd00::1\" is of the wrong family"});
        row("unknown fields", serviceWith(R"("clusterIP":"10.0.0.1","future":{"deep":[[[{}]]]},"":1)"), {});
        row("escaped keys", R"({"k\u0069nd":"Service","metad\u0061ta":{"name":"s"},"spec":{"type":"\u0041"}})",
            {"Service default/s: /items/1/spec/type: \"A\" is not a type"});
    }
    void wrongParts() {
        QFETCH(QByteArray, items);
        QFETCH(QStringList, problems);
        const auto state = readClusterState(listOf(items.toStdString()), "cluster.json");
        QVERIFY2(state.has_value(), state ? "" : state.error().sentence().c_str());
        QVERIFY(state->node("n1") != nullptr);
        QVERIFY(state->service("default", "good") != nullptr);
        QStringList said;
        for (const auto &problem : state->problems)
            said += QString::fromStdString(problem.toString());
        QVERIFY2(said.size() == problems.size(), qPrintable(said.join('\n')));
        for (int i = 0; i < said.size(); ++i) {
            QVERIFY2(said[i].contains(problems[i]), qPrintable(said[i] + "\nwanted: " + problems[i]));
            QVERIFY2(!said[i].contains('\n'), qPrintable(said[i]));
        }
    }

    void endpointWithWrongFirstAddress() {
        const auto state = readClusterState(
            listOf(sliceWith(R"({"addresses":["x","10.1.0.1"]},{"addresses":["10.1.0.2","y"]})")), "cluster.json");
        const auto &endpoints = state->endpointSlices.begin()->second->endpoints;
        QCOMPARE(endpoints.size(), std::size_t{2});
        QVERIFY(endpoints[0].addresses.empty());
        QCOMPARE(endpoints[1].addresses.size(), std::size_t{1});
    }

    void byteOrderMark() {
        QVERIFY(readClusterState("\xef\xbb\xbf" + listOf(serviceWith("")), "cluster.json").has_value());
    }

    /// Sizes at which anything quadratic would not come back.
    void aMillionEndpoints() {
        const auto good = repeated(R"({"addresses":["10.1.0.1"],"nodeName":"n1"},)", 999'999);
        const auto state = readClusterState(listOf(sliceWith(good + R"({"addresses":["10.1.0.2"]})")), "cluster.json");
        QVERIFY(state.has_value() && state->problems.empty());
        QCOMPARE(state->endpointSlices.begin()->second->endpoints.size(), std::size_t{1'000'000});
    }

    void aMillionWrongEndpoints() {
        const auto wrong = repeated(R"({"addresses":["x"]},)", 999'999);
        const auto state = readClusterState(listOf(sliceWith(wrong + "7")), "cluster.json");
        QVERIFY(state.has_value() && state->service("default", "good") != nullptr);
        QCOMPARE(state->problems.size(), std::size_t{1001});
        const auto last = QString::fromStdString(state->problems[999].toString());
        QVERIFY2(last.contains("/items/1/endpoints/999/addresses/0"), qPrintable(last));
        QVERIFY(QString::fromStdString(state->problems.back().toString()).contains("more than 1000"));
    }

    void manyPortsWithOneName() {
        const auto ports = repeated(R"({"port":80},)", 100'000);
        const auto state = readClusterState(
            listOf(serviceWith(R"("clusterIP":"10.0.0.1","ports":[)" + ports + R"({"port":81}])")), "cluster.json");
        QCOMPARE(state->service("n", "s")->ports.size(), std::size_t{1});
    }

    void oneKeyAHundredThousandTimes() {
        const auto keys = repeated(R"("clusterIP":"10.0.0.1",)", 100'000);
        const auto state = readClusterState(listOf(serviceWith(keys + R"("type":"NodePort")")), "cluster.json");
        QCOMPARE(state->problems.size(), std::size_t{1});
        QVERIFY(state->service("n", "s")->type == ServiceType::nodePort);
    }

    void deepNesting_data() {
        QTest::addColumn<QByteArray>("text");
        const std::string open(100'000, '['), shut(100'000, ']');
        QTest::newRow("a value") << QByteArray::fromStdString(listOf(serviceWith("\"future\":" + open + shut)));
        QTest::newRow("a port") << QByteArray::fromStdString(
            listOf(serviceWith("\"ports\":[{\"port\":1,\"targetPort\":" + open + shut + "}]")));
        QTest::newRow("objects") << QByteArray::fromStdString(
            listOf(serviceWith("\"selector\":" + repeated("{\"a\":", 100'000) + "1" + std::string(100'000, '}'))));
        QTest::newRow("lists of lists") << QByteArray::fromStdString(
            listOf(repeated(R"({"kind":"List","items":[)", 100'000) + repeated("]}", 100'000)));
        QTest::newRow("events of events") << QByteArray::fromStdString(
            listOf("{}") + "\n" + repeated(R"({"type":"ADDED","object":)", 100'000) + "{}" + std::string(100'000, '}'));
    }
    void deepNesting() {
        QFETCH(QByteArray, text);
        const auto state = readClusterState(text.toStdString(), "cluster.json");
        QVERIFY2(state.has_value(), state ? "" : state.error().sentence().c_str());
        QVERIFY(state->service("default", "good") != nullptr);
        QVERIFY(state->problems.size() < 5);
    }
};

NATLENS_TEST(TestBadInput)
#include "tst_bad_input.moc"
