// When two connections may be taken for one, and when not.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"

#include <fmt/format.h>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using tracer::Direction;

namespace {

std::string address(const char *format, unsigned n) {
    return fmt::format(fmt::runtime(format), n);
}

Tuple tupleOf(const std::string &src, const std::string &dst) {
    return tcp(src.c_str(), dst.c_str());
}

} // namespace

class TestLinks : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void lookAlikes_data();
    void lookAlikes();
    void lookAlikesBehindOneNode();
    void scan();
    void manySamePayload();
    void portReuse_data();
    void portReuse();
    void synAgainWithNewPort_data();
    void synAgainWithNewPort();
    void sameServerSequenceRequired();
    void halfTranslated_data();
    void halfTranslated();
    void udp_data();
    void udp();
    void equalDatagrams_data();
    void equalDatagrams();
};

void TestLinks::lookAlikes_data() {
    QTest::addColumn<bool>("onePoint");
    QTest::addColumn<bool>("sameTime");
    QTest::addColumn<int>("ttlStep");
    for (const bool onePoint : {true, false})
        for (const bool sameTime : {true, false})
            for (const int step : {0, 1})
                QTest::addRow("%s, %s, time to live %s", onePoint ? "one point" : "a point each",
                              sameTime ? "at once" : "one after the other", step ? "falling" : "equal")
                    << onePoint << sameTime << step;
}

/// One recorded session under ten pairs of addresses, every number in it the same.
void TestLinks::lookAlikes() {
    QFETCH(bool, onePoint);
    QFETCH(bool, sameTime);
    QFETCH(int, ttlStep);
    Scenario scenario;
    for (unsigned i = 0; i < 10; ++i) {
        const Tuple tuple = tupleOf(address("192.168.{}.1:4000", i), address("172.16.{}.1:80", i));
        const std::string point = onePoint ? "tap/eth0" : address("tap{}/eth0", i);
        const auto ttl = static_cast<std::uint8_t>(64 - static_cast<int>(i) * ttlStep);
        Talk talk;
        talk.request = {{point, tracer::Crossing::unknown, ttl, tuple}};
        talk.reply = {{point, tracer::Crossing::unknown, ttl, tuple}};
        talk.begin = sameTime ? 0 : i * 100 * kMilli;
        addTcp(scenario, talk);
    }
    const auto snapshot = trace(scenario);
    // Where the time to live falls from request to request as behind a router, it falls the wrong way for the replies.
    QCOMPARE(translatedPaths(*snapshot), 0u);
    QCOMPARE(snapshot->paths.size(), 10u);
}

void TestLinks::lookAlikesBehindOneNode() {
    // Two equal sessions really translated at the same moment: without conntrack nobody can tell which is which.
    Scenario scenario;
    Talk one = viaNode2("104.132.1.79:1111", "10.240.0.5:2001"), two = viaNode2("104.132.1.80:1111", "10.240.0.5:2002");
    two.begin = 5 * kMicro;
    addTcp(scenario, one);
    addTcp(scenario, two);
    addConntrack(scenario, "node2", 15 * kMicro, one.request[1].tuple, one.request[2].tuple);
    addConntrack(scenario, "node2", 20 * kMicro, two.request[1].tuple, two.request[2].tuple);
    const auto without = trace(scenario, {.evidence = false});
    QCOMPARE(translatedPaths(*without), 0u);
    bool said = false;
    for (const auto &path : without->paths)
        for (const auto &note : path->notes)
            said = said || note.starts_with("ambiguous");
    QVERIFY(said);
    const auto with = trace(scenario);
    QCOMPARE(with->paths.size(), 2u);
    QCOMPARE(text(with->paths[0]->seenByEndpoint), "10.240.0.5:2001");
    QCOMPARE(text(with->paths[1]->seenByEndpoint), "10.240.0.5:2002");
}

void TestLinks::scan() {
    // A scanner uses one initial sequence number for a thousand ports.
    Scenario scenario;
    for (unsigned i = 0; i < 1000; ++i) {
        Talk talk;
        talk.request = {{"node2/eth0", kIn, 64, tupleOf("1.2.3.4:5000", address("10.240.0.5:{}", i + 1))}};
        talk.begin = i * kMicro;
        talk.ipId = static_cast<std::uint16_t>(i + 1);
        addSyns(scenario, talk, 1);
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1000u);
    QCOMPARE(translatedPaths(*snapshot), 0u);
}

void TestLinks::manySamePayload() {
    // Two hundred connections at once, equal but for their initial sequence numbers: every one is found, none is wrong.
    Scenario scenario;
    for (unsigned i = 0; i < 200; ++i) {
        Talk talk =
            viaNode2(address("104.132.1.79:{}", 20000 + i).c_str(), address("10.240.0.5:{}", 40000 - i).c_str());
        talk.begin = i * 3 * kMicro;
        talk.clientIsn = 1000 + i * 77;
        talk.serverIsn = 900000 + i * 33;
        addTcp(scenario, talk);
    }
    const auto snapshot = trace(scenario, {.evidence = false});
    QCOMPARE(snapshot->paths.size(), 200u);
    for (const auto &path : snapshot->paths) {
        QCOMPARE(text(route(*path)), "client>node2[SNAT,DNAT]>node1>source-ip-app");
        QCOMPARE(path->seenByEndpoint->port, 40000 - (path->client.address.port - 20000));
    }
}

void TestLinks::portReuse_data() {
    QTest::addColumn<bool>("otherPort");
    QTest::addColumn<int>("apart");
    QTest::newRow("another SNAT port each time") << true << 2000;
    QTest::newRow("the same SNAT port") << false << 2000;
    QTest::newRow("the same SNAT port at once") << false << 12;
}

void TestLinks::portReuse() {
    QFETCH(bool, otherPort);
    QFETCH(int, apart);
    // The same 5-tuple three times within seconds, as TIME_WAIT allows: by a higher initial sequence number.
    Scenario scenario;
    for (unsigned i = 0; i < 3; ++i) {
        Talk talk = viaNode2(kOutside, address("10.240.0.5:{}", 4000 + i * otherPort).c_str());
        talk.begin = i * apart * kMilli;
        talk.clientIsn = 1000 + i * 500000;
        talk.serverIsn = 7000 + i * 500000;
        addTcp(scenario, talk);
        addConntrack(scenario, "node2", talk.begin + 20 * kMicro, talk.request[1].tuple, talk.request[2].tuple);
    }
    for (const bool evidence : {true, false}) {
        for (const bool byPoint : {true, false}) {
            const auto snapshot = trace(scenario, {.evidence = evidence, .byPoint = byPoint});
            QCOMPARE(snapshot->paths.size(), 3u);
            for (unsigned i = 0; i < 3; ++i) {
                const auto &path = *snapshot->paths[i];
                QCOMPARE(text(path.seenByEndpoint), text(address("10.240.0.5:{}", 4000 + i * otherPort)));
                QCOMPARE(path.packets, 9u);
                QVERIFY(path.notes.empty() || !path.notes[0].starts_with("ambiguous"));
            }
        }
    }
}

void TestLinks::synAgainWithNewPort_data() {
    QTest::addColumn<bool>("evidence");
    QTest::addColumn<bool>("crossings");
    QTest::newRow("conntrack") << true << true;
    QTest::newRow("packets only") << false << true;
    QTest::newRow("packets only, directions unknown") << false << false;
}

/// The first SNAT port met a TIME_WAIT socket; the same SYN went out again with another one, to another endpoint.
void TestLinks::synAgainWithNewPort() {
    QFETCH(bool, evidence);
    QFETCH(bool, crossings);
    Scenario scenario;
    Talk first = viaNode2(kOutside, "10.240.0.5:4001");
    for (Stop &stop : first.request)
        if (stop.tuple.dst.port == 8080) stop.tuple.dst = at("10.180.1.137:8080");
    addSyns(scenario, first, 1);
    for (auto &captured : scenario.packets)
        if (captured.point == "source-ip-app/eth0") captured.point = "other-pod/eth0";
    Talk second = viaNode2(kOutside, "10.240.0.5:4002");
    second.begin = 5 * kMilli;
    second.ipId = 0x1001;
    second.ts = 5'000'005;
    addTcp(scenario, second);
    addConntrack(scenario, "node2", 20 * kMicro, first.request[1].tuple, first.request[2].tuple);
    addConntrack(scenario, "node2", 5 * kMilli + 20 * kMicro, second.request[1].tuple, second.request[2].tuple);
    const auto snapshot = trace(scenario, {.evidence = evidence, .crossings = crossings});
    QCOMPARE(snapshot->paths.size(), 1u);
    const auto &path = *snapshot->paths[0];
    QCOMPARE(text(path.seenByEndpoint), "10.240.0.5:4002");
    QCOMPARE(text(path.endpoint->address), "10.180.1.136:8080");
    QCOMPARE(text(route(path)), "client>node2[SNAT,DNAT]>node1>source-ip-app");
    QCOMPARE(path.attempts, 2u);
    const auto namesAttempt = [](const std::string &note) { return note.find("10.240.0.5:4001") != std::string::npos; };
    QCOMPARE(std::ranges::count_if(path.notes, namesAttempt), 1);
}

void TestLinks::sameServerSequenceRequired() {
    // Equal initial sequence numbers of the clients, but the servers' differ: two connections.
    Scenario scenario;
    const Tuple a = tcp("1.1.1.1:1000", "10.240.0.5:32080"), b = tcp("10.240.0.5:2000", "10.180.1.136:8080");
    Talk one, two;
    one.request = one.reply = {{"node2/eth0", tracer::Crossing::unknown, 64, a}};
    two.request = two.reply = {{"node2/eth0", tracer::Crossing::unknown, 63, b}};
    two.begin = 10 * kMicro;
    two.serverIsn = one.serverIsn + 1;
    addTcp(scenario, one);
    addTcp(scenario, two);
    QCOMPARE(trace(scenario)->paths.size(), 2u);
}

void TestLinks::halfTranslated_data() {
    QTest::addColumn<bool>("evidence");
    QTest::newRow("with conntrack") << true;
    QTest::newRow("from the packets alone") << false;
}

/// With br_netfilter a reply crosses the bridge with its destination translated back and its source not yet.
void TestLinks::halfTranslated() {
    QFETCH(bool, evidence);
    const Tuple before = tcp("104.132.1.79:1234", "10.240.0.4:32080"),
                after = tcp("10.180.1.1:4021", "10.180.1.136:8080");
    Talk talk = viaNode1(before, after);
    const auto bridge = std::ranges::find(talk.reply, "node1/cbr0", &Stop::point);
    QVERIFY(bridge != talk.reply.end());
    bridge->tuple = {before.protocol, before.src, after.dst};
    Scenario scenario;
    addTcp(scenario, talk);
    addConntrack(scenario, "node1", 20 * kMicro, before, after);
    for (const unsigned every : {0U, 1U}) {
        const auto snapshot = trace(scenario, {.evidence = evidence, .snapshotEvery = every});
        QCOMPARE(snapshot->paths.size(), 1u);
        const auto &path = *snapshot->paths[0];
        QCOMPARE(named(path.outcome), "delivered");
        QCOMPARE(path.attempts, 1u);
        QCOMPARE(text(path.seenByEndpoint->toString()), "10.180.1.1:4021");
    }
}

void TestLinks::udp_data() {
    QTest::addColumn<bool>("evidence");
    QTest::newRow("conntrack") << true;
    QTest::newRow("by payload and IP id") << false;
}

void TestLinks::udp() {
    QFETCH(bool, evidence);
    // Two clients say the same; only the IP ids tell their datagrams apart.
    Scenario scenario;
    std::uint16_t id = 0x2000;
    for (const int client : {1, 2}) {
        const Tuple outside{packet::Protocol::udp,
                            at(address("104.132.1.{}:5353", static_cast<unsigned>(client)).c_str()),
                            at("10.240.0.5:30053")};
        const Tuple inside{packet::Protocol::udp,
                           at(address("10.240.0.5:600{}", static_cast<unsigned>(client)).c_str()),
                           at("10.180.1.136:53")};
        const std::vector<Stop> request = {{"client/eth0", kOut, 64, outside},
                                           {"node2/eth0", kIn, 64, outside},
                                           {"node2/eth0", kOut, 63, inside},
                                           {"source-ip-app/eth0", kIn, 63, inside}};
        const std::vector<Stop> reply = {{"source-ip-app/eth0", kOut, 64, inside},
                                         {"node2/eth0", kIn, 64, inside},
                                         {"node2/eth0", kOut, 63, outside},
                                         {"client/eth0", kIn, 63, outside}};
        for (int i = 0; i < 2; ++i) {
            for (const bool back : {false, true})
                send(scenario, back ? reply : request, (client * 10 + i * 4 + back * 2) * kMilli, back,
                     [&](auto &builder, const Tuple &tuple) {
                         builder.udp(tuple.src.port, tuple.dst.port).ipId(id).payload(back ? "answer" : "hello");
                     });
            ++id;
        }
        addConntrack(scenario, "node2", client * 10 * kMilli + 15 * kMicro, outside, inside);
    }
    for (const bool byPoint : {true, false}) {
        const auto snapshot = trace(scenario, {.evidence = evidence, .byPoint = byPoint});
        QCOMPARE(snapshot->paths.size(), 2u);
        for (const auto &path : snapshot->paths) {
            QCOMPARE(text(route(*path)), "client>node2[SNAT,DNAT]>source-ip-app");
            QCOMPARE(text(route(*path, Direction::reply)), "source-ip-app>node2[SNAT,DNAT]>client");
            QCOMPARE(named(path->outcome), "delivered");
            QCOMPARE(path->packets, 4u);
        }
    }
}

void TestLinks::equalDatagrams_data() {
    QTest::addColumn<bool>("oneHost");
    QTest::addColumn<int>("apart"); // milliseconds
    QTest::addColumn<int>("turns");
    QTest::addColumn<bool>("equalReplies");
    QTest::addColumn<bool>("joined");
    QTest::newRow("one, at once") << true << 0 << 1 << true << true;
    QTest::newRow("one, at once, at two hosts") << false << 0 << 1 << true << true;
    QTest::newRow("one, long after") << true << 5000 << 1 << true << false;
    QTest::newRow("one, long after, at two hosts") << false << 5000 << 1 << true << false;
    QTest::newRow("one, answered by others") << true << 0 << 1 << false << false;
    QTest::newRow("two, at once") << true << 0 << 2 << true << true;
    QTest::newRow("two, answered by others") << true << 0 << 2 << false << false;
}

/// Datagrams with equal payload and IP id, one time to live apart: one that was translated, or two by chance. With
/// `equalReplies` nothing is answered, which leaves one direction; else each is answered in its own way.
void TestLinks::equalDatagrams() {
    QFETCH(bool, oneHost);
    QFETCH(int, apart);
    QFETCH(int, turns);
    QFETCH(bool, equalReplies);
    QFETCH(bool, joined);
    Scenario scenario;
    for (const int side : {0, 1}) {
        const Tuple tuple{packet::Protocol::udp, at(side == 0 ? "192.0.2.11:40000" : "192.0.2.12:40000"),
                          at(side == 0 ? "198.51.100.1:162" : "198.51.100.2:162")};
        const std::string point = oneHost || side == 0 ? "tap/eth0" : "tap2/eth0";
        const auto way = std::vector<Stop>{{point, tracer::Crossing::unknown, std::uint8_t(64 - side), tuple}};
        for (int turn = 0; turn < turns; ++turn)
            for (const bool reply : {false, true}) {
                if (reply && equalReplies) continue;
                const auto id = static_cast<std::uint16_t>(0x1000 + turn + (reply ? 0x100 * (side + 1) : 0));
                send(scenario, way, (turn * 100 + side * apart + reply * 5) * kMilli + side * 10 * kMicro, reply,
                     [&](auto &builder, const Tuple &t) {
                         builder.udp(t.src.port, t.dst.port).ipId(id).payload("a message that many send alike");
                     });
            }
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(translatedPaths(*snapshot), joined ? 1u : 0u);
    if (!joined || turns > 1) return;
    QVERIFY(snapshot->paths[0]->hops.at(0).confidence <= 0.7 || snapshot->paths[0]->hops.at(1).confidence <= 0.7);
    bool said = false;
    for (const auto &note : snapshot->paths[0]->notes)
        said = said || note.find("one datagram") != std::string::npos;
    QVERIFY(said);
}

NATLENS_TEST(TestLinks)
#include "tst_links.moc"
