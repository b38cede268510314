// Unusual link headers, tags and tunnels: every layer is found, nothing is read outside the captured bytes, and what
// only looks like a tunnel stays what it is.
#include "tests/test_program.h"

#include "capture/packet/builder.h"
#include "capture/packet/odd_packets.h"
#include "capture/packet/tunnel.h"

#include <fmt/format.h>

using namespace natlens;
using namespace natlens::packet;
using test::ethernet;
using test::hex;
using test::ip4;
using test::udp;

namespace {

/// On the heap and of exactly this size: the address sanitizer sees a read past its end.
std::vector<std::byte> copied(const QByteArray &bytes) {
    const auto span = std::as_bytes(std::span(bytes.constData(), std::size_t(bytes.size())));
    return {span.begin(), span.end()};
}

QString layersOf(LinkType link, std::span<const std::byte> bytes) {
    DecodedPacket packet = decode(link, bytes);
    std::string text = packet.family == IpFamily::none ? "" : packet.tuple.toString();
    while (const auto inside = carried(packet, bytes)) {
        bytes = inside->bytes;
        packet = decode(inside->linkType, bytes, inside->originalLength);
        Encapsulation around = inside->around;
        around.innerIsV6 = packet.family == IpFamily::v6;
        text += " | " + toString(around);
        if (around.id) text += fmt::format(" {}", *around.id);
        text += " | " + packet.tuple.toString();
    }
    return QString::fromStdString(text);
}

} // namespace

class TestTunnel : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void layers_data();
    void layers();
    void everyPrefix_data() { layers_data(); }
    void everyPrefix();
    void onlyLikeATunnel_data();
    void onlyLikeATunnel();
    void depthIsBounded();
    void fragments();
    void whatIsKnownOfTheTunnel();
    void linkTypeNames();
};

void TestTunnel::layers_data() {
    QTest::addColumn<int>("link");
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("expected");
    for (const auto &odd : test::oddPackets())
        QTest::newRow(odd.name) << int(odd.link) << odd.bytes << odd.layers;
}

void TestTunnel::layers() {
    QFETCH(int, link);
    QFETCH(QByteArray, bytes);
    QFETCH(QString, expected);
    const auto type = static_cast<LinkType>(link);
    const auto copy = copied(bytes);
    QCOMPARE(layersOf(type, copy), expected);
    QVERIFY(isDecoded(type));
    const auto inside = unwrap(decode(type, copy), copy);
    QCOMPARE(QString::fromStdString(inside.packet.tuple.toString()),
             expected.isEmpty() ? "0  > " : expected.section(" | ", -1));
    QCOMPARE(int(inside.depth), int(expected.count(" | ") / 2));
    if (expected.isEmpty()) return;
    QVERIFY(inside.packet.isTcp());
    QCOMPARE(inside.packet.tcpSeq, 1U);
    QCOMPARE(inside.packet.payloadLength, 0U);
    QCOMPARE(inside.around.has_value(), inside.depth != 0);
}

void TestTunnel::everyPrefix() {
    QFETCH(int, link);
    QFETCH(QByteArray, bytes);
    QFETCH(QString, expected);
    for (qsizetype length = 0; length < bytes.size(); ++length) {
        const auto copy = copied(bytes.left(length));
        const auto type = static_cast<LinkType>(link);
        const auto packet = decode(type, copy, std::uint32_t(bytes.size()));
        const auto inside = unwrap(packet, copy);
        QVERIFY(inside.depth <= unsigned(expected.count(" | ") / 2));
        QVERIFY(payload(inside.packet, inside.bytes).size() <= inside.packet.payloadLength);
        QVERIFY(inside.packet.networkOffset <= inside.bytes.size());
    }
}

void TestTunnel::onlyLikeATunnel_data() {
    QTest::addColumn<QByteArray>("bytes");
    const auto datagram = [](int port, const QByteArray &body) {
        return ethernet("0800", ip4(17, udp(port, body), "c0a800"));
    };
    const auto gre = [](const QByteArray &body) { return ethernet("0800", ip4(47, body, "c0a800")); };
    const QByteArray inner = ethernet("0800", ip4(17, udp(53, "x")));
    QTest::newRow("VXLAN without network") << datagram(4789, hex("00000000 00002a00") + inner);
    QTest::newRow("text on VXLAN's port") << datagram(4789, "hello, this is no tunnel but some text");
    QTest::newRow("empty datagram") << datagram(4789, "");
    QTest::newRow("Geneve of another version") << datagram(6081, hex("40006558 00002a00") + inner);
    QTest::newRow("Geneve with options beyond the end") << datagram(6081, hex("3f006558 00002a00") + inner);
    QTest::newRow("Geneve with an unknown protocol") << datagram(6081, hex("00001234 00002a00") + inner);
    QTest::newRow("GRE with routing") << gre(hex("4000 0800 00000000") + inner.mid(14));
    QTest::newRow("GRE with an unknown protocol") << gre(hex("0000 1234") + inner);
    QTest::newRow("GRE keepalive") << gre(hex("0000 0000"));
    QTest::newRow("PPTP acknowledgement") << gre(hex("2081 880b 0000 0007 00000001"));
    QTest::newRow("IP in IP that is none") << ethernet("0800", ip4(4, "no packet", "c0a800"));
    QTest::newRow("source port only") << ethernet("0800", ip4(17, hex("12b5 0050 0010 0000 0800000000002a00")));
}

void TestTunnel::onlyLikeATunnel() {
    QFETCH(QByteArray, bytes);
    const auto copy = copied(bytes);
    const auto packet = decode(LinkType::ethernet, copy);
    const auto inside = unwrap(packet, copy);
    QCOMPARE(inside.depth, 0U);
    QVERIFY(!inside.around);
    QCOMPARE(inside.packet.tuple, packet.tuple);
    QCOMPARE(inside.bytes.size(), copy.size());
}

void TestTunnel::depthIsBounded() {
    QByteArray bytes = ip4(17, udp(53, "x"));
    for (int i = 0; i < 20; ++i)
        bytes = ip4(4, bytes, "c0a800");
    const auto copy = copied(bytes);
    QCOMPARE(unwrap(decode(LinkType::rawIp, copy), copy).depth, 4U);
}

/// The first fragment of a tunnel's packet shows what is inside, the others show nothing.
void TestTunnel::fragments() {
    const auto build = [](std::uint16_t offset, bool more) {
        return PacketBuilder()
            .ip(IpAddress::v4(192, 168, 0, 1), IpAddress::v4(192, 168, 0, 2))
            .udp(12345, 4789)
            .fragment(offset, more)
            .payload(std::as_bytes(std::span(
                (hex("08000000 00002a00") + ethernet("0800", ip4(17, udp(53, QByteArray(40, 'x'))))).constData(), 60)))
            .build();
    };
    const auto first = build(0, true), later = build(64, false);
    QCOMPARE(unwrap(decode(LinkType::ethernet, first), first).packet.tuple.dst.port, Port(53));
    QCOMPARE(unwrap(decode(LinkType::ethernet, later), later).depth, 0U);
}

void TestTunnel::whatIsKnownOfTheTunnel() {
    const auto copy = copied(ethernet(
        "0800", ip4(17, udp(8472, hex("08000000 00002a00") + ethernet("0806", QByteArray(28, '\0'))), "c0a800")));
    const auto inside = unwrap(decode(LinkType::ethernet, copy), copy);
    QCOMPARE(inside.packet.family, IpFamily::none); // ARP inside is no connection between the nodes
    QVERIFY(inside.around);
    QCOMPARE(inside.around->id, std::optional<std::uint32_t>(42));
    QCOMPARE(QString::fromStdString(inside.around->tuple.toString()),
             QString("UDP 192.168.0.1:12345 > 192.168.0.2:8472"));
    QCOMPARE(int(inside.around->ttl), 64);
}

void TestTunnel::linkTypeNames() {
    QCOMPARE(QString::fromStdString(toString(LinkType::ieee80211Radiotap)), QString("IEEE 802.11 with radiotap"));
    QCOMPARE(QString::fromStdString(toString(static_cast<LinkType>(4711))), QString("link type 4711"));
    QVERIFY(!isDecoded(static_cast<LinkType>(4711)));
    QVERIFY(!isDecoded(LinkType::netlink));
}

NATLENS_TEST(TestTunnel)
#include "tst_tunnel.moc"
