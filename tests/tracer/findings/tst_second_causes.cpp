// Findings with more than one cause: each cause on a connection made by hand, and with one piece of its evidence
// missing.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/findings/case.h"
#endif

#include "tests/test_program.h"

#include <functional>

using namespace natlens;
using namespace natlens::test;

namespace {

/// node2 masqueraded with `port`; the answer came back to it, and with `passedOn` went on to the client.
Case clashing(const char *port, bool passedOn) {
    auto made = connection("client", kClient, "10.240.0.5:32053", "node2", port);
    made.state(cluster());
    made.path.requested.port = made.path.hops[0].out->dst.port = made.path.hops[1].in->dst.port = 32080;
    made.path.attempts = 3;
    Hop back = hop("node2", kPod, port, passedOn ? "10.240.0.5:32080" : "", kClient);
    back.direction = Direction::reply;
    back.nat.clear();
    made.path.hops.push_back(std::move(back));
    return made;
}

/// node2 sends to the endpoint, node1 behind it on to `end`.
Case sentOnBy(const std::string &second, const char *end) {
    auto made = connection("client", kClient, "10.240.0.5:32080", "node2", "10.240.0.5:4021");
    made.state(cluster());
    made.path.hops.insert(made.path.hops.end() - 1, hop(second, "10.240.0.5:4021", kPod, "10.240.0.5:4021", end));
    made.path.hops.back() = hop("endpoint", "10.240.0.5:4021", end, "", "");
    made.sight(second, Direction::request, 1, Sight::Facing::in, "10.240.0.5:4021", kPod).syn = true;
    return made;
}

} // namespace

class TestSecondCauses : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void single_data();
    void single();
};

void TestSecondCauses::single_data() {
    QTest::addColumn<std::function<Case()>>("made");
    QTest::addColumn<QString>("codes");
    const auto row = [](const char *name, const char *codes, std::function<Case()> made) {
        QTest::newRow(name) << std::move(made) << QString(codes);
    };
    row("D32: masqueraded with a node port", "D01 D32", [] { return clashing("10.240.0.5:32080", false); });
    row("D32: any other port", "D01", [] { return clashing("10.240.0.5:31999", false); });
    row("D32: the answer went on", "D01", [] { return clashing("10.240.0.5:32080", true); });
    row("D32: asked once", "D01", [] {
        auto c = clashing("10.240.0.5:32080", false);
        c.path.attempts = 1;
        return c;
    });
    row("P01: a node behind the first sends it elsewhere", "D01 P01",
        [] { return sentOnBy("node1", "10.180.1.8:8080"); });
    row("P01: a node behind the first passes it on", "D01", [] { return sentOnBy("node1", kPod); });
    row("P01: somebody else behind it sends it elsewhere", "D01", [] { return sentOnBy("mesh", "10.180.1.8:8080"); });
    row("P01: not seen to begin there", "D01", [] {
        auto c = sentOnBy("node1", "10.180.1.8:8080");
        c.evidence.seen.pop_back();
        return c;
    });
}

void TestSecondCauses::single() {
    QFETCH(std::function<Case()>, made);
    QFETCH(QString, codes);
    QCOMPARE(QString::fromStdString(made().codes()), codes);
}

NATLENS_TEST(TestSecondCauses)
#include "tst_second_causes.moc"
