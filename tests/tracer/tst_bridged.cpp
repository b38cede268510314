// Translated by a bridge (br_netfilter): the time to live does not fall, so order in time has to tell; and copies that
// nothing translated.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

/// Where the two sides of the translation are captured.
struct BridgePlaces {
    std::string client, server;
    tracer::Crossing in = kNoWay, out = kNoWay;
};

/// The client asks the one address, the server is asked under another; nobody counts the time to live down.
Talk bridgedTalk(const BridgePlaces &places, const Tuple &before, const Tuple &after) {
    Talk talk;
    talk.request = {{places.client, places.in, 64, before}, {places.server, places.out, 64, after}};
    talk.reply = {{places.server, places.in, 64, after}, {places.client, places.out, 64, before}};
    return talk;
}

Tuple asBridgeMeets(packet::Protocol protocol = packet::Protocol::tcp) {
    return {protocol, at("192.0.2.11:40000"), at("192.0.2.1:80")};
}

Tuple asBridgeSends(packet::Protocol protocol = packet::Protocol::tcp, const char *source = "192.0.2.1:50000") {
    return {protocol, at(source), at("192.0.2.21:9090")};
}

/// Two questions and answers; `ownIds`: whoever passes them on numbers its packets itself.
void addBridgedDatagrams(Scenario &scenario, const Talk &talk, bool ownIds) {
    for (unsigned turn = 0; turn < 2; ++turn)
        for (const bool reply : {false, true}) {
            std::uint16_t id = static_cast<std::uint16_t>(0x1000 + 4 * turn + 2 * reply);
            send(scenario, reply ? talk.reply : talk.request, (2 * turn + reply) * kMilli, reply,
                 [&](auto &builder, const Tuple &tuple) {
                     builder.udp(tuple.src.port, tuple.dst.port).ipId(id);
                     builder.payload(
                         std::string_view(reply ? "an answer to all of that" : "a question of some length"));
                     id = static_cast<std::uint16_t>(id + (ownIds ? 0x1111 : 0));
                 });
        }
}

/// Packets without IP ids and timestamps (IPv6, embedded systems): what is sent again, a second later, looks the same.
void addNameless(Scenario &scenario, const Talk &talk, unsigned asked, unsigned answered) {
    std::int64_t time = talk.begin;
    const auto packet = [&](bool reply, std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, const char *text) {
        send(scenario, reply ? talk.reply : talk.request, time, reply, [&](auto &builder, const Tuple &tuple) {
            builder.tcp(tuple.src.port, tuple.dst.port, flags).seq(seq).ack(ack).ipId(0);
            builder.payload(std::string_view(text));
        });
        time += kMilli;
    };
    const std::uint32_t client = talk.clientIsn, server = talk.serverIsn;
    for (unsigned i = 0; i < asked; ++i) {
        packet(false, TcpFlags::syn, client, 0, "");
        if (i + 1 < asked) time += 999 * kMilli;
    }
    for (unsigned i = 0; i < answered; ++i) {
        packet(true, TcpFlags::syn | TcpFlags::ack, server, client + 1, "");
        if (i + 1 < answered) time += 999 * kMilli;
    }
    packet(false, TcpFlags::ack, client + 1, server + 1, "");
    packet(false, TcpFlags::ack | TcpFlags::psh, client + 1, server + 1, "a question of some length");
    packet(true, TcpFlags::ack | TcpFlags::psh, server + 1, client + 26, "an answer to all of that");
}

} // namespace

class TestBridged : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void joined_data();
    void joined();
    void halves();
    void copies_data();
    void copies();
    void repeated_data();
    void repeated();
    void repeatedCopies_data();
    void repeatedCopies();
    void datagrams_data();
    void datagrams();
};

void TestBridged::joined_data() {
    QTest::addColumn<QByteArrayList>("places");
    QTest::addColumn<bool>("directions");
    QTest::addColumn<bool>("answered");
    QTest::addColumn<bool>("begun");
    QTest::addColumn<QString>("hosts");
    const QByteArrayList one{"r/any", "r/any"}, two{"r/c0", "r/s0"}, hosts{"client/eth0", "server/eth0"};
    const QString joined = "r[SNAT,DNAT]", inferred = "client>192.0.2.1[SNAT,DNAT]?>server";
    QTest::newRow("any, with directions") << one << true << true << true << joined;
    QTest::newRow("any, without directions") << one << false << true << true << joined;
    QTest::newRow("two interfaces") << two << true << true << true << joined;
    QTest::newRow("two interfaces, without directions") << two << false << true << true << joined;
    QTest::newRow("at both ends") << hosts << false << true << true << inferred;
    QTest::newRow("unanswered, seen in and out") << one << true << false << true << joined;
    QTest::newRow("unanswered, without directions") << two << false << false << true << QString();
    QTest::newRow("in mid-connection") << two << true << true << false << joined;
    QTest::newRow("in mid-connection, without directions") << two << false << true << false << joined;
}

void TestBridged::joined() {
    QFETCH(QByteArrayList, places);
    QFETCH(bool, directions);
    QFETCH(bool, answered);
    QFETCH(bool, begun);
    QFETCH(QString, hosts);
    const BridgePlaces where{places[0].toStdString(), places[1].toStdString(), directions ? kIn : kNoWay,
                             directions ? kOut : kNoWay};
    Scenario scenario;
    const Talk talk = bridgedTalk(where, asBridgeMeets(), asBridgeSends());
    if (answered)
        addTcp(scenario, talk);
    else
        addSyns(scenario, talk, 3);
    if (!begun) std::erase_if(scenario.packets, [](const Captured &c) { return c.time < 3 * kMilli; });
    for (const bool byPoint : {false, true}) {
        const auto snapshot = trace(scenario, {.byPoint = byPoint});
        if (hosts.isEmpty()) {
            QCOMPARE(translatedPaths(*snapshot), 0u);
            continue;
        }
        QCOMPARE(snapshot->paths.size(), 1u);
        QCOMPARE(text(route(*snapshot->paths[0])), hosts);
        if (answered) QCOMPARE(text(snapshot->paths[0]->endpoint->address), "192.0.2.21:9090");
    }
}

/// Answers are seen once more between the two translations, on their way to the client.
void TestBridged::halves() {
    Talk talk = bridgedTalk({"r/any", "r/any", kIn, kOut}, asBridgeMeets(), asBridgeSends());
    const Tuple half = tcp("192.0.2.11:40000", "192.0.2.21:9090");
    talk.reply.insert(talk.reply.begin() + 1, {"r/any", kOut, 64, half});
    Scenario scenario;
    addTcp(scenario, talk);
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(text(route(*snapshot->paths[0])), "r[SNAT,DNAT]");
}

void TestBridged::copies_data() {
    QTest::addColumn<QByteArrayList>("places");
    QTest::addColumn<qint64>("later");
    for (const auto &[name, places] : {std::pair("one point", QByteArrayList{"r/any", "r/any"}),
                                       std::pair("two interfaces", QByteArrayList{"r/c0", "r/s0"}),
                                       std::pair("two hosts", QByteArrayList{"a/eth0", "b/eth0"})})
        for (const std::int64_t later : {-kMilli, -kMicro, std::int64_t{0}, kMicro, kMilli})
            QTest::addRow("%s, %lld us", name, static_cast<long long>(later / kMicro))
                << places << static_cast<qint64>(later);
}

/// One session under two pairs of addresses, the second a little before or after the first.
void TestBridged::copies() {
    QFETCH(QByteArrayList, places);
    QFETCH(qint64, later);
    Scenario scenario;
    for (const int copy : {0, 1}) {
        const Tuple tuple = copy == 0 ? asBridgeMeets() : asBridgeSends();
        const std::string point = places[copy].toStdString();
        Talk talk;
        talk.request = talk.reply = {{point, kNoWay, 64, tuple}};
        talk.begin = 10 * kMilli + copy * later;
        addTcp(scenario, talk);
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(translatedPaths(*snapshot), 0u);
    QCOMPARE(snapshot->paths.size(), 2u);
}

void TestBridged::repeated_data() {
    QTest::addColumn<unsigned>("asked");
    QTest::addColumn<unsigned>("answered");
    QTest::addColumn<bool>("directions");
    QTest::addColumn<bool>("routed");
    for (const bool routed : {false, true})
        for (const bool directions : {false, true})
            for (const auto &[asked, answered] : {std::pair(1u, 1u), {1u, 3u}, {2u, 1u}, {3u, 2u}})
                QTest::addRow("%s%s: %u SYNs, %u answers", routed ? "routed" : "bridged",
                              directions ? ", with directions" : "", asked, answered)
                    << asked << answered << directions << routed;
}

/// What was sent again is no reason to keep the two sides apart.
void TestBridged::repeated() {
    QFETCH(unsigned, asked);
    QFETCH(unsigned, answered);
    QFETCH(bool, directions);
    QFETCH(bool, routed);
    Talk talk = bridgedTalk({"r/c0", "r/s0", kIn, kOut}, asBridgeMeets(), asBridgeSends());
    if (routed) talk.request[1].ttl = talk.reply[1].ttl = 63;
    Scenario scenario;
    addNameless(scenario, talk, asked, answered);
    for (const bool byPoint : {false, true}) {
        const auto snapshot = trace(scenario, {.crossings = directions, .byPoint = byPoint});
        QCOMPARE(snapshot->paths.size(), 1u);
        QCOMPARE(text(route(*snapshot->paths[0])), "r[SNAT,DNAT]");
    }
}

void TestBridged::repeatedCopies_data() {
    QTest::addColumn<qint64>("later");
    for (const std::int64_t later : {-1001, -1000, -999, -1, 0, 1, 999, 1000, 1001, 2001})
        QTest::addRow("%lld ms", static_cast<long long>(later)) << static_cast<qint64>(later * kMilli);
}

/// One session under two pairs of addresses, whose repetitions fall together.
void TestBridged::repeatedCopies() {
    QFETCH(qint64, later);
    for (const bool asked : {true, false}) {
        Scenario scenario;
        for (const int copy : {0, 1}) {
            Talk talk;
            talk.request =
                talk.reply = {{copy == 0 ? "r/c0" : "r/s0", kNoWay, 64, copy == 0 ? asBridgeMeets() : asBridgeSends()}};
            talk.begin = 3000 * kMilli + copy * later;
            addNameless(scenario, talk, asked ? 3 : 1, 3);
        }
        const auto snapshot = trace(scenario);
        QCOMPARE(translatedPaths(*snapshot), 0u);
        QCOMPARE(snapshot->paths.size(), 2u);
    }
}

void TestBridged::datagrams_data() {
    QTest::addColumn<bool>("ownIds");
    QTest::addColumn<bool>("directions");
    QTest::addColumn<bool>("joined");
    QTest::newRow("translated") << false << true << true;
    QTest::newRow("translated, without directions") << false << false << true;
    QTest::newRow("passed on by a program") << true << true << false;
    QTest::newRow("passed on by a program, without directions") << true << false << false;
}

void TestBridged::datagrams() {
    QFETCH(bool, ownIds);
    QFETCH(bool, directions);
    QFETCH(bool, joined);
    constexpr auto kUdp = packet::Protocol::udp;
    Scenario scenario;
    addBridgedDatagrams(scenario, bridgedTalk({"r/c0", "r/s0", kIn, kOut}, asBridgeMeets(kUdp), asBridgeSends(kUdp)),
                        ownIds);
    const auto snapshot = trace(scenario, {.crossings = directions});
    QCOMPARE(translatedPaths(*snapshot), joined ? 1u : 0u);
}

NATLENS_TEST(TestBridged)
#include "tst_bridged.moc"
