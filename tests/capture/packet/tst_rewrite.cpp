// A packet rewritten as NAT does it must equal the packet built with the new fields, checksums included; and what
// survives NAT must give one fingerprint at all capture points.
#include "tests/test_program.h"

#include "capture/packet/builder.h"
#include "capture/packet/checksum.h"
#include "capture/packet/rewrite.h"

using namespace natlens::packet;

namespace {

using Bytes = std::vector<std::byte>;

IpAddress ip(const char *text) {
    return *IpAddress::parse(text);
}

/// The ends of a connection before and after translation, in both families.
struct Ends {
    IpAddress src, dst;
    Port srcPort, dstPort;
};
Ends endsBefore(bool v6) {
    return {ip(v6 ? "fd00::10" : "172.20.0.10"), ip(v6 ? "fd00::2" : "172.20.0.2"), 38212, 30080};
}
Ends endsAfter(bool v6) {
    return {ip(v6 ? "fd00:20::2" : "172.20.0.2"), ip(v6 ? "fd00:10:244::105" : "10.244.1.5"), 4517, 8080};
}

Bytes make(const QString &kind, const Ends &ends, std::uint8_t ttl, LinkType link = LinkType::ethernet) {
    PacketBuilder b;
    b.link(link).ip(ends.src, ends.dst).ttl(ttl).ipId(0xd37d);
    if (kind == "syn")
        b.tcp(ends.srcPort, ends.dstPort, TcpFlags::syn)
            .seq(2367626601)
            .mss(1460)
            .sackPermitted()
            .timestamps(3305986409, 0)
            .windowScale(7);
    if (kind == "tcp")
        b.tcp(ends.srcPort, ends.dstPort, TcpFlags::ack | TcpFlags::psh)
            .seq(7)
            .ack(9)
            .timestamps(1, 2)
            .payload("GET / HTTP/1.1\r\n\r\n");
    if (kind == "udp") b.udp(ends.srcPort, ends.dstPort).payload("hello");
    if (kind == "sctp") b.sctp(ends.srcPort, ends.dstPort, 77).payload("chunks..");
    if (kind == "echo") b.icmpEchoRequest(ends.dstPort, 3).payload("ping");
    if (kind == "first fragment") b.udp(ends.srcPort, ends.dstPort).payload("fragment").fragment(0, true);
    if (kind == "later fragment") b.udp(ends.srcPort, ends.dstPort).payload("fragment").fragment(1480, false);
    return b.build();
}

Translation translationTo(const Ends &ends, std::uint8_t ttl) {
    return {ends.src, ends.dst, ends.srcPort, ends.dstPort, ttl};
}

QByteArray hex(const Bytes &bytes) {
    return QByteArray(reinterpret_cast<const char *>(bytes.data()), qsizetype(bytes.size())).toHex();
}

std::uint64_t fingerprint(const Bytes &bytes, LinkType link = LinkType::ethernet) {
    return natInvariantFingerprint(decode(link, bytes), bytes);
}

} // namespace

class TestRewrite : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void equalsBuilt_data();
    void equalsBuilt();
    void builtChecksumsAreRight_data() { equalsBuilt_data(); }
    void builtChecksumsAreRight();
    void fingerprintSurvives_data() { equalsBuilt_data(); }
    void fingerprintSurvives();
    void fingerprintSeesWhatIsNotNat_data();
    void fingerprintSeesWhatIsNotNat();
    void icmpErrorsAreTranslatedInside_data();
    void icmpErrorsAreTranslatedInside();
    void absentUdpChecksumStaysAbsent();
    void unfinishedChecksumStaysUnfinished();
    void cutPackets();
    void refusals();
};

void TestRewrite::equalsBuilt_data() {
    QTest::addColumn<QString>("kind");
    QTest::addColumn<bool>("v6");
    for (const char *kind : {"syn", "tcp", "udp", "sctp", "echo", "later fragment"})
        for (bool v6 : {false, true})
            QTest::addRow("%s v%d", kind, v6 ? 6 : 4) << kind << v6;
}

void TestRewrite::equalsBuilt() {
    QFETCH(QString, kind);
    QFETCH(bool, v6);
    Bytes packet = make(kind, endsBefore(v6), 64);
    const Bytes original = packet;
    QVERIFY(rewrite(LinkType::ethernet, packet, translationTo(endsAfter(v6), 62)));
    QCOMPARE(hex(packet), hex(make(kind, endsAfter(v6), 62)));
    QVERIFY(rewrite(LinkType::ethernet, packet, translationTo(endsBefore(v6), 64)));
    QCOMPARE(hex(packet), hex(original));
}

void TestRewrite::builtChecksumsAreRight() {
    QFETCH(QString, kind);
    QFETCH(bool, v6);
    const Bytes bytes = make(kind, endsBefore(v6), 64);
    const auto packet = decode(LinkType::ethernet, bytes);
    QCOMPARE(packet.issue, DecodeIssue::none);
    if (!v6) QCOMPARE(int(internetChecksum(std::span(bytes).subspan(14, 20))), 0);
    if (packet.isFragment || kind == "sctp") return;
    const auto segment = std::span(bytes).subspan(packet.transportOffset);
    if (packet.tuple.protocol == Protocol::icmp)
        QCOMPARE(int(internetChecksum(segment)), 0);
    else
        QCOMPARE(int(transportChecksum(packet.tuple.src.ip, packet.tuple.dst.ip, packet.tuple.protocol, segment)), 0);
}

void TestRewrite::fingerprintSurvives() {
    QFETCH(QString, kind);
    QFETCH(bool, v6);
    const auto before = fingerprint(make(kind, endsBefore(v6), 64));
    QVERIFY(before != 0);
    QCOMPARE(fingerprint(make(kind, endsAfter(v6), 62)), before);
    for (LinkType link : {LinkType::linuxSll, LinkType::linuxSll2, LinkType::rawIp})
        QCOMPARE(fingerprint(make(kind, endsAfter(v6), 63, link), link), before);
    // A short snap length: 96 bytes keep the first 32 bytes of a small packet's payload, or all of it.
    const Bytes longer = make(kind, endsAfter(v6), 62);
    const Bytes cut(longer.begin(), longer.begin() + std::min<std::ptrdiff_t>(std::ssize(longer), 96));
    if (longer.size() <= cut.size()) QCOMPARE(fingerprint(cut), before);
}

void TestRewrite::fingerprintSeesWhatIsNotNat_data() {
    QTest::addColumn<int>("change");
    const char *names[] = {
        "ip id",          "seq", "ack", "flags", "window", "timestamp value", "timestamp echo", "payload byte",
        "payload length", "DF"};
    for (int i = 0; i < int(std::size(names)); ++i)
        QTest::newRow(names[i]) << i;
}

void TestRewrite::fingerprintSeesWhatIsNotNat() {
    QFETCH(int, change);
    const auto build = [](int which) {
        PacketBuilder b;
        b.ip(ip("10.0.0.1"), ip("10.0.0.2")).tcp(1, 2, which == 3 ? TcpFlags::ack | TcpFlags::fin : TcpFlags::ack);
        b.ipId(which == 0 ? 6 : 5).seq(which == 1 ? 11 : 10).ack(which == 2 ? 21 : 20).window(which == 4 ? 101 : 100);
        b.timestamps(which == 5 ? 31 : 30, which == 6 ? 41 : 40);
        b.payload(which == 7 ? "abce" : which == 8 ? "abcde" : "abcd").dontFragment(which != 9);
        return b.build();
    };
    QVERIFY(fingerprint(build(-1)) != fingerprint(build(change)));
}

void TestRewrite::icmpErrorsAreTranslatedInside_data() {
    QTest::addColumn<QString>("kind");
    QTest::addColumn<bool>("v6");
    QTest::addColumn<int>("quotedBytes");
    for (const char *kind : {"tcp", "udp", "echo"})
        for (bool v6 : {false, true})
            for (int quoted : {8, 1000})
                QTest::addRow("%s v%d, %d bytes", kind, v6 ? 6 : 4, quoted) << kind << v6 << quoted;
}

void TestRewrite::icmpErrorsAreTranslatedInside() {
    QFETCH(QString, kind);
    QFETCH(bool, v6);
    QFETCH(int, quotedBytes);
    const auto errorAbout = [&](const Ends &ends) {
        const Bytes inner = make(kind, ends, 61, LinkType::rawIp);
        const std::size_t length = std::min(inner.size(), std::size_t(quotedBytes + (v6 ? 40 : 20)));
        return PacketBuilder()
            .ip(ends.dst, ends.src)
            .icmpError(v6 ? 1 : 3, v6 ? 4 : 3, std::span(inner).first(length))
            .build();
    };
    Bytes packet = errorAbout(endsAfter(v6));
    const Bytes wanted = errorAbout(endsBefore(v6));
    QCOMPARE(fingerprint(packet), fingerprint(wanted));

    const Ends to = endsBefore(v6);
    QVERIFY(rewriteQuoted(LinkType::ethernet, packet, {to.src, to.dst, to.srcPort, to.dstPort, {}}));
    QVERIFY(rewrite(LinkType::ethernet, packet, {to.dst, to.src, {}, {}, {}}));
    QCOMPARE(hex(packet), hex(wanted));
    const auto decoded = decode(LinkType::ethernet, packet);
    QVERIFY(decoded.hasQuoted);
    QCOMPARE(decoded.quoted.src.ip, to.src);
    QCOMPARE(decoded.quoted.dst.port, to.dstPort);
}

void TestRewrite::absentUdpChecksumStaysAbsent() {
    Bytes packet = make("udp", endsBefore(false), 64);
    packet[14 + 20 + 6] = packet[14 + 20 + 7] = std::byte{0};
    QVERIFY(rewrite(LinkType::ethernet, packet, translationTo(endsAfter(false), 62)));
    QCOMPARE(int(packet[14 + 20 + 6]), 0);
    QCOMPARE(int(packet[14 + 20 + 7]), 0);
    QCOMPARE(decode(LinkType::ethernet, packet).tuple.dst.port, endsAfter(false).dstPort);
}

/// With offload the field holds something else than the checksum; the difference to the right one must not change.
void TestRewrite::unfinishedChecksumStaysUnfinished() {
    Bytes packet = make("tcp", endsBefore(false), 64);
    packet[14 + 20 + 16] ^= std::byte{0x55};
    QVERIFY(rewrite(LinkType::ethernet, packet, translationTo(endsAfter(false), 62)));
    QVERIFY(hex(packet) != hex(make("tcp", endsAfter(false), 62)));
    QVERIFY(rewrite(LinkType::ethernet, packet, translationTo(endsBefore(false), 64)));
    Bytes again = make("tcp", endsBefore(false), 64);
    again[14 + 20 + 16] ^= std::byte{0x55};
    QCOMPARE(hex(packet), hex(again));
}

void TestRewrite::cutPackets() {
    for (const char *kind : {"syn", "udp", "echo", "sctp"})
        for (bool v6 : {false, true}) {
            const Bytes whole = make(kind, endsBefore(v6), 64);
            for (std::size_t length = 0; length < whole.size(); ++length) {
                Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
                const auto status = rewrite(LinkType::ethernet, cut, translationTo(endsAfter(v6), 62));
                QCOMPARE(status.has_value(), length >= 14U + (v6 ? 40 : 20));
                if (status) QCOMPARE(decode(LinkType::ethernet, cut).tuple.dst.ip, endsAfter(v6).dst);
            }
        }
}

void TestRewrite::refusals() {
    Bytes packet = make("tcp", endsBefore(false), 64);
    const Bytes original = packet;
    const auto mixed = rewrite(LinkType::ethernet, packet, {ip("10.0.0.1"), ip("::1"), {}, {}, {}});
    QVERIFY(!mixed);
    QCOMPARE(mixed.error().code, natlens::base::ErrorCode::invalidInput);
    QCOMPARE(hex(packet), hex(original));
    QVERIFY(!rewriteQuoted(LinkType::ethernet, packet, {}));
    Bytes arp(60);
    QVERIFY(!rewrite(LinkType::ethernet, arp, {}));
}

NATLENS_TEST(TestRewrite)
#include "tst_rewrite.moc"
