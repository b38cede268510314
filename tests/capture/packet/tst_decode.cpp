// Packets as hex text in, fields out. The hex was written by hand from the RFCs' header layouts, so that decoder and
// builder do not merely agree with each other.
#include "tests/test_program.h"

#include "capture/packet/builder.h"
#include "capture/packet/decode.h"
#include "capture/packet/from_hex.h"

#include <fmt/format.h>

using namespace natlens::packet;
using natlens::test::fromHex;

namespace {

const char *issueName(DecodeIssue issue) {
    switch (issue) {
    case DecodeIssue::none: return "";
    case DecodeIssue::truncatedLink: return " !link";
    case DecodeIssue::truncatedNetwork: return " !network";
    case DecodeIssue::truncatedTransport: return " !transport";
    case DecodeIssue::badHeaderLength: return " !length";
    case DecodeIssue::unsupported: return " !unsupported";
    }
    return "?";
}

/// One line with everything that is set.
QString summary(const DecodedPacket &p) {
    std::string text;
    if (p.vlan != 0) text += fmt::format("vlan {} ", p.vlan);
    if (p.sllPacketType != 0xff) text += fmt::format("sll {} ", p.sllPacketType);
    if (p.family != IpFamily::none) {
        text += fmt::format("{} ttl {} id {:04x} len {}", p.tuple.toString(), p.ttl, p.ipId, p.networkLength);
        if (p.dontFragment) text += " DF";
        if (p.isFragment) text += fmt::format(" frag {}", p.fragmentOffset);
    }
    if (p.isTcp()) text += fmt::format(" tcp {:02x} {} {} win {}", p.tcpFlags, p.tcpSeq, p.tcpAck, p.tcpWindow);
    if (p.hasTcpTimestamp) text += fmt::format(" ts {} {}", p.tcpTsVal, p.tcpTsEcr);
    if (p.icmpType != 0 || p.icmpCode != 0) text += fmt::format(" icmp {}/{}", p.icmpType, p.icmpCode);
    if (p.hasQuoted) text += fmt::format(" [{}]", p.quoted.toString());
    if (p.payloadOffset != 0) text += fmt::format(" payload {}+{}", p.payloadOffset, p.payloadLength);
    text += issueName(p.issue);
    return QString::fromStdString(text).trimmed();
}

const QByteArray kEth = "020000000002 020000000001 0800";
const QByteArray kEth6 = "020000000002 020000000001 86dd";
const QByteArray kIp = "45000028 abcd4000 40060000 0a000001 0a000002"; // 20 + 20 bytes, TCP
const QByteArray kTcp = "9c400050 00000001 00000002 50121000 00000000";
const QByteArray kUdp4 = "45000020 00010000 40110000 0a000001 0a000002 0035003600 0c0000 61626364";
const QByteArray kV6Addresses = "fd000000000000000000000000000001 fd000000000000000000000000000002";

} // namespace

class TestDecode : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void decodes_data();
    void decodes();
    void everyPrefixOfEveryPacket_data() { decodes_data(); }
    void everyPrefixOfEveryPacket();
    void macAddresses();
    void payloadStopsAtTheIpLength();
    void superPacketWithKnownLength();
    void tcpOptionsHash();
};

void TestDecode::decodes_data() {
    QTest::addColumn<int>("link");
    QTest::addColumn<QByteArray>("hex");
    QTest::addColumn<QString>("expected");
    const auto row = [](const char *name, LinkType link, const QByteArray &hex, const char *expected) {
        QTest::newRow(name) << int(link) << QByteArray(hex).replace(" ", "") << expected;
    };
    const auto eth = LinkType::ethernet;
    const char *tcp = "TCP 10.0.0.1:40000 > 10.0.0.2:80 ttl 64 id abcd len 40 DF tcp 12 1 2 win 4096 payload 54+0";

    row("tcp", eth, kEth + kIp + kTcp, tcp);
    row("tcp with frame padding", eth, kEth + kIp + kTcp + "000000000000", tcp);
    row("udp", eth, kEth + kUdp4, "UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0001 len 32 payload 42+4");
    row("802.1Q", eth, "020000000002020000000001 8100 6064 0800" + kUdp4,
        "vlan 100 UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0001 len 32 payload 46+4");
    row("QinQ", eth, "020000000002020000000001 88a8 0007 8100 0008 0800" + kUdp4,
        "vlan 7 UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0001 len 32 payload 50+4");
    row("SLL, outgoing", LinkType::linuxSll, "0004 0001 0006 020000000001 0000 0800" + kUdp4,
        "sll 4 UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0001 len 32 payload 44+4");
    row("SLL2, to us", LinkType::linuxSll2, "0800 0000 00000003 0001 00 06 0200000000010000" + kUdp4,
        "sll 0 UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0001 len 32 payload 48+4");
    const char *bare = "UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0001 len 32 payload 28+4";
    for (LinkType raw : {LinkType::rawBsd, LinkType::rawIp, LinkType::ipv4})
        row(qPrintable(QString("raw %1").arg(int(raw))), raw, kUdp4, bare);
    const char *loop = "UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0001 len 32 payload 32+4";
    row("null, little-endian", LinkType::null, "02000000" + kUdp4, loop);
    row("null, big-endian", LinkType::null, "00000002" + kUdp4, loop);
    row("loop", LinkType::loop, "00000002" + kUdp4, loop);

    row("options", eth, kEth + "46000024 00010000 40110000 0a000001 0a000002 01010101 00350036000c0000 61626364",
        "UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0001 len 36 payload 46+4");
    row("first fragment", eth, kEth + "4500001c 00092000 40110000 0a000001 0a000002 0035003605c80000",
        "UDP 10.0.0.1:53 > 10.0.0.2:54 ttl 64 id 0009 len 28 frag 0 payload 42+0");
    row("later fragment", eth, kEth + "4500001c 000920b9 40110000 0a000001 0a000002 0035003605c80000",
        "UDP 10.0.0.1:0 > 10.0.0.2:0 ttl 64 id 0009 len 28 frag 1480 payload 34+8");
    row("super-packet, length 0", eth, kEth + "45000000 abcd4000 40060000 0a000001 0a000002" + kTcp + "616263",
        "TCP 10.0.0.1:40000 > 10.0.0.2:80 ttl 64 id abcd len 43 DF tcp 12 1 2 win 4096 payload 54+3");
    row("cut by the snap length", eth, kEth + "4500ff28 abcd4000 40060000 0a000001 0a000002" + kTcp + "616263",
        "TCP 10.0.0.1:40000 > 10.0.0.2:80 ttl 64 id abcd len 65320 DF tcp 12 1 2 win 4096 payload 54+65280");
    row("SYN with options", eth,
        kEth + "4500003c 00004000 40060000 0a000001 0a000002 9c400050 00000001 00000000 a002faf0 00000000"
               "020405b4 0402080a 00000011 00000022 01030307",
        "TCP 10.0.0.1:40000 > 10.0.0.2:80 ttl 64 id 0000 len 60 DF tcp 02 1 0 win 64240 ts 17 34 payload 74+0");
    row("SCTP", eth, kEth + "45000024 00000000 40840000 0a000001 0a000002 0bb80bb9 00000000 00000000 00000000",
        "SCTP 10.0.0.1:3000 > 10.0.0.2:3001 ttl 64 id 0000 len 36 payload 46+4");
    row("echo request", eth, kEth + "4500001c 00000000 40010000 0a000001 0a000002 0800000012340001",
        "ICMP 10.0.0.1:4660 > 10.0.0.2:4660 ttl 64 id 0000 len 28 icmp 8/0 payload 42+0");
    row("echo reply", eth, kEth + "4500001c 00000000 40010000 0a000001 0a000002 0000000012340001",
        "ICMP 10.0.0.1:4660 > 10.0.0.2:4660 ttl 64 id 0000 len 28 payload 42+0");
    row("port unreachable", eth,
        kEth + "45000038 00000000 40010000 0a000009 0a000001 0303000000000000"
               "4500001c 00070000 3f110000 0a000001 0a000002 00350036 00080000",
        "ICMP 10.0.0.9:0 > 10.0.0.1:0 ttl 64 id 0000 len 56 icmp 3/3 [UDP 10.0.0.1:53 > 10.0.0.2:54] payload 42+28");
    row("quoted echo", eth,
        kEth + "45000038 00000000 40010000 0a000009 0a000001 0b00000000000000"
               "4500001c 00070000 01010000 0a000001 0a000002 0800000012340001",
        "ICMP 10.0.0.9:0 > 10.0.0.1:0 ttl 64 id 0000 len 56 icmp 11/0 [ICMP 10.0.0.1:4660 > 10.0.0.2:4660] payload "
        "42+28");
    row("GRE", eth, kEth + "4500001c 00000000 402f0000 0a000001 0a000002 0000080000000000",
        "47 10.0.0.1:0 > 10.0.0.2:0 ttl 64 id 0000 len 28 payload 34+8");

    row("IPv6 TCP", eth, kEth6 + "60000000 0014 06 40" + kV6Addresses + kTcp,
        "TCP [fd00::1]:40000 > [fd00::2]:80 ttl 64 id 0000 len 60 tcp 12 1 2 win 4096 payload 74+0");
    row("IPv6 raw", LinkType::ipv6, "60000000 0014 06 40" + kV6Addresses + kTcp,
        "TCP [fd00::1]:40000 > [fd00::2]:80 ttl 64 id 0000 len 60 tcp 12 1 2 win 4096 payload 60+0");
    row("IPv6 extension headers", eth,
        kEth6 + "60000000 0034 00 40" + kV6Addresses +
            "2b00010400000000 3c00000000000000 06 01 0104 00000000 0000000000000000" + kTcp,
        "TCP [fd00::1]:40000 > [fd00::2]:80 ttl 64 id 0000 len 92 tcp 12 1 2 win 4096 payload 106+0");
    row("IPv6 first fragment", eth, kEth6 + "60000000 0010 2c 40" + kV6Addresses + "11000001 deadbeef 0035003605c80000",
        "UDP [fd00::1]:53 > [fd00::2]:54 ttl 64 id beef len 56 frag 0 payload 70+0");
    row("IPv6 later fragment", eth, kEth6 + "60000000 0010 2c 40" + kV6Addresses + "110005a8 deadbeef 0035003605c80000",
        "UDP [fd00::1]:0 > [fd00::2]:0 ttl 64 id beef len 56 frag 1448 payload 62+8");
    row("IPv6 jumbogram", eth, kEth6 + "60000000 0000 00 40" + kV6Addresses + "0600c204 0001001c" + kTcp,
        "TCP [fd00::1]:40000 > [fd00::2]:80 ttl 64 id 0000 len 65604 tcp 12 1 2 win 4096 payload 82+65536");
    row("IPv6 BIG TCP, length 0", eth, kEth6 + "60000000 0000 06 40" + kV6Addresses + kTcp + "6162",
        "TCP [fd00::1]:40000 > [fd00::2]:80 ttl 64 id 0000 len 62 tcp 12 1 2 win 4096 payload 74+2");
    row("IPv6 no next header", eth, kEth6 + "60000000 0000 3b 40" + kV6Addresses,
        "59 [fd00::1]:0 > [fd00::2]:0 ttl 64 id 0000 len 40 payload 54+0");
    row("ICMPv6 echo", eth, kEth6 + "60000000 0008 3a ff" + kV6Addresses + "8000000012340001",
        "ICMPv6 [fd00::1]:4660 > [fd00::2]:4660 ttl 255 id 0000 len 48 icmp 128/0 payload 62+0");
    row("ICMPv6 unreachable", eth,
        kEth6 + "60000000 0038 3a 40" + kV6Addresses + "0104000000000000 60000000 0008 11 3f" + kV6Addresses +
            "0035003600080000",
        "ICMPv6 [fd00::1]:0 > [fd00::2]:0 ttl 64 id 0000 len 96 icmp 1/4 [UDP [fd00::1]:53 > [fd00::2]:54] payload "
        "62+48");

    row("empty", eth, "", "!link");
    row("short link header", eth,
        "0200000000020200000000010800"
        "",
        "!network");
    row("ARP", eth, "ffffffffffff 020000000001 0806 0001080006040001", "!unsupported");
    row("netlink is no packet", LinkType::netlink, "0004000000000000", "!unsupported");
    row("wrong version", eth, kEth + "65000028 abcd4000 40060000 0a000001 0a000002" + kTcp, "!unsupported");
    row("IHL 4", eth, kEth + "44000028 abcd4000 40060000 0a000001 0a000002" + kTcp,
        "TCP 10.0.0.1:0 > 10.0.0.2:0 ttl 64 id abcd len 40 DF !length");
    row("total length below the header", eth, kEth + "45000013 abcd4000 40060000 0a000001 0a000002" + kTcp,
        "TCP 10.0.0.1:0 > 10.0.0.2:0 ttl 64 id abcd len 19 DF !length");
    row("total length cuts TCP", eth, kEth + "4500001e abcd4000 40060000 0a000001 0a000002" + kTcp,
        "TCP 10.0.0.1:40000 > 10.0.0.2:80 ttl 64 id abcd len 30 DF !transport");
    row("data offset 4", eth, kEth + kIp + "9c400050 00000001 00000002 40121000 00000000",
        "TCP 10.0.0.1:40000 > 10.0.0.2:80 ttl 64 id abcd len 40 DF tcp 12 1 2 win 4096 !length");
    row("data offset beyond the packet", eth, kEth + kIp + "9c400050 00000001 00000002 f0121000 00000000",
        "TCP 10.0.0.1:40000 > 10.0.0.2:80 ttl 64 id abcd len 40 DF tcp 12 1 2 win 4096 payload 94+0 !transport");
    row("option of length 0", eth,
        kEth + "4500002c abcd4000 40060000 0a000001 0a000002 9c400050 00000001 00000002 60121000 00000000 08000000",
        "TCP 10.0.0.1:40000 > 10.0.0.2:80 ttl 64 id abcd len 44 DF tcp 12 1 2 win 4096 payload 58+0");
}

void TestDecode::decodes() {
    QFETCH(int, link);
    QFETCH(QByteArray, hex);
    QTEST(summary(decode(static_cast<LinkType>(link), fromHex(hex))), "expected");
}

/// Bytes copied to a heap block of exactly their size, so that the address sanitizer sees a read past the end.
void TestDecode::everyPrefixOfEveryPacket() {
    QFETCH(int, link);
    QFETCH(QByteArray, hex);
    const auto whole = fromHex(hex);
    const auto expected = decode(static_cast<LinkType>(link), whole);
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        const auto packet = decode(static_cast<LinkType>(link), cut);
        QVERIFY(payload(packet, cut).size() <= length);
        (void)natInvariantFingerprint(packet, cut);
        if (packet.family == IpFamily::none) {
            QVERIFY(packet.issue != DecodeIssue::none);
            continue;
        }
        QCOMPARE(packet.tuple.src.ip, expected.tuple.src.ip);
        if (packet.isTcp()) QCOMPARE(packet.tcpSeq, expected.tcpSeq);
        // Either the cut is in the payload, or it is reported.
        if (packet.issue == DecodeIssue::none && expected.issue == DecodeIssue::none)
            QCOMPARE(packet.payloadOffset, expected.payloadOffset);
    }
}

void TestDecode::macAddresses() {
    const auto packet = decode(LinkType::ethernet, fromHex(kEth + kUdp4));
    QVERIFY(packet.hasMac);
    QCOMPARE(packet.srcMac, (MacAddress{2, 0, 0, 0, 0, 1}));
    QCOMPARE(packet.dstMac, (MacAddress{2, 0, 0, 0, 0, 2}));
    QCOMPARE(int(packet.etherType), 0x0800);
}

void TestDecode::payloadStopsAtTheIpLength() {
    const auto bytes = fromHex(QByteArray(kEth + kUdp4 + "ffffffff").replace(" ", ""));
    const auto packet = decode(LinkType::ethernet, bytes);
    const auto data = payload(packet, bytes);
    QCOMPARE(QByteArray(reinterpret_cast<const char *>(data.data()), qsizetype(data.size())), QByteArray("abcd"));
    QVERIFY(payload(DecodedPacket{}, bytes).empty());
}

void TestDecode::superPacketWithKnownLength() {
    const std::string body(70'000, 'x');
    const auto whole = PacketBuilder()
                           .ip(IpAddress::v4(1, 2, 3, 4), IpAddress::v4(5, 6, 7, 8))
                           .tcp(1, 2, TcpFlags::ack)
                           .payload(body)
                           .build();
    QCOMPARE(decode(LinkType::ethernet, whole).payloadLength, 70'000U);
    const auto cut = std::span(whole).first(256);
    QCOMPARE(decode(LinkType::ethernet, cut).payloadLength, 256U - 54);
    QCOMPARE(decode(LinkType::ethernet, cut, static_cast<std::uint32_t>(whole.size())).payloadLength, 70'000U);
}

void TestDecode::tcpOptionsHash() {
    PacketBuilder base;
    base.ip(IpAddress::v4(1, 2, 3, 4), IpAddress::v4(5, 6, 7, 8)).tcp(1, 2, TcpFlags::syn).mss(1460).sackPermitted();
    const auto hashOf = [](const PacketBuilder &builder) {
        return decode(LinkType::ethernet, builder.build()).tcpOptionsHash;
    };
    PacketBuilder other = base;
    QCOMPARE(hashOf(other), hashOf(base));
    QVERIFY(hashOf(other.mss(1400)) != hashOf(base));
    PacketBuilder early = base, late = base;
    QCOMPARE(hashOf(early.timestamps(1, 2)), hashOf(late.timestamps(3, 4)));
    QVERIFY(hashOf(early) != hashOf(base));
    PacketBuilder scaled = base, scaledMore = base;
    QVERIFY(hashOf(scaled.windowScale(7)) != hashOf(scaledMore.windowScale(8)));
}

NATLENS_TEST(TestDecode)
#include "tst_decode.moc"
