// Two simulated clocks, and packets that both of their hosts see: is the truth inside what is found?
#include "tracer/stitch/clock_fit.h"

#include "tests/test_program.h"
#include "tests/tracer/stitch/moments.h"
#include <cmath>
#include <random>

using namespace natlens;
using namespace natlens::tracer;
using namespace natlens::test;
using base::Timestamp;

namespace {

/// A clock there that runs beside the one here.
struct World {
    std::int64_t offset = 0; ///< ahead at the beginning
    double skew = 0;
    double seconds = 1;
    int packets = 200;                                              ///< in each direction
    std::int64_t delayThere = 20 * kMicro, delayBack = 20 * kMicro; ///< the quickest
    std::int64_t jitter = 30 * kMicro;                              ///< mean of what comes on top
    bool there = true, back = true;                                 ///< directions that packets go
    std::int64_t step = 0;                                          ///< the clock is set by this in the middle
    int wrong = 0;                                                  ///< samples in a hundred that are of two packets
    std::int64_t resolution = 1;

    [[nodiscard]] std::int64_t truth(std::int64_t here) const { // both since kStart
        const auto steps = static_cast<double>(here) > seconds * 5e8 ? step : 0;
        return here + offset + steps + std::llround(static_cast<double>(here) * skew);
    }
};

/// The library's distributions differ between implementations; this one does not.
class Chance {
public:
    explicit Chance(std::uint64_t seed)
        : m_engine(seed) {}
    double share() { return static_cast<double>(m_engine() >> 11) * 0x1p-53; }
    std::int64_t delay(std::int64_t mean) { return std::llround(-static_cast<double>(mean) * std::log(1 - share())); }

private:
    std::mt19937_64 m_engine;
};

std::vector<ClockSample> observe(const World &world, std::uint64_t seed) {
    Chance chance(seed);
    std::vector<ClockSample> samples;
    const auto read = [&](std::int64_t time) {
        return Timestamp{(kStart + time) / world.resolution * world.resolution};
    };
    for (int i = 0; i < world.packets * 2; ++i) {
        const bool goesThere = i % 2 == 0;
        if (goesThere ? !world.there : !world.back) continue;
        const auto sent = static_cast<std::int64_t>(chance.share() * world.seconds * 1e9);
        const std::int64_t arrives =
            sent + (goesThere ? world.delayThere : world.delayBack) + chance.delay(world.jitter);
        ClockSample sample;
        sample.hereFirst = goesThere;
        sample.here = read(goesThere ? sent : arrives);
        sample.there = read(world.truth(goesThere ? arrives : sent));
        if (chance.share() * 100 < world.wrong)
            sample.there = sample.there + std::chrono::nanoseconds(std::llround((chance.share() - 0.5) * 2e11));
        samples.push_back(sample);
    }
    return samples;
}

} // namespace

Q_DECLARE_METATYPE(World)

class TestClockFit : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void truthIsWithinTheBound_data() {
        QTest::addColumn<World>("world");
        QTest::addColumn<qint64>("widestBound");
        QTest::addColumn<double>("widestSkewError"); // parts per million
        QTest::addColumn<int>("pieces");
        QTest::addColumn<bool>("equal");
        const auto row = [](const char *name, const World &world, std::int64_t bound, double ppm, int pieces = 1,
                            bool equal = false) {
            QTest::newRow(name) << world << qint64(bound) << ppm << pieces << equal;
        };
        row("equal clocks", {}, 60 * kMicro, 120, 1, true);
        row("seconds ahead", {.offset = 5 * kSecond + 12'345}, 60 * kMicro, 120);
        row("seconds behind", {.offset = -3 * kSecond}, 60 * kMicro, 120);
        row("another decade", {.offset = -(std::int64_t{1} << 60)}, 60 * kMicro, 120);
        row("skewed by 100 ppm over a minute", {.offset = 2 * kSecond, .skew = 100e-6, .seconds = 60}, 80 * kMicro, 2);
        row("skewed by -100 ppm over ten minutes", {.skew = -100e-6, .seconds = 600, .packets = 2000}, 60 * kMicro,
            0.2);
        row("asymmetric delays", {.offset = kSecond, .skew = 50e-6, .seconds = 60, .delayThere = 5 * kMilli},
            4 * kMilli, 100);
        row("much jitter",
            {.offset = -kSecond,
             .skew = 20e-6,
             .seconds = 120,
             .packets = 1000,
             .delayThere = kMilli,
             .delayBack = kMilli,
             .jitter = 20 * kMilli},
            3 * kMilli, 60);
        row("few packets", {.offset = kSecond, .packets = 3}, 400 * kMicro, 500);
        row("microsecond files",
            {.offset = kSecond,
             .delayThere = 2 * kMicro,
             .delayBack = 2 * kMicro,
             .jitter = 5 * kMicro,
             .resolution = 1000},
            20 * kMicro, 40);
        row("one packet in ten is another", {.offset = 5 * kSecond, .skew = 100e-6, .seconds = 60, .wrong = 10},
            80 * kMicro, 2);
        row("set forward by two seconds", {.offset = kSecond, .seconds = 60, .step = 2 * kSecond}, 90 * kMicro, 5, 2);
        row("set back by two seconds", {.offset = kSecond, .seconds = 60, .step = -2 * kSecond}, 90 * kMicro, 5, 2);
        row("set by 50 ms, with wrong ones",
            {.offset = kSecond, .seconds = 60, .packets = 1000, .step = 50 * kMilli, .wrong = 3}, 90 * kMicro, 5, 2);
    }
    void truthIsWithinTheBound() {
        QFETCH(World, world);
        QFETCH(qint64, widestBound);
        QFETCH(double, widestSkewError);
        QFETCH(int, pieces);
        QFETCH(bool, equal);
        for (std::uint64_t seed = 1; seed <= 10; ++seed) {
            const auto samples = observe(world, seed);
            const ClockFit fit = fitClocks(samples, world.resolution);
            const QByteArray where = "seed " + QByteArray::number(qulonglong(seed));
            QVERIFY2(int(fit.pieces.size()) == pieces,
                     where + ", pieces: " + QByteArray::number(qulonglong(fit.pieces.size())));
            for (const ClockPiece &piece : fit.pieces) {
                QVERIFY2(piece.equal == equal, where);
                QVERIFY2(piece.bound <= widestBound, where + ", bound: " + QByteArray::number(qlonglong(piece.bound)));
                QVERIFY(piece.sides == ClockPiece::Sides::both);
                const double skewError = std::abs(piece.line.skew - world.skew);
                QVERIFY2(skewError <= piece.skewBound + 1e-9,
                         where + ", skew: " + QByteArray::number(piece.line.skew * 1e6));
                QVERIFY2(skewError * 1e6 <= widestSkewError,
                         where + ", skew: " + QByteArray::number(piece.line.skew * 1e6));
                for (int i = 0; i <= 10; ++i) {
                    const Timestamp here{piece.hereFrom.nanoseconds + (piece.hereTo - piece.hereFrom).count() / 10 * i};
                    // A packet that was on its way when the clock was set belongs to either side.
                    const double half = world.seconds * 5e8;
                    if (std::abs(static_cast<double>(here.nanoseconds - kStart) - half) < 5e6 && pieces > 1) continue;
                    const Timestamp truth{kStart + world.truth(here.nanoseconds - kStart)};
                    const auto error = std::abs((piece.line.toThere(here) - truth).count());
                    QVERIFY2(error <= piece.bound, where + ": error " + QByteArray::number(qlonglong(error)) +
                                                       " ns, bound " + QByteArray::number(qlonglong(piece.bound)));
                    QVERIFY(std::abs((piece.line.toHere(piece.line.toThere(here)) - here).count()) <= 1);
                }
            }
        }
    }

    /// Packets one way only: the quickest are taken to have needed no time, and that is said.
    void oneDirection_data() {
        QTest::addColumn<bool>("there");
        QTest::newRow("there") << true;
        QTest::newRow("back") << false;
    }
    void oneDirection() {
        QFETCH(bool, there);
        const World world{
            .offset = 5 * kSecond, .skew = 100e-6, .seconds = 60, .packets = 2000, .there = there, .back = !there};
        const ClockFit fit = fitClocks(observe(world, 7), 1);
        QCOMPARE(fit.pieces.size(), std::size_t(1));
        const ClockPiece &piece = fit.pieces.front();
        QVERIFY(piece.sides == (there ? ClockPiece::Sides::upper : ClockPiece::Sides::lower));
        QVERIFY(!piece.equal);
        QVERIFY(std::abs(piece.line.skew - world.skew) < 2e-6);
        for (const ClockSample &sample : observe(world, 7)) {
            const auto delay = (sample.there - piece.line.toThere(sample.here)).count() * (there ? 1 : -1);
            QVERIFY(delay >= -fit.tolerance - 1); // no delay comes out negative
        }
        const auto middle = Timestamp{kStart + 30 * kSecond};
        const auto error =
            std::abs((piece.line.toThere(middle) - Timestamp{kStart + world.truth(30 * kSecond)}).count());
        QVERIFY2(error < 60 * kMicro, QByteArray::number(qlonglong(error)));
    }

    /// Over milliseconds delays would allow hundreds of parts per million: none is claimed that is not needed.
    void shortStretch_data() {
        QTest::addColumn<double>("skew"); ///< parts per million
        QTest::addColumn<double>("seconds");
        QTest::addColumn<bool>("there");
        QTest::addColumn<bool>("back");
        QTest::addColumn<bool>("claimed");
        QTest::newRow("both ways") << 0.0 << 0.002 << true << true << false;
        QTest::newRow("there") << 0.0 << 0.002 << true << false << false;
        QTest::newRow("back") << 0.0 << 0.002 << false << true << false;
        QTest::newRow("too short to tell") << 100.0 << 0.01 << true << true << false;
        QTest::newRow("long enough") << 150.0 << 5.0 << true << true << true;
    }
    void shortStretch() {
        QFETCH(double, skew);
        QFETCH(double, seconds);
        QFETCH(bool, there);
        QFETCH(bool, back);
        QFETCH(bool, claimed);
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            const World world{.offset = 3500 * kMilli,
                              .skew = skew * 1e-6,
                              .seconds = seconds,
                              .packets = 20,
                              .there = there,
                              .back = back};
            const ClockFit fit = fitClocks(observe(world, seed), 1);
            QCOMPARE(fit.pieces.size(), std::size_t(1));
            QCOMPARE(fit.pieces[0].line.skew != 0, claimed);
            if (claimed) QVERIFY(std::abs(fit.pieces[0].line.skew) > fit.pieces[0].skewBound);
        }
    }

    /// Equal clocks and one direction: nothing is changed.
    void oneDirectionEqual() {
        const ClockFit fit = fitClocks(observe({.back = false}, 3), 1);
        QCOMPARE(fit.pieces.size(), std::size_t(1));
        QVERIFY(fit.pieces.front().equal);
        QCOMPARE(fit.pieces.front().line.offset, std::int64_t(0));
    }

    void orderDoesNotMatter() {
        const World world{.offset = kSecond, .skew = 30e-6, .seconds = 60, .step = 2 * kSecond, .wrong = 5};
        auto samples = observe(world, 11);
        const ClockFit one = fitClocks(samples, 1);
        std::ranges::reverse(samples);
        const ClockFit other = fitClocks(samples, 1);
        QCOMPARE(one.pieces.size(), other.pieces.size());
        for (std::size_t i = 0; i < one.pieces.size(); ++i) {
            QCOMPARE(one.pieces[i].line.offset, other.pieces[i].line.offset);
            QCOMPARE(one.pieces[i].line.skew, other.pieces[i].line.skew);
            QCOMPARE(one.pieces[i].bound, other.pieces[i].bound);
        }
    }

    /// Samples without any relation give no answer instead of a wrong one.
    void noise() {
        for (std::uint64_t seed = 1; seed <= 10; ++seed) {
            const ClockFit fit = fitClocks(observe({.packets = 100, .wrong = 100}, seed), 1);
            QVERIFY(fit.pieces.empty());
        }
    }
    void nothing() { QVERIFY(fitClocks({}, 1).pieces.empty()); }
};

NATLENS_TEST(TestClockFit)
#include "tst_clock_fit.moc"
