// The JSON of a path: exact text, order of fields, nulls.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tracer/path/path_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#endif

#include <QFile>
#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::tracer;

namespace {

packet::SocketAddress at(const char *text) {
    return *packet::SocketAddress::parse(text);
}

HopEnd end(std::int64_t time, const char *src, const char *dst, std::uint8_t ttl) {
    HopEnd hopEnd;
    hopEnd.interface = "eth0";
    hopEnd.time.nanoseconds = 1'700'000'000'000'000'000 + time;
    hopEnd.src = at(src);
    hopEnd.dst = at(dst);
    hopEnd.ttl = ttl;
    hopEnd.packet.value = 5;
    return hopEnd;
}

/// Client, node2 with SNAT and DNAT, pod.
Path example() {
    Path path;
    path.id = "p3";
    path.kind = PathKind::service;
    path.service = ServiceRef{.nameSpace = "default",
                              .name = "nodeport",
                              .type = "NodePort",
                              .port = 80,
                              .portName = "http",
                              .via = Via::nodePort};
    path.protocol = packet::Protocol::tcp;
    path.client = {"client", at("104.132.1.79:53210")};
    path.requested = at("10.240.0.5:32080");
    path.endpoint = EndpointEnd{"default/source-ip-app", "node1", "source-ip-app", at("10.180.1.136:8080")};
    path.seenByEndpoint = at("10.240.0.5:4021");
    path.sourcePreserved = false;
    path.outcome = Outcome::delivered;
    path.http = HttpExchange{"GET", "/", 200, "10.240.0.5"};
    Hop client;
    client.host = "client";
    client.role = HostRole::client;
    client.out = end(100, "104.132.1.79:53210", "10.240.0.5:32080", 64);
    Hop node;
    node.host = "node2";
    node.role = HostRole::node;
    node.nat = {Nat::snat, Nat::dnat};
    node.in = end(123, "104.132.1.79:53210", "10.240.0.5:32080", 64);
    node.out = end(40456, "10.240.0.5:4021", "10.180.1.136:8080", 63);
    node.rule = "default/nodeport:http node port, masquerade";
    node.ruleField = "spec.externalTrafficPolicy: Cluster";
    node.evidence = {EvidenceKind::conntrack, EvidenceKind::tcpIsn, EvidenceKind::tcpTimestamp};
    node.confidence = 1;
    Hop pod;
    pod.host = "source-ip-app";
    pod.role = HostRole::pod;
    pod.in = end(50000, "10.240.0.5:4021", "10.180.1.136:8080", 63);
    path.hops = {client, node, pod};
    Finding finding;
    finding.code = "D01";
    finding.severity = Severity::warning;
    finding.text = "text";
    finding.fix = "fix";
    path.findings = {finding};
    return path;
}

bool isType(const nlohmann::json &value, const std::string &type) {
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    return type == value.type_name();
}

/// The part of JSON Schema that our schema uses; stricter in that every field must be documented.
bool valid(const nlohmann::json &schema, const nlohmann::json &value) {
    if (schema.contains("anyOf"))
        return std::ranges::any_of(schema["anyOf"], [&](const auto &option) { return valid(option, value); });
    if (schema.contains("const") && schema["const"] != value) return false;
    if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end()) return false;
    if (schema.contains("type")) {
        const auto &types = schema["type"];
        if (types.is_string() ? !isType(value, types.get<std::string>())
                              : std::ranges::none_of(
                                    types, [&](const auto &t) { return isType(value, t.template get<std::string>()); }))
            return false;
    }
    if (value.is_number() && schema.contains("minimum") && value < schema["minimum"]) return false;
    if (value.is_number() && schema.contains("maximum") && value > schema["maximum"]) return false;
    if (value.is_array() && schema.contains("items"))
        for (const auto &item : value)
            if (!valid(schema["items"], item)) return false;
    if (!value.is_object()) return true;
    for (const auto &name : schema["required"])
        if (!value.contains(name.get<std::string>())) return false;
    for (const auto &[name, member] : value.items())
        if (!schema["properties"].contains(name) || !valid(schema["properties"][name], member)) return false;
    return true;
}

} // namespace

class TestPathJson : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void exactText();
    void nothingKnown();
    void whichHops();
    void bytesThatAreNotText();
    void schema();
};

void TestPathJson::exactText() {
    const std::string expected =
        R"({"schema":"natlens.path/1","id":"p3","kind":"service",)"
        R"("service":{"namespace":"default","name":"nodeport","type":"NodePort","port":80,"via":"nodePort"},)"
        R"("protocol":"TCP","client":{"node":"client","ip":"104.132.1.79","port":53210},)"
        R"("requested":{"ip":"10.240.0.5","port":32080},)"
        R"("endpoint":{"pod":"default/source-ip-app","node":"node1","ip":"10.180.1.136","port":8080},)"
        R"("seenByEndpoint":{"ip":"10.240.0.5","port":4021},"sourcePreserved":false,"outcome":"delivered",)"
        R"("droppedAt":null,"http":{"method":"GET","target":"/","status":200,"clientAddress":"10.240.0.5"},)"
        R"("hops":[{"node":"node2","direction":"request","nat":["SNAT","DNAT"],)"
        R"("in":{"interface":"eth0","time":"1700000000.000000123","src":"104.132.1.79:53210",)"
        R"("dst":"10.240.0.5:32080","ttl":64,"packet":5},)"
        R"("out":{"interface":"eth0","time":"1700000000.000040456","src":"10.240.0.5:4021",)"
        R"("dst":"10.180.1.136:8080","ttl":63,"packet":5},)"
        R"("rule":"default/nodeport:http node port, masquerade",)"
        R"("evidence":["conntrack","tcp-isn","tcp-timestamp"],"confidence":1.0,"role":"node",)"
        R"("field":"spec.externalTrafficPolicy: Cluster","inferred":false,"captureDrops":0,"doubts":[],)"
        R"("clock":null,"encapsulation":null}],)"
        R"("findings":[{"code":"D01","severity":"warning","text":"text","fix":"fix","field":null,"packets":[],)"
        R"("evidence":[],"cost":null,"reference":null}],)"
        R"("segments":[],"firstSeen":null,"lastSeen":null,"packets":0,"attempts":1,"notes":[],"settled":false,"dropDirection":null})";
    QCOMPARE(QString::fromStdString(toJsonLine(example())), QString::fromStdString(expected));
}

void TestPathJson::nothingKnown() {
    const auto json = nlohmann::json::parse(toJsonLine(Path()));
    for (const char *name : {"service", "endpoint", "seenByEndpoint", "sourcePreserved", "droppedAt", "http"})
        QVERIFY2(json.contains(name) && json[name].is_null(), name);
    QVERIFY(json["client"]["node"].is_null() && json["client"]["ip"].is_null() && json["client"]["port"].is_null());
    QCOMPARE(QString::fromStdString(json["outcome"].get<std::string>()), "incomplete");
}

void TestPathJson::whichHops() {
    const auto hosts = [](const Path &path) {
        QStringList names;
        const auto json = nlohmann::json::parse(toJsonLine(path));
        for (const auto &hop : json["hops"])
            names << QString::fromStdString(hop["node"].get<std::string>());
        return names.join(' ');
    };
    Path path = example();
    QCOMPARE(hosts(path), "node2"); // neither the client nor the pod
    path.hops[2].role = HostRole::unknown;
    path.endpoint->pod.clear();
    QCOMPARE(hosts(path), "node2 source-ip-app"); // ended on something that is no pod
    path = example();
    path.endpoint.reset();
    path.hops.pop_back();
    path.hops[1].out.reset();
    path.droppedAt = "node2";
    QCOMPARE(hosts(path), "node2"); // where it was dropped
    path.hops.pop_back();
    path.hops[0].nat = {Nat::dnat};
    QCOMPARE(hosts(path), "client"); // translated where it began
}

void TestPathJson::bytesThatAreNotText() {
    Path path = example();
    path.http->target = "/\xff\xfe\n";
    const auto line = toJsonLine(path);
    QVERIFY(line.find('\n') == std::string::npos);
    QVERIFY(nlohmann::json::accept(line));
}

void TestPathJson::schema() {
    QFile file(NATLENS_SOURCE_DIR "/resources/schema/natlens.path-1.schema.json");
    QVERIFY(file.open(QIODevice::ReadOnly));
    const auto rules = nlohmann::json::parse(file.readAll().toStdString());
    QVERIFY(valid(rules, nlohmann::json::parse(toJsonLine(example()))));
    Path bare;
    bare.id = "p1";
    QVERIFY(valid(rules, nlohmann::json::parse(toJsonLine(bare))));
    auto wrong = nlohmann::json::parse(toJsonLine(example()));
    wrong["outcome"] = "lost";
    QVERIFY(!valid(rules, wrong));
    wrong = nlohmann::json::parse(toJsonLine(example()));
    wrong["hops"][0].erase("in");
    QVERIFY(!valid(rules, wrong));
}

NATLENS_TEST(TestPathJson)
#include "tst_path_json.moc"
