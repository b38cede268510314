// The document's pictures, glyph for glyph, and how they change with what was observed.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "sample_snapshots.h"
#include "tracer/diagram/diagram.h"
#endif

#include "tests/test_program.h"
#include <QFile>

using namespace natlens;
using namespace natlens::testing;
using namespace natlens::tracer;

namespace {

QString golden(const QString &name) {
    QFile file(QString(NATLENS_TEST_DATA "/diagrams/") + name + ".txt");
    return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : "no file " + name;
}

void noReplies(SampleSnapshot &s) {
    s.changeAll(SampleSnapshot::withoutReplies);
}

} // namespace

class TestDocument : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void picture_data();
    void picture();
    void nothingObserved();
    void controlCharactersStayOut();
};

void TestDocument::picture_data() {
    QTest::addColumn<SampleSnapshot>("sample");
    QTest::addColumn<QString>("file");
    const auto row = [](const char *name, SampleSnapshot sample, const char *file = nullptr) {
        QTest::newRow(name) << sample << QString(file ? file : name);
    };
    const auto changed = [](SampleSnapshot s, auto change) {
        change(s);
        return s;
    };
    row("nodeport", nodePortScenario());
    row("nodeport-local", nodePortLocalScenario());
    row("loadbalancer-local", balancerLocalScenario());

    row("nodeport, no cluster state", nodePortScenario().withoutClusterState(), "nodeport");
    row("nodeport-local, no cluster state", nodePortLocalScenario().withoutClusterState(), "nodeport-local");
    row("loadbalancer-local, no cluster state", balancerLocalScenario().withoutClusterState(), "loadbalancer-local");
    row("nodeport, order of requests",
        changed(nodePortScenario(), [](auto &s) { std::ranges::reverse(s.snapshot.paths); }), "nodeport");

    row("nodeport-no-replies", changed(nodePortScenario(), noReplies));
    row("nodeport-local-no-replies", changed(nodePortLocalScenario(), noReplies));
    row("loadbalancer-local-no-replies", changed(balancerLocalScenario(), [](auto &s) {
            noReplies(s);
            s.changeAll([](Path &p) { p.http.reset(); });
        }));
    row("nodeport-no-snat", changed(SampleSnapshot().cluster(), [](auto &s) { s.nodePort("node2", false); }));
    row("nodeport-endpoint-on-node2", nodePortScenario("node2"));
    row("nodeport-local-endpoint-on-node2", nodePortLocalScenario("node2"));
    row("nodeport-local-nobody", changed(SampleSnapshot().cluster(), [](auto &s) {
            s.dropped("node1");
            s.dropped("node2");
        }));
    row("one-node", changed(SampleSnapshot().cluster(), [](auto &s) { s.nodePort("node1"); }));
    row("one-node-drops", changed(SampleSnapshot().cluster(), [](auto &s) { s.dropped("node2"); }));
    row("long-names", changed(SampleSnapshot(), [](auto &s) {
            s.host("client", HostRole::client, {}).host("kubernetes-minion-group-6jst", HostRole::node, {});
            s.host("kubernetes-minion-group-cx31", HostRole::node, {});
            s.nodePort("kubernetes-minion-group-cx31", true, "kubernetes-minion-group-6jst");
        }));
    const auto answerLost = [](SampleSnapshot &s, std::size_t crossings, const char *where) {
        auto &p = s.nodePort("node2");
        const auto first = std::ranges::find(p.segments, Direction::reply, &Segment::direction) - p.segments.begin();
        p.segments.resize(static_cast<std::size_t>(first) + crossings);
        p.segments.back().lost = true;
        p.outcome = Outcome::dropped;
        p.droppedAt = where;
        p.dropDirection = Direction::reply;
    };
    row("answer-lost-at-endpoint", changed(SampleSnapshot().cluster(), [&](auto &s) { answerLost(s, 1, "node1"); }));
    row("answer-lost-between-nodes", changed(SampleSnapshot().cluster(), [&](auto &s) { answerLost(s, 2, "node2"); }));
    row("dropped-between-nodes", changed(SampleSnapshot().cluster(), [](auto &s) {
            auto &p = s.nodePort("node2");
            SampleSnapshot::withoutReplies(p);
            p.segments.pop_back();
            p.segments.back().lost = true;
            p.outcome = Outcome::dropped;
            p.droppedAt = "node1";
            p.endpoint.reset();
        }));
    row("policy flipped: only the newest counts",
        changed(nodePortScenario(),
                [](auto &s) {
                    s.nodePort("node1", false);
                    s.dropped("node2");
                    s.dropped("node3");
                }),
        "nodeport-local");
    row("endpoint moved: only the newest place counts",
        changed(nodePortScenario(), [](auto &s) { s.nodePort("node3", true, "node2"); }),
        "nodeport-moved-to-node2-asked-node3");

    row("loadbalancer-local-503", balancerLocalScenario(503));
    row("loadbalancer-local-unanswered-check", balancerLocalScenario(0));
    row("loadbalancer-local-no-checks", changed(SampleSnapshot().cluster(true), [](auto &s) { s.balanced("node1"); }));
    row("loadbalancer-both-pass", changed(balancerLocalScenario(200), [](auto &) {}));
    row("loadbalancer-across", changed(SampleSnapshot().cluster(true), [](auto &s) {
            for (const std::string node : {"node1", "node2", "node3"})
                s.check(node, 200);
            s.balanced("node2", true);
        }));
    row("loadbalancer-long-names", changed(SampleSnapshot().cluster(true), [](auto &s) {
            s.check("worker-eins", 200);
            s.check("worker-zwei", 503);
            s.balanced("worker-eins", false, "worker-eins");
        }));
    row("checks-only", changed(SampleSnapshot().cluster(true), [](auto &s) {
            s.check("node1", 503);
            s.check("node2", 200);
        }));
    row("check on its way when the capture ended",
        changed(balancerLocalScenario(), [](auto &s) { s.check("node2", 0); }), "loadbalancer-local");
    row("clusterip-across", changed(SampleSnapshot().cluster(), [](auto &s) {
            s.host("busybox", HostRole::pod, {"10.244.3.8"}, "node2");
            s.clusterIp("node2", "node1");
        }));
    row("clusterip-one-node", changed(SampleSnapshot().cluster(), [](auto &s) {
            s.host("busybox", HostRole::pod, {"10.244.3.8"}, "node1");
            s.clusterIp("node1", "node1");
        }));
    row("two-services", changed(nodePortScenario(), [](auto &s) {
            s.host("busybox", HostRole::pod, {"10.244.3.8"}, "node2");
            s.clusterIp("node2", "node1");
        }));
}

void TestDocument::picture() {
    QFETCH(SampleSnapshot, sample);
    QFETCH(QString, file);
    const auto drawn = QString::fromStdString(diagram::renderDocument(sample.snapshot));
    if (qEnvironmentVariableIsSet("NATLENS_SHOW")) qInfo().noquote() << "\n" + drawn;
    const auto expected = golden(file);
    QVERIFY2(drawn == expected, qPrintable("drawn:\n" + drawn + "expected:\n" + expected));
    for (const auto &line : drawn.split('\n'))
        QVERIFY(!line.endsWith(' '));
}

void TestDocument::nothingObserved() {
    QCOMPARE(diagram::renderDocument({}), std::string());
    QCOMPARE(diagram::renderDocument(SampleSnapshot().cluster().snapshot), std::string());
}

void TestDocument::controlCharactersStayOut() {
    SampleSnapshot s;
    s.nodePort("n\x1b[31m", true, "m\t");
    const auto text = diagram::renderDocument(s.snapshot);
    QVERIFY(!text.empty());
    for (const char c : text)
        QVERIFY(c == '\n' || c >= ' ');
}

NATLENS_TEST(TestDocument)
#include "tst_document.moc"
