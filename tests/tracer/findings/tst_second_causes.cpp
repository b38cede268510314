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

/// node2 took the request in on eth0; its filter threw `filtered` packets away meanwhile.
Case filtered(int setting, int filtered, const char *to = "10.240.0.5:32080") {
    auto made = connection("client", kClient, to, "node2", "");
    made.outcome(Outcome::dropped, "node2");
    const auto reading = [&](int count) {
        return fmt::format(R"({{"sysctls":{{"net.ipv4.conf.all.rp_filter":0,"net.ipv4.conf.eth0.rp_filter":{}}},)"
                           R"("network":{{"reversePathFiltered":{}}}}})",
                           setting, count);
    };
    made.told("node2", -1, reading(5)).told("node2", 2, reading(5 + filtered));
    return made;
}

/// A pod asks another one on its node, whose bridge switches the answer past the translation.
Case switchedPast(const char *client, const char *service, const char *pod) {
    auto made = connection("other", client, service, "node1", client, pod);
    made.known = false;
    auto &answer = made.sight("other", Direction::reply, 1, Sight::Facing::in, pod, client, 0.1);
    answer.syn = true;
    Hop seen = hop("node1", pod, client, pod, client);
    seen.direction = Direction::reply;
    seen.out->ttl = 64;
    made.path.hops.push_back(std::move(seen));
    return made;
}

} // namespace

class TestSecondCauses : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void single_data();
    void single();
    void settingsOfTheFamily_data();
    void settingsOfTheFamily();
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
    row("D21: the reverse-path filter", "D21", [] { return filtered(1, 1); });
    row("D21: with cluster state that forwards it", "D21", [] {
        auto c = filtered(1, 1);
        c.state(cluster());
        return c;
    });
    row("D21: with cluster state that drops it", "D13", [] {
        auto c = filtered(1, 1);
        c.state(cluster(kLocal));
        return c;
    });
    row("D21: the filter is off", "", [] { return filtered(0, 1); });
    row("D21: nothing was filtered", "", [] { return filtered(1, 0); });
    row("D21: fewer were filtered than came", "", [] {
        auto c = filtered(1, 1);
        c.path.attempts = 2;
        return c;
    });
    row("D21: no filter for IPv6", "", [] {
        auto c = filtered(1, 1, "[2001:db8::5]:32080");
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

void TestSecondCauses::settingsOfTheFamily_data() {
    QTest::addColumn<QByteArrayList>("addresses");
    QTest::addColumn<QString>("setting");
    QTest::newRow("IPv4") << QByteArrayList{"10.180.1.8:4000", "10.0.1.2:80", kPod}
                          << "net.bridge.bridge-nf-call-iptables=1";
    QTest::newRow("IPv6") << QByteArrayList{"[fd00::8]:4000", "[fd01::2]:80", "[fd00::136]:8080"}
                          << "net.bridge.bridge-nf-call-ip6tables=1";
}

/// The change that is proposed is one that the connection's family obeys.
void TestSecondCauses::settingsOfTheFamily() {
    QFETCH(QByteArrayList, addresses);
    QFETCH(QString, setting);
    auto made = switchedPast(addresses[0].constData(), addresses[1].constData(), addresses[2].constData());
    const auto found = findAll(made.input());
    QCOMPARE(found.size(), std::size_t(1));
    QCOMPARE(found[0].code, std::string("D19"));
    QVERIFY2(QString::fromStdString(found[0].fix).contains(setting), found[0].fix.c_str());
}

NATLENS_TEST(TestSecondCauses)
#include "tst_second_causes.moc"
