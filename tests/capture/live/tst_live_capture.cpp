// Packets of our own, captured in a namespace of our own.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "capture/live/filter.h"
#include "capture/live/interfaces.h"
#include "capture/live/live_capture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <thread>
#include <vector>
#endif

#include "capture/live/own_namespace.h"

using namespace natlens;

class LiveCaptureTest : public QObject {
    Q_OBJECT
public:
    static inline std::string whyNot;

private:
    struct Seen {
        packet::Tuple tuple;
        std::uint32_t originalLength;
        std::size_t captured;
        std::int64_t time;
    };

    static void sendUdp(std::uint16_t port, int size, int count = 1) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const std::string text(static_cast<std::size_t>(size), 'x');
        // Nobody listens, so every second call may report the ICMP error of the one before.
        for (int i = 0; i < count; ++i)
            (void)::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof to);
        ::close(fd);
    }

    static std::vector<Seen> collect(live::LiveCapture &capture) {
        std::vector<Seen> seen;
        const auto count = capture.dispatch([&](const live::CapturedPacket &packet) {
            const auto decoded = packet::decode(capture.linkType(), packet.data, packet.originalLength);
            seen.push_back({decoded.tuple, packet.originalLength, packet.data.size(), packet.time.nanoseconds});
        });
        if (!count || *count != seen.size()) seen.clear();
        return seen;
    }

private Q_SLOTS:
    void initTestCase() { NATLENS_NEED_NAMESPACE(whyNot); }

    void listsInterfaces() {
        const auto interfaces = live::listInterfaces();
        QVERIFY(interfaces);
        QVERIFY(!interfaces->empty());
        const auto &loopback = interfaces->front();
        QCOMPARE(loopback.name, std::string("lo"));
        QCOMPARE(loopback.index, 1U);
        QVERIFY(loopback.up && loopback.loopback && !loopback.mac);
    }

    void seesPackets() {
        auto capture = live::LiveCapture::open("lo", {.snapLength = 96, .ringBytes = 1U << 20, .filter = "udp"});
        QVERIFY2(capture, capture ? "" : capture.error().sentence().c_str());
        QVERIFY(capture->linkType() == packet::LinkType::ethernet);
        QVERIFY(collect(*capture).empty());
        const auto before = base::Timestamp::now();
        sendUdp(7777, 500);
        const auto seen = collect(*capture);
        QCOMPARE(seen.size(), std::size_t{1});
        QCOMPARE(seen[0].tuple.dst.toString(), std::string("127.0.0.1:7777"));
        QCOMPARE(seen[0].originalLength, 14U + 20 + 8 + 500);
        QCOMPARE(seen[0].captured, std::size_t{96});
        QVERIFY(seen[0].time >= before.nanoseconds && seen[0].time <= base::Timestamp::now().nanoseconds);
    }

    void countsDrops() {
        auto capture = live::LiveCapture::open("lo", {.snapLength = 256, .ringBytes = 64U << 10, .filter = "udp"});
        QVERIFY(capture);
        constexpr int kSent = 5000;
        sendUdp(7778, 100, kSent);
        const std::size_t read = collect(*capture).size();
        const auto statistics = capture->statistics();
        QVERIFY(statistics.dropped > 0);
        // Loopback shows every packet going out and coming in; both are counted, libpcap hands over the second only.
        QCOMPARE(statistics.received, std::uint64_t{2 * kSent});
        QCOMPARE(statistics.received, 2 * read + statistics.dropped);
        const auto again = capture->statistics(); // totals, though the kernel's own counter begins anew
        QCOMPARE(again.received, statistics.received);
        QCOMPARE(again.dropped, statistics.dropped);
    }

    void servedByAnotherNamespace() {
        auto capture = live::LiveCapture::open("lo", {.ringBytes = 1U << 20, .filter = "udp"});
        QVERIFY(capture);
        sendUdp(7779, 10);
        std::size_t seen = 0;
        std::thread([&] {
            if (::unshare(CLONE_NEWNET) == 0) seen = collect(*capture).size();
        }).join();
        QCOMPARE(seen, std::size_t{1});
    }

    void errors_data() {
        QTest::addColumn<QString>("interface");
        QTest::addColumn<QString>("filter");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("words");
        QTest::newRow("no such interface") << "nosuch0"
                                           << "" << int(base::ErrorCode::notFound) << "no such interface";
        QTest::newRow("any") << "any"
                             << "" << int(base::ErrorCode::invalidInput) << "one interface";
        QTest::newRow("empty") << ""
                               << "" << int(base::ErrorCode::invalidInput) << "one interface";
        QTest::newRow("filter") << "lo"
                                << "tcp prt 80" << int(base::ErrorCode::invalidInput) << "tcp prt 80";
    }
    void errors() {
        QFETCH(QString, interface);
        QFETCH(QString, filter);
        QFETCH(int, code);
        QFETCH(QString, words);
        const auto capture = live::LiveCapture::open(interface.toStdString(), {.filter = filter.toStdString()});
        QVERIFY(!capture);
        QCOMPARE(int(capture.error().code), code);
        const QString sentence = QString::fromStdString(capture.error().sentence());
        QVERIFY2(sentence.contains(words), qPrintable(sentence));
    }

    void offlineFilter() {
        auto capture = live::LiveCapture::open("lo", {.ringBytes = 1U << 20, .filter = "udp"});
        QVERIFY(capture);
        const auto yes = live::compileFilter("udp port 7780 and greater 60", packet::LinkType::ethernet);
        const auto no = live::compileFilter("tcp or udp port 7781", packet::LinkType::ethernet);
        const auto all = live::compileFilter("", packet::LinkType::ethernet);
        QVERIFY(yes && no && all);
        sendUdp(7780, 100);
        int packets = 0;
        QVERIFY(capture->dispatch([&](const live::CapturedPacket &packet) {
            ++packets;
            QVERIFY(yes->matches(packet.data, packet.originalLength));
            QVERIFY(!no->matches(packet.data, packet.originalLength));
            QVERIFY(all->matches(packet.data, packet.originalLength));
            QVERIFY(!yes->matches(packet.data.first(20), packet.originalLength)); // too short to say
        }));
        QCOMPARE(packets, 1);
        QVERIFY(!live::compileFilter("port", packet::LinkType::ethernet));
        QVERIFY(!live::compileFilter("ether host 00:00:00:00:00:01", packet::LinkType::rawIp));
    }
};

NATLENS_NAMESPACE_TEST(LiveCaptureTest)
#include "tst_live_capture.moc"
