// The reader against files made by hand: every block type, both byte orders, whole and in crumbs, and damaged ones.
#include "tests/test_program.h"

#include "capture/file/file_maker.h"
#include "capture/file/read_in.h"
#include "capture/file/reader.h"

using namespace natlens;
using test::FileMaker;
using test::Order;
using test::Outcome;
using test::readIn;
using test::RecordingSink;

namespace {

Outcome readWhole(const FileMaker &file) {
    return readIn(std::size_t(file.bytes.size()) + 1, file.span());
}

/// Everything that a pcapng file may hold.
FileMaker fullFile(Order order) {
    FileMaker f(order);
    f.section();
    f.block(1, f.body()
                   .u16(1)
                   .u16(0)
                   .u32(262144)
                   .option(2, "node2/eth0")
                   .option(3, "uplink")
                   .option(6, QByteArray::fromHex("020000000a01"))
                   .option(9, QByteArray(1, 9))
                   .u32(0));
    f.block(4, f.body().u32(0)); // name resolution: skipped
    FileMaker epb = f.body();
    const std::uint64_t time = 1700000000123456789;
    epb.u32(0).u32(std::uint32_t(time >> 32)).u32(std::uint32_t(time)).u32(5).u32(99).raw("abcde").pad();
    f.block(6, epb.option(1, "first").option(1, "second").option(2, f.body().u32(2).bytes).u32(0));
    f.interface("node1/eth0"); // microseconds
    f.packet(1, 1700000000000001, "xyz");
    f.block(3, f.body().u32(4).raw("spb!")); // simple: interface 0
    f.block(2,
            f.body().u16(1).u16(0).u32(0).u32(5).u32(2).u32(2).raw("pb").pad().option(2, f.body().u32(1).bytes).u32(0));
    f.block(0x80001234, f.body().raw("local use")); // unknown: skipped
    f.block(5, f.body()
                   .u32(0)
                   .u32(0)
                   .u32(7)
                   .option(4, f.body().u64(1000).bytes)
                   .option(5, f.body().u64(3).bytes)
                   .option(7, f.body().u64(4).bytes)
                   .u32(0));
    f.section(); // interfaces are numbered anew
    f.interface("node3/eth0");
    f.packet(0, 0, "");
    return f;
}

const QStringList kFullFile = {
    "point 0 'node2/eth0' 'uplink' link 1 snap 262144 mac 02..01",
    "packet 1 on 0 at 1700000000.123456789 of 99 out 'first' 'second': 6162636465",
    "point 1 'node1/eth0' '' link 1 snap 0",
    "packet 2 on 1 at 1700000000.000001000 of 3: 78797a",
    "packet 3 on 0 at 0.000000000 of 4: 73706221",
    "packet 4 on 1 at 0.000005000 of 2 in: 7062",
    "statistics 0 at 0.000000007 received 1000 dropped 7",
    "point 2 'node3/eth0' '' link 1 snap 0",
    "packet 5 on 2 at 0.000000000 of 0: ",
};

FileMaker pcapFile(Order order, std::uint32_t magic) {
    FileMaker f(order);
    f.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(0x10000001); // link type 1 with an FCS length above it
    for (int i = 0; i < 2; ++i) {
        f.u32(1700000000).u32(std::uint32_t(5 + i)).u32(3).u32(60);
        if (magic == 0xa1b2cd34) f.u32(2).u16(0x0800).u8(i == 0 ? 4 : 0).u8(0);
        f.raw("abc");
    }
    return f;
}

QStringList pcapLines(std::uint32_t magic) {
    const bool nano = magic == 0xa1b23c4d, modified = magic == 0xa1b2cd34;
    return {"point 0 'node1/eth0' '' link 1 snap 65535",
            QString("packet 1 on 0 at 1700000000.%1 of 60%2: 616263")
                .arg(nano ? "000000005" : "000005000", modified ? " out" : ""),
            QString("packet 2 on 0 at 1700000000.%1 of 60%2: 616263")
                .arg(nano ? "000000006" : "000006000", modified ? " in" : "")};
}

} // namespace

class TestReader : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void wholeFiles_data();
    void wholeFiles();
    void everyTruncation_data() { wholeFiles_data(); }
    void everyTruncation();
    void everyDamagedByte_data() { wholeFiles_data(); }
    void everyDamagedByte();
    void resolutions_data();
    void resolutions();
    void damaged_data();
    void damaged();
    void numbersContinue();
    void nothingIsAcceptedAfterAnError();
    void truncationSentence();
};

void TestReader::wholeFiles_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QStringList>("expected");
    QTest::newRow("pcapng little") << fullFile(Order::little).bytes << kFullFile;
    QTest::newRow("pcapng big") << fullFile(Order::big).bytes << kFullFile;
    for (std::uint32_t magic : {0xa1b2c3d4U, 0xa1b23c4dU, 0xa1b2cd34U})
        for (Order order : {Order::little, Order::big})
            QTest::addRow("pcap %x %s", magic, order == Order::little ? "little" : "big")
                << pcapFile(order, magic).bytes << pcapLines(magic);
}

void TestReader::wholeFiles() {
    QFETCH(QByteArray, bytes);
    QFETCH(QStringList, expected);
    const auto span = std::as_bytes(std::span(bytes.constData(), std::size_t(bytes.size())));
    for (std::size_t portion : {std::size_t(bytes.size()), std::size_t(1), std::size_t(7), std::size_t(64)}) {
        const Outcome outcome = readIn(portion, span);
        QVERIFY2(outcome.status, qPrintable(outcome.sentence()));
        QCOMPARE(outcome.lines, expected);
        QCOMPARE(outcome.offset, std::uint64_t(bytes.size()));
    }
}

void TestReader::everyTruncation() {
    QFETCH(QByteArray, bytes);
    QFETCH(QStringList, expected);
    const auto span = std::as_bytes(std::span(bytes.constData(), std::size_t(bytes.size())));
    qsizetype longest = 0;
    for (std::size_t length = 0; length < span.size(); ++length) {
        const Outcome whole = readIn(span.size(), span.first(length));
        const Outcome crumbs = readIn(1, span.first(length));
        QCOMPARE(crumbs.lines, whole.lines);
        QCOMPARE(crumbs.sentence(), whole.sentence());
        QCOMPARE(whole.lines, expected.first(whole.lines.size())); // what came before the break, and nothing else
        QVERIFY(whole.lines.size() >= longest);
        longest = whole.lines.size();
        if (!whole.status) { // a cut between two blocks is a complete file
            QCOMPARE(whole.code(), int(base::ErrorCode::truncated));
            if (length != 0)
                QVERIFY(whole.sentence().contains(QString("breaks off at byte %1, inside a").arg(length)) ||
                        whole.sentence().contains("the file header"));
        }
    }
    QVERIFY(longest >= expected.size() - 1);
}

/// Every byte set to values that make lengths lie: no crash, and portions of any size agree.
void TestReader::everyDamagedByte() {
    QFETCH(QByteArray, bytes);
    for (qsizetype at = 0; at < bytes.size(); ++at)
        for (char value : {char(0x00), char(0x7f), char(0xff), char(bytes[at] + 4)}) {
            QByteArray damagedBytes = bytes;
            damagedBytes[at] = value;
            const auto span = std::as_bytes(std::span(damagedBytes.constData(), std::size_t(damagedBytes.size())));
            const Outcome whole = readIn(span.size(), span);
            const Outcome crumbs = readIn(5, span);
            QCOMPARE(crumbs.lines, whole.lines);
            QCOMPARE(crumbs.sentence(), whole.sentence());
        }
}

void TestReader::resolutions_data() {
    QTest::addColumn<int>("resolution");
    QTest::addColumn<quint64>("ticks");
    QTest::addColumn<qint64>("offset");
    QTest::addColumn<QString>("expected");
    const quint64 all = ~quint64(0);
    QTest::newRow("seconds") << 0 << quint64(17) << qint64(0) << "17.000000000";
    QTest::newRow("milliseconds") << 3 << quint64(1234) << qint64(0) << "1.234000000";
    QTest::newRow("nanoseconds") << 9 << quint64(1234567890) << qint64(0) << "1.234567890";
    QTest::newRow("picoseconds") << 12 << quint64(1234567890123) << qint64(0) << "1.234567890";
    QTest::newRow("10^-127") << 127 << all << qint64(0) << "0.000000000";
    QTest::newRow("2^-10") << 0x8a << quint64(1536) << qint64(0) << "1.500000000";
    QTest::newRow("2^-32") << 0xa0 << quint64(0x180000000) << qint64(0) << "1.500000000";
    QTest::newRow("2^-64") << 0xc0 << quint64(0x8000000000000000) << qint64(0) << "0.500000000";
    QTest::newRow("2^-127") << 0xff << all << qint64(0) << "0.000000000";
    QTest::newRow("offset") << 6 << quint64(5) << qint64(1700000000) << "1700000000.000005000";
    QTest::newRow("negative offset") << 9 << quint64(2000000001) << qint64(-1) << "1.000000001";
    QTest::newRow("clamped above") << 0 << all << qint64(0) << "9223372036.854775807";
    QTest::newRow("clamped below") << 9 << quint64(0) << std::numeric_limits<qint64>::min() << "-9223372037.145224192";
}

void TestReader::resolutions() {
    QFETCH(int, resolution);
    QFETCH(quint64, ticks);
    QFETCH(qint64, offset);
    QFETCH(QString, expected);
    for (Order order : {Order::little, Order::big}) {
        FileMaker f(order);
        f.section();
        f.block(1, f.body()
                       .u16(1)
                       .u16(0)
                       .u32(0)
                       .option(9, QByteArray(1, char(resolution)))
                       .option(14, f.body().u64(std::uint64_t(offset)).bytes)
                       .u32(0));
        f.packet(0, ticks, "a");
        QCOMPARE(readWhole(f).lines.last(), QString("packet 1 on 0 at %1 of 1: 61").arg(expected));
    }
}

void TestReader::damaged_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<int>("packets");
    QTest::addColumn<QString>("sentence");
    const auto base = [] {
        FileMaker f(Order::little);
        return f.section().interface("a").packet(0, 1, "good"); // 28 + 32 + 36 bytes
    };
    const auto row = [](const char *name, const FileMaker &f, int packets, const char *sentence) {
        QTest::newRow(name) << f.bytes << packets << sentence;
    };
    FileMaker f(Order::little);
    row("no capture at all", FileMaker(f).raw("Hello, world"), 0,
        "at byte 0: this is no capture: it begins with 0x48656c6c, which is neither pcap nor pcapng");
    row("another format", FileMaker(f).raw("snoop"), 0, "at byte 0: this is a snoop capture; convert it with");
    row("xz", FileMaker(f).raw(QByteArray::fromHex("fd377a585a00")), 0,
        "this is xz-compressed; unpack it with `xz -d`");
    row("byte-order magic", FileMaker(f).u32(0x0a0d0d0a).u32(28).u32(0x11111111), 0,
        "at byte 8: the section header has no valid byte-order magic");
    row("pcapng version", FileMaker(f).block(0x0a0d0d0a, f.body().u32(0x1a2b3c4d).u16(2).u16(0).u64(0)), 0,
        "pcapng version 2 is not known");
    row("pcap version", FileMaker(f).u32(0xa1b2c3d4).u16(1).u16(0).u64(0).u32(0).u32(1), 0,
        "pcap version 1 is not known");
    row("pcap record of 4 GiB",
        FileMaker(f).u32(0xa1b2c3d4).u16(2).u16(4).u64(0).u32(0).u32(1).u64(0).u32(0xffffffff).u32(1), 0,
        "at byte 24: packet 1 claims 4294967295 captured bytes");
    row("pcap record above wiretap's limit",
        FileMaker(f).u32(0xa1b23c4d).u16(2).u16(4).u64(0).u32(0).u32(1).u64(0).u32(262145).u32(262145), 0,
        "at byte 24: packet 1 claims 262145 captured bytes");
    row("huge block", base().u32(6).u32(0x09000000), 1,
        "at byte 96: a block (type 6) claims 150994944 bytes; more than 128 MiB");
    row("length 8", base().u32(6).u32(8).u32(8), 1,
        "at byte 96: a block (type 6) claims an impossible length of 8 bytes");
    row("trailing length differs", base().u32(6).u32(16).u32(0).u32(20), 1,
        "begins with length 16 and ends with length 20");
    row("interface that does not exist", base().packet(1, 1, "x"), 1,
        "at byte 96: a packet block names interface 1, but the section has 1 so far");
    row("captured beyond the block", base().block(6, f.body().u32(0).u64(0).u32(5).u32(5).raw("abcd")), 1,
        "claims 5 captured bytes but holds at most 4");
    row("captured length wraps", base().block(6, f.body().u32(0).u64(0).u32(0xffffffff).u32(5).raw("abcd")), 1,
        "claims 4294967295 captured bytes");
    row("packet block too short", base().block(6, f.body().u32(0)), 1, "a packet block is too short");
    row("interface block too short", base().block(1, f.body().u32(0)), 1, "an interface block is too short");
    row("statistics block too short", base().block(5, f.body().u32(0).u32(0)), 1, "a statistics block is too short");
    row("simple packet without interface", FileMaker(f).section().block(3, f.body().u32(0)), 0,
        "a simple packet block names interface 0");
    row("simple packet too long", base().block(3, f.body().u32(9).u32(0)), 1,
        "claims 9 captured bytes but holds at most 4");
    row("option beyond the block", base().block(6, f.body().u32(0).u64(0).u32(0).u32(0).u16(1).u16(5).u32(0)), 1,
        "option 1 of a block claims 5 bytes, the block has 4 left");
    row("interfaces end with their section", base().section().packet(0, 1, "x"), 1,
        "names interface 0, but the section has 0");
}

void TestReader::damaged() {
    QFETCH(QByteArray, bytes);
    QFETCH(int, packets);
    QFETCH(QString, sentence);
    const auto span = std::as_bytes(std::span(bytes.constData(), std::size_t(bytes.size())));
    for (std::size_t portion : {std::size_t(1), span.size()}) {
        const Outcome outcome = readIn(portion, span);
        QCOMPARE(outcome.code(), int(base::ErrorCode::invalidInput));
        QVERIFY2(outcome.sentence().contains(sentence), qPrintable(outcome.sentence()));
        QCOMPARE(int(outcome.packets), packets);
    }
}

void TestReader::numbersContinue() {
    RecordingSink sink;
    file::Reader reader(sink, {"", 7, 101});
    QVERIFY(reader.feed(fullFile(Order::little).span()));
    QCOMPARE(sink.lines.first().left(8), QString("point 7 "));
    QVERIFY(sink.lines.last().startsWith("packet 105 on 9 "));
    QCOMPARE(reader.nextPoint(), 10U);
    QCOMPARE(reader.nextPacket(), std::uint64_t(106));
    QCOMPARE(reader.packets(), std::uint64_t(5));
}

void TestReader::nothingIsAcceptedAfterAnError() {
    RecordingSink sink;
    file::Reader reader(sink, {});
    FileMaker f(Order::little);
    f.section().u32(6).u32(1);
    const auto first = reader.feed(f.span());
    const auto second = reader.feed(fullFile(Order::little).span());
    const auto last = reader.finish();
    QVERIFY(!first && !second && !last);
    QCOMPARE(second.error().message, first.error().message);
    QCOMPARE(last.error().message, first.error().message);
    QVERIFY(sink.lines.isEmpty());
}

void TestReader::truncationSentence() {
    FileMaker f(Order::little);
    f.section().interface("a").packet(0, 1, "good").packet(0, 2, "lost");
    const auto cut = readIn(1000, f.span().first(std::size_t(f.bytes.size()) - 3));
    QCOMPARE(cut.sentence(),
             QString("read capture at byte 129: breaks off at byte 129, inside a packet block; 1 packet was read"));
    QCOMPARE(readIn(1, {}).sentence(),
             QString("read capture at byte 0: the capture is empty: it has not even a file header"));
}

NATLENS_TEST(TestReader)
#include "tst_reader.moc"
