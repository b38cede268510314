// Compressed captures: gzip, zstd and lz4, whole, in crumbs, several in a row, cut and damaged.
#include "tests/test_program.h"

#include "capture/file/compressed.h"
#include "capture/file/file_maker.h"
#include "capture/file/read_in.h"

#include <lz4frame.h>

using namespace natlens;
using test::FileMaker;
using test::gzip;
using test::Order;
using test::readIn;
using test::zstd;

namespace {

QByteArray lz4(const QByteArray &data) {
    LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
    preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled; // as the program does
    QByteArray out(qsizetype(LZ4F_compressFrameBound(std::size_t(data.size()), &preferences)), '\0');
    const std::size_t size =
        LZ4F_compressFrame(out.data(), std::size_t(out.size()), data.data(), std::size_t(data.size()), &preferences);
    out.resize(LZ4F_isError(size) ? 0 : qsizetype(size));
    return out;
}

QByteArray packedAs(const QString &format, const QByteArray &data) {
    return format == "zstd" ? zstd(data) : format == "lz4" ? lz4(data) : gzip(data);
}

/// Packets that do not compress to nothing.
QByteArray capture(int packets) {
    FileMaker f(Order::little);
    f.section().interface("n1/eth0");
    std::uint32_t random = 1;
    for (int i = 0; i < packets; ++i) {
        QByteArray data;
        for (int k = 0; k < 40 + i % 50; ++k) {
            random = random * 1664525 + 1013904223;
            data.append(char(random >> 24 & 0x3f));
        }
        f.packet(0, std::uint64_t(i), data);
    }
    return f.bytes;
}

std::span<const std::byte> span(const QByteArray &bytes) {
    return std::as_bytes(std::span(bytes.constData(), std::size_t(bytes.size())));
}

} // namespace

class TestCompressed : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void formats_data();
    void formats();
    void everyTruncation_data() { formats_data(); }
    void everyTruncation();
    void everyDamagedByte_data() { formats_data(); }
    void everyDamagedByte();
    void whatFollows_data();
    void whatFollows();
    void aFaultInTheCaptureItself();
    void compressedTwice();
};

void TestCompressed::formats_data() {
    QTest::addColumn<QString>("format");
    for (const char *format : {"gzip", "zstd", "lz4"})
        QTest::newRow(format) << format;
}

void TestCompressed::formats() {
    QFETCH(QString, format);
    const auto pack = [&](const QByteArray &data) { return packedAs(format, data); };
    const QByteArray plain = capture(1500); // more than one portion of output
    const auto expected = readIn(std::size_t(plain.size()), span(plain));
    QCOMPARE(expected.lines.size(), 1501);
    // In one piece, and as several programs would have appended to it, cut anywhere.
    const qsizetype cut = plain.size() / 3;
    for (const QByteArray &whole :
         {pack(plain), pack(plain.left(cut)) + pack(plain.mid(cut)), pack(plain) + pack(""), pack("") + pack(plain)}) {
        QVERIFY(whole.size() < plain.size());
        for (const std::size_t portion : {std::size_t(whole.size()), std::size_t(1), std::size_t(4097)}) {
            const auto outcome = readIn(portion, span(whole));
            QVERIFY2(outcome.status, qPrintable(outcome.sentence()));
            QCOMPARE(outcome.lines, expected.lines);
            QCOMPARE(outcome.offset, std::uint64_t(whole.size()));
        }
    }
}

/// What can be unpacked is delivered; then it is said that, and where, the data breaks off.
void TestCompressed::everyTruncation() {
    QFETCH(QString, format);
    const QByteArray plain = capture(30);
    const QByteArray whole = packedAs(format, plain);
    const auto expected = readIn(std::size_t(plain.size()), span(plain)).lines;
    qsizetype longest = 0;
    for (qsizetype length = 4; length < whole.size(); ++length) {
        const auto outcome = readIn(std::size_t(length), span(whole.left(length)));
        QCOMPARE(outcome.lines, expected.first(outcome.lines.size()));
        QVERIFY(outcome.lines.size() >= longest);
        longest = outcome.lines.size();
        QCOMPARE(outcome.code(), int(base::ErrorCode::truncated));
        const auto packets = std::max<qsizetype>(outcome.lines.size() - 1, 0);
        QVERIFY2(outcome.sentence().contains(
                     QString("the %1 data breaks off at byte %2; %3 read")
                         .arg(format)
                         .arg(length)
                         .arg(packets == 1 ? "1 packet was" : QString("%1 packets were").arg(packets))),
                 qPrintable(outcome.sentence()));
    }
    QCOMPARE(longest, expected.size()); // only the checksum was missing
}

void TestCompressed::everyDamagedByte() {
    QFETCH(QString, format);
    const QByteArray whole = packedAs(format, capture(12));
    int faults = 0;
    for (qsizetype at = 4; at < whole.size(); ++at)
        for (const char mask : {char(0xff), char(0x10)}) {
            QByteArray damaged = whole;
            damaged[at] = char(damaged[at] ^ mask);
            const auto atOnce = readIn(std::size_t(damaged.size()), span(damaged));
            const auto crumbs = readIn(3, span(damaged));
            QCOMPARE(crumbs.lines, atOnce.lines);
            QCOMPARE(crumbs.code(), atOnce.code());
            faults += atOnce.status ? 0 : 1;
        }
    QVERIFY(faults > whole.size()); // a header has bytes that mean nothing to us; the data has none
}

void TestCompressed::whatFollows_data() {
    QTest::addColumn<QString>("format");
    QTest::addColumn<QByteArray>("rest");
    QTest::addColumn<QString>("sentence"); // "" for none
    QTest::newRow("gzip, zeros") << "gzip" << QByteArray(600, '\0') << "";
    QTest::newRow("gzip, zeros and a member") << "gzip" << QByteArray(3, '\0') + gzip("") << "";
    QTest::newRow("gzip, rubbish") << "gzip" << QByteArray("rubbish")
                                   << "the gzip data is damaged: what follows the last member is not gzip";
    QTest::newRow("gzip, half a member") << "gzip" << QByteArray::fromHex("1f8b08") << "the gzip data breaks off";
    QTest::newRow("lz4, rubbish") << "lz4" << QByteArray("rubbish") << "the lz4 data is damaged: ";
    QTest::newRow("lz4, a skippable frame") << "lz4" << QByteArray::fromHex("502a4d1803000000616263") << "";
    QTest::newRow("zstd, rubbish") << "zstd" << QByteArray("rubbish") << "the zstd data is damaged: ";
    QTest::newRow("zstd, a skippable frame")
        << "zstd" << QByteArray::fromHex("502a4d180300000061626300").left(11) << "";
}

void TestCompressed::whatFollows() {
    QFETCH(QString, format);
    QFETCH(QByteArray, rest);
    QFETCH(QString, sentence);
    const QByteArray whole = packedAs(format, capture(5)) + rest;
    for (const std::size_t portion : {std::size_t(whole.size()), std::size_t(1)}) {
        const auto outcome = readIn(portion, span(whole));
        QCOMPARE(outcome.packets, std::uint64_t(5));
        QVERIFY2(outcome.sentence().contains(sentence), qPrintable(outcome.sentence()));
        QCOMPARE(bool(outcome.status), sentence.isEmpty());
    }
}

void TestCompressed::aFaultInTheCaptureItself() {
    FileMaker f(Order::little);
    f.section().interface("a").packet(0, 1, "good").packet(1, 1, "x");
    const QByteArray packed = gzip(f.bytes);
    const auto outcome = readIn(1, span(packed));
    QCOMPARE(outcome.packets, std::uint64_t(1));
    QVERIFY2(outcome.sentence().contains("at byte 96 of what was unpacked: a packet block names interface 1"),
             qPrintable(outcome.sentence()));
    const QByteArray cut = gzip(f.bytes.left(90));
    QVERIFY(readIn(1, span(cut)).sentence().contains("breaks off at byte 90, inside a packet block; 0 packets"));
}

void TestCompressed::compressedTwice() {
    const auto outcome = readIn(100, span(gzip(gzip(capture(1)))));
    QCOMPARE(outcome.code(), int(base::ErrorCode::invalidInput));
    QVERIFY2(outcome.sentence().contains("is compressed once more"), qPrintable(outcome.sentence()));
}

NATLENS_TEST(TestCompressed)
#include "tst_compressed.moc"
