// What endpoints see of their clients, and what may be said of it where not everything was captured.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#include "tests/tracer/node_port.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

class TestSources : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void whatTheEndpointSees_data();
    void whatTheEndpointSees();
    void twiceReplaced();
    void masqueradeAlone_data();
    void masqueradeAlone();
};

void TestSources::whatTheEndpointSees_data() {
    QTest::addColumn<QString>("by"); ///< who translates
    QTest::addColumn<QString>("captured");
    QTest::addColumn<QString>("seen");
    QTest::addColumn<QString>("preserved");
    QTest::addColumn<QString>("node");
    const auto row = [](const char *name, const char *by, const char *captured, const char *seen, const char *preserved,
                        const char *node) {
        QTest::newRow(name) << QString(by) << QString(captured) << QString(seen) << QString(preserved) << QString(node);
    };
    row("everything", "node2", "client node2 node1 source-ip-app", "10.240.0.5:4021", "no", "node1");
    row("the client alone", "node2", "client", "nothing", "unknown", "");
    row("client and the node that translates", "node2", "client node2", "10.240.0.5:4021", "no", "");
    row("the node that translates", "node2", "node2", "10.240.0.5:4021", "no", "");
    row("no pod", "node2", "client node2 node1", "10.240.0.5:4021", "no", "");
    row("no node", "node2", "client source-ip-app", "10.240.0.5:4021", "no", "source-ip-app");
    row("kept, everything", "node1", "client node1 source-ip-app", "104.132.1.79:53210", "yes", "node1");
    row("kept, the client alone", "node1", "client", "nothing", "unknown", "");
    row("kept, the pod is next to the node", "node1", "client node1", "104.132.1.79:53210", "yes", "");
    row("kept, the pod alone", "node1", "source-ip-app", "104.132.1.79:53210", "yes", "source-ip-app");
}

void TestSources::whatTheEndpointSees() {
    QFETCH(QString, by);
    QFETCH(QString, captured);
    QFETCH(QString, seen);
    QFETCH(QString, preserved);
    QFETCH(QString, node);
    Talk talk =
        by == "node2" ? viaNode2() : viaNode1(tcp(kOutside, "10.240.0.4:32080"), tcp(kOutside, "10.180.1.136:8080"));
    // The page says what the endpoint sees, as the echo server's does.
    talk.answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nCLIENT VALUES:\nclient_address=" +
                  talk.request.back().tuple.src.ip.toString() + "\n";
    for (const bool crossings : {true, false})
        for (const bool lies : {false, true}) {
            Talk told = talk;
            if (lies)
                told.answer =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nCLIENT VALUES:\nclient_address=10.9.9.9\n";
            Scenario scenario;
            addTcp(scenario, told);
            const auto hosts = captured.split(' ');
            std::erase_if(scenario.packets, [&](const Captured &c) {
                return !hosts.contains(QString::fromStdString(c.point.substr(0, c.point.find('/'))));
            });
            const auto snapshot = trace(scenario, {.crossings = crossings});
            QCOMPARE(snapshot->paths.size(), 1u);
            const auto &path = *snapshot->paths[0];
            QCOMPARE(named(path.outcome), "delivered");
            const bool atEndpoint = hosts.contains("source-ip-app");
            const bool believed = atEndpoint || !lies;
            QCOMPARE(text(path.seenByEndpoint), believed ? seen : "nothing");
            const QString kept = !path.sourcePreserved ? "unknown" : *path.sourcePreserved ? "yes" : "no";
            QCOMPARE(kept, believed || preserved == "no" ? preserved : "unknown");
            QCOMPARE(text(path.endpoint->node), node);
            const bool says = std::ranges::any_of(
                path.notes, [](const auto &note) { return note.find("it says that it sees") != std::string::npos; });
            QCOMPARE(says, !path.seenByEndpoint.has_value());
        }
}

/// A load balancer puts its own address, then a node its bridge's.
void TestSources::twiceReplaced() {
    const Tuple outside = tcp(kOutside, "104.198.149.140:80"), between = tcp("10.240.0.2:700", "10.240.0.4:32080"),
                inside = tcp("10.180.1.1:800", "10.180.1.136:8080");
    Talk talk;
    talk.request = {{"client/eth0", kOut, 64, outside}, {"lb/eth0", kIn, 64, outside},
                    {"lb/eth0", kOut, 63, between},     {"node1/eth0", kIn, 63, between},
                    {"node1/cbr0", kOut, 62, inside},   {"source-ip-app/eth0", kIn, 62, inside}};
    talk.reply = {{"source-ip-app/eth0", kOut, 64, inside}, {"node1/cbr0", kIn, 64, inside},
                  {"node1/eth0", kOut, 63, between},        {"lb/eth0", kIn, 63, between},
                  {"lb/eth0", kOut, 62, outside},           {"client/eth0", kIn, 62, outside}};
    Scenario scenario;
    addTcp(scenario, talk);
    const auto snapshot = trace(scenario);
    const auto &finding = snapshot->paths.at(0)->findings.at(0);
    QCOMPARE(text(finding.code), "D01");
    QVERIFY2(finding.text.find("lb put 10.240.0.2 in its place, then node1 put 10.180.1.1 in the place of that") !=
                 std::string::npos,
             finding.text.c_str());
    QVERIFY(finding.fix.find("lb replaces it before") != std::string::npos);
    // Before the node it is not known what the endpoint will see: the node translates again.
    std::erase_if(scenario.packets, [](const Captured &c) { return !c.point.starts_with("lb/"); });
    const auto half = trace(scenario);
    QCOMPARE(text(half->paths.at(0)->seenByEndpoint), "nothing");
    QCOMPARE(half->paths[0]->sourcePreserved, std::optional(false));
    QVERIFY(half->paths[0]->findings.empty());
}

void TestSources::masqueradeAlone_data() {
    QTest::addColumn<QString>("policy"); ///< of a Service that cluster state knows; "-": no state
    QTest::addColumn<bool>("answered");
    for (const char *policy : {"-", "Cluster", "Local"})
        for (const bool answered : {true, false})
            QTest::addRow("state %s, answered %d", policy, answered) << QString(policy) << answered;
}

/// A pod's way to the Internet, masqueraded by its node: no Service, and nothing to find.
void TestSources::masqueradeAlone() {
    QFETCH(QString, policy);
    QFETCH(bool, answered);
    const Tuple inside = tcp("10.180.1.7:40002", "93.184.216.34:443"),
                outside = tcp("10.240.0.4:51234", "93.184.216.34:443");
    Talk talk;
    talk.request = {{"node1/cbr0", kIn, 64, inside}, {"node1/eth0", kOut, 63, outside}};
    talk.reply = {{"node1/eth0", kIn, 50, outside}, {"node1/cbr0", kOut, 49, inside}};
    Scenario scenario;
    if (answered)
        addTcp(scenario, talk);
    else
        addSyns(scenario, talk, 2);
    if (policy != "-") scenario.clusterState.emplace_back(-kMilli, nodePortState(policy.toStdString()));
    for (const bool crossings : {true, false}) {
        const auto snapshot = trace(scenario, {.crossings = crossings});
        QCOMPARE(snapshot->paths.size(), 1u);
        const auto &path = *snapshot->paths[0];
        QCOMPARE(named(path.kind), "direct");
        QCOMPARE(named(path.outcome), answered ? "delivered" : "unanswered");
        QCOMPARE(text(route(path)), "node1[SNAT]");
        QVERIFY(!path.service && path.findings.empty());
        QCOMPARE(text(path.endpoint->node), "");
    }
}

NATLENS_TEST(TestSources)
#include "tst_sources.moc"
