// Which packets two captures have in common, whom they met first, and what follows for the clocks of several hosts.
#include "capture/packet/builder.h"
#include "tracer/stitch/clock_alignment.h"

#include "tests/test_program.h"
#include "tests/tracer/stitch/moments.h"
#include <cmath>
#include <deque>
#include <map>

using namespace natlens;
using namespace natlens::tracer;
using namespace natlens::test;
using base::Timestamp;
using packet::IpAddress;
using packet::PacketBuilder;
using packet::TcpFlags;

namespace {

/// A host on the way of a packet: its name, and the times to live that it sees of it.
struct Station {
    std::string host;
    std::vector<std::uint8_t> ttls;
    Facing facing = Facing::unknown; ///< of the only sight, where the capture says so
};

/// Captures of several hosts, each with a clock of its own.
class Captures {
public:
    std::map<std::string, std::int64_t> ahead; ///< nanoseconds; hosts that are not named have the right time
    std::size_t capacity = 100'000;

    /// One packet along a way, 20 microseconds from sight to sight.
    void send(const std::vector<Station> &way, const PacketBuilder &packet, std::int64_t time) {
        for (const Station &station : way) {
            for (const std::uint8_t ttl : station.ttls) {
                const auto bytes = PacketBuilder(packet).ttl(ttl).build();
                auto &file = fileOf(station.host);
                file.sightings.add({base::CapturePointId{0}, file.count++}, {kStart + time + ahead[station.host]},
                                   station.facing, packet::LinkType::ethernet, static_cast<std::uint32_t>(bytes.size()),
                                   bytes);
                time += 20 * kMicro;
            }
        }
    }
    /// A connection: `replies` goes the other way.
    void talk(const std::vector<Station> &requests, const std::vector<Station> &replies, unsigned number,
              std::int64_t time) {
        const IpAddress client = IpAddress::v4(192, 0, 2, 1), server = IpAddress::v4(198, 51, 100, 2);
        const auto port = static_cast<packet::Port>(20000 + number);
        const std::uint32_t isn = 77'777 * number, answer = 99'991 * number;
        const auto id = static_cast<std::uint16_t>(2 * number + 1);
        send(requests, PacketBuilder().ip(client, server).tcp(port, 80, TcpFlags::syn).seq(isn).ipId(id), time);
        send(replies,
             PacketBuilder().ip(server, client).tcp(80, port, TcpFlags::syn | TcpFlags::ack).seq(answer).ack(isn + 1),
             time + 500 * kMicro);
        send(requests,
             PacketBuilder()
                 .ip(client, server)
                 .tcp(port, 80, TcpFlags::ack)
                 .seq(isn + 1)
                 .ack(answer + 1)
                 .ipId(static_cast<std::uint16_t>(id + 1)),
             time + 1000 * kMicro);
    }
    std::map<std::string, HostAlignment> align() {
        std::vector<std::string> names;
        std::vector<ClockEvidence> evidence;
        for (auto &[name, file] : m_files) {
            const auto number = static_cast<std::uint32_t>(names.size());
            evidence.push_back({&file.sightings, number * 16, {number}});
            names.push_back(name);
        }
        std::map<std::string, HostAlignment> result;
        auto alignments = alignClocks(names, evidence);
        for (std::size_t i = 0; i < names.size(); ++i)
            result[names[i]] = std::move(alignments[i]);
        return result;
    }

private:
    struct File {
        ClockSightings sightings;
        std::uint32_t count = 0;
    };
    File &fileOf(const std::string &host) {
        return m_files.try_emplace(host, File{ClockSightings(capacity)}).first->second;
    }
    std::map<std::string, File> m_files;
};

/// What a reading of the host's clock becomes, compared with the right time.
std::int64_t errorOf(const HostAlignment &alignment, std::int64_t ahead, std::int64_t time = kSecond) {
    return alignment.correction.apply({kStart + time + ahead}, {}).nanoseconds - (kStart + time);
}

const std::vector<Station> kRequests{{"client", {64}}, {"node1", {64, 63}}, {"node2", {63, 62}}, {"pod", {62}}},
    kReplies{{"pod", {64}}, {"node2", {64, 63}}, {"node1", {63, 62}}, {"client", {62}}};

} // namespace

class TestClockAlignment : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void chain() {
        Captures captures;
        captures.ahead = {{"node1", 5 * kSecond}, {"node2", -3 * kSecond}, {"pod", 40 * kMicro}};
        for (unsigned i = 1; i <= 20; ++i)
            captures.talk(kRequests, kReplies, i, i * 10'000 * kMicro);
        auto found = captures.align();
        QVERIFY(found["client"].clock.state == HostClock::State::reference);
        for (const std::string host : {"node1", "node2", "pod"}) {
            const HostClock &clock = found[host].clock;
            QCOMPARE(clock.reference, std::string("client"));
            QVERIFY(clock.bound);
            QVERIFY2(*clock.bound < 200 * kMicro, QByteArray::number(qlonglong(*clock.bound)));
            QVERIFY(std::abs(errorOf(found[host], captures.ahead[host], 100'000 * kMicro)) <= *clock.bound);
        }
        QVERIFY(found["node1"].clock.changesTimes() && found["node2"].clock.changesTimes());
    }

    /// The client and the endpoint were captured, and nothing in between.
    void endsOnly() {
        Captures captures;
        captures.ahead = {{"pod", 2 * kSecond}};
        for (unsigned i = 1; i <= 20; ++i)
            captures.talk({kRequests.front(), kRequests.back()}, {kReplies.front(), kReplies.back()}, i,
                          i * 10'000 * kMicro);
        auto found = captures.align();
        QVERIFY(found["pod"].clock.state == HostClock::State::corrected);
        QVERIFY(std::abs(errorOf(found["pod"], 2 * kSecond, 100'000 * kMicro)) <= *found["pod"].clock.bound);
    }

    /// Nothing routes between them, so the time to live says nothing: the crossing of interfaces does, or the answers.
    void neighbours_data() {
        QTest::addColumn<bool>("crossings");
        QTest::addColumn<qlonglong>("ahead");
        for (const bool crossings : {true, false})
            for (const qlonglong ahead : {5 * kSecond, -5 * kSecond, std::int64_t{0}})
                QTest::addRow("%s, %lld", crossings ? "crossings" : "answers", ahead) << crossings << ahead;
    }
    void neighbours() {
        QFETCH(bool, crossings);
        QFETCH(qlonglong, ahead);
        const auto facing = [&](Facing value) { return crossings ? value : Facing::unknown; };
        Captures captures;
        captures.ahead = {{"server", ahead}};
        for (unsigned i = 1; i <= 20; ++i)
            captures.talk({{"client", {64}, facing(Facing::out)}, {"server", {64}, facing(Facing::in)}},
                          {{"server", {64}, facing(Facing::out)}, {"client", {64}, facing(Facing::in)}}, i,
                          i * 10'000 * kMicro);
        auto found = captures.align();
        QVERIFY(found["server"].clock.state == (ahead == 0 ? HostClock::State::equal : HostClock::State::corrected));
        QVERIFY(*found["server"].clock.bound < 100 * kMicro);
        QVERIFY(std::abs(errorOf(found["server"], ahead, 100'000 * kMicro)) <= *found["server"].clock.bound);
    }

    /// One recorded session, played again and again at one host: no packet of it is one that another host saw.
    void lookAlikes() {
        Captures captures;
        captures.ahead = {{"pod", 2 * kSecond}};
        for (unsigned i = 0; i < 20; ++i)
            captures.talk({kRequests.front()}, {kReplies.back()}, 1, i * kSecond);
        captures.talk({kRequests.back()}, {kReplies.front()}, 1, 30 * kSecond);
        for (unsigned i = 2; i <= 10; ++i) // and some honest ones
            captures.talk({kRequests.front(), kRequests.back()}, {kReplies.front(), kReplies.back()}, i, i * kSecond);
        auto found = captures.align();
        QCOMPARE(found["pod"].clock.samples, std::uint64_t(27));
        QVERIFY(std::abs(errorOf(found["pod"], 2 * kSecond)) <= *found["pod"].clock.bound);
    }

    /// A packet that a host sees in three places is one packet.
    void seenTwice() {
        Captures captures;
        captures.ahead = {{"node1", kSecond}};
        std::vector<Station> requests = kRequests, replies = kReplies;
        requests[1].ttls = {64, 64, 63, 63, 63};
        replies[2].ttls = {63, 63, 62, 62};
        for (unsigned i = 1; i <= 10; ++i)
            captures.talk(requests, replies, i, i * 10'000 * kMicro);
        auto found = captures.align();
        QVERIFY(found["node1"].clock.state == HostClock::State::corrected);
        QVERIFY(std::abs(errorOf(found["node1"], kSecond, 50'000 * kMicro)) <= *found["node1"].clock.bound);
    }

    /// Far more packets than are kept: both hosts keep the same ones.
    void thinnedOut() {
        Captures captures;
        captures.capacity = 500;
        captures.ahead = {{"node1", -7 * kSecond}};
        for (unsigned i = 1; i <= 3000; ++i)
            captures.talk(kRequests, kReplies, i, i * 1'000 * kMicro);
        auto found = captures.align();
        const HostClock &clock = found["node1"].clock;
        QVERIFY2(clock.samples >= 50, QByteArray::number(qulonglong(clock.samples)));
        QVERIFY(clock.state == HostClock::State::corrected);
        QVERIFY(std::abs(errorOf(found["node1"], -7 * kSecond)) <= *clock.bound);
    }

    void alone() {
        Captures captures;
        captures.talk({kRequests[0]}, {kReplies[3]}, 1, 0);
        captures.talk({kRequests[1]}, {kReplies[2]}, 2, 0);
        auto found = captures.align();
        for (const auto &[host, alignment] : found) {
            QVERIFY(alignment.clock.state == HostClock::State::alone);
            QVERIFY(alignment.correction.isIdentity());
        }
    }
};

NATLENS_TEST(TestClockAlignment)
#include "tst_clock_alignment.moc"
