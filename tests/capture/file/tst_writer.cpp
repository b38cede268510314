// What the writer writes, read back by our reader and by Wireshark's tools; and files as readFile() finds them.
#include "tests/test_program.h"

#include "capture/file/file_maker.h"
#include "capture/file/pcapng_writer.h"
#include "capture/file/recording_sink.h"
#include "capture/packet/builder.h"

#include <QProcess>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <fcntl.h>
#include <unistd.h>

using namespace natlens;
using file::PcapngWriter;
using test::RecordingSink;

namespace {

base::UniqueFd create(const QString &path) {
    return base::UniqueFd(::open(path.toLocal8Bit().constData(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
}

file::CapturePoint point(std::string name) {
    file::CapturePoint p;
    p.name = std::move(name);
    return p;
}

file::PacketView view(std::uint32_t on, std::int64_t time, std::span<const std::byte> data) {
    file::PacketView v;
    v.point = {on};
    v.time = {time};
    v.originalLength = std::uint32_t(data.size());
    v.data = data;
    return v;
}

std::vector<std::byte> httpSyn() {
    return packet::PacketBuilder()
        .ip(packet::IpAddress::v4(10, 0, 0, 1), packet::IpAddress::v4(10, 96, 0, 1))
        .tcp(40000, 80, packet::TcpFlags::syn)
        .mss(1460)
        .timestamps(1, 0)
        .build();
}

} // namespace

class TestWriter : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() { QVERIFY(m_folder.isValid()); }
    void roundTrip();
    void largePackets();
    void refusesWhatItCannotWrite();
    void writeErrorsStay();
    void movedWriterFlushes();
    void wiresharkAgrees();
    void fileNames_data();
    void fileNames();
    void readFileErrors();
    void readsFromAPipe();

private:
    [[nodiscard]] QString path(const QString &name) const { return m_folder.filePath(name); }
    static QStringList read(const QString &file, base::Status *status = nullptr) {
        RecordingSink sink;
        const auto result = file::readFile(file.toStdString(), sink);
        if (status) *status = result;
        return sink.lines;
    }
    QTemporaryDir m_folder;
};

void TestWriter::roundTrip() {
    const auto data = httpSyn();
    {
        PcapngWriter writer(create(path("round.pcapng")), "natlens test");
        auto first = point("node2/eth0");
        first.description = "uplink";
        first.mac = packet::MacAddress{2, 0, 0, 0, 0, 9};
        first.snapLength = 256;
        QCOMPARE(writer.addPoint(first)->value, 0U);
        auto v = view(0, 1700000000123456789, std::span(data).first(5));
        v.originalLength = 1500;
        v.direction = file::PacketDirection::outbound;
        v.comment = "why";
        QVERIFY(writer.writePacket(v));
        auto second = point("");
        second.linkType = packet::LinkType::linuxSll2;
        QCOMPARE(writer.addPoint(second)->value, 1U);
        QVERIFY(writer.writePacket(view(1, 1, {})));
        QVERIFY(writer.writePacket(view(1, -5, std::span(data).first(4)))); // before 1970: written as 1970
        QVERIFY(writer.writeStatistics({{1}, {42}, 1000, 7}));
        QVERIFY(writer.flush());
        QCOMPARE(writer.bytesWritten(), std::uint64_t(QFileInfo(path("round.pcapng")).size()));
    }
    base::Status status;
    const QStringList lines = read(path("round.pcapng"), &status);
    QVERIFY(status);
    QCOMPARE(lines, (QStringList{"point 0 'node2/eth0' 'uplink' link 1 snap 256 mac 02..09",
                                 "packet 1 on 0 at 1700000000.123456789 of 1500 out 'why': 0200000000",
                                 "point 1 'round' '' link 276 snap 0",
                                 "packet 2 on 1 at 0.000000001 of 0: ", "packet 3 on 1 at 0.000000000 of 4: 02000000",
                                 "statistics 1 at 0.000000042 received 1000 dropped 7"}));
}

void TestWriter::largePackets() {
    const std::vector<std::byte> big(3'000'001, std::byte{0x5a});
    {
        PcapngWriter writer(create(path("big.pcapng")));
        QVERIFY(writer.addPoint(point("a")));
        for (int i = 0; i < 3; ++i)
            QVERIFY(writer.writePacket(view(0, i, big)));
    }
    struct Counter final : file::StreamSink {
        std::size_t packets = 0, bytes = 0;
        void onCapturePoint(base::CapturePointId, const file::CapturePoint &) override {}
        void onPacket(const file::PacketView &p) override {
            ++packets;
            bytes += std::size_t(std::ranges::count(p.data, std::byte{0x5a}));
        }
        void onStatistics(const file::PointStatistics &) override {}
    } counter;
    QVERIFY(file::readFile(path("big.pcapng").toStdString(), counter));
    QCOMPARE(counter.packets, std::size_t(3));
    QCOMPARE(counter.bytes, 3 * big.size());
}

void TestWriter::refusesWhatItCannotWrite() {
    PcapngWriter writer(create(path("refused.pcapng")));
    QCOMPARE(writer.writePacket(view(0, 0, {})).error().code, base::ErrorCode::invalidInput);
    QCOMPARE(writer.writeStatistics({{3}, {}, 0, 0}).error().code, base::ErrorCode::invalidInput);
    QCOMPARE(writer.addPoint(point(std::string(70'000, 'n'))).error().code, base::ErrorCode::invalidInput);
    QVERIFY(writer.addPoint(point("fine"))); // a refusal is no write error
    auto v = view(0, 0, {});
    const std::string comment(70'000, 'c');
    v.comment = comment;
    QCOMPARE(writer.writePacket(v).error().code, base::ErrorCode::invalidInput);
    QVERIFY(writer.flush());
    QCOMPARE(read(path("refused.pcapng")), QStringList{"point 0 'refused/fine' '' link 1 snap 0"});
}

void TestWriter::writeErrorsStay() {
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) QSKIP("this system has no /dev/full");
    PcapngWriter writer{base::UniqueFd(full)};
    QVERIFY(writer.addPoint(point("a")));
    const auto failed = writer.flush();
    QVERIFY(!failed);
    QCOMPARE(failed.error().errnoValue, ENOSPC);
    QCOMPARE(writer.writePacket(view(0, 0, {})).error().errnoValue, ENOSPC);
    QCOMPARE(writer.addPoint(point("b")).error().errnoValue, ENOSPC);
    QCOMPARE(writer.flush().error().errnoValue, ENOSPC);
}

void TestWriter::movedWriterFlushes() {
    PcapngWriter writer(create(path("one.pcapng")));
    QVERIFY(writer.addPoint(point("one")));
    writer = PcapngWriter(create(path("two.pcapng")));
    QCOMPARE(read(path("one.pcapng")).size(), 1);
    PcapngWriter moved(std::move(writer));
    QVERIFY(moved.addPoint(point("two")));
    QVERIFY(moved.flush());
    QCOMPARE(read(path("two.pcapng")).size(), 1);
}

void TestWriter::wiresharkAgrees() {
    const QString tshark = QStandardPaths::findExecutable("tshark");
    if (tshark.isEmpty()) QSKIP("tshark is not installed");
    const auto data = httpSyn();
    {
        PcapngWriter writer(create(path("referee.pcapng")));
        QVERIFY(writer.addPoint(point("client/eth0")));
        QVERIFY(writer.addPoint(point("node2/cni0")));
        auto v = view(0, 1700000000123456789, data);
        v.direction = file::PacketDirection::inbound;
        v.comment = "seen first";
        QVERIFY(writer.writePacket(v));
        v = view(1, 1700000000123456790, data);
        v.direction = file::PacketDirection::outbound;
        QVERIFY(writer.writePacket(v));
        QVERIFY(writer.writeStatistics({{1}, {1700000000123456791}, 17, 4}));
    }
    QProcess process;
    auto environment = QProcessEnvironment::systemEnvironment();
    environment.insert("WIRESHARK_CONFIG_DIR", m_folder.path()); // nobody's own settings
    process.setProcessEnvironment(environment);
    process.start(tshark, {"-r", path("referee.pcapng"),
                           "-o", "tcp.check_checksum:TRUE",
                           "-o", "ip.check_checksum:TRUE",
                           "-T", "fields",
                           "-e", "frame.interface_name",
                           "-e", "frame.time_epoch",
                           "-e", "frame.packet_flags_direction",
                           "-e", "frame.comment",
                           "-e", "tcp.dstport",
                           "-e", "tcp.checksum.status",
                           "-e", "ip.checksum.status"});
    QVERIFY(process.waitForFinished(60'000));
    QCOMPARE(process.exitCode(), 0);
    const QByteArray output = process.readAllStandardOutput();
    QCOMPARE(QString(output).trimmed().split('\n'),
             (QStringList{"client/eth0\t1700000000.123456789\t0x00000001\tseen first\t80\t1\t1",
                          "node2/cni0\t1700000000.123456790\t0x00000002\t\t80\t1\t1"}));
    const QString capinfos = QStandardPaths::findExecutable("capinfos");
    if (capinfos.isEmpty()) return;
    process.start(capinfos, {path("referee.pcapng")});
    QVERIFY(process.waitForFinished(60'000));
    const QByteArray report = process.readAllStandardOutput();
    QVERIFY(report.contains("Capture application: natlens"));
    QVERIFY(report.contains("Number of stat entries = 1"));
}

void TestWriter::fileNames_data() {
    QTest::addColumn<QString>("file");
    QTest::addColumn<QString>("name");
    QTest::newRow("plain") << "capture.pcap"
                           << "capture";
    QTest::newRow("host and interface") << "node2-eth0.pcap"
                                        << "node2/eth0";
    QTest::newRow("node with hyphens") << "gke-pool-1-eth0.pcap"
                                       << "gke-pool-1/eth0";
    QTest::newRow("bridge with a hyphen") << "node-2-br-lan.pcap"
                                          << "node-2/br-lan";
    for (const auto &[file, name] : {std::pair("kind-worker.pcap", "kind-worker"),
                                     {"kind-worker2.pcap", "kind-worker2"},
                                     {"kind-control-plane.pcap", "kind-control-plane"},
                                     {"kind-worker2-any.pcap", "kind-worker2/any"},
                                     {"capture-node1.pcap", "capture-node1"},
                                     {"tcpdump-client.pcap", "tcpdump-client"},
                                     {"lab-pod0.pcap", "lab-pod0"},
                                     {"gke-pool-1a2b-x7k2.pcap", "gke-pool-1a2b-x7k2"},
                                     {"aks-pool-1-vmss000001.pcap", "aks-pool-1-vmss000001"},
                                     {"ip-10-0-1-5.pcap", "ip-10-0-1-5"},
                                     {"node1_eth0.pcap", "node1/eth0"},
                                     {"node1_2.pcap", "node1_2"},
                                     {"node1-enp0s8.pcap", "node1/enp0s8"},
                                     {"node1-ens5.pcap", "node1/ens5"},
                                     {"node1-en0.pcap", "node1/en0"},
                                     {"a-endpoint1.pcap", "a-endpoint1"},
                                     {"node1-veth1a2b3c4.pcap", "node1/veth1a2b3c4"},
                                     {"node1-cali12ab.pcap", "node1/cali12ab"},
                                     {"node1-flannel.1.pcap", "node1/flannel.1"},
                                     {"node1-cilium_host.pcap", "node1/cilium_host"},
                                     {"node1-kube-ipvs0.pcap", "node1/kube-ipvs0"},
                                     {"node1-tunl0.pcap", "node1/tunl0"},
                                     {"node1-p4p1.pcap", "node1/p4p1"},
                                     {"router-wan.pcap", "router/wan"},
                                     {"router-a0.pcap", "router/a0"},
                                     {"n1-vp1.pcap", "n1/vp1"},
                                     {"node1-veth-pod1.pcap", "node1/veth-pod1"},
                                     {"kind-worker2-left.pcap", "kind-worker2/left"},
                                     {"node1-node2.pcap", "node1-node2"},
                                     {"node1-to-node2.pcap", "node1-to-node2"},
                                     {"node1-2024-01-31.pcap", "node1-2024-01-31"},
                                     {"node-x7k2p.pcap", "node-x7k2p"},
                                     {"node2.eth0", "node2/eth0"},
                                     {"capture.node2", "capture.node2"},
                                     {"capture.trc", "capture"},
                                     {"node1.eth0.pcap", "node1/eth0"},
                                     {"node1@eth0.pcap", "node1/eth0"},
                                     {"10.0.0.5.pcap", "10.0.0.5"},
                                     {"ip-10-0-1-5.ec2.internal.pcap", "ip-10-0-1-5.ec2.internal"}})
        QTest::newRow(file) << file << name;
    QTest::newRow("hyphen first") << "-x.pcap"
                                  << "-x";
    QTest::newRow("hyphen last") << "x-.pcap"
                                 << "x-";
    QTest::newRow("serial number") << "dump-20240131.pcap"
                                   << "dump-20240131";
    QTest::newRow("compressed") << "node2-eth0.pcap.gz"
                                << "node2/eth0";
    QTest::newRow("compressed, zstd") << "node2-eth0.pcapng.zst"
                                      << "node2/eth0";
    QTest::newRow("compressed, lz4") << "node2-eth0.pcapng.lz4"
                                     << "node2/eth0";
    QTest::newRow("dots") << "node2-eth0.100.pcap"
                          << "node2/eth0.100";
}

void TestWriter::fileNames() {
    QFETCH(QString, file);
    QFETCH(QString, name);
    test::FileMaker maker(test::Order::little);
    maker.u32(0xa1b2c3d4).u16(2).u16(4).u64(0).u32(0).u32(1);
    QFile out(path(file));
    QVERIFY(out.open(QIODevice::WriteOnly));
    out.write(maker.bytes);
    out.close();
    QCOMPARE(read(path(file)), QStringList{QString("point 0 '%1' '' link 1 snap 0").arg(name)});
}

void TestWriter::readFileErrors() {
    base::Status status;
    (void)read(path("missing.pcap"), &status);
    QCOMPARE(status.error().code, base::ErrorCode::notFound);
    (void)read(m_folder.path(), &status);
    QCOMPARE(status.error().code, base::ErrorCode::invalidInput);

    test::FileMaker maker(test::Order::little);
    maker.section().interface("a").packet(0, 1, "good").u32(6);
    QFile out(path("cut.pcapng"));
    QVERIFY(out.open(QIODevice::WriteOnly));
    out.write(maker.bytes);
    out.close();
    QCOMPARE(read(path("cut.pcapng"), &status).size(), 2);
    QCOMPARE(QString::fromStdString(status.error().sentence()),
             QString("read %1 at byte 100: breaks off at byte 100, inside a block header; 1 packet was read")
                 .arg(path("cut.pcapng")));

    std::uint32_t nextPoint = 5;
    std::uint64_t nextPacket = 50;
    RecordingSink sink;
    QVERIFY(!file::readFile(path("cut.pcapng").toStdString(), sink, &nextPoint, &nextPacket));
    QCOMPARE(nextPoint, 6U);
    QCOMPARE(nextPacket, std::uint64_t(51));
}

/// A named pipe cannot be mapped: the same stream arrives in portions.
void TestWriter::readsFromAPipe() {
    int ends[2];
    QCOMPARE(::pipe(ends), 0);
    base::UniqueFd readEnd(ends[0]);
    {
        PcapngWriter writer{base::UniqueFd(ends[1])};
        QVERIFY(writer.addPoint(point("piped/eth0")));
        QVERIFY(writer.writePacket(view(0, 1, httpSyn())));
    }
    const QStringList lines = read(QString("/dev/fd/%1").arg(readEnd.get()));
    QCOMPARE(lines.size(), 2);
    QCOMPARE(lines.first(), QString("point 0 'piped/eth0' '' link 1 snap 0"));
}

NATLENS_TEST(TestWriter)
#include "tst_writer.moc"
