// Published vectors, and the incremental form against the whole one.
#include "tests/test_program.h"

#include "capture/packet/checksum.h"
#include "capture/packet/from_hex.h"

#include <random>

using namespace natlens::packet;
using natlens::test::fromHex;

class TestChecksum : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void sums_data();
    void sums();
    void transport_data();
    void transport();
    void incremental_data();
    void incremental();
    void incrementalEqualsWhole();
    void sctp_data();
    void sctp();
};

void TestChecksum::sums_data() {
    QTest::addColumn<QByteArray>("hex");
    QTest::addColumn<int>("sum");
    QTest::newRow("empty") << QByteArray() << 0;
    QTest::newRow("RFC 1071 section 3") << QByteArray("0001f203f4f5f6f7") << 0xddf2;
    QTest::newRow("odd byte is the high half") << QByteArray("0001f203f4f5f6f701") << 0xdef2;
    QTest::newRow("one byte") << QByteArray("80") << 0x8000;
    QTest::newRow("three bytes") << QByteArray("ffff01") << 0x0100;
    QTest::newRow("carry of the carry") << QByteArray("ffffffff0001") << 1;
    QTest::newRow("IPv4 header, checksum in place") << QByteArray("45000073000040004011b861c0a80001c0a800c7") << 0xffff;
    QTest::newRow("IPv4 header, checksum zero") << QByteArray("450000730000400040110000c0a80001c0a800c7") << 0x479e;
}

void TestChecksum::sums() {
    QFETCH(QByteArray, hex);
    QFETCH(int, sum);
    QCOMPARE(int(onesComplementSum(fromHex(hex))), sum);
    QCOMPARE(int(internetChecksum(fromHex(hex))), ~sum & 0xffff);
}

void TestChecksum::transport_data() {
    QTest::addColumn<QString>("src");
    QTest::addColumn<QString>("dst");
    QTest::addColumn<int>("protocol");
    QTest::addColumn<QByteArray>("segment");
    QTest::addColumn<int>("checksum");
    // Sums worked out by hand: 7f00+0001+7f00+0001 + 0011+000a + 0400+0400+000a+6869 = 16e90 -> 6e91.
    QTest::newRow("UDP v4") << "127.0.0.1"
                            << "127.0.0.1" << 17 << QByteArray("04000400000a00006869") << 0x916e;
    // 1+1 + 003a+0008 + 8000+0000+0001+0001 = 8046.
    QTest::newRow("ICMPv6") << "::1"
                            << "::1" << 58 << QByteArray("8000000000010001") << 0x7fb9;
}

void TestChecksum::transport() {
    QFETCH(QString, src);
    QFETCH(QString, dst);
    QFETCH(int, protocol);
    QFETCH(QByteArray, segment);
    QTEST(int(transportChecksum(*IpAddress::parse(src.toStdString()), *IpAddress::parse(dst.toStdString()),
                                static_cast<Protocol>(protocol), fromHex(segment))),
          "checksum");
}

void TestChecksum::incremental_data() {
    QTest::addColumn<int>("before");
    QTest::addColumn<int>("oldWord");
    QTest::addColumn<int>("newWord");
    QTest::addColumn<int>("after");
    QTest::newRow("RFC 1624 section 4") << 0xdd2f << 0x5555 << 0x3285 << 0x0000;
    QTest::newRow("no change") << 0x1234 << 0x4006 << 0x4006 << 0x1234;
    QTest::newRow("TTL 64 to 63") << 0xb861 << 0x4011 << 0x3f11 << 0xb961;
}

void TestChecksum::incremental() {
    QFETCH(int, before);
    QFETCH(int, oldWord);
    QFETCH(int, newWord);
    QTEST(int(updateChecksum(static_cast<std::uint16_t>(before), static_cast<std::uint16_t>(oldWord),
                             static_cast<std::uint16_t>(newWord))),
          "after");
}

void TestChecksum::incrementalEqualsWhole() {
    std::mt19937 random(7);
    std::vector<std::byte> bytes(40);
    bytes[39] = std::byte{1}; // an all-zero message is the one case in which the two forms of zero differ
    for (int round = 0; round < 2000; ++round) {
        const std::uint16_t before = internetChecksum(bytes);
        const std::size_t at = random() % 19 * 2;
        const auto word = [&] {
            return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) << 8 |
                                              std::to_integer<unsigned>(bytes[at + 1]));
        };
        const std::uint16_t old = word();
        bytes[at] = static_cast<std::byte>(random());
        bytes[at + 1] = static_cast<std::byte>(random());
        QCOMPARE(updateChecksum(before, old, word()), internetChecksum(bytes));
    }
}

void TestChecksum::sctp_data() {
    QTest::addColumn<QByteArray>("hex");
    QTest::addColumn<quint32>("crc");
    QTest::newRow("check value") << QByteArray("123456789").toHex() << 0xe3069283U;
    QTest::newRow("RFC 3720 B.4 zeros") << QByteArray(64, '0') << 0x8a9136aaU;
    QTest::newRow("RFC 3720 B.4 ones") << QByteArray(64, 'f') << 0x62a8ab43U;
}

void TestChecksum::sctp() {
    QFETCH(QByteArray, hex);
    QTEST(crc32c(fromHex(hex)), "crc");
}

NATLENS_TEST(TestChecksum)
#include "tst_checksum.moc"
