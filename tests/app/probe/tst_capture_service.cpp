// The capture service from socket to pcapng, read back by our reader and by Wireshark's.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "app/probe/capture_service.h"
#include "app/probe/capture_source.h"
#include "app/probe/stream_order.h"
#include "capture/file/reader.h"
#include "capture/netlink/event_socket.h"
#include "capture/netlink/message.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <thread>
#include <vector>
#endif

#include "capture/live/own_namespace.h"

using namespace natlens;
using namespace std::chrono_literals;

namespace {

struct Recorded final : file::StreamSink {
    struct Packet {
        std::uint32_t point;
        base::Timestamp time;
        std::vector<std::byte> data;
        file::PacketDirection direction;
    };
    std::vector<file::CapturePoint> points;
    std::vector<Packet> packets;
    std::vector<file::PointStatistics> statistics;

    void onCapturePoint(base::CapturePointId, const file::CapturePoint &point) override { points.push_back(point); }
    void onPacket(const file::PacketView &packet) override {
        packets.push_back(
            {packet.point.value, packet.time, {packet.data.begin(), packet.data.end()}, packet.direction});
    }
    void onStatistics(const file::PointStatistics &one) override { statistics.push_back(one); }

    std::vector<Packet> of(const std::string &name) const {
        std::vector<Packet> result;
        for (const Packet &packet : packets)
            if (points[packet.point].name == name) result.push_back(packet);
        return result;
    }
    std::optional<file::PointStatistics> last(std::uint32_t point) const {
        std::optional<file::PointStatistics> result;
        for (const auto &one : statistics)
            if (one.point.value == point) result = one;
        return result;
    }
};

int runTool(const QString &program, const QStringList &arguments, const QByteArray &input = {},
            QByteArray *output = nullptr) {
    QProcess process;
    process.start(program, arguments);
    process.write(input);
    process.closeWriteChannel();
    if (!process.waitForFinished()) return -1;
    if (output != nullptr) *output = process.readAllStandardOutput();
    return process.exitCode();
}

} // namespace

class CaptureServiceTest : public QObject {
    Q_OBJECT
public:
    static inline std::string whyNot;

private:
    QTemporaryDir m_folder;
    QString file() const { return m_folder.filePath("stream.pcapng"); }
    base::UniqueFd create() const {
        return base::UniqueFd(::open(file().toLocal8Bit().constData(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    }
    static live::CaptureOptions options(const char *filter = "udp") {
        return {.ringBytes = 1U << 20, .filter = filter};
    }

    static void sendUdp(std::uint16_t port, const char *address = "127.0.0.1", int count = 1) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        inet_pton(AF_INET, address, &to.sin_addr);
        for (int i = 0; i < count; ++i) {
            while (::sendto(fd, "hello", 5, 0, reinterpret_cast<sockaddr *>(&to), sizeof to) < 0 &&
                   errno == ECONNREFUSED) {
            }
        }
        ::close(fd);
    }
    Recorded read() const {
        Recorded recorded;
        const auto status = file::readFile(file().toStdString(), recorded);
        if (!status) qWarning("%s", status.error().sentence().c_str());
        return recorded;
    }

private Q_SLOTS:
    void initTestCase() {
        NATLENS_NEED_NAMESPACE(whyNot);
        QVERIFY(m_folder.isValid());
        QCOMPARE(runTool("nft", {"-f", "-"}, R"(table ip natlens-test {
            chain tracing { type filter hook output priority -300; udp dport 53 meta nftrace set 1; }
            chain output { type nat hook output priority -100; ip daddr 10.0.0.9 udp dport 53 dnat to 127.0.0.1:5353; }
        })"),
                 0);
        QCOMPARE(runTool("ip", {"address", "add", "10.0.0.1/24", "dev", "lo"}), 0);
        QVERIFY(netlink::enableConntrackEvents());
    }

    void everythingInOneStream() {
        const auto entriesBefore = netlink::dumpConntrack();
        QVERIFY(entriesBefore);
        probe::CaptureService service(create(), "natlens test");
        QVERIFY(service.addInterface("node1", "lo", options()));
        QVERIFY(service.addConntrack("node1"));
        QVERIFY(service.addRuleTrace("node1", {{1, "lo"}}));
        QVERIFY(service.addClusterState());
        QVERIFY(!service.addClusterState()); // once
        QVERIFY(service.start());
        QVERIFY(service.writeClusterState(R"({"type":"ADDED"})"));
        sendUdp(53, "10.0.0.9");
        QVERIFY(service.drain(20ms, 10s));
        const auto entry = netlink::dumpConntrack();
        QVERIFY(service.stop());
        QVERIFY(!service.isRunning());
        QVERIFY(!service.writeClusterState("{}"));

        const Recorded recorded = read();
        QStringList names;
        for (const auto &point : recorded.points)
            names << QString::fromStdString(point.name);
        QCOMPARE(names, QStringList({"node1/lo", "node1/conntrack", "node1/nftrace", "cluster-state"}));
        QVERIFY(recorded.points[1].linkType == packet::LinkType::netlink);
        QVERIFY(recorded.points[3].linkType == packet::LinkType::user0);
        QCOMPARE(netlink::parseInterfaceNames(recorded.points[2].description), (netlink::InterfaceNames{{1, "lo"}}));

        const auto packets = recorded.of("node1/lo");
        QCOMPARE(packets.size(), std::size_t{1});
        const auto sent = packet::decode(packet::LinkType::ethernet, packets[0].data).tuple;
        QCOMPARE(sent.dst.toString(), std::string("127.0.0.1:5353"));

        const auto events = recorded.of("node1/conntrack");
        QCOMPARE(events.size(), std::size_t{1});
        const auto event = netlink::decodeConntrack(netlink::unwrap(events[0].data)->message);
        QVERIFY(event);
        QCOMPARE(event->kind, netlink::ConntrackMessage::Kind::created);
        QCOMPARE(event->original.dst.toString(), std::string("10.0.0.9:53"));
        QCOMPARE(event->reply.src, sent.dst);
        // The kernel's table is the referee: it holds the entry that the event told of.
        QVERIFY(entry);
        QCOMPARE(entry->size(), entriesBefore->size() + 1);
        QVERIFY(std::ranges::any_of(
            *entry, [&](const auto &one) { return one.original == event->original && one.id == event->id; }));

        const auto steps = recorded.of("node1/nftrace");
        QVERIFY(!steps.empty());
        const auto first = netlink::decodeTrace(netlink::unwrap(steps[0].data)->message, {{1, "lo"}});
        QVERIFY(first && first->tuple);
        QCOMPARE(*first->tuple, event->original);
        QCOMPARE(first->outInterface, std::string("lo"));

        QCOMPARE(recorded.of("cluster-state").size(), std::size_t{1});
        for (std::uint32_t point = 0; point < 4; ++point) {
            QVERIFY(recorded.last(point));
            QCOMPARE(recorded.last(point)->dropped, std::uint64_t{0});
        }
        QVERIFY(std::ranges::is_sorted(recorded.packets, {}, &Recorded::Packet::time));

        QVERIFY(netlink::deleteConntrack(event->original).value_or(false));
        QVERIFY(!netlink::deleteConntrack(event->original).value_or(true));
    }

    void wiresharkReadsIt() {
        QByteArray fields;
        const int status =
            runTool("tshark", {"-r", file(), "-T", "fields", "-e", "frame.interface_name", "-e", "frame.protocols"}, {},
                    &fields);
        if (status == -1) QSKIP("tshark is not installed");
        QCOMPARE(status, 0);
        QVERIFY2(fields.contains("node1/lo\teth:ethertype:ip:udp"), fields.constData());
        QVERIFY2(fields.contains("node1/conntrack\tnetlink:netlink-netfilter"), fields.constData());
        QVERIFY2(fields.contains("node1/nftrace\tnetlink:netlink-netfilter"), fields.constData());
    }

    void pointsComeAndGo() {
        // Neighbour discovery of a link that has just come up would be counted by a socket that has no filter yet.
        (void)natlens::testing::writeText("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        QCOMPARE(runTool("ip", {"link", "add", "a0", "type", "veth", "peer", "name", "b0"}), 0);
        QVERIFY(natlens::testing::bringUp("a0") && natlens::testing::bringUp("b0"));
        QCOMPARE(runTool("ip", {"address", "add", "10.1.0.1/24", "dev", "a0"}), 0);
        QCOMPARE(runTool("ip", {"neighbour", "add", "10.1.0.2", "lladdr", "02:00:00:00:00:02", "dev", "a0"}), 0);
        probe::CaptureService service(create());
        QVERIFY(service.start());
        const probe::CaptureService::InterfaceRequest both[] = {{"n", "a0", -1}, {"n", "b0", -1}};
        QVERIFY(service.addInterfaces(both, options("udp port 9")));
        sendUdp(9, "10.1.0.2");
        QVERIFY(service.removeInterface("n", "a0"));
        QVERIFY(!service.removeInterface("n", "a0"));
        sendUdp(9, "10.1.0.2");
        QVERIFY(natlens::testing::bringUp("b0", false)); // only down: it goes on when the interface does
        QVERIFY(service.drain(20ms, 10s));
        QVERIFY(natlens::testing::bringUp("b0"));
        // The kernel lets packets pass again a moment after the link is back.
        const std::uint64_t before = service.totals().written;
        QTRY_VERIFY((sendUdp(9, "10.1.0.2"), service.drain(5ms, 10s), service.totals().written > before));
        QVERIFY(service.addInterface("n", "a0", options("udp port 9"))); // the same name again
        QCOMPARE(runTool("ip", {"link", "delete", "a0"}), 0);            // both ends disappear
        QVERIFY(service.drain(20ms, 10s));
        QVERIFY(service.isRunning());
        QVERIFY(!service.removeInterface("n", "b0"));
        QVERIFY(service.stop());

        const Recorded recorded = read();
        QCOMPARE(recorded.points.size(), std::size_t{3});
        QVERIFY(recorded.points[0].mac && recorded.points[1].mac);
        QCOMPARE(recorded.points[2].mac, recorded.points[0].mac);
        const auto out = recorded.of("n/a0"), in = recorded.of("n/b0");
        QCOMPARE(out.size(), std::size_t{1});
        QVERIFY(in.size() >= 3);
        QCOMPARE(out[0].direction, file::PacketDirection::outbound);
        QCOMPARE(in[0].direction, file::PacketDirection::unknown); // to 02:…:02, which b0 is not
        QCOMPARE(recorded.last(0)->received, std::uint64_t{1});
        QCOMPARE(recorded.last(1)->received, in.size());
        QCOMPARE(recorded.last(2)->received, std::uint64_t{0});
    }

    void manyPacketsLoseNothing() {
        probe::CaptureService service(create());
        QVERIFY(service.addInterface("n", "lo", {.ringBytes = 32U << 20, .filter = "udp port 4000"}));
        QVERIFY(service.start());
        constexpr int kThreads = 3, kEach = 5000;
        {
            std::vector<std::jthread> senders;
            for (int i = 0; i < kThreads; ++i)
                senders.emplace_back([] { sendUdp(4000, "127.0.0.1", kEach); });
        }
        QVERIFY(service.drain(20ms, 20s));
        QVERIFY(service.stop());
        const Recorded recorded = read();
        const auto statistics = recorded.last(0);
        QVERIFY(statistics);
        // What the capture lost it says; everything else is in the stream (loopback counts twice, see LiveCapture).
        QCOMPARE(statistics->received, 2 * recorded.packets.size() + statistics->dropped);
        QVERIFY(recorded.packets.size() + statistics->dropped >= kThreads * kEach);
        QVERIFY(std::ranges::is_sorted(recorded.packets, {}, &Recorded::Packet::time));
    }

    void readerGoesAway() {
        int ends[2];
        QCOMPARE(::pipe2(ends, O_CLOEXEC), 0);
        probe::CaptureService service{base::UniqueFd(ends[1])};
        QVERIFY(service.addInterface("n", "lo", options()));
        QVERIFY(service.start());
        ::close(ends[0]);
        QTRY_VERIFY(!service.isRunning());
        QVERIFY(!service.drain(1ms, 10s));
        QVERIFY(service.stop()); // quietly
    }

    void direction_data() {
        QTest::addColumn<QByteArray>("frame");
        QTest::addColumn<int>("expected");
        const QByteArray own("\x02\x00\x00\x00\x00\x01", 6), other("\x02\x00\x00\x00\x00\x02", 6);
        QTest::newRow("out") << other + own << int(file::PacketDirection::outbound);
        QTest::newRow("in") << own + other << int(file::PacketDirection::inbound);
        QTest::newRow("broadcast in") << QByteArray(6, '\xff') + other << int(file::PacketDirection::inbound);
        QTest::newRow("broadcast out") << QByteArray(6, '\xff') + own << int(file::PacketDirection::outbound);
        QTest::newRow("passing") << other + other << int(file::PacketDirection::unknown);
        QTest::newRow("short") << own << int(file::PacketDirection::unknown);
    }
    void direction() {
        QFETCH(QByteArray, frame);
        QFETCH(int, expected);
        const auto bytes = std::as_bytes(std::span(frame.constData(), static_cast<std::size_t>(frame.size())));
        QCOMPARE(int(probe::directionOf(bytes, {2, 0, 0, 0, 0, 1})), expected);
    }

    void order() {
        probe::StreamOrder order;
        const std::byte bytes[] = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
        const auto add = [&](std::uint32_t point, std::int64_t time, std::size_t byte) {
            order.add({point}, {{time}, 1, std::span(bytes).subspan(byte, 1), file::PacketDirection::unknown});
        };
        QString out;
        const auto note = [&](const file::PacketView &packet) {
            out += QString("%1/%2/%3 ").arg(packet.point.value).arg(packet.time.nanoseconds).arg(int(packet.data[0]));
        };
        add(0, 30, 0);
        add(1, 10, 1);
        add(2, 30, 2);
        order.release({20}, note);
        QCOMPARE(out, "1/10/2 ");
        add(1, 20, 3);
        order.release({30}, note);
        QCOMPARE(out, "1/10/2 1/20/4 0/30/1 2/30/3 ");
        QVERIFY(order.empty());
    }
};

NATLENS_NAMESPACE_TEST(CaptureServiceTest)
#include "tst_capture_service.moc"
