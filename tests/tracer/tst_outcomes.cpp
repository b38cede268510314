// How a connection ended, what may be said of it, and which findings follow.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#include "tests/tracer/node_port.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using tracer::Direction;

namespace {

void addTrace(Scenario &scenario, const std::string &host, std::int64_t time, const Tuple &tuple,
              const std::vector<std::tuple<const char *, const char *, const char *>> &steps) {
    bool first = true;
    for (const auto &[chain, verdict, target] : steps) {
        tracer::RuleTraceEvent event;
        event.time.nanoseconds = kStart + time;
        event.host = host;
        event.traceId = 7;
        event.kind = tracer::RuleTraceEvent::Kind::rule;
        event.table = "kube-proxy";
        event.chain = chain;
        event.verdict = verdict;
        event.target = target;
        if (first) event.tuple = tuple;
        first = false;
        scenario.traces.push_back(event);
    }
}

constexpr auto kExternalChain = "external-RMQUIEU7-default/nodeport/tcp/http";

const tracer::Hop *hopAt(const tracer::Path &path, std::string_view host) {
    for (const auto &hop : path.hops)
        if (hop.host == host && hop.direction == Direction::request) return &hop;
    return nullptr;
}

} // namespace

class TestOutcomes : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void silence_data();
    void silence();
    void silenceAtTheEnd_data();
    void silenceAtTheEnd();
    void droppedByRules();
    void rejectedSilently();
    void rejected_data();
    void rejected();
    void resetLater();
    void unansweredByThePod();
    void sourceReplaced_data();
    void sourceReplaced();
    void stateChangesInTime();
    void ruleInWords();
    void unreadableState();
};

void TestOutcomes::silence_data() {
    QTest::addColumn<unsigned>("syns");
    QTest::addColumn<int>("endsAfterMs");
    QTest::addColumn<bool>("finish");
    QTest::addColumn<int>("lost");
    QTest::addColumn<QString>("policy");
    QTest::addColumn<QString>("outcome");
    QTest::addColumn<QString>("finding");
    QTest::newRow("SYN repeated") << 2u << 0 << true << 0 << "-"
                                  << "dropped"
                                  << "D13";
    QTest::newRow("SYN repeated, not ended") << 2u << 0 << false << 0 << "-"
                                             << "dropped"
                                             << "D13";
    QTest::newRow("one SYN, a second of silence") << 1u << 1000 << true << 0 << "-"
                                                  << "dropped"
                                                  << "D13";
    QTest::newRow("one SYN, capture ends at once") << 1u << 5 << true << 0 << "-"
                                                   << "incomplete"
                                                   << "";
    QTest::newRow("one SYN, still waiting") << 1u << 300 << false << 0 << "-"
                                            << "incomplete"
                                            << "";
    QTest::newRow("the capture lost packets") << 2u << 4000 << true << 3 << "-"
                                              << "incomplete"
                                              << "";
    QTest::newRow("policy Local says why") << 2u << 0 << true << 0 << "Local"
                                           << "dropped"
                                           << "D13";
    QTest::newRow("policy Cluster does not explain it: not as predicted") << 2u << 0 << true << 0 << "Cluster"
                                                                          << "dropped"
                                                                          << "P01";
}

void TestOutcomes::silence() {
    QFETCH(unsigned, syns);
    QFETCH(int, endsAfterMs);
    QFETCH(bool, finish);
    QFETCH(int, lost);
    QFETCH(QString, policy);
    QFETCH(QString, outcome);
    QFETCH(QString, finding);
    Scenario scenario;
    addSyns(scenario, toNode2(), syns);
    scenario.endsAt = endsAfterMs * kMilli;
    if (lost) scenario.drops.emplace_back("node2/eth0", 4000 * kMilli, lost);
    if (policy != "-") scenario.clusterState.emplace_back(-kMilli, nodePortState(policy.toStdString()));
    if (policy == "-") addArp(scenario, "node2/cbr0"); // else the state says that the endpoint is elsewhere
    for (const bool crossings : {true, false}) {
        const auto snapshot = trace(scenario, {.crossings = crossings, .finish = finish});
        QCOMPARE(snapshot->paths.size(), 1u);
        const auto &path = *snapshot->paths[0];
        QCOMPARE(named(path.outcome), outcome);
        QCOMPARE(text(path.droppedAt), outcome == "dropped" ? "node2" : "");
        QCOMPARE(text(route(path)), "client>node2");
        QVERIFY(!path.endpoint.has_value());
        QCOMPARE(path.attempts, syns);
        QCOMPARE(path.findings.empty() ? QString() : text(path.findings[0].code), finding);
        if (outcome == "dropped") {
            QCOMPARE(segments(path, Direction::request), QString("client>node2! %1").arg(syns));
            const bool predicted = policy == "Local";
            QVERIFY(hopAt(path, "node2")->confidence < (predicted ? 0.99 : 0.9));
            if (predicted) {
                QVERIFY(path.findings[0].text.find("default/nodeport") != std::string::npos);
                QVERIFY(path.findings[0].text.find("node1") != std::string::npos);
                QCOMPARE(text(path.findings[0].field), "spec.externalTrafficPolicy: Local");
                QCOMPARE(text(hopAt(path, "node2")->rule), "default/nodeport:http node port, no local endpoint, drop");
            }
        }
        if (lost)
            QVERIFY(std::ranges::any_of(path.notes, [](const auto &n) { return n.starts_with("capture lost 3"); }));
    }
}

void TestOutcomes::silenceAtTheEnd_data() {
    QTest::addColumn<int>("silenceMs");
    QTest::addColumn<QString>("outcome");
    QTest::newRow("as long as a SYN is waited for") << 1000 << "dropped";
    QTest::newRow("too short to tell, however fast others answered") << 16 << "incomplete";
    QTest::newRow("none") << 0 << "incomplete";
}

/// The capture breaks off after the SYN; the same client got its answer from another node at once.
void TestOutcomes::silenceAtTheEnd() {
    QFETCH(int, silenceMs);
    QFETCH(QString, outcome);
    Scenario scenario;
    addTcp(scenario,
           viaNode1(tcp("104.132.1.79:1234", "10.240.0.4:32080"), tcp("104.132.1.79:1234", "10.180.1.136:8080")));
    Talk silent = toNode2();
    silent.begin = 10 * kMilli;
    silent.clientIsn = 5;
    addSyns(scenario, silent, 1);
    scenario.endsAt = (10 + silenceMs) * kMilli;
    for (const bool byPoint : {true, false}) {
        const auto snapshot = trace(scenario, {.byPoint = byPoint});
        QCOMPARE(snapshot->paths.size(), 2u);
        const auto &path = *snapshot->paths[1];
        QCOMPARE(named(path.outcome), outcome);
        if (outcome == "dropped") QVERIFY(hopAt(path, "node2")->confidence < 0.9);
    }
    // The end of the source adds nothing: time in the capture counts.
    QCOMPARE(named(trace(scenario, {.finish = false})->paths[1]->outcome), outcome);
}

void TestOutcomes::droppedByRules() {
    Scenario scenario;
    addSyns(scenario, toNode2(), 1);
    addTrace(scenario, "node2", 12 * kMicro, kAsked,
             {{"services", "goto", kExternalChain},
              {"filter-input", "jump", "nodeport-endpoints-check"},
              {"nodeport-endpoints-check", "drop", ""}});
    const auto snapshot = trace(scenario, {.finish = false});
    const auto &path = *snapshot->paths.at(0);
    QCOMPARE(named(path.outcome), "dropped");
    const auto *hop = hopAt(path, "node2");
    QCOMPARE(text(hop->rule), "default/nodeport:http node port, no local endpoint, drop");
    QCOMPARE(text(hop->ruleField), "spec.externalTrafficPolicy: Local");
    QCOMPARE(named(hop->evidence.at(0)), "rule-trace");
    QCOMPARE(text(path.service->name), "nodeport");
    QCOMPARE(text(path.findings.at(0).code), "D13");
    QVERIFY(path.findings[0].text.find("inferred") == std::string::npos);
}

void TestOutcomes::rejectedSilently() {
    // The rule answered with an error, but the kernel's limit for ICMP errors kept it back.
    Scenario scenario;
    addSyns(scenario, toNode2(), 2);
    addTrace(scenario, "node2", 12 * kMicro, kAsked,
             {{"nodeport-endpoints-check", "goto", "reject-chain"}, {"reject-chain", "drop", ""}});
    const auto snapshot = trace(scenario);
    QCOMPARE(named(snapshot->paths.at(0)->outcome), "rejected");
    QCOMPARE(text(hopAt(*snapshot->paths[0], "node2")->ruleField), "EndpointSlice: no ready endpoint");
    QVERIFY(snapshot->paths[0]->findings.empty());
}

void TestOutcomes::rejected_data() {
    QTest::addColumn<QString>("by");
    QTest::newRow("ICMP port unreachable") << "icmp";
    QTest::newRow("TCP reset") << "rst";
}

void TestOutcomes::rejected() {
    QFETCH(QString, by);
    Scenario scenario;
    addSyns(scenario, toNode2(), 1);
    const std::vector<Stop> back = {{"node2/eth0", kOut, 64, kAsked}, {"client/eth0", kIn, 64, kAsked}};
    packet::PacketBuilder quoted;
    quoted.ip(kAsked.src.ip, kAsked.dst.ip).tcp(kAsked.src.port, kAsked.dst.port, TcpFlags::syn).seq(1'000'000);
    const auto inside = quoted.buildIp();
    send(scenario, back, kMilli, true, [&](auto &builder, const Tuple &tuple) {
        if (by == "icmp")
            builder.icmpError(3, 3, inside);
        else
            builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::rst | TcpFlags::ack).ack(1'000'001);
    });
    for (const bool byPoint : {true, false}) {
        const auto snapshot = trace(scenario, {.byPoint = byPoint});
        QCOMPARE(snapshot->paths.size(), 1u);
        const auto &path = *snapshot->paths[0];
        QCOMPARE(named(path.outcome), "rejected");
        QCOMPARE(text(route(path)), "client>node2");
        QCOMPARE(text(route(path, Direction::reply)), "node2>client");
        QCOMPARE(segments(path, Direction::reply), "node2>client 1");
        QVERIFY(path.findings.empty());
        QVERIFY(path.notes.at(0).find("node2") != std::string::npos);
    }
}

void TestOutcomes::resetLater() {
    Scenario scenario;
    Talk talk = viaNode2();
    talk.close = false;
    addTcp(scenario, talk);
    send(scenario, talk.reply, 20 * kMilli, true, [](auto &builder, const Tuple &tuple) {
        builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::rst | TcpFlags::ack).seq(7'001'000).ack(1'000'028);
    });
    QCOMPARE(named(trace(scenario)->paths.at(0)->outcome), "reset");
}

void TestOutcomes::unansweredByThePod() {
    Scenario scenario;
    addTcp(scenario, viaNode2("104.132.1.79:1000", "10.240.0.5:1001")); // shows that the pod is one
    Talk silent = viaNode2();
    silent.begin = 100 * kMilli;
    silent.clientIsn = 55;
    addSyns(scenario, silent, 2);
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 2u);
    const auto &path = *snapshot->paths[1];
    QCOMPARE(named(path.outcome), "unanswered");
    QCOMPARE(text(path.droppedAt), "");
    QCOMPARE(text(path.endpoint->host), "source-ip-app");
    QCOMPARE(text(route(path)), "client>node2[SNAT,DNAT]>node1>source-ip-app");
}

void TestOutcomes::sourceReplaced_data() {
    QTest::addColumn<QString>("policy");
    QTest::addColumn<bool>("annotation");
    QTest::addColumn<QString>("field");
    QTest::newRow("no cluster state") << "-" << false << "spec.externalTrafficPolicy: Cluster";
    QTest::newRow("policy Cluster") << "Cluster" << false << "spec.externalTrafficPolicy: Cluster";
    QTest::newRow("default") << "" << false << "spec.externalTrafficPolicy: Cluster";
    QTest::newRow("annotation of 1.5") << "" << true
                                       << "metadata.annotations[service.beta.kubernetes.io/external-traffic]: Global";
    QTest::newRow("policy Local: somebody else masquerades") << "Local" << false << "";
}

void TestOutcomes::sourceReplaced() {
    QFETCH(QString, policy);
    QFETCH(bool, annotation);
    QFETCH(QString, field);
    Scenario scenario;
    addTcp(scenario, viaNode2());
    if (policy != "-")
        scenario.clusterState.emplace_back(
            -kMilli,
            nodePortState(policy.toStdString(),
                          annotation ? R"(,"annotations":{"service.beta.kubernetes.io/external-traffic":"Global"})"
                                     : ""));
    const auto snapshot = trace(scenario);
    const auto &path = *snapshot->paths.at(0);
    if (field.isEmpty()) {
        QCOMPARE(path.findings.size(), 1u);
        QCOMPARE(text(path.findings[0].code), "D03");
        return;
    }
    QCOMPARE(path.findings.size(), 1u);
    const auto &finding = path.findings[0];
    QCOMPARE(text(finding.code), "D01");
    QCOMPARE(named(finding.severity), "warning");
    QCOMPARE(text(finding.field), field);
    QVERIFY(finding.text.find("10.240.0.5 instead of the client's 104.132.1.79") != std::string::npos);
    QCOMPARE(finding.text.find("inferred") != std::string::npos, policy == "-");
    QCOMPARE(finding.fix.find("OnlyLocal") != std::string::npos, annotation);
    QCOMPARE(finding.packets.size(), 2u);
    if (policy != "-") {
        QCOMPARE(text(path.service->name), "nodeport");
        QCOMPARE(text(path.service->type), "NodePort");
        QCOMPARE(path.service->port, 80);
        QCOMPARE(named(path.service->via), "nodePort");
        QCOMPARE(text(path.endpoint->pod), "default/source-ip-app");
        QCOMPARE(text(hopAt(path, "node2")->rule), "default/nodeport:http node port, masquerade");
    }
}

void TestOutcomes::stateChangesInTime() {
    // Cluster, then Local: each connection is judged by the state at its first packet.
    Scenario scenario;
    addTcp(scenario, viaNode2());
    Talk later = toNode2();
    later.begin = 5000 * kMilli;
    later.clientIsn = 99;
    for (Stop &stop : later.request)
        stop.tuple.src.port = 54000;
    addSyns(scenario, later, 2);
    scenario.clusterState.emplace_back(-kMilli, nodePortState("Cluster"));
    scenario.clusterState.emplace_back(4000 * kMilli, nodePortState("Local"));
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 2u);
    QCOMPARE(text(snapshot->paths[0]->findings.at(0).code), "D01");
    QCOMPARE(text(snapshot->paths[1]->findings.at(0).code), "D13");
}

void TestOutcomes::ruleInWords() {
    Scenario scenario;
    const Talk talk = viaNode2();
    addTcp(scenario, talk);
    addConntrack(scenario, "node2", 20 * kMicro, talk.request[1].tuple, talk.request[2].tuple);
    addTrace(scenario, "node2", 12 * kMicro, talk.request[1].tuple,
             {{"nat-prerouting", "jump", "services"},
              {"services", "goto", kExternalChain},
              {kExternalChain, "continue", ""},
              {kExternalChain, "goto", "service-RMQUIEU7-default/nodeport/tcp/http"},
              {"service-RMQUIEU7-default/nodeport/tcp/http", "accept", ""},
              {"masquerading", "accept", ""}});
    const auto snapshot = trace(scenario);
    const auto *hop = hopAt(*snapshot->paths.at(0), "node2");
    QCOMPARE(text(hop->rule), "default/nodeport:http node port, masquerade");
    QCOMPARE(text(hop->ruleField), "spec.externalTrafficPolicy: Cluster");
    QCOMPARE(named(hop->evidence.at(0)), "conntrack");
    QCOMPARE(named(hop->evidence.at(1)), "rule-trace");
    QCOMPARE(text(snapshot->paths[0]->service->nameSpace), "default");
    QVERIFY(snapshot->paths[0]->findings.at(0).text.find("inferred") == std::string::npos);
}

void TestOutcomes::unreadableState() {
    Scenario scenario;
    addTcp(scenario, viaNode2());
    scenario.clusterState.emplace_back(-kMilli, "{\"kind\":");
    const auto snapshot = trace(scenario);
    QCOMPARE(text(route(*snapshot->paths.at(0))), "client>node2[SNAT,DNAT]>node1>source-ip-app");
}

NATLENS_TEST(TestOutcomes)
#include "tst_outcomes.moc"
