// The words for paths and hops.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "sample_snapshots.h"
#include "tracer/diagram/diagram.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::testing;
using namespace natlens::tracer;

Q_DECLARE_METATYPE(natlens::tracer::Hop)

class TestDescribe : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void hop_data();
    void hop();
    void path_data();
    void path();
};

void TestDescribe::hop_data() {
    QTest::addColumn<Hop>("hop");
    QTest::addColumn<QString>("words");
    const auto row = [](const char *name, const Hop &hop, const char *words) {
        QTest::newRow(name) << hop << QString(words);
    };
    SampleSnapshot s;
    auto &p = s.nodePort("node2");
    p.hops[2].inferred = true;
    p.hops[2].evidence = {EvidenceKind::tcpTimestamp};
    p.hops[2].confidence = 0.996;
    p.hops[3].captureDrops = 1;

    row("sends", p.hops[0], "client sends the request: 104.132.1.79:53210 to 10.240.0.5:32080.");
    row("SNAT and DNAT", p.hops[1],
        "node2 replaces the source 104.132.1.79:53210 by 10.240.0.5:4021 (SNAT) and the destination 10.240.0.5:32080 "
        "by "
        "10.180.1.136:8080 (DNAT): default/nodeport node port, masquerade. Decided by spec.externalTrafficPolicy: "
        "Cluster. "
        "Evidence: conntrack, TCP initial sequence number; confidence 100 %.");
    row("unchanged, inferred", p.hops[2],
        "node1 passes the request on unchanged: 10.240.0.5:4021 to 10.180.1.136:8080. Concluded from its neighbours; "
        "nothing "
        "was captured there. Evidence: TCP timestamps; confidence 99 %.");
    row("receives, drops", p.hops[3],
        "source-ip-app receives the request: 10.240.0.5:4021 to 10.180.1.136:8080. The captures at source-ip-app lost "
        "1 packet "
        "meanwhile.");
    row("reply restored", p.hops[6],
        "node2 restores the source 10.180.1.136:8080 by 10.240.0.5:32080 (undoes DNAT) and the destination "
        "10.240.0.5:4021 by "
        "104.132.1.79:53210 (undoes SNAT).");
    row("neither end", hopOf("", HostRole::unknown, Direction::reply), "An unseen host must have passed the reply on.");

    SampleSnapshot local;
    row("DNAT only", local.nodePort("node1", false).hops[1],
        "node1 replaces the destination 10.240.0.4:32080 by 10.180.1.136:8080 (DNAT): default/nodeport node port, "
        "masquerade. "
        "Decided by spec.externalTrafficPolicy: Cluster. Evidence: conntrack, TCP initial sequence number; confidence "
        "100 %.");
}

void TestDescribe::hop() {
    QFETCH(Hop, hop);
    QFETCH(QString, words);
    QCOMPARE(QString::fromStdString(diagram::describe(hop)), words);
}

void TestDescribe::path_data() {
    QTest::addColumn<SampleSnapshot>("sample");
    QTest::addColumn<QStringList>("sentences");
    const auto row = [](const char *name, const SampleSnapshot &sample, QStringList sentences) {
        QTest::newRow(name) << sample << sentences;
    };
    SampleSnapshot delivered, dropped, checked, direct;
    auto &p = delivered.nodePort("node2");
    p.findings.push_back({"D01", Severity::warning, "The source was replaced.", "Set the policy to Local.", "", {}});
    p.attempts = 2;
    p.notes = {"ambiguous: 2 candidates at node2/eth0"};
    row("delivered", delivered,
        {"p1: client 104.132.1.79:53210 asks 10.240.0.5:32080 (TCP, default/nodeport node port).",
         "Delivered to 10.180.1.136:8080 (pod default/source-ip-app on node1).",
         "The endpoint sees 10.240.0.5:4021, not the client's address.", "HTTP GET /: answered 200.",
         "The client tried 2 times.", "Note: ambiguous: 2 candidates at node2/eth0.", "D01: The source was replaced.",
         "What helps: Set the policy to Local."});
    dropped.dropped("node3");
    row("dropped", dropped, {"Dropped at node3: the packet went in and did not come out."});
    checked.check("node1", 503);
    row("health check", checked,
        {"p1: lb 10.240.0.254:40000 checks the health of 10.240.0.4:32122.", "HTTP GET /healthz: answered 503."});
    auto &d = direct.nodePort("node1", false);
    d.kind = PathKind::direct;
    d.service.reset();
    d.client = {};
    d.outcome = Outcome::incomplete;
    d.http->status = 0;
    row("little known", direct,
        {"p1: An unknown client asks 10.240.0.4:32080 (TCP, no service).", "The captures do not show how it ended.",
         "The endpoint sees 104.132.1.79:53210, the client's own address.", "HTTP GET /: no response was seen."});
}

void TestDescribe::path() {
    QFETCH(SampleSnapshot, sample);
    QFETCH(QStringList, sentences);
    const auto lines = QString::fromStdString(diagram::describe(*sample.snapshot.paths.front())).split('\n');
    QCOMPARE(lines.last(), QString()); // every sentence ends its line
    qsizetype at = 0;
    for (const auto &sentence : sentences) {
        at = lines.indexOf(sentence, at);
        QVERIFY2(at >= 0, qPrintable("missing or out of order: " + sentence + "\nin:\n" + lines.join('\n')));
    }
    for (const auto &hop : sample.snapshot.paths.front()->hops)
        QVERIFY(lines.contains(QString::fromStdString(diagram::describe(hop))));
}

NATLENS_TEST(TestDescribe)
#include "tst_describe.moc"
