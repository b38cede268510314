// Wireshark's programs as referees: what capinfos counts and tshark dissects is what our reader and decoder say, for
// files in every variant and for packets behind unusual headers and in tunnels.
#include "tests/test_program.h"

#include "capture/file/compressed.h"
#include "capture/file/file_maker.h"
#include "capture/file/recording_sink.h"
#include "capture/packet/odd_packets.h"
#include "capture/packet/tunnel.h"

#include <QProcess>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <map>

using namespace natlens;
using test::FileMaker;
using test::gzip;
using test::Order;
using test::zstd;

namespace {

constexpr std::uint64_t kSecond = 1'700'000'000;

/// What capinfos knows of a file.
class Totals final : public file::StreamSink {
public:
    std::uint64_t packets = 0, bytes = 0;
    std::optional<base::Timestamp> first, last;

    void onCapturePoint(base::CapturePointId, const file::CapturePoint &) override {}
    void onStatistics(const file::PointStatistics &) override {}
    void onPacket(const file::PacketView &packet) override {
        ++packets;
        bytes += packet.originalLength;
        first = std::min(first.value_or(packet.time), packet.time);
        last = std::max(last.value_or(packet.time), packet.time);
    }
};

/// Five packets of different lengths, one of them cut.
FileMaker &addPackets(FileMaker &f, std::uint32_t interfaceId, std::uint64_t ticks) {
    for (unsigned i = 0; i < 4; ++i)
        f.packet(interfaceId, ticks + 3 * i, QByteArray(qsizetype(60 + 7 * i), char('a' + i)));
    FileMaker cut = f.body();
    cut.u32(interfaceId).u32(std::uint32_t(ticks >> 32)).u32(std::uint32_t(ticks)).u32(60).u32(1500);
    return f.block(6, cut.raw(QByteArray(60, 'z')));
}

FileMaker &addInterface(FileMaker &f, int resolution, std::int64_t offset, const QByteArray &name = "eth0") {
    FileMaker idb = f.body();
    idb.u16(1).u16(0).u32(262144).option(2, name).option(9, QByteArray(1, char(resolution)));
    if (offset != 0) idb.option(14, f.body().u64(std::uint64_t(offset)).bytes);
    return f.block(1, idb.option(0x8001, "a custom option").u32(0));
}

/// Blocks that tell nothing of packets.
FileMaker &addOthers(FileMaker &f) {
    f.block(4, f.body().u16(1).u16(9).raw(QByteArray::fromHex("0a000001")).raw(QByteArray("host", 5)).pad().u32(0));
    f.block(5, f.body().u32(0).u32(0).u32(7).option(4, f.body().u64(10).bytes).u32(0));
    f.block(9, f.body().raw("MESSAGE=x\n__REALTIME_TIMESTAMP=1\n"));
    f.block(10, f.body().u32(0x544c534b).u32(4).raw("keys"));
    f.block(0x0bad, f.body().u32(32473).raw("custom"));
    return f.block(0x80001234, f.body().raw("local use"));
}

FileMaker pcap(Order order, std::uint32_t magic, std::uint16_t minor, const QByteArray &afterHeader = {},
               bool swapLengths = false) {
    FileMaker f(order);
    f.u32(magic).u16(2).u16(minor).u64(0).u32(262144).u32(1).raw(afterHeader);
    for (unsigned i = 0; i < 5; ++i) {
        const std::uint32_t captured = 60 + i, original = i == 2 ? 1500 : captured;
        f.u32(std::uint32_t(kSecond)).u32(5 + i);
        f.u32(swapLengths ? original : captured).u32(swapLengths ? captured : original);
        f.raw(QByteArray(qsizetype(captured), char('a' + i)));
    }
    return f;
}

std::map<QString, QByteArray> makeFiles() {
    std::map<QString, QByteArray> files;
    for (const Order order : {Order::little, Order::big}) {
        const QString suffix = order == Order::little ? "-le" : "-be";
        const auto make = [&] { return FileMaker(order); };
        const auto ticks = [](std::uint64_t perSecond, std::uint64_t rest) { return kSecond * perSecond + rest; };
        struct Resolution {
            int value;
            std::uint64_t perSecond;
        };
        for (const Resolution r : {Resolution{0, 1},
                                   {3, 1000},
                                   {6, 1'000'000},
                                   {9, 1'000'000'000},
                                   {0x8a, 1024},
                                   {0x94, 1 << 20},
                                   {0x9e, 1 << 30}})
            for (const int offset : {0, 1000, -1000}) {
                FileMaker f = make();
                addPackets(addInterface(f.section(), r.value, offset), 0, ticks(r.perSecond, r.perSecond / 3));
                files[QString("resolution-%1-%2%3.pcapng").arg(r.value).arg(offset).arg(suffix)] = f.bytes;
            }
        FileMaker several = make();
        addPackets(addInterface(addInterface(several.section(), 6, 0), 9, 0), 1, ticks(1'000'000'000, 17));
        addPackets(addOthers(several), 0, ticks(1'000'000, 20));
        FileMaker other(order == Order::little ? Order::big : Order::little);
        addPackets(addInterface(other.section(), 9, 0), 0, ticks(1'000'000'000, 99));
        files["sections" + suffix + ".pcapng"] = several.bytes + other.bytes;
        FileMaker old = make();
        addInterface(old.section(), 6, 0);
        old.block(3, old.body().u32(60).raw(QByteArray(60, 's')));
        old.block(2, old.body().u16(0).u16(3).u32(0).u32(77).u32(60).u32(61).raw(QByteArray(60, 'o')));
        files["old-blocks" + suffix + ".pcapng"] = old.bytes;
        FileMaker early = make();
        files["before-1970" + suffix + ".pcapng"] = addPackets(addInterface(early.section(), 9, -5000), 0, 17).bytes;
        for (const auto &[name, magic] : {std::pair("micro", 0xa1b2c3d4U), {"nano", 0xa1b23c4dU}})
            files[QString(name) + suffix + ".pcap"] = pcap(order, magic, 4).bytes;
        const QByteArray length = make().u32(1000).bytes;
        files["ixia-software" + suffix + ".pcap"] = pcap(order, 0x1c0001ab, 4, length).bytes;
        files["ixia-hardware" + suffix + ".pcap"] = pcap(order, 0x1c0001ac, 4, length).bytes;
        files["version-2.2" + suffix + ".pcap"] = pcap(order, 0xa1b2c3d4, 2, {}, true).bytes;
        files["version-2.3" + suffix + ".pcap"] = pcap(order, 0xa1b2c3d4, 3, {}, true).bytes;
        files["cut" + suffix + ".pcap"] = pcap(order, 0xa1b2c3d4, 4).bytes.chopped(7);
        files["cut" + suffix + ".pcapng"] = several.bytes.chopped(50);
        files["damaged" + suffix + ".pcapng"] = several.bytes + QByteArray(64, '\x7f') + several.bytes;
        files["gzip" + suffix + ".pcapng.gz"] = gzip(several.bytes);
        files["two" + suffix + ".pcapng.gz"] = gzip(several.bytes.left(333)) + gzip(several.bytes.mid(333));
        files["zstd" + suffix + ".pcap.zst"] = zstd(pcap(order, 0xa1b23c4d, 4).bytes);
    }
    return files;
}

/// "1700000000.000000017" with as many digits as the referee wrote.
QString asWritten(base::Timestamp time, const QString &like) {
    return QString::fromStdString(time.toString()).left(10 + like.size() - like.indexOf('.')).left(like.size());
}

} // namespace

class TestReferee : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void countsAndTimes();
    void formatsOfEditcap();
    void packets();

private:
    [[nodiscard]] QString path(const QString &name) const { return m_folder.filePath(name); }
    void write(const QString &name, const QByteArray &bytes) {
        QFile file(path(name));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(bytes), bytes.size());
    }
    QByteArray run(const QString &program, const QStringList &arguments) {
        QProcess process;
        auto environment = QProcessEnvironment::systemEnvironment();
        environment.insert("WIRESHARK_CONFIG_DIR", m_folder.path()); // nobody's own settings
        environment.insert("TZ", "UTC");
        process.setProcessEnvironment(environment);
        process.start(program, arguments);
        if (!process.waitForFinished(120'000)) return {};
        return process.readAllStandardOutput();
    }
    void compare(const QStringList &names);
    QTemporaryDir m_folder;
    QString m_capinfos, m_tshark, m_editcap;
};

void TestReferee::initTestCase() {
    QVERIFY(m_folder.isValid());
    m_capinfos = QStandardPaths::findExecutable("capinfos");
    m_tshark = QStandardPaths::findExecutable("tshark");
    m_editcap = QStandardPaths::findExecutable("editcap");
    if (m_capinfos.isEmpty() || m_tshark.isEmpty() || m_editcap.isEmpty()) QSKIP("Wireshark's programs are missing");
}

/// One line of capinfos a file against what our reader found in it.
void TestReferee::compare(const QStringList &names) {
    QStringList arguments{"-T", "-m", "-S", "-r", "-c", "-d", "-a", "-e"};
    for (const QString &name : names)
        arguments << path(name);
    std::map<QString, QStringList> lines;
    for (const QString &line : QString::fromUtf8(run(m_capinfos, arguments)).split('\n', Qt::SkipEmptyParts)) {
        const QStringList fields = line.split(',');
        lines[QFileInfo(fields.first()).fileName()] = fields.mid(1);
    }
    QStringList wrong;
    for (const QString &name : names) {
        Totals ours;
        const auto status = file::readFile(path(name).toStdString(), ours);
        const bool whole = !name.startsWith("cut") && !name.startsWith("damaged");
        if (status.has_value() != whole) wrong << name + (whole ? " is not read to its end" : " has no end");
        if (name.startsWith(
                "damaged")) { // capinfos says nothing of such a file; it has the two parts of one that is not
            QCOMPARE(ours.packets, std::uint64_t(10));
            continue;
        }
        QVERIFY2(lines.contains(name), qPrintable(name));
        const QStringList &theirs = lines[name];
        QCOMPARE(theirs.size(), 4);
        // It has no times where interfaces differ in resolution; and before 4.2 it took Ixia's nanoseconds for micro.
        const bool timed = theirs[2] != "n/a" && !name.startsWith("ixia-hardware");
        QStringList mine{QString::number(ours.packets), QString::number(ours.bytes)};
        if (timed && ours.first) mine << asWritten(*ours.first, theirs[2]) << asWritten(*ours.last, theirs[3]);
        if (mine != theirs.first(timed ? 4 : 2))
            wrong << QString("%1: %2 instead of %3").arg(name, mine.join(' '), theirs.join(' '));
        QVERIFY(ours.packets != 0);
    }
    QVERIFY2(wrong.isEmpty(), qPrintable(wrong.join('\n')));
}

void TestReferee::countsAndTimes() {
    QStringList names;
    for (const auto &[name, bytes] : makeFiles()) {
        write(name, bytes);
        names << name;
    }
    compare(names);
}

/// The variants that editcap writes, of the same five packets.
void TestReferee::formatsOfEditcap() {
    write("base.pcap", pcap(Order::little, 0xa1b2c3d4, 4).bytes);
    QStringList names;
    for (const char *format : {"pcap", "nsecpcap", "modpcap", "nokiapcap", "rh6_1pcap", "suse6_3pcap", "pcapng"}) {
        names << QString("as-") + format;
        run(m_editcap, {"-F", format, path("base.pcap"), path(names.last())});
        QVERIFY2(QFileInfo(path(names.last())).size() > 300, format);
    }
    compare(names);
}

/// One pcapng with an interface for each link type; every layer of every packet.
void TestReferee::packets() {
    using packet::Protocol;
    FileMaker f(Order::little);
    f.section();
    std::map<packet::LinkType, std::uint32_t> interfaces;
    QList<test::OddPacket> odd;
    for (const auto &packet : test::oddPackets())
        if (packet.refereeAgrees) odd << packet;
    for (const auto &packet : odd) {
        const auto [place, isNew] = interfaces.try_emplace(packet.link, std::uint32_t(interfaces.size()));
        if (isNew)
            f.block(1, f.body()
                           .u16(std::uint16_t(packet.link))
                           .u16(0)
                           .u32(0)
                           .option(2, "if" + QByteArray::number(int(packet.link)))
                           .u32(0));
    }
    for (const auto &packet : odd)
        f.packet(interfaces[packet.link], kSecond * 1'000'000, packet.bytes);
    write("odd.pcapng", f.bytes);

    const QStringList fields{
        "frame.interface_name", "frame.len",   "ip.src",    "ip.dst",    "ipv6.src", "ipv6.dst", "ip.ttl",
        "tcp.srcport",          "udp.dstport", "vxlan.vni", "geneve.vni"};
    QStringList arguments{"-n",
                          "-r",
                          path("odd.pcapng"),
                          "-T",
                          "fields",
                          "-E",
                          "separator=|", // its own default varies
                          "-d",
                          "udp.port==8472,vxlan"};
    for (const QString &field : fields)
        arguments << "-e" << field;
    const QStringList lines = QString::fromUtf8(run(m_tshark, arguments)).split('\n', Qt::SkipEmptyParts);
    QCOMPARE(lines.size(), odd.size());

    QStringList wrong;
    for (qsizetype i = 0; i < odd.size(); ++i) {
        const auto captured = std::as_bytes(std::span(odd[i].bytes.constData(), std::size_t(odd[i].bytes.size())));
        QStringList src4, dst4, src6, dst6, ttl, tcp, udp, vxlan, geneve;
        auto bytes = captured;
        auto layer = packet::decode(odd[i].link, bytes);
        for (;;) {
            if (layer.family == packet::IpFamily::v4) {
                src4 << QString::fromStdString(layer.tuple.src.ip.toString());
                dst4 << QString::fromStdString(layer.tuple.dst.ip.toString());
                ttl << QString::number(layer.ttl);
            } else if (layer.family == packet::IpFamily::v6) {
                src6 << QString::fromStdString(layer.tuple.src.ip.toString());
                dst6 << QString::fromStdString(layer.tuple.dst.ip.toString());
            }
            if (layer.isTcp()) tcp << QString::number(layer.tuple.src.port);
            if (layer.tuple.protocol == Protocol::udp) udp << QString::number(layer.tuple.dst.port);
            const auto inside = packet::carried(layer, bytes);
            if (!inside) break;
            if (inside->around.type == packet::TunnelType::vxlan) vxlan << QString::number(*inside->around.id);
            if (inside->around.type == packet::TunnelType::geneve)
                geneve << QString("0x%1").arg(*inside->around.id, 6, 16, QChar('0'));
            bytes = inside->bytes;
            layer = packet::decode(inside->linkType, bytes, inside->originalLength);
        }
        QStringList mine{QString("if%1").arg(int(odd[i].link)), QString::number(odd[i].bytes.size())};
        for (const auto &values : {src4, dst4, src6, dst6, ttl, tcp, udp, vxlan, geneve})
            mine << values.join(',');
        const QStringList theirs = lines[i].split('|');
        if (mine != theirs) wrong << QString("%1: %2 instead of %3").arg(odd[i].name, mine.join('|'), lines[i]);
    }
    QVERIFY2(wrong.isEmpty(), qPrintable(wrong.join('\n')));
}

NATLENS_TEST(TestReferee)
#include "tst_referee.moc"
