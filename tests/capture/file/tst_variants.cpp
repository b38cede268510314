// Classic pcap as others wrote and write it: old versions, patched libpcaps, Ixia, AIX; and captures of all interfaces.
#include "tests/test_program.h"

#include "capture/file/file_maker.h"
#include "capture/file/read_in.h"

using namespace natlens;
using test::FileMaker;
using test::Order;
using test::readIn;

namespace {

constexpr std::uint32_t kStandard = 0xa1b2c3d4, kModified = 0xa1b2cd34;
const QByteArray kMac = QByteArray::fromHex("0200000000010200000000020800"); // as a packet's first bytes

/// One record: the extra header bytes after the usual 16, lengths in the order given.
FileMaker &record(FileMaker &f, std::uint32_t fraction, const QByteArray &extra, const QByteArray &data,
                  std::uint32_t first, std::uint32_t second) {
    return f.u32(1700000000).u32(fraction).u32(first).u32(second).raw(extra).raw(data);
}

FileMaker header(Order order, std::uint32_t magic, std::uint16_t major, std::uint16_t minor, std::uint32_t link = 1) {
    FileMaker f(order);
    return f.u32(magic).u16(major).u16(minor).u64(0).u32(65535).u32(link);
}

QString line(int number, const char *fraction, const QByteArray &data, int length, const char *direction = "") {
    return QString("packet %1 on 0 at 1700000000.%2 of %3%4: %5")
        .arg(number)
        .arg(fraction)
        .arg(length)
        .arg(direction)
        .arg(QString::fromLatin1(data.toHex()));
}

} // namespace

class TestVariants : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void variants_data();
    void variants();
    void aSinglePacketIsNotHeldBack();
    void allInterfaces();
    void namesFromFileAndInterface_data();
    void namesFromFileAndInterface();
};

void TestVariants::variants_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QStringList>("packets");
    for (const Order order : {Order::little, Order::big}) {
        const char *name = order == Order::little ? "little" : "big";
        const auto file = [&](std::uint32_t magic, std::uint16_t major, std::uint16_t minor, std::uint32_t link = 1) {
            return header(order, magic, major, minor, link);
        };
        const auto row = [&](const char *what, const FileMaker &f, const QStringList &packets) {
            QTest::addRow("%s, %s", what, name) << f.bytes << packets;
        };
        const QStringList two{line(1, "000005000", kMac, 60), line(2, "000006000", kMac, 60)};
        const QStringList twoNano{line(1, "000000005", kMac, 60), line(2, "000000006", kMac, 60)};
        const QStringList twoIn{line(1, "000005000", kMac, 60, " out"), line(2, "000006000", kMac, 60, " in")};
        const auto records = [&](FileMaker f, const QByteArray &extra = {}, const QByteArray &extra2 = {}) {
            record(f, 5, extra, kMac, 14, 60);
            return record(f, 6, extra2.isEmpty() ? extra : extra2, kMac, 14, 60);
        };
        const auto swapped = [&](FileMaker f) {
            record(f, 5, {}, kMac, 60, 14);
            return record(f, 6, {}, kMac, 60, 14);
        };
        row("version 2.4", records(file(kStandard, 2, 4)), two);
        row("version 2.2", swapped(file(kStandard, 2, 2)), two);
        row("version 2.3", records(file(kStandard, 2, 3)), two);
        row("version 2.3 with the lengths of 2.2", swapped(file(kStandard, 2, 3)), two);
        row("DG/UX", swapped(file(kStandard, 543, 0)), two);
        row("a later version", records(file(kStandard, 3, 0)), two);
        row("AIX", swapped(file(kStandard, 2, 2, 6)), twoNano);
        row("Ixia hardware", records(file(0x1c0001ac, 2, 4).u32(60)), twoNano);
        row("Ixia software", records(file(0x1c0001ab, 2, 4).u32(60)), two);
        const FileMaker number(order);
        const QByteArray nokia = number.body().u32(0xbfbfd902).bytes;
        const QByteArray out = number.body().u32(2).u16(0x0800).u8(4).u8(0).bytes;
        const QByteArray in = number.body().u32(2).u16(0x0800).u8(0).u8(7).bytes;
        const QByteArray rest = QByteArray::fromHex("01020304");
        row("Nokia", records(file(kStandard, 2, 4), nokia), two);
        row("patch 990417", records(file(kStandard, 2, 4), out, in), twoIn);
        row("patch 991029", records(file(kModified, 2, 4), out, in), twoIn);
        row("patch 990915", records(file(kModified, 2, 4), out + rest, in + rest), twoIn);
        FileMaker one = file(kStandard, 2, 4);
        row("patch 990417, one packet", record(one, 5, out, kMac, 14, 60), {line(1, "000005000", kMac, 60, " out")});
        // A loopback packet begins like the patched header of an interface 0.
        const QByteArray loopback = QByteArray(12, '\0') + QByteArray::fromHex("0800");
        FileMaker lo = file(kStandard, 2, 4);
        record(lo, 5, {}, loopback, 14, 60);
        row("loopback, one packet", lo, {line(1, "000005000", loopback, 60)});
        row("loopback, two packets", record(lo, 6, {}, kMac, 14, 60),
            {line(1, "000005000", loopback, 60), line(2, "000006000", kMac, 60)});
        FileMaker lying = file(kStandard, 2, 4);
        row("original length too small", record(lying, 5, {}, kMac, 14, 3), {line(1, "000005000", kMac, 14)});
        FileMaker late = file(kStandard, 2, 4);
        row("more than a million microseconds", record(late, 1'500'000, {}, kMac, 14, 60),
            {QString("packet 1 on 0 at 1700000001.500000000 of 60: %1").arg(QString::fromLatin1(kMac.toHex()))});
        FileMaker unlimited(order);
        unlimited.u32(kStandard).u16(2).u16(4).u64(0).u32(0).u32(0xf4000001); // no snap length; a frame check sequence
        row("snap length 0", records(unlimited), two);
    }
}

void TestVariants::variants() {
    QFETCH(QByteArray, bytes);
    QFETCH(QStringList, packets);
    const auto span = std::as_bytes(std::span(bytes.constData(), std::size_t(bytes.size())));
    for (const std::size_t portion : {span.size(), std::size_t(1), std::size_t(5)}) {
        const auto outcome = readIn(portion, span);
        QVERIFY2(outcome.status, qPrintable(outcome.sentence()));
        QCOMPARE(outcome.lines.mid(1), packets);
        QVERIFY2(outcome.lines.first().startsWith("point 0 'node1/eth0' '' link 1 "), qPrintable(outcome.lines[0]));
    }
}

/// A live stream shows its first packet when it comes, not when the second has.
void TestVariants::aSinglePacketIsNotHeldBack() {
    FileMaker f = header(Order::little, kStandard, 2, 4);
    record(f, 5, {}, kMac, 14, 60);
    test::RecordingSink sink;
    file::Reader reader(sink, {"", 0, 1});
    QVERIFY(reader.feed(f.span()));
    QCOMPARE(sink.packets, 1);
}

/// `tcpdump -i any`: each interface becomes a point, with the direction that the header tells.
void TestVariants::allInterfaces() {
    const auto cooked = [](unsigned index, unsigned hardware, unsigned type) {
        FileMaker f(Order::big);
        return f.u16(0x0800).u16(0).u32(index).u16(std::uint16_t(hardware)).u8(type).u8(6).u64(0).bytes;
    };
    FileMaker f = header(Order::little, kStandard, 2, 4, 276);
    for (const auto &data : {cooked(1, 772, 0), cooked(3, 1, 4), cooked(2, 1, 0), cooked(3, 1, 0), QByteArray("cut")})
        record(f, 1, {}, data, std::uint32_t(data.size()), 60);
    const auto outcome = readIn(f.span().size(), f.span());
    QVERIFY2(outcome.status, qPrintable(outcome.sentence()));
    QStringList lines;
    for (const QString &text : outcome.lines)
        lines << text.section(": ", 0, 0).section(" at ", 0, 0) + (text.contains(" out") ? " out" : "");
    QCOMPARE(
        lines,
        (QStringList{"point 0 'node1/eth0' '' link 276 snap 65535", "point 1 'node1/lo' '' link 276 snap 65535",
                     "packet 1 on 1", "point 2 'node1/if3' '' link 276 snap 65535", "packet 2 on 2 out",
                     "point 3 'node1/if2' '' link 276 snap 65535", "packet 3 on 3", "packet 4 on 2", "packet 5 on 0"}));
}

void TestVariants::namesFromFileAndInterface_data() {
    QTest::addColumn<QString>("given");
    QTest::addColumn<bool>("byPerson");
    QTest::addColumn<QStringList>("interfaces");
    QTest::addColumn<QStringList>("points");
    using List = QStringList;
    QTest::newRow("natlens' own") << "rec" << false << List{"n1/eth0", "n2/eth0"} << List{"n1/eth0", "n2/eth0"};
    QTest::newRow("Wireshark's") << "dump" << false << List{"eth0", "wlan0"} << List{"dump/eth0", "dump/wlan0"};
    QTest::newRow("file says more") << "n1/x" << false << List{"eth0"} << List{"n1/eth0"};
    QTest::newRow("mergecap's") << "merged" << false << List{"", "", ""} << List{"merged", "merged#2", "merged#3"};
    QTest::newRow("no file name") << "" << false << List{"eth0", ""} << List{"eth0", ""};
    QTest::newRow("a person names it") << "n1/up" << true << List{"eth0"} << List{"n1/up"};
    QTest::newRow("a person names several")
        << "n1/up" << true << List{"a/eth0", "b/eth1", "eth2"} << List{"n1/up", "n1/eth1", "n1/eth2"};
    QTest::newRow("a person names the host") << "n1" << true << List{"eth0", "b/eth1"} << List{"n1/eth0", "n1/eth1"};
    QTest::newRow("unprintable") << "f" << false << List{"a\x1b[31m"} << List{"f/a?[31m"};
}

void TestVariants::namesFromFileAndInterface() {
    QFETCH(QString, given);
    QFETCH(bool, byPerson);
    QFETCH(QStringList, interfaces);
    QFETCH(QStringList, points);
    FileMaker f(Order::little);
    f.section();
    for (const QString &name : interfaces)
        f.interface(name.toUtf8());
    test::RecordingSink sink;
    file::Reader reader(sink, {.pointName = given.toStdString(),
                               .nameSource = byPerson ? file::NameSource::person : file::NameSource::fileName});
    QVERIFY(reader.feed(f.span()) && reader.finish());
    QStringList names;
    for (const QString &text : sink.lines)
        names << text.section('\'', 1, 1);
    QCOMPARE(names, points);
}

NATLENS_TEST(TestVariants)
#include "tst_variants.moc"
