// The small containers that hold millions of flows, against those of the standard library.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tracer/path/small_vector.h"
#include "tracer/stitch/http_streams.h"
#include "tracer/stitch/index_table.h"

#include <map>
#include <random>
#include <vector>
#endif

#include "tests/test_program.h"

using namespace natlens::tracer;

namespace {

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

} // namespace

class TestContainers : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void smallVectorIsAVector();
    void smallVectorMoves();
    void indexTableIsAMap_data();
    void indexTableIsAMap();
    void streamsAlikeShareTheirLines();
    void aStreamThatEndsGivesItsBytesBack();
    void answersThatBeginAlikeMayGoOnDifferently();
};

/// Random operations on both; equal after each.
void TestContainers::smallVectorIsAVector() {
    std::mt19937 random(1);
    for (int round = 0; round < 200; ++round) {
        SmallVector<int, 3> tested;
        std::vector<int> model;
        for (int step = 0; step < 60; ++step) {
            const int value = static_cast<int>(random() % 1000);
            const std::size_t at = model.empty() ? 0 : random() % model.size();
            switch (random() % 4) {
            case 0:
            case 1:
                tested.push_back(value);
                model.push_back(value);
                break;
            case 2: {
                const std::vector<int> more(random() % 5, value);
                tested.insert(tested.begin() + at, more.begin(), more.end());
                model.insert(model.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
                break;
            }
            default:
                if (model.empty()) break;
                tested.erase(tested.begin() + at);
                model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
            }
            QVERIFY(std::ranges::equal(tested, model));
            QCOMPARE(tested.size(), model.size());
        }
        const SmallVector<int, 3> copy = tested;
        QVERIFY(copy == tested);
        tested.push_back(1);
        QVERIFY(!(copy == tested));
    }
}

void TestContainers::smallVectorMoves() {
    for (const unsigned count : {0u, 2u, 3u, 4u, 100u}) {
        SmallVector<unsigned, 3> from, to{7, 8, 9, 10};
        for (unsigned i = 0; i < count; ++i)
            from.push_back(i);
        to = std::move(from);
        QCOMPARE(to.size(), count);
        for (unsigned i = 0; i < count; ++i)
            QCOMPARE(to[i], i);
        SmallVector<unsigned, 3> third(std::move(to));
        QCOMPARE(third.size(), count);
        to = third; // what was moved from can be used again
        QVERIFY(to == third);
    }
}

void TestContainers::indexTableIsAMap_data() {
    QTest::addColumn<quint64>("hashMask");
    QTest::addColumn<bool>("endOfTags");
    QTest::newRow("good hashes") << ~quint64(0) << false;
    QTest::newRow("hashes that collide") << quint64(0x3f) << false;
    QTest::newRow("one hash") << quint64(0) << false;
    QTest::newRow("hashes at the end of all") << ~quint64(0) << true;
}

void TestContainers::indexTableIsAMap() {
    QFETCH(quint64, hashMask);
    QFETCH(bool, endOfTags);
    IndexTable table;
    std::vector<std::uint64_t> keys;
    std::map<std::uint64_t, std::uint32_t> model;
    std::mt19937_64 random(2);
    const auto hashOf = [&](std::uint64_t key) {
        const std::uint64_t hash = key * 0x9e3779b97f4a7c15ULL;
        return endOfTags ? (hash & 0x3f) ^ 0xffff'ffff : hash & hashMask;
    };
    for (int i = 0; i < 3000; ++i) {
        const std::uint64_t key = random() % 2000;
        const auto same = [&](std::uint32_t index) { return keys[index] == key; };
        const auto known = model.find(key);
        QCOMPARE(table.find(hashOf(key), same), known == model.end() ? kNone : known->second);
        auto &index = table.at(hashOf(key), same);
        QCOMPARE(index, known == model.end() ? kNone : known->second);
        if (index != kNone) continue;
        index = model[key] = static_cast<std::uint32_t>(keys.size());
        keys.push_back(key);
    }
    QVERIFY(model.size() > 1000);
}

void TestContainers::streamsAlikeShareTheirLines() {
    HttpStreams streams;
    std::vector<std::uint32_t> handles;
    for (std::uint32_t i = 0; i < 4; ++i) {
        const std::string_view request = i == 3 ? "GET /b HTTP/1.1\r\n" : "GET /a HTTP/1.1\r\n";
        // The second one in two segments.
        const std::size_t first = i == 1 ? 6 : request.size();
        handles.push_back(streams.begin(1000 * i, 1000 * i, bytes(request.substr(0, first))));
        QCOMPARE(streams.found(handles[i]) == nullptr, i == 1);
        streams.add(handles[i], 1000 * i, static_cast<std::uint32_t>(1000 * i + first), bytes(request.substr(first)));
    }
    QCOMPARE(streams.found(handles[0])->target, std::string("/a"));
    QCOMPARE(streams.found(handles[3])->target, std::string("/b"));
    QCOMPARE(handles[1], handles[0]);
    QCOMPARE(handles[2], handles[0]);
    QVERIFY(handles[3] != handles[0]);
    QVERIFY(!streams.found(kNone));
}

void TestContainers::aStreamThatEndsGivesItsBytesBack() {
    // A status line is complete, but the body could still say more: the end of the stream decides.
    HttpStreams streams;
    const std::string_view answer = "HTTP/1.1 204 No Content\r\n\r\n";
    const auto length = static_cast<std::uint32_t>(answer.size());
    std::uint32_t handle = streams.beginAlone(0), other = streams.begin(0, 0, bytes(answer));
    streams.add(handle, 0, 0, bytes(answer));
    const std::uint32_t reading = handle;
    streams.end(handle, 0, length + 5); // five bytes are missing
    QCOMPARE(handle, reading);
    streams.end(handle, 0, length);
    QVERIFY(handle != reading);
    QCOMPARE(streams.found(handle)->status, 204);
    streams.end(other, 0, length + 5);
    QVERIFY(handle != other);
    streams.end(other, 0, length);
    QCOMPARE(other, handle);
}

void TestContainers::answersThatBeginAlikeMayGoOnDifferently() {
    HttpStreams streams;
    const std::string_view head = "HTTP/1.1 200 OK\r\n\r\n";
    const auto length = static_cast<std::uint32_t>(head.size());
    std::uint32_t handles[4];
    for (std::uint32_t i = 0; i < 4; ++i) {
        handles[i] = streams.begin(5000 * i, 5000 * i, bytes(head));
        QCOMPARE(streams.found(handles[i])->status, 200);
        QCOMPARE(handles[i], handles[0]);
    }
    for (const std::uint32_t i : {2u, 1u}) {
        const std::string page = fmt::format("client_address=10.0.0.{}\n", i);
        streams.add(handles[i], 5000 * i, 5000 * i, bytes(head)); // sent again
        streams.add(handles[i], 5000 * i, 5000 * i + length, bytes(page));
        streams.end(handles[i], 5000 * i, 5000 * i + length + static_cast<std::uint32_t>(page.size()));
        QCOMPARE(streams.found(handles[i])->clientAddress, fmt::format("10.0.0.{}", i));
    }
    streams.end(handles[3], 15'000, 15'000 + length);
    for (const std::uint32_t i : {0u, 3u})
        QCOMPARE(streams.found(handles[i])->clientAddress, std::string());
}

NATLENS_TEST(TestContainers)
#include "tst_containers.moc"
