#include "app/gui/packet_motion.h"
#include "hand_made.h"

#include "tests/test_program.h"

using namespace natlens;
using gui::PacketMotion;
using Time = PacketMotion::Time;
using namespace gui::handmade;

class TestPacketMotion : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void polyline_data() {
        QTest::addColumn<double>("share");
        QTest::addColumn<QPointF>("expected");
        QTest::newRow("tail") << 0.0 << QPointF(0, 0);
        QTest::newRow("before tail") << -1.0 << QPointF(0, 0);
        QTest::newRow("first leg") << 0.25 << QPointF(5, 0);
        QTest::newRow("corner") << 0.5 << QPointF(10, 0);
        QTest::newRow("second leg") << 0.75 << QPointF(10, 5);
        QTest::newRow("head") << 1.0 << QPointF(10, 10);
        QTest::newRow("beyond") << 2.0 << QPointF(10, 10);
    }
    void polyline() {
        QFETCH(double, share);
        QFETCH(QPointF, expected);
        const auto [point, angle] = gui::alongPolyline({{0, 0}, {10, 0}, {10, 10}}, share);
        QCOMPARE(QPointF(point.x, point.y), expected);
    }

    void nothingMovesWithoutPackets() {
        PacketMotion motion;
        motion.observe(twoHosts(0), Time(0));
        QVERIFY(motion.idle(Time(0)));
        QVERIFY(motion.at(Time(0)).empty());
    }

    void positionsAreAFunctionOfTime() {
        PacketMotion motion;
        motion.observe(twoHosts(1), Time(100));
        const Time middle = Time(100) + PacketMotion::kTravel / 2;
        const auto first = motion.at(middle);
        const auto later = motion.at(middle + Time(37)); // asking for another moment must not change the first
        QVERIFY(first != later);
        QCOMPARE(motion.at(middle), first);
        const auto request = std::ranges::find_if(first, [](const auto &s) { return !s.reply && s.at.y == 40; });
        QVERIFY(request != first.end());
        QCOMPARE(request->at.x, 200.0);
    }

    void replyStartsAfterTheRequest() {
        PacketMotion motion;
        motion.observe(twoHosts(1), Time(0));
        const auto isReply = [](const auto &s) { return s.reply; };
        QVERIFY(std::ranges::none_of(motion.at(Time(10)), isReply));
        QVERIFY(std::ranges::any_of(motion.at(PacketMotion::kTravel * 5 + Time(10)), isReply)); // segment 5 of its path
    }

    void dropEndsInABurst() {
        PacketMotion motion;
        motion.observe(twoHosts(1), Time(0));
        const auto sprites = motion.at(PacketMotion::kTravel + Time(1));
        const auto burst =
            std::ranges::find_if(sprites, [](const auto &s) { return s.phase == PacketMotion::Phase::bursting; });
        QVERIFY(burst != sprites.end());
        QCOMPARE(burst->at, (diagram::Point{320, 160}));
        const auto after = motion.at(PacketMotion::kTravel + PacketMotion::kBurst);
        QVERIFY(std::ranges::none_of(after, [](const auto &s) { return s.phase == PacketMotion::Phase::bursting; }));
    }

    void onlyGrowthLaunches() {
        PacketMotion motion;
        motion.observe(twoHosts(1), Time(0));
        const Time end = motion.end();
        QVERIFY(motion.idle(end));
        motion.observe(twoHosts(1), end);
        QVERIFY(motion.idle(end));
        motion.observe(twoHosts(2), end);
        QVERIFY(!motion.idle(end));
    }

    void aTrackIsCapped() {
        PacketMotion motion;
        motion.observe(twoHosts(100000), Time(0));
        std::size_t most = 0;
        for (int t = 0; t < 3000; t += 10) {
            const auto sprites = motion.at(Time(t));
            const auto onRequest = std::ranges::count_if(sprites, [](const auto &s) { return s.at.y == 40; });
            most = std::max(most, static_cast<std::size_t>(onRequest));
        }
        QVERIFY(most >= 2);
        QVERIFY(most <= PacketMotion::kMaxOnTrack);
        QVERIFY(motion.idle(PacketMotion::kTravel * 6 + PacketMotion::kGap * 10 + PacketMotion::kBurst));
    }

    void aTrackThatIsNotDrawnShowsNothing() {
        PacketMotion motion;
        motion.observe(twoHosts(1), Time(0));
        motion.observe({}, Time(10));
        QVERIFY(motion.at(Time(20)).empty());
        motion.observe(twoHosts(1), Time(5000)); // back again: its old packets do not start once more
        QVERIFY(motion.idle(Time(5000)));
    }

    void settledMeansArrived() {
        PacketMotion motion;
        motion.observe(twoHosts(1), Time(0));
        motion.settle();
        QVERIFY(motion.idle(Time(1)));
        QVERIFY(motion.at(Time(1)).empty());
        motion.observe(twoHosts(1), Time(2)); // what has arrived does not start again
        QVERIFY(motion.idle(Time(2)));
    }

    void resetForgets() {
        PacketMotion motion;
        motion.observe(twoHosts(1), Time(0));
        motion.reset();
        QVERIFY(motion.idle(Time(0)));
        motion.observe(twoHosts(1), Time(0));
        QVERIFY(!motion.idle(Time(0)));
    }
};

NATLENS_TEST(TestPacketMotion)
#include "tst_packet_motion.moc"
