// Legs and their flows: circles that are entered anywhere and read in order.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "capture/packet/builder.h"
#include "tracer/stitch/flow_table.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::tracer;

namespace {

packet::SocketAddress at(const char *text) {
    return *packet::SocketAddress::parse(text);
}

/// Tables, and packets for them one millisecond apart.
class Bench {
public:
    Bench()
        : flows(legs) {}

    void see(unsigned point, const packet::SocketAddress &from, const packet::SocketAddress &to, std::uint8_t flags,
             std::uint32_t sequence, std::uint32_t acknowledged = 0) {
        packet::PacketBuilder builder;
        builder.ip(from.ip, to.ip).tcp(from.port, to.port, flags).seq(sequence).ack(acknowledged);
        const auto bytes = builder.build();
        DetailsStore details;
        flows.add(Observation({.point = base::CapturePointId{point},
                               .time = base::Timestamp{1'700'000'000'000'000'000 + ++m_packets * 1'000'000},
                               .number = base::PacketNumber{static_cast<std::uint64_t>(m_packets)},
                               .originalLength = static_cast<std::uint32_t>(bytes.size()),
                               .captured = bytes},
                              details));
    }
    /// "point side packets" of each flow, in order.
    [[nodiscard]] std::vector<std::string> flowsOf(LegIndex leg) const {
        std::vector<std::string> found;
        for (const FlowIndex i : flows.of(legs[leg]))
            found.push_back(
                fmt::format("{} {} {}", flows[i].point.value, unsigned{flows[i].side}, flows.packets(flows[i])));
        return found;
    }

    LegTable legs;
    FlowTable flows;

private:
    std::int64_t m_packets = 0;
};

constexpr std::uint8_t kSyn = packet::TcpFlags::syn, kAck = packet::TcpFlags::ack;

} // namespace

class TestLegTable : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void flowsStandInTheOrderOfTheirFirstPackets_data();
    void flowsStandInTheOrderOfTheirFirstPackets();
    void legsWithManyFlowsDoNotMix();
    void bothDirectionsAreOneLeg_data();
    void bothDirectionsAreOneLeg();
    void whatComesLateIsOfTheOldOne();
    void legsThatBeganAlikeFindEachOther_data();
    void legsThatBeganAlikeFindEachOther();
};

void TestLegTable::flowsStandInTheOrderOfTheirFirstPackets_data() {
    QTest::addColumn<unsigned>("points");
    for (const unsigned points : {1U, 2U, 5U, 16U, 17U, 40U, 200U})
        QTest::addRow("%u points", points) << points;
}

/// Wherever the last packet was seen.
void TestLegTable::flowsStandInTheOrderOfTheirFirstPackets() {
    QFETCH(const unsigned, points);
    const auto client = at("10.0.0.1:40000"), server = at("10.0.0.2:80");
    Bench bench;
    std::vector<unsigned> packets(std::size_t{2} * points, 1);
    for (unsigned point = 0; point < points; ++point)
        bench.see(point, client, server, kSyn, 100);
    for (unsigned point = points; point-- > 0;)
        bench.see(point, server, client, kSyn | kAck, 900, 101);
    std::mt19937 random(points);
    for (unsigned i = 0; i < 20 * points; ++i) {
        const unsigned point = static_cast<unsigned>(random()) % points;
        const bool reply = (random() & 1) != 0;
        if (reply)
            bench.see(point, server, client, kAck, 901, 101);
        else
            bench.see(point, client, server, kAck, 101, 901);
        ++packets[reply ? 2 * points - 1 - point : point];
        std::vector<std::string> expected;
        for (unsigned place = 0; place < 2 * points; ++place)
            expected.push_back(place < points ? fmt::format("{} 0 {}", place, packets[place])
                                              : fmt::format("{} 1 {}", 2 * points - 1 - place, packets[place]));
        QCOMPARE(bench.flowsOf(0), expected);
    }
    QCOMPARE(bench.legs.size(), 1U);
    QCOMPARE(bench.flows.size(), 2 * points);
}

/// Connections that are seen at very many capture points, one after the other with the same addresses among them, and
/// one that is seen at few.
void TestLegTable::legsWithManyFlowsDoNotMix() {
    constexpr unsigned kPoints = 300;
    const packet::SocketAddress clients[] = {at("10.0.0.1:40000"), at("10.0.0.1:40001"), at("10.0.0.0:40000")};
    const auto server = at("10.0.0.2:80");
    Bench bench;
    std::map<LegIndex, std::map<unsigned, unsigned>> expected; // packets by leg and point
    std::mt19937 random(1);
    const auto send = [&](LegIndex leg, unsigned client, unsigned point, std::uint8_t flags, std::uint32_t sequence) {
        bench.see(point, clients[client], server, flags, sequence);
        ++expected[leg][point];
    };
    for (LegIndex leg = 0; leg < 4; ++leg) {
        const unsigned client = leg % 3, points = leg == 1 ? 4 : kPoints; // the last one has the addresses of the first
        for (unsigned point = 0; point < points; ++point)
            send(leg, client, point, kSyn, 1000 * (leg + 1));
        for (unsigned i = 0; i < 2000; ++i)
            send(leg, client, static_cast<unsigned>(random()) % points, kAck, 1000 * (leg + 1) + 1);
    }
    QCOMPARE(bench.legs.size(), 4U);
    for (const auto &[leg, points] : expected) {
        std::vector<std::string> flows;
        for (const auto &[point, packets] : points)
            flows.push_back(fmt::format("{} 0 {}", point, packets));
        QCOMPARE(bench.flowsOf(leg), flows);
    }
}

void TestLegTable::bothDirectionsAreOneLeg_data() {
    QTest::addColumn<QByteArray>("smaller");
    QTest::addColumn<QByteArray>("larger");
    QTest::newRow("by address") << QByteArray("10.0.0.1:50000") << QByteArray("10.0.0.2:80");
    QTest::newRow("high bit") << QByteArray("10.0.0.1:50000") << QByteArray("200.0.0.2:80");
    QTest::newRow("by port") << QByteArray("10.0.0.1:80") << QByteArray("10.0.0.1:50000");
    QTest::newRow("IPv6") << QByteArray("[fd00::1]:50000") << QByteArray("[fd00::2]:80");
    QTest::newRow("IPv6, last byte first") << QByteArray("[fd00::2:1]:50000") << QByteArray("[fd01::1]:80");
    QTest::newRow("IPv6, by port") << QByteArray("[fd00::1]:80") << QByteArray("[fd00::1]:50000");
}

/// Whichever side begins, and asked for either way round.
void TestLegTable::bothDirectionsAreOneLeg() {
    QFETCH(const QByteArray, smaller);
    QFETCH(const QByteArray, larger);
    for (const bool largerFirst : {false, true}) {
        const auto low = at(smaller.constData()), high = at(larger.constData());
        const auto &client = largerFirst ? high : low, &server = largerFirst ? low : high;
        Bench bench;
        bench.see(0, at("9.9.9.9:9"), at("8.8.8.8:8"), kSyn, 1); // its numbers are not the first ones
        bench.see(0, at("[fd09::]:9"), at("[fd08::]:8"), kSyn, 1);
        bench.see(0, client, server, kSyn, 100);
        bench.see(0, server, client, kSyn | kAck, 900, 101);
        QCOMPARE(bench.legs.size(), 3U);
        const packet::Tuple request{packet::Protocol::tcp, client, server};
        QCOMPARE(bench.legs.newest(request), LegIndex{2});
        QCOMPARE(bench.legs.newest(request.reversed()), LegIndex{2});
        QCOMPARE(bench.legs.tuple(bench.legs[2]), (packet::Tuple{packet::Protocol::tcp, low, high}));
        QCOMPARE(bench.legs.request(bench.legs[2]), request);
    }
}

/// A connection with the addresses of one before it, of which something is still on its way.
void TestLegTable::whatComesLateIsOfTheOldOne() {
    const auto client = at("10.0.0.1:40000"), server = at("10.0.0.2:80");
    Bench bench;
    const auto open = [&](std::uint32_t isn, std::uint32_t other) {
        bench.see(0, client, server, kSyn, isn);
        bench.see(0, server, client, kSyn | kAck, other, isn + 1);
    };
    const auto answer = [&](std::uint32_t sequence, std::uint32_t acknowledged) {
        bench.see(0, server, client, kAck, sequence, acknowledged);
    };
    open(1'000, 90'000);
    answer(90'001, 1'001);
    open(2'000'000, 5'000'000);
    answer(90'501, 1'001);
    answer(5'000'001, 2'000'001);
    QCOMPARE(bench.legs.size(), 2U);
    QCOMPARE(bench.flowsOf(0), (std::vector<std::string>{"0 0 1", "0 1 3"}));
    QCOMPARE(bench.flowsOf(1), (std::vector<std::string>{"0 0 1", "0 1 2"}));
    bench.see(0, client, server, kAck, 1'001, 90'501);
    QCOMPARE(bench.legs.size(), 2U);
    QCOMPARE(bench.flowsOf(0), (std::vector<std::string>{"0 0 2", "0 1 3"}));
    QCOMPARE(bench.flowsOf(1), (std::vector<std::string>{"0 0 1", "0 1 2"}));
}

void TestLegTable::legsThatBeganAlikeFindEachOther_data() {
    QTest::addColumn<unsigned>("restEvery");
    QTest::newRow("never resting") << 0U;
    QTest::newRow("resting after each") << 1U;
    QTest::newRow("resting sometimes") << 5U;
}

/// From each to all others, also when the index has been given back meanwhile; a new one touches all.
void TestLegTable::legsThatBeganAlikeFindEachOther() {
    QFETCH(const unsigned, restEvery);
    Bench bench;
    std::map<std::uint32_t, std::set<LegIndex>> groups;
    std::mt19937 random(7);
    for (unsigned i = 0; i < 200; ++i) {
        const std::uint32_t isn = static_cast<std::uint32_t>(random()) % 20;
        bench.see(0, {packet::IpAddress::v4(0x0a000000 + i), 40000}, at("11.0.0.1:80"), kSyn, isn);
        const bool alone = groups[isn].empty();
        groups[isn].insert(i);
        if (restEvery != 0 && i % restEvery == 0) bench.legs.rest();
        const auto dirty = bench.legs.takeDirty();
        QCOMPARE(std::set<LegIndex>(dirty.begin(), dirty.end()), alone ? std::set<LegIndex>{i} : groups[isn]);
        QCOMPARE(dirty.size(), groups[isn].size());
        for (const LegIndex leg : groups[isn]) {
            std::multiset<LegIndex> found;
            QCOMPARE(bench.legs.visitAlike(bench.legs[leg], [&](LegIndex other) { found.insert(other); }), 0U);
            QCOMPARE(found, std::multiset<LegIndex>(groups[isn].begin(), groups[isn].end()));
        }
    }
}

NATLENS_TEST(TestLegTable)
#include "tst_leg_table.moc"
