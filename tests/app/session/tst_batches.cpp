// The two halves of reading: whoever decodes, and however much at a time, the same paths come out.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "app/session/batch.h"
#include "app/session/ingest.h"
#include "app/session/session.h"
#include "app/session/threads.h"
#include "capture/file/pcapng_writer.h"
#include "capture/file/reader.h"
#include "tests/tracer/scenario.h"
#include "tracer/path/path_json.h"

#include <fmt/format.h>
#include <random>
#include <thread>
#endif

#include <QTemporaryDir>
#include "tests/test_program.h"
#include <fcntl.h>
#include <fstream>

using namespace natlens;
using namespace natlens::test;

namespace {

/// Through one node and two, with statistics between, so that calls and packets alternate.
std::filesystem::path writeRecording(const QTemporaryDir &folder) {
    const auto path = std::filesystem::path(folder.path().toStdString()) / "all.pcapng";
    Scenario scenario;
    for (unsigned n = 0; n < 300; ++n) {
        const auto client = fmt::format("104.132.{}.79:{}", n / 100, 20'000 + n % 100);
        const auto snat = fmt::format("10.240.0.5:{}", 4'000 + n % 70);
        Talk talk = viaNode2(client.c_str(), snat.c_str());
        talk.begin = n * 3 * kMilli;
        talk.clientIsn = n * 2654435761U;
        talk.serverIsn = n * 40503U;
        talk.ipId = static_cast<std::uint16_t>(n * 16 + 1);
        if (n % 9 == 0) talk.answer += std::string(3000, 'x'); // longer than what is looked at of a payload
        addTcp(scenario, talk);
    }
    std::ranges::stable_sort(scenario.packets, {}, &Captured::time);
    file::PcapngWriter writer(base::UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)));
    std::map<std::string, base::CapturePointId> points;
    std::uint64_t written = 0;
    for (const Captured &captured : scenario.packets) {
        if (!points.contains(captured.point)) {
            file::CapturePoint point;
            point.name = captured.point;
            points[captured.point] = writer.addPoint(point).value();
        }
        file::PacketView view;
        view.point = points[captured.point];
        view.time = base::Timestamp{kStart + captured.time};
        view.originalLength = static_cast<std::uint32_t>(captured.bytes.size());
        view.data = captured.bytes;
        view.direction = captured.crossing == kIn ? file::PacketDirection::inbound : file::PacketDirection::outbound;
        if (!writer.writePacket(view)) return {};
        if (++written % 100 == 0 && !writer.writeStatistics({view.point, view.time, written, 0})) return {};
    }
    return writer.flush() ? path : std::filesystem::path();
}

QStringList linesOf(const tracer::Snapshot &snapshot) {
    QStringList lines;
    for (const auto &path : snapshot.paths)
        lines += QString::fromStdString(tracer::toJsonLine(*path));
    return lines;
}

} // namespace

class TestBatches : public QObject {
    Q_OBJECT
    QTemporaryDir m_folder;
    std::filesystem::path m_path;
    std::vector<std::byte> m_bytes;
    QStringList m_expected; ///< straight into a tracer, all at once

private Q_SLOTS:
    void initTestCase();
    void inPieces_data();
    void inPieces();
    void inTwoThreads();
    void wholeSession_data();
    void wholeSession();
    void manyThreadsDoEachPieceOnce();
};

void TestBatches::initTestCase() {
    m_path = writeRecording(m_folder);
    QVERIFY(!m_path.empty());
    std::ifstream in(m_path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    const auto bytes = std::as_bytes(std::span(text));
    m_bytes.assign(bytes.begin(), bytes.end());

    tracer::Tracer tracer;
    session::DirectInput input(tracer);
    session::Ingest ingest(input, {});
    file::Reader reader(ingest, {});
    QVERIFY(reader.feed(m_bytes) && reader.finish());
    tracer.finish();
    m_expected = linesOf(*tracer.snapshot());
    QCOMPARE(m_expected.size(), 300);
}

void TestBatches::inPieces_data() {
    QTest::addColumn<unsigned>("most"); // bytes in a piece
    QTest::addColumn<bool>("looked");   // at what there is, after every piece
    QTest::newRow("a few bytes") << 97u << false;
    QTest::newRow("kibibytes") << 9000u << false;
    QTest::newRow("kibibytes, looked at") << 20'000u << true;
    QTest::newRow("portions") << unsigned(session::Batch::kPortion) << true;
}

void TestBatches::inPieces() {
    QFETCH(unsigned, most);
    QFETCH(bool, looked);
    std::mt19937 random(most);
    tracer::Tracer tracer;
    session::Batch batch;
    session::Ingest ingest(batch, {});
    file::Reader reader(ingest, {});
    std::uint64_t packets = 0;
    for (std::size_t at = 0; at < m_bytes.size();) {
        const std::size_t size = std::min<std::size_t>(1 + random() % most, m_bytes.size() - at);
        // As a file is read: the next piece overwrites the one before.
        std::copy_n(m_bytes.begin() + static_cast<std::ptrdiff_t>(at), size, batch.portion().begin());
        QVERIFY(reader.feed(std::span(batch.portion()).first(size)));
        batch.deliver(tracer);
        at += size;
        if (!looked) continue;
        const auto snapshot = tracer.snapshot();
        QVERIFY(snapshot->packets >= packets);
        packets = snapshot->packets;
    }
    QVERIFY(reader.finish());
    tracer.finish();
    auto found = linesOf(*tracer.snapshot());
    // Ids are given in order of publication: looked at meanwhile, connections may have got others.
    auto expected = m_expected;
    if (looked) {
        const QRegularExpression id("\"id\":\"p\\d+\"");
        for (auto *lines : {&found, &expected})
            lines->replaceInStrings(id, QString());
    }
    QCOMPARE(found, expected);
}

void TestBatches::inTwoThreads() {
    tracer::Tracer tracer;
    session::BatchRing ring;
    bool read = true;
    std::jthread reading([&] {
        auto batch = ring.blank();
        session::Ingest ingest(*batch, {});
        file::Reader reader(ingest, {});
        std::mt19937 random(3);
        for (std::size_t at = 0; at < m_bytes.size();) {
            const std::size_t size = std::min<std::size_t>(1 + random() % 4000, m_bytes.size() - at);
            std::copy_n(m_bytes.begin() + static_cast<std::ptrdiff_t>(at), size, batch->portion().begin());
            read = reader.feed(std::span(batch->portion()).first(size)) && read;
            at += size;
            ring.put(std::move(batch));
            batch = ring.blank([&] { tracer.prepareRoom(); });
            ingest.setInput(*batch);
        }
        read = reader.finish() && read;
        ring.finish();
    });
    while (auto batch = ring.take()) {
        batch->deliver(tracer);
        ring.recycle(std::move(batch));
    }
    reading.join();
    QVERIFY(read);
    tracer.finish();
    QCOMPARE(linesOf(*tracer.snapshot()), m_expected);
}

void TestBatches::wholeSession_data() {
    QTest::addColumn<int>("keepLegs");
    QTest::newRow("all kept") << 20'000;
    QTest::newRow("few kept") << 20;
}

void TestBatches::wholeSession() {
    QFETCH(int, keepLegs);
    session::Options options;
    options.keepLegs = static_cast<std::size_t>(keepLegs);
    const auto session = session::Session::open(session::FileSource{{m_path}}, options);
    QVERIFY(session);
    auto view = (*session)->view();
    for (int i = 0; i < 600 && !view->ended; ++i)
        view = (*session)->waitForChange(view->version, std::chrono::milliseconds(100));
    QVERIFY(view->ended);
    QVERIFY2(view->problem.empty(), view->problem.c_str());
    QStringList found;
    if (view->traced->all)
        view->traced->all->forEach(
            [](const tracer::Path &path) { return tracer::toJsonLine(path) + "\n"; },
            [&](std::string_view more) {
                found +=
                    QString::fromUtf8(more.data(), static_cast<qsizetype>(more.size())).split('\n', Qt::SkipEmptyParts);
                return true;
            });
    else
        found = linesOf(*view->traced);
    QStringList expected = m_expected;
    const QRegularExpression id("\"id\":\"p\\d+\"");
    for (auto *lines : {&found, &expected})
        lines->replaceInStrings(id, QString());
    QCOMPARE(found.size(), expected.size());
    QCOMPARE(found, expected);
}

void TestBatches::manyThreadsDoEachPieceOnce() {
    for (const std::size_t count : {0U, 1U, 2U, 1000U}) {
        std::vector<std::atomic<int>> done(count);
        session::inThreads(count, [&](std::size_t i) { ++done[i]; });
        for (const auto &times : done)
            QCOMPARE(times.load(), 1);
    }
}

NATLENS_TEST(TestBatches)
#include "tst_batches.moc"
