// An answer that the endpoint gave and the client never got is not "delivered", and where it was lost is said only
// where captures show it.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

/// What of an answer that was lost the points of these prefixes saw.
struct Loss {
    QStringList points;  ///< that were captured at; others saw nothing
    QString lastReplyAt; ///< the last point that the answer came to
    unsigned syns = 3;
    bool acknowledged = false; ///< the client did get it, whatever was captured
};

bool isCaptured(const Loss &loss, const Stop &stop) {
    return loss.points.contains(QString::fromStdString(stop.point));
}

std::vector<Stop> captured(const Loss &loss, std::vector<Stop> way, bool reply) {
    if (reply)
        for (std::size_t i = 0; i < way.size(); ++i)
            if (text(way[i].point) == loss.lastReplyAt) {
                way.resize(i + 1);
                break;
            }
    std::erase_if(way, [&](const Stop &stop) { return !isCaptured(loss, stop); });
    return way;
}

Talk twoNodes(packet::Protocol protocol) {
    Tuple outside = tcp("104.132.1.79:53210", "192.0.2.1:32080"), inside = tcp("10.240.0.5:4021", "10.180.1.136:8080");
    outside.protocol = inside.protocol = protocol;
    return throughTwoNodes(outside, inside);
}

void addSynAcks(Scenario &scenario, const Talk &talk, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
        send(scenario, talk.reply, talk.begin + ((1 << i) - 1) * 1000 * kMilli + kMilli, true,
             [&](auto &builder, const Tuple &tuple) {
                 builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::syn | TcpFlags::ack);
                 builder.seq(talk.serverIsn).ack(talk.clientIsn + 1).timestamps(900 + i * 1000, talk.ts);
                 builder.mss(1460).sackPermitted().windowScale(7).ipId(0);
             });
}

Scenario tcpWith(const Loss &loss) {
    Talk talk = twoNodes(packet::Protocol::tcp);
    talk.request = captured(loss, talk.request, false);
    talk.reply = captured(loss, talk.reply, true);
    Scenario scenario;
    addSyns(scenario, talk, loss.syns);
    addSynAcks(scenario, talk, loss.syns);
    if (loss.acknowledged)
        send(scenario, talk.request, 8000 * kMilli, false, [&](auto &builder, const Tuple &tuple) {
            builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::ack).seq(talk.clientIsn + 1).ack(talk.serverIsn + 1);
            builder.timestamps(talk.ts + 8000, 900);
        });
    return scenario;
}

Scenario udpWith(const Loss &loss) {
    Talk talk = twoNodes(packet::Protocol::udp);
    Scenario scenario;
    for (const bool reply : {false, true})
        send(scenario, captured(loss, reply ? talk.reply : talk.request, reply), reply ? kMilli : 0, reply,
             [&](auto &builder, const Tuple &tuple) {
                 builder.udp(tuple.src.port, tuple.dst.port).ipId(reply ? 0x3333 : 0x2222);
                 builder.payload(std::string_view(reply ? "an answer like no other" : "a question like no other"));
             });
    return scenario;
}

const QStringList kAll{"client/eth0", "node2/c1", "node2/eth0", "node1/eth0", "node1/cbr0", "pod/eth0"};

} // namespace

class TestLostReplies : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void tcp_data();
    void tcp();
    void datagrams_data();
    void datagrams();
    void lossOfCaptureForbids();

private:
    static void check(Scenario scenario);
};

void TestLostReplies::check(Scenario scenario) {
    QFETCH(QString, outcome);
    QFETCH(QString, droppedAt);
    QFETCH(QString, note);
    QFETCH(QString, reply);
    const auto snapshot = trace(std::move(scenario));
    QCOMPARE(snapshot->paths.size(), std::size_t{1});
    const tracer::Path &path = *snapshot->paths.front();
    QCOMPARE(named(path.outcome), outcome);
    QCOMPARE(text(path.droppedAt), droppedAt);
    if (!droppedAt.isEmpty()) QVERIFY(path.dropDirection == tracer::Direction::reply);
    QVERIFY(path.endpoint.has_value());
    const bool noted = std::ranges::any_of(path.notes, [&](const auto &n) { return text(n).contains(note); });
    QVERIFY2(note.isEmpty() || noted, qPrintable(note));
    QCOMPARE(segments(path, tracer::Direction::reply), reply);
}

void TestLostReplies::tcp_data() {
    QTest::addColumn<Loss>("loss");
    QTest::addColumn<QString>("outcome");
    QTest::addColumn<QString>("droppedAt");
    QTest::addColumn<QString>("note");
    QTest::addColumn<QString>("reply");
    QTest::newRow("lost at node1, all captured") << Loss{kAll, "node1/cbr0"} << "dropped"
                                                 << "node1"
                                                 << "the answer went into node1 and did not come out"
                                                 << "pod>node1! 3";
    QTest::newRow("lost at node2, all captured") << Loss{kAll, "node2/eth0"} << "dropped"
                                                 << "node2"
                                                 << "the answer went into node2 and did not come out"
                                                 << "pod>node1 3, node1>node2! 3";
    QTest::newRow("lost at node2, nobody captured at the client") << Loss{kAll.mid(1), "node2/eth0"} << "dropped"
                                                                  << "node2"
                                                                  << "did not come out"
                                                                  << "pod>node1 3, node1>node2! 3";
    QTest::newRow("lost at node1, whose bridge nobody captured")
        << Loss{{"client/eth0", "node2/c1", "node2/eth0", "node1/eth0", "pod/eth0"}, "pod/eth0"} << "unanswered"
        << ""
        << "the client did not get the answer, which was last seen at pod"
        << "pod> 3";
    QTest::newRow("only the endpoint captured") << Loss{{"pod/eth0"}, "pod/eth0"} << "unanswered"
                                                << ""
                                                << "did not get the answer"
                                                << "pod> 3";
    QTest::newRow("acknowledged at last") << Loss{kAll, "client/eth0", 3, true} << "delivered"
                                          << ""
                                          << ""
                                          << "pod>node1 3, node1>node2 3, node2>client 3";
    QTest::newRow("acknowledgement filtered out, nothing repeated") << Loss{kAll, "client/eth0", 1} << "delivered"
                                                                    << ""
                                                                    << ""
                                                                    << "pod>node1 1, node1>node2 1, node2>client 1";
}

void TestLostReplies::tcp() {
    QFETCH(Loss, loss);
    check(tcpWith(loss));
}

void TestLostReplies::datagrams_data() {
    QTest::addColumn<Loss>("loss");
    QTest::addColumn<bool>("goesOn");
    QTest::addColumn<QString>("outcome");
    QTest::addColumn<QString>("droppedAt");
    QTest::addColumn<QString>("note");
    QTest::addColumn<QString>("reply");
    QTest::newRow("lost at node1") << Loss{kAll, "node1/cbr0"} << true << "dropped"
                                   << "node1"
                                   << "went into node1"
                                   << "pod>node1! 1";
    QTest::newRow("lost at node2") << Loss{kAll, "node2/eth0"} << true << "dropped"
                                   << "node2"
                                   << "went into node2"
                                   << "pod>node1 1, node1>node2! 1";
    QTest::newRow("capture ended at once") << Loss{kAll, "node1/cbr0"} << false << "delivered"
                                           << ""
                                           << ""
                                           << "pod>node1 1";
    QTest::newRow("client not captured") << Loss{kAll.mid(1), "node2/eth0"} << true << "delivered"
                                         << ""
                                         << ""
                                         << "pod>node1 1, node1>node2 1";
    // `tcpdump -Q out` at the client looks the same.
    QTest::newRow("not seen at the client only") << Loss{kAll, "node2/c1"} << true << "delivered"
                                                 << ""
                                                 << "no answer was captured at client; it was last seen at node2"
                                                 << "pod>node1 1, node1>node2 1, node2> 1";
    QTest::newRow("all is well") << Loss{kAll, "client/eth0"} << true << "delivered"
                                 << ""
                                 << ""
                                 << "pod>node1 1, node1>node2 1, node2>client 1";
}

void TestLostReplies::datagrams() {
    QFETCH(Loss, loss);
    QFETCH(bool, goesOn);
    Scenario scenario = udpWith(loss);
    if (goesOn) scenario.endsAt = 2000 * kMilli;
    check(std::move(scenario));
}

void TestLostReplies::lossOfCaptureForbids() {
    Scenario scenario = tcpWith({kAll, "node1/cbr0"});
    scenario.drops.emplace_back("node1/eth0", 500 * kMilli, 4);
    const auto snapshot = trace(std::move(scenario));
    QCOMPARE(snapshot->paths.size(), std::size_t{1});
    QCOMPARE(named(snapshot->paths.front()->outcome), "incomplete");
}

NATLENS_TEST(TestLostReplies)
#include "tst_lost_replies.moc"
