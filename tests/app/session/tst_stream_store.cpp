#include "app/session/stream_store.h"
#include "recording.h"

#include <QTemporaryDir>
#include "tests/test_program.h"

using namespace natlens;
using session::BlockBoundary;
using session::StreamStore;

class TestStreamStore : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::filesystem::path at(const char *name) const {
        return std::filesystem::path(m_dir.path().toStdString()) / name;
    }
    std::string m_recording;

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(testing::writeRecording(testing::createFile(at("r.pcapng")), testing::conversation()));
        m_recording = testing::contents(at("r.pcapng"));
    }

    /// Whatever prefix has been seen, in whatever portions, the boundary is where an independent walk puts it.
    void boundaryFollowsBlocks() {
        std::vector<std::uint64_t> ends{0};
        while (ends.back() < m_recording.size()) {
            std::uint32_t length;
            std::memcpy(&length, m_recording.data() + ends.back() + 4, sizeof length); // written on this machine
            ends.push_back(ends.back() + length);
        }
        QCOMPARE(ends.back(), std::uint64_t(m_recording.size()));
        const auto bytes = std::as_bytes(std::span(m_recording));
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            const auto expected = *(std::upper_bound(ends.begin(), ends.end(), size) - 1);
            for (const std::size_t portion : {std::size_t(1), std::size_t(7), std::size_t(4096)}) {
                BlockBoundary boundary;
                for (std::size_t done = 0; done < size; done += portion)
                    boundary.feed(bytes.subspan(done, std::min(portion, size - done)));
                QCOMPARE(boundary.complete(), expected);
            }
        }
    }

    void bigEndian() {
        const unsigned char section[] = {0x0A, 0x0D, 0x0D, 0x0A, 0,    0,    0,    28,   0x1A, 0x2B, 0x3C, 0x4D, 0, 1,
                                         0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,    0,    0, 28};
        BlockBoundary boundary;
        boundary.feed(std::as_bytes(std::span(section)));
        QCOMPARE(boundary.complete(), std::uint64_t(28));
    }

    void notPcapng() {
        BlockBoundary boundary;
        boundary.feed(std::as_bytes(std::span(std::string_view("this is no capture, however long it may be"))));
        QCOMPARE(boundary.complete(), std::uint64_t(0));
    }

    /// What is saved ends with a complete block, however much of the next has come.
    void savesCompleteBlocks() {
        auto store = StreamStore::temporary();
        QVERIFY(store);
        const auto bytes = std::as_bytes(std::span(m_recording));
        QVERIFY((*store)->append(bytes.first(bytes.size() - 5)));
        QVERIFY((*store)->copyTo(at("copy.pcapng")));
        const std::string cut = testing::contents(at("copy.pcapng"));
        QVERIFY(cut.size() < m_recording.size() - 5);
        QCOMPARE(cut, m_recording.substr(0, cut.size()));
        QVERIFY((*store)->append(bytes.last(5)));
        QVERIFY((*store)->copyTo(at("copy.pcapng")));
        QCOMPARE(testing::contents(at("copy.pcapng")), m_recording);
    }

    void aFullDiskIsSaidOnce() {
        if (::access("/dev/full", W_OK) != 0) QSKIP("no /dev/full here");
        auto store = StreamStore::create("/dev/full");
        QVERIFY(store);
        const auto bytes = std::as_bytes(std::span(m_recording));
        const auto first = (*store)->append(bytes);
        QVERIFY(!first);
        QVERIFY(first.error().sentence().find("No space left") != std::string::npos);
        QVERIFY((*store)->append(bytes)); // not again
    }

    void badNames() {
        const auto store = StreamStore::create(at("no/such/folder.pcapng"));
        QVERIFY(!store);
        QCOMPARE(base::exitStatus(store.error()), 2);
        auto kept = StreamStore::temporary();
        QVERIFY(!(*kept)->copyTo(at("no/such/folder.pcapng")));
    }
};

NATLENS_TEST(TestStreamStore)
#include "tst_stream_store.moc"
