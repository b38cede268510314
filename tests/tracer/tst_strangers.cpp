// Traffic of strangers that looks as if it had been translated, and has not: nothing may be joined.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"

#include <fmt/format.h>
#include <random>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using packet::Protocol;

namespace {

Tuple pair(Protocol protocol, const std::string &src, const std::string &dst) {
    return {protocol, at(src.c_str()), at(dst.c_str())};
}

void udp(Scenario &scenario, const Stop &stop, std::int64_t time, std::uint16_t id, const std::string &text,
         bool reply = false) {
    send(scenario, {stop}, time, reply, [&](auto &builder, const Tuple &tuple) {
        builder.udp(tuple.src.port, tuple.dst.port).ipId(id).payload(std::string_view(text));
    });
}

} // namespace

class TestStrangers : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void scans_data();
    void scans();
    void toEverybody_data();
    void toEverybody();
    void equalDatagrams_data();
    void equalDatagrams();
    void datagramsWithoutIdentification_data();
    void datagramsWithoutIdentification();
    void sameTapTwice();
    void noise();
};

void TestStrangers::scans_data() {
    QTest::addColumn<bool>("timestamps");
    QTest::addColumn<bool>("sameId");
    QTest::addColumn<bool>("answered");
    QTest::newRow("one sequence number") << false << false << false;
    QTest::newRow("and one timestamp") << true << false << false;
    QTest::newRow("and one IP identification") << false << true << false;
    QTest::newRow("answered by resets") << true << false << true;
}

/// Few probes with one initial sequence number each time, to many hosts and ports, times to live at random.
void TestStrangers::scans() {
    QFETCH(bool, timestamps);
    QFETCH(bool, sameId);
    QFETCH(bool, answered);
    std::mt19937 random(7);
    for (unsigned round = 0; round < 30; ++round) {
        Scenario scenario;
        for (unsigned i = 0; i < 60; ++i) {
            const Tuple tuple = pair(Protocol::tcp, fmt::format("198.51.100.7:{}", 40000 + round),
                                     fmt::format("10.240.{}.{}:{}", i % 3, i % 7, 20 + i));
            const auto ttl = static_cast<std::uint8_t>(37 + random() % 22);
            const std::int64_t time = i * 700 * kMicro;
            send(scenario, {{"tap/eth0", kNoWay, ttl, tuple}}, time, false, [&](auto &builder, const Tuple &t) {
                builder.tcp(t.src.port, t.dst.port, TcpFlags::syn).seq(round * 99991).mss(1460);
                if (timestamps) builder.timestamps(4'294'967'295U, 0);
                builder.ipId(sameId ? std::uint16_t{54321} : static_cast<std::uint16_t>(random() | 1));
            });
            if (!answered) continue;
            send(scenario, {{"tap/eth0", kNoWay, static_cast<std::uint8_t>(64 - i % 3), tuple}}, time + 200 * kMicro,
                 true, [&](auto &builder, const Tuple &t) {
                     builder.tcp(t.src.port, t.dst.port, TcpFlags::rst | TcpFlags::ack).ack(round * 99991 + 1).ipId(0);
                 });
        }
        const auto snapshot = trace(scenario);
        QCOMPARE(translatedPaths(*snapshot), 0u);
    }
}

void TestStrangers::toEverybody_data() {
    QTest::addColumn<QByteArray>("source");
    QTest::addColumn<QByteArray>("destination");
    QTest::newRow("mDNS") << QByteArray("192.168.1.%1:5353") << QByteArray("224.0.0.251:5353");
    QTest::newRow("SSDP") << QByteArray("192.168.1.%1:1900") << QByteArray("239.255.255.250:1900");
    QTest::newRow("broadcast") << QByteArray("192.168.1.%1:137") << QByteArray("255.255.255.255:137");
    QTest::newRow("IPv6") << QByteArray("[fe80::%1]:5353") << QByteArray("[ff02::fb]:5353");
}

void TestStrangers::toEverybody() {
    QFETCH(QByteArray, source);
    QFETCH(QByteArray, destination);
    Scenario scenario;
    for (unsigned i = 0; i < 6; ++i) {
        QByteArray from = source;
        from.replace("%1", QByteArray::number(10 + i));
        const Tuple tuple = pair(Protocol::udp, from.toStdString(), destination.toStdString());
        for (unsigned n = 0; n < 3; ++n)
            udp(scenario, {"tap/eth0", kNoWay, static_cast<std::uint8_t>(255 - i), tuple}, i * kMilli + n * 50 * kMilli,
                0, fmt::format("who has the printer number {}?", n));
    }
    QCOMPARE(translatedPaths(*trace(scenario)), 0u);
}

void TestStrangers::equalDatagrams_data() {
    QTest::addColumn<bool>("answered");
    QTest::addColumn<unsigned>("texts");
    for (const bool answered : {false, true})
        for (const unsigned texts : {1u, 3u})
            QTest::addRow("%u texts, %s", texts, answered ? "answered" : "one way") << answered << texts;
}

/// Two machines with the same program report the same to one server, one of them a router nearer.
void TestStrangers::equalDatagrams() {
    QFETCH(bool, answered);
    QFETCH(unsigned, texts);
    Scenario scenario;
    for (unsigned i = 0; i < 2; ++i) {
        const Tuple tuple = pair(Protocol::udp, fmt::format("10.1.{}.7:40000", i), "10.9.9.9:8125");
        for (unsigned n = 0; n < texts; ++n) {
            const std::int64_t time = i * 5 * kMilli + n * 1000 * kMilli;
            udp(scenario, {"tap/eth0", kNoWay, static_cast<std::uint8_t>(64 - i), tuple}, time, 0,
                fmt::format("service.requests.total:{}|c", n));
            if (answered) udp(scenario, {"tap/eth0", kNoWay, 60, tuple}, time + kMilli, 0, "accepted, thank you", true);
        }
    }
    QCOMPARE(translatedPaths(*trace(scenario)), 0u);
}

void TestStrangers::datagramsWithoutIdentification_data() {
    QTest::addColumn<QByteArray>("client");
    QTest::addColumn<QByteArray>("service");
    QTest::addColumn<QByteArray>("snat");
    QTest::addColumn<QByteArray>("pod");
    QTest::newRow("IPv4 with DF") << QByteArray("104.132.1.79:4000") << QByteArray("10.240.0.5:30053")
                                  << QByteArray("10.240.0.5:6000") << QByteArray("10.180.1.136:53");
    QTest::newRow("IPv6") << QByteArray("[2001:db8::79]:4000") << QByteArray("[fd00::5]:30053")
                          << QByteArray("[fd00::5]:6000") << QByteArray("[fd00:1::136]:53");
}

/// What was really translated is found, though no IP identification tells: DNS has one of its own.
void TestStrangers::datagramsWithoutIdentification() {
    QFETCH(QByteArray, client);
    QFETCH(QByteArray, service);
    QFETCH(QByteArray, snat);
    QFETCH(QByteArray, pod);
    const Tuple outside = pair(Protocol::udp, client.toStdString(), service.toStdString()),
                inside = pair(Protocol::udp, snat.toStdString(), pod.toStdString());
    Scenario scenario;
    const std::string query("\x3a\x91\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06source\x02ip", 21);
    const std::string answer("\x3a\x91\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x06source\x02ip", 21);
    for (const bool back : {false, true}) {
        const std::vector<Stop> way = {{"client/eth0", kNoWay, 64, outside},
                                       {"node2/eth0", kNoWay, 64, outside},
                                       {"node2/eth0", kNoWay, 63, inside},
                                       {"pod/eth0", kNoWay, 63, inside}};
        const std::vector<Stop> home = {{"pod/eth0", kNoWay, 64, inside},
                                        {"node2/eth0", kNoWay, 64, inside},
                                        {"node2/eth0", kNoWay, 63, outside},
                                        {"client/eth0", kNoWay, 63, outside}};
        send(scenario, back ? home : way, back ? kMilli : 0, back, [&](auto &builder, const Tuple &tuple) {
            builder.udp(tuple.src.port, tuple.dst.port).ipId(0).payload(std::string_view(back ? answer : query));
        });
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(text(route(*snapshot->paths[0])), "client>node2[SNAT,DNAT]>pod");
}

/// mergecap of a file with itself: nothing is joined, nothing is called delivered twice.
void TestStrangers::sameTapTwice() {
    Scenario scenario;
    addTcp(scenario, viaNode1(tcp(kOutside, "10.180.1.136:8080"), tcp(kOutside, "10.180.1.136:8080")));
    std::vector<Captured> again;
    for (const auto &captured : scenario.packets)
        if (captured.point.starts_with("source-ip-app/")) again.push_back(captured);
    scenario.packets.insert(scenario.packets.end(), again.begin(), again.end());
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(translatedPaths(*snapshot), 0u);
    QCOMPARE(snapshot->paths[0]->attempts, 1u);
    for (const auto &finding : snapshot->paths[0]->findings)
        QVERIFY2(finding.code != "D36", finding.text.c_str());
    // The same as another point of another host: a second sight, not a second connection.
    for (auto &captured : scenario.packets)
        if (captured.point == "source-ip-app/eth0") captured.point = "copy";
    QCOMPARE(translatedPaths(*trace(scenario)), 0u);
}

/// Everything at once, and bytes that mean nothing.
void TestStrangers::noise() {
    std::mt19937 random(11);
    Scenario scenario;
    for (unsigned i = 0; i < 4000; ++i) {
        Captured captured{
            fmt::format("tap{}/eth0", random() % 3), static_cast<std::int64_t>(i) * 50 * kMicro, kNoWay, {}, 0};
        captured.bytes.resize(14 + random() % 120);
        for (auto &byte : captured.bytes)
            byte = static_cast<std::byte>(random());
        constexpr std::uint16_t kTypes[] = {0x0800, 0x86dd, 0x0806, 0x88cc, 0x8100, 0x8847, 0x0800, 0x0800};
        const std::uint16_t type = kTypes[random() % std::size(kTypes)];
        captured.bytes[12] = static_cast<std::byte>(type >> 8);
        captured.bytes[13] = static_cast<std::byte>(type & 0xff);
        if (captured.bytes.size() > 24 && type == 0x0800) { // few addresses, so that some belong together
            captured.bytes[14] = std::byte(0x45);
            constexpr std::uint8_t kProtocols[] = {1, 6, 17, 47, 50, 132, 4, 41};
            captured.bytes[23] = static_cast<std::byte>(kProtocols[random() % std::size(kProtocols)]);
            for (std::size_t at = 26; at < std::min<std::size_t>(38, captured.bytes.size()); ++at)
                captured.bytes[at] = static_cast<std::byte>(random() % 2);
        }
        scenario.packets.push_back(std::move(captured));
    }
    for (const bool byPoint : {false, true})
        QCOMPARE(translatedPaths(*trace(scenario, {.byPoint = byPoint})), 0u);
}

NATLENS_TEST(TestStrangers)
#include "tst_strangers.moc"
