// The wide text picture.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "layout_samples.h"
#include "tracer/diagram/diagram.h"
#include "tracer/diagram/scene.h"
#endif

#include "tests/test_program.h"
#include <QFile>

using namespace natlens;
using namespace natlens::testing;
using namespace natlens::tracer;

namespace {

QString render(const SampleSnapshot &sample, const diagram::SceneOptions &options = {}) {
    return QString::fromStdString(diagram::renderUnicode(sample.snapshot, options));
}

} // namespace

class TestUnicode : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void shape_data();
    void shape();
    void golden_data();
    void golden();
    void widths_data() { shape_data(); }
    void widths();
    void uncaptured();
    void errorsHaveNoPorts();
    void unnamedService();
    void grouping();
    void selectionOnly();
    void findings();
    void nothingYet();
};

void TestUnicode::shape_data() {
    QTest::addColumn<SampleSnapshot>("sample");
    for (const auto &[name, sample] : layoutSamples())
        QTest::newRow(name) << sample;
}

void TestUnicode::shape() {
    QFETCH(SampleSnapshot, sample);
    const auto text = render(sample);
    QVERIFY(text.endsWith('\n'));
    for (const auto &line : text.split('\n')) {
        QVERIFY2(line.size() <= 100, qPrintable(line));
        QVERIFY2(!line.endsWith(' '), qPrintable(line));
    }
    for (const auto &host : sample.snapshot.hosts)
        QVERIFY2(text.contains(QString::fromStdString(host.name)), host.name.c_str());
    for (const auto &path : sample.snapshot.paths)
        if (path->kind == PathKind::service)
            QVERIFY2(text.contains(QString::fromStdString(path->id)), path->id.c_str());
    QCOMPARE(text, render(sample));
}

void TestUnicode::golden_data() {
    QTest::addColumn<SampleSnapshot>("sample");
    QTest::addColumn<QString>("file");
    SampleSnapshot across;
    across.cluster().nodePort("node2");
    QTest::newRow("across") << across << "unicode-nodeport-across";
    QTest::newRow("local") << nodePortLocalScenario() << "unicode-nodeport-local";
    QTest::newRow("balancer") << balancerLocalScenario() << "unicode-loadbalancer-local";
}

void TestUnicode::golden() {
    QFETCH(SampleSnapshot, sample);
    QFETCH(QString, file);
    QFile golden(QString(NATLENS_TEST_DATA "/diagrams/") + file + ".txt");
    const auto expected = golden.open(QIODevice::ReadOnly) ? QString::fromUtf8(golden.readAll()) : "no file " + file;
    const auto drawn = render(sample);
    if (qEnvironmentVariableIsSet("NATLENS_SHOW")) qInfo().noquote() << "\n" + drawn;
    QVERIFY2(drawn == expected, qPrintable("drawn:\n" + drawn + "expected:\n" + expected));
}

void TestUnicode::widths() {
    QFETCH(SampleSnapshot, sample);
    for (const auto &path : sample.snapshot.paths)
        const_cast<Path &>(*path).findings.push_back(
            {"D01", Severity::warning, "the endpoint sees another address than the client's", "", "", {}});
    for (const auto &[wanted, width] : {std::pair(20, 60), {60, 60}, {80, 80}, {100, 100}, {300, 100}}) {
        const auto text = render(sample, {.columns = wanted});
        int widest = 0;
        for (const auto &line : text.split('\n'))
            widest = std::max(widest, static_cast<int>(line.size()));
        QVERIFY2(widest <= width, qPrintable(text));
        if (text.contains("┐")) QVERIFY2(widest >= width - 2, qPrintable(text));
        const auto words = text.simplified();
        QCOMPARE(words.contains("the endpoint sees another address than the client's"), !sample.snapshot.paths.empty());
    }
}

/// An ICMP error has no ports: none are written, neither in the picture nor in words.
void TestUnicode::errorsHaveNoPorts() {
    SampleSnapshot s;
    s.cluster().nodePort("node2");
    auto path = *s.snapshot.paths.front();
    for (auto &segment : path.segments)
        if (segment.direction == Direction::reply) segment.src.port = segment.dst.port = 0;
    for (auto &hop : path.hops)
        for (auto *end : {&hop.in, &hop.out})
            if (hop.direction == Direction::reply && *end) (*end)->src.port = (*end)->dst.port = 0;
    s.snapshot.paths.front() = std::make_shared<const Path>(path);
    const auto text = render(s);
    QVERIFY2(!text.contains(":0 ") && !text.contains(":0\n"), qPrintable(text));
    for (const auto &hop : path.hops)
        if (hop.direction == Direction::reply)
            QVERIFY2(describe(hop).find(":0") == std::string::npos, describe(hop).c_str());
    for (const auto &pair : sceneOf(s.snapshot, {}).pairs)
        for (const auto &line : pair.reply ? pair.reply->label : std::vector<std::string>())
            QVERIFY2(!line.ends_with(":0"), line.c_str());
}

/// Nobody captured at the client, nor at the endpoint, which is known by its address only.
void TestUnicode::uncaptured() {
    SampleSnapshot s;
    s.cluster().nodePort("node2");
    auto path = *s.snapshot.paths.front();
    path.client.node.clear();
    for (auto &segment : path.segments)
        for (auto *name : {&segment.from, &segment.to})
            if (*name == "client")
                name->clear();
            else if (*name == "source-ip-app")
                *name = "10.180.1.136";
    path.endpoint->host = path.endpoint->node = "10.180.1.136";
    path.endpoint->pod.clear();
    s.snapshot.paths.front() = std::make_shared<const Path>(path);
    const auto text = render(s);
    QVERIFY2(!text.contains("dropped"), qPrintable(text));
    QVERIFY2(text.contains("│ client (not captured)  104.132.1.79 "), qPrintable(text));
    QVERIFY2(text.contains("│ 10.180.1.136 (not captured) "), qPrintable(text));
}

void TestUnicode::unnamedService() {
    SampleSnapshot s;
    s.cluster().nodePort("node2");
    auto path = *s.snapshot.paths.front();
    path.service = ServiceRef{.nameSpace = {}, .name = {}, .type = {}, .portName = {}, .via = Via::nodePort};
    s.snapshot.paths.front() = std::make_shared<const Path>(path);
    QVERIFY2(render(s).startsWith("p1  a Service at 10.240.0.5:32080 · delivered"), qPrintable(render(s)));
}

void TestUnicode::grouping() {
    SampleSnapshot s;
    s.cluster();
    for (int i = 0; i < 6; ++i)
        s.nodePort("node2");
    s.nodePort("node3");
    const auto text = render(s);
    QVERIFY2(text.contains("p1, p2, p3, p4, … (6 connections)"), qPrintable(text));
    QCOMPARE(text.count("SNAT"), 2); // one picture for node2, one for node3
}

void TestUnicode::selectionOnly() {
    const auto text = render(nodePortScenario(), {"p2", true, true});
    QVERIFY(text.contains("▶ p2"));
    QVERIFY(!text.contains("p3"));
}

void TestUnicode::findings() {
    auto sample = nodePortScenario();
    for (const auto &path : sample.snapshot.paths)
        const_cast<Path &>(*path).findings.push_back({"D01", Severity::warning, std::string(200, 'x'), "", "", {}});
    const auto text = render(sample);
    QCOMPARE(text.count("D01"), 1); // the same finding on three paths is one line
    QVERIFY(text.contains("Findings\n  D01 xxx"));
    QCOMPARE(text.count('x'), render(nodePortScenario()).count('x') + 200); // nothing is cut off
    for (const auto &line : text.split('\n'))
        QVERIFY(line.size() <= 100);
}

void TestUnicode::nothingYet() {
    QCOMPARE(render(SampleSnapshot()), QString("Nothing captured yet.\n"));
}

NATLENS_TEST(TestUnicode)
#include "tst_unicode.moc"
