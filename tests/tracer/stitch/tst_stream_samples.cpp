// Samples of streams: the same segments everywhere, whatever the order and wherever a capture begins.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tracer/stitch/stream_samples.h"

#include <algorithm>
#include <random>
#include <set>
#endif

#include "tests/test_program.h"

using natlens::tracer::StreamSample;
using natlens::tracer::StreamSamples;

namespace {

std::vector<StreamSample> stream(std::uint32_t first, unsigned segments, std::uint32_t length = 1448) {
    std::vector<StreamSample> all;
    for (unsigned i = 0; i < segments; ++i)
        all.push_back({.seq = first + i * length,
                       .payload = static_cast<std::uint16_t>(i + 1),
                       .stamp = StreamSample::stampOf(100 + i)});
    return all;
}

std::vector<StreamSample> sampled(const std::vector<StreamSample> &segments) {
    natlens::base::Arena arena;
    StreamSamples samples(arena);
    StreamSamples::Set set;
    for (const auto &segment : segments)
        samples.keep(set, segment);
    return samples.of(set);
}

unsigned common(const std::vector<StreamSample> &a, const std::vector<StreamSample> &b) {
    return static_cast<unsigned>(
        std::ranges::count_if(a, [&](const auto &sample) { return std::ranges::find(b, sample) != b.end(); }));
}

} // namespace

class TestStreamSamples : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void fewAreAllKept();
    void bounded_data();
    void bounded();
    void orderDoesNotMatter();
    void captureBeganLater_data();
    void captureBeganLater();
    void superPackets();
    void sentAgain();
    void shortPayload();
};

void TestStreamSamples::fewAreAllKept() {
    for (unsigned n = 0; n <= StreamSamples::kMost; ++n)
        QCOMPARE(sampled(stream(4'294'960'000u, n)).size(), n);
}

void TestStreamSamples::bounded_data() {
    QTest::addColumn<unsigned>("segments");
    for (const unsigned n : {25u, 26u, 1000u, 100'000u})
        QTest::addRow("%u segments", n) << n;
}

void TestStreamSamples::bounded() {
    QFETCH(unsigned, segments);
    for (const std::uint32_t isn : {0u, 77'777u, 4'000'000'000u}) {
        const auto kept = sampled(stream(isn, segments));
        QVERIFY(kept.size() <= StreamSamples::kMost);
        QVERIFY2(kept.size() >= 2, "a stream without samples cannot be joined");
    }
}

void TestStreamSamples::orderDoesNotMatter() {
    std::mt19937 random(7);
    auto segments = stream(123'456'789, 300);
    const auto expected = sampled(segments);
    for (int i = 0; i < 20; ++i) {
        std::ranges::shuffle(segments, random);
        QVERIFY(sampled(segments) == expected);
    }
}

void TestStreamSamples::captureBeganLater_data() {
    QTest::addColumn<unsigned>("segments");
    QTest::addColumn<unsigned>("missing");
    QTest::newRow("two of three") << 3u << 1u;
    QTest::newRow("half of forty") << 40u << 20u;
    QTest::newRow("half of forty thousand") << 40'000u << 20'000u;
}

void TestStreamSamples::captureBeganLater() {
    QFETCH(unsigned, segments);
    QFETCH(unsigned, missing);
    unsigned joined = 0;
    constexpr unsigned kStreams = 200;
    for (unsigned i = 0; i < kStreams; ++i) {
        const auto all = stream(i * 2'654'435'761u, segments);
        const std::vector<StreamSample> later(all.begin() + missing, all.end());
        joined += common(sampled(all), sampled(later)) >= 2;
    }
    QVERIFY2(joined >= kStreams - 4, qPrintable(QString::number(joined)));
}

void TestStreamSamples::superPackets() {
    // One side sees segments of 1448 bytes, the other super-packets of up to ten of them.
    std::mt19937 random(3);
    unsigned joined = 0;
    for (unsigned i = 0; i < 100; ++i) {
        const auto segments = stream(i * 40'503'000u, 400);
        std::vector<StreamSample> merged;
        for (std::size_t at = 0; at < segments.size(); at += 1 + random() % 10)
            merged.push_back(segments[at]);
        joined += common(sampled(segments), sampled(merged)) >= 2;
    }
    // One direction may fail; a connection has two.
    QVERIFY2(joined >= 60, qPrintable(QString::number(joined)));
}

void TestStreamSamples::sentAgain() {
    const StreamSample first{.seq = 5, .payload = 9, .stamp = 100}, again{.seq = 5, .payload = 9, .stamp = 300};
    QVERIFY(sampled({first, again}) == sampled({again, first}));
    QCOMPARE(sampled({first, again}).size(), 1u);
    QCOMPARE(sampled({first, again})[0].stamp, 100);
}

void TestStreamSamples::shortPayload() {
    const std::array<std::byte, 9> bytes{};
    QCOMPARE(StreamSamples::payloadHash(std::span(bytes).first(7)), 0);
    QVERIFY(StreamSamples::payloadHash(std::span(bytes).first(8)) != 0);
    QCOMPARE(StreamSamples::payloadHash(std::span(bytes).first(8)), StreamSamples::payloadHash(bytes));
}

NATLENS_TEST(TestStreamSamples)
#include "tst_stream_samples.moc"
