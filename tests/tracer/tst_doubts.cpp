// What a capture does not show is said at the hop that it concerns, and nowhere else.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/impairment.h"
#include "tests/tracer/named.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using tracer::Direction;

namespace {

/// Four turns with answers of several segments, at the client and at a node that translates.
Scenario longTalk(bool syn = true) {
    const Tuple before = tcp("192.0.2.11:40000", "192.0.2.1:80"), after = tcp("10.9.0.1:50000", "10.9.0.11:9090");
    const std::vector<Stop> request = {
        {"client/eth0", kOut, 64, before}, {"node/eth0", kIn, 64, before}, {"node/eth1", kOut, 63, after}};
    const std::vector<Stop> reply = {
        {"node/eth1", kIn, 64, after}, {"node/eth0", kOut, 63, before}, {"client/eth0", kIn, 63, before}};
    Scenario scenario;
    std::int64_t time = 0;
    std::uint32_t seq[2] = {1000, 9000};
    std::uint16_t id = 1;
    const auto packet = [&](bool back, std::uint8_t flags, std::size_t length) {
        send(scenario, back ? reply : request, time, back, [&](auto &builder, const Tuple &tuple) {
            builder.tcp(tuple.src.port, tuple.dst.port, flags).seq(seq[back]).ack(seq[!back]).ipId(id);
            builder.timestamps(5000 + id, 0).payload(std::string_view(std::string(length, 'x')));
        });
        seq[back] += static_cast<std::uint32_t>(length) + ((flags & (TcpFlags::syn | TcpFlags::fin)) != 0);
        time += kMilli;
        ++id;
    };
    packet(false, TcpFlags::syn, 0);
    packet(true, TcpFlags::syn | TcpFlags::ack, 0);
    for (int turn = 0; turn < 4; ++turn) {
        packet(false, TcpFlags::ack | TcpFlags::psh, 100);
        for (int i = 0; i < 3; ++i)
            packet(true, TcpFlags::ack, 500);
        packet(false, TcpFlags::ack, 0);
    }
    packet(false, TcpFlags::ack | TcpFlags::fin, 0);
    packet(true, TcpFlags::ack | TcpFlags::fin, 0);
    packet(false, TcpFlags::ack, 0);
    if (!syn) std::erase_if(scenario.packets, [](const Captured &c) { return c.time < 4 * kMilli; });
    return scenario;
}

/// "client: ... / node: ..." of one direction, hosts without doubts left out.
QString doubtsOf(const tracer::Snapshot &snapshot, Direction direction) {
    std::string text;
    for (const auto &path : snapshot.paths)
        for (const auto &hop : path->hops)
            if (hop.direction == direction)
                for (const auto &doubt : hop.doubts)
                    text += (text.empty() ? "" : " / ") + hop.host + ": " + doubt.substr(0, doubt.find(" of the "));
    return QString::fromStdString(text);
}

/// The third answer segment (sent at 6 ms) at one host, or at all.
bool isThirdSegment(const Captured &packet, const std::string &host) {
    return packet.time >= 5 * kMilli && packet.time < 6 * kMilli && packet.point.starts_with(host);
}

/// When the last segment of an answer was sent.
constexpr std::int64_t kLast = 20 * kMilli;

bool isAt(const Captured &packet, std::int64_t time) {
    return packet.time >= time && packet.time < time + kMilli;
}

bool isLastSegment(const Captured &packet, const std::string &host) {
    return isAt(packet, kLast) && packet.point.starts_with(host);
}

} // namespace

class TestDoubts : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void captured_data();
    void captured();
    void fragmentOrder_data();
    void fragmentOrder();
    void fragmentsLeaveMarks();
    void fragments_data();
    void fragments();
};

void TestDoubts::captured_data() {
    QTest::addColumn<std::function<void(Scenario &)>>("spoil");
    QTest::addColumn<QString>("request");
    QTest::addColumn<QString>("reply");
    const auto row = [](const char *name, const char *request, const char *reply,
                        std::function<void(Scenario &)> spoil) {
        QTest::newRow(name) << std::move(spoil) << QString(request) << QString(reply);
    };
    constexpr auto kCut = "node: packets were cut by the snap length: what they carry beyond is not known";
    row("nothing", "", "", [](Scenario &) {});
    row("cut at the node", "", kCut, [](Scenario &s) {
        for (Captured &packet : s.packets) {
            if (!packet.point.starts_with("node") || packet.bytes.size() < 300) continue;
            packet.length = static_cast<std::uint32_t>(packet.bytes.size());
            packet.bytes.resize(300);
        }
    });
    row("a segment missing at the node", "", "node: shows 5500 of 6000 bytes",
        [](Scenario &s) { std::erase_if(s.packets, [](const Captured &c) { return isThirdSegment(c, "node"); }); });
    row("a segment missing everywhere", "", "node: 500 bytes / client: 500 bytes",
        [](Scenario &s) { std::erase_if(s.packets, [](const Captured &c) { return isThirdSegment(c, ""); }); });
    row("it came later", "", "", [](Scenario &s) {
        for (Captured &packet : s.packets)
            if (isThirdSegment(packet, "")) packet.time += 5 * kMilli;
    });
    row("it was sent twice", "", "", [](Scenario &s) {
        for (std::size_t i = 0, count = s.packets.size(); i < count; ++i)
            if (isThirdSegment(s.packets[i], "")) {
                s.packets.push_back(s.packets[i]);
                s.packets.back().time += 2 * kMilli;
            }
    });
    row("not seen to begin", "", "", [](Scenario &s) { s = longTalk(false); });
    row("the last segment missing at the node", "", "node: shows 5500 of 6000 bytes",
        [](Scenario &s) { std::erase_if(s.packets, [](const Captured &c) { return isLastSegment(c, "node"); }); });
    row("the last segment missing everywhere, acknowledged", "", "node: 500 bytes / client: 500 bytes",
        [](Scenario &s) { std::erase_if(s.packets, [](const Captured &c) { return isLastSegment(c, ""); }); });
    row("the last FIN missing everywhere", "", "",
        [](Scenario &s) { std::erase_if(s.packets, [](const Captured &c) { return isAt(c, kLast + 3 * kMilli); }); });
    row("a question missing everywhere, and the SYN read after it", "client: 100 bytes / node: 100 bytes", "",
        [](Scenario &s) {
            std::erase_if(s.packets, [](const Captured &c) { return isAt(c, 12 * kMilli); });
            for (Captured &packet : s.packets)
                if (packet.time < kMilli) packet.time += 30 * kMilli;
        });
    row("only the end is missing", "", "", [](Scenario &s) {
        std::erase_if(s.packets, [](const Captured &c) { return c.time > 15 * kMilli - 500 * kMicro; });
    });
}

void TestDoubts::captured() {
    QFETCH(std::function<void(Scenario &)>, spoil);
    QFETCH(QString, request);
    QFETCH(QString, reply);
    Scenario scenario = longTalk();
    spoil(scenario);
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(doubtsOf(*snapshot, Direction::request), request);
    QCOMPARE(doubtsOf(*snapshot, Direction::reply), reply);
}

/// Fragments that come in another order count as they do in order.
void TestDoubts::fragmentOrder_data() {
    QTest::addColumn<QByteArray>("order");
    for (const char *order : {"012", "210", "120"})
        QTest::newRow(order) << QByteArray(order);
}

void TestDoubts::fragmentOrder() {
    QFETCH(QByteArray, order);
    constexpr auto kUdp = packet::Protocol::udp;
    const Tuple before{kUdp, at("192.0.2.11:40000"), at("192.0.2.1:80")},
        after{kUdp, at("10.9.0.1:50000"), at("10.9.0.11:9090")};
    const std::vector<Stop> request = {{"node/eth0", kIn, 64, before}, {"node/eth1", kOut, 63, after}};
    Scenario scenario;
    for (std::uint16_t turn = 0; turn < 2; ++turn)
        for (qsizetype place = 0; place < order.size(); ++place) {
            const int part = order[place] - '0';
            send(scenario, request, (turn * 10 + place) * kMilli / 10, false, [&](auto &builder, const Tuple &tuple) {
                builder.udp(tuple.src.port, tuple.dst.port).ipId(static_cast<std::uint16_t>(0x1000 + turn));
                builder.dontFragment(false).fragment(static_cast<std::uint16_t>(part * 800), part != 2);
                builder.payload(std::string_view(std::string(part == 2 ? 100 : part == 1 ? 800 : 792, 'a')));
            });
        }
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(translatedPaths(*snapshot), 1u);
    QCOMPARE(snapshot->paths[0]->packets, 6u);
    for (const auto &segment : snapshot->paths[0]->segments)
        QCOMPARE(segment.packets, 6u);
}

/// A datagram behind one of many fragments is still one by which two sides are joined: the side behind the translation
/// saw no other.
void TestDoubts::fragmentsLeaveMarks() {
    constexpr auto kUdp = packet::Protocol::udp;
    const Tuple before{kUdp, at("192.0.2.11:40000"), at("192.0.2.1:80")},
        after{kUdp, at("10.9.0.1:50000"), at("10.9.0.11:9090")};
    const Stop outside{"client/eth0", kOut, 64, before}, inside{"server/eth0", kIn, 63, after};
    Scenario scenario;
    for (std::uint16_t part = 0; part < 6; ++part)
        send(scenario, {outside}, part * kMilli / 10, false, [&](auto &builder, const Tuple &tuple) {
            builder.udp(tuple.src.port, tuple.dst.port).ipId(0x1000);
            builder.dontFragment(false).fragment(static_cast<std::uint16_t>(part * 800), part != 5);
            builder.payload(std::string_view(std::string(part == 0 ? 792 : 800, 'a')));
        });
    send(scenario, {outside, inside}, 10 * kMilli, false, [&](auto &builder, const Tuple &tuple) {
        builder.udp(tuple.src.port, tuple.dst.port).ipId(0x1001);
        builder.payload(std::string_view("a small datagram behind"));
    });
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(translatedPaths(*snapshot), 1u);
    QCOMPARE(snapshot->paths[0]->packets, 7u);
}

void TestDoubts::fragments_data() {
    QTest::addColumn<QByteArray>("client");
    QTest::addColumn<QByteArray>("asked");
    QTest::addColumn<QByteArray>("source");
    QTest::addColumn<QByteArray>("server");
    QTest::addColumn<bool>("first");
    QTest::addColumn<quint64>("packets");
    for (const bool first : {true, false}) {
        const char *what = first ? "with its first one" : "without";
        const quint64 packets = first ? 6 : 2; // without: the small datagram that comes after
        QTest::addRow("IPv4, %s", what) << QByteArray("192.0.2.11:40000") << QByteArray("192.0.2.1:80")
                                        << QByteArray("10.9.0.1:50000") << QByteArray("10.9.0.11:9090") << first
                                        << packets;
        QTest::addRow("IPv6, %s", what) << QByteArray("[2001:db8::11]:40000") << QByteArray("[2001:db8::1]:80")
                                        << QByteArray("[fd00::1]:50000") << QByteArray("[fd00::11]:9090") << first
                                        << packets;
    }
}

/// Later fragments have no ports: they are counted where their first one was seen, before and behind a translation.
void TestDoubts::fragments() {
    QFETCH(QByteArray, client);
    QFETCH(QByteArray, asked);
    QFETCH(QByteArray, source);
    QFETCH(QByteArray, server);
    QFETCH(bool, first);
    QFETCH(quint64, packets);
    constexpr auto kUdp = packet::Protocol::udp;
    const Tuple before{kUdp, at(client.constData()), at(asked.constData())},
        after{kUdp, at(source.constData()), at(server.constData())};
    const std::vector<Stop> request = {{"node/eth0", kIn, 64, before}, {"node/eth1", kOut, 63, after}};
    Scenario scenario;
    for (std::uint16_t turn = 0; turn < 2; ++turn) {
        for (std::uint16_t part = 0; part < 3; ++part) {
            if (!first && part == 0) continue;
            send(scenario, request, (turn * 10 + part) * kMilli / 10, false, [&](auto &builder, const Tuple &tuple) {
                builder.udp(tuple.src.port, tuple.dst.port).ipId(static_cast<std::uint16_t>(0x1000 + turn));
                builder.dontFragment(false).fragment(static_cast<std::uint16_t>(part * 800), part != 2);
                builder.payload(std::string_view(std::string(part == 2 ? 100 : part == 1 ? 800 : 792, 'a')));
            });
        }
        if (!first)
            send(scenario, request, (turn * 10 + 5) * kMilli, false, [&](auto &builder, const Tuple &tuple) {
                builder.udp(tuple.src.port, tuple.dst.port).ipId(static_cast<std::uint16_t>(0x2000 + turn));
                builder.payload(std::string_view("a small datagram behind"));
            });
    }
    const auto snapshot = trace(scenario);
    // IPv6 numbers fragments only: without their first ones nothing tells whose the small datagrams are.
    const bool told = first || before.src.ip.isV4();
    QCOMPARE(snapshot->paths.size(), told ? 1u : 2u);
    QCOMPARE(translatedPaths(*snapshot), told ? 1u : 0u);
    QCOMPARE(snapshot->paths[0]->packets, packets);
    for (const auto &segment : snapshot->paths[0]->segments)
        QCOMPARE(segment.packets, packets);
}

NATLENS_TEST(TestDoubts)
#include "tst_doubts.moc"
