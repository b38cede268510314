// Big memory: zeroed, aligned, and pieces of an arena that do not overlap.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "capture/base/big_memory.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>
#endif

#include "tests/test_program.h"

using natlens::base::Arena;
using natlens::base::BigMemory;

class TestBigMemory : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void isZeroedAndWritable_data();
    void isZeroedAndWritable();
    void moves();
    void piecesDoNotOverlap_data();
    void piecesDoNotOverlap();
};

void TestBigMemory::isZeroedAndWritable_data() {
    QTest::addColumn<quint64>("bytes");
    for (const quint64 bytes : {quint64(1), quint64(4096), quint64(BigMemory::kHuge) - 1, quint64(BigMemory::kHuge),
                                quint64(BigMemory::kHuge) + 1})
        QTest::addRow("%llu bytes", static_cast<unsigned long long>(bytes)) << bytes;
}

void TestBigMemory::isZeroedAndWritable() {
    QFETCH(quint64, bytes);
    const BigMemory memory(bytes);
    QVERIFY(memory.size() >= bytes);
    QVERIFY(std::all_of(memory.data(), memory.data() + memory.size(), [](std::byte b) { return b == std::byte{0}; }));
    std::memset(memory.data(), 0xff, memory.size());
    QCOMPARE(memory.data()[memory.size() - 1], std::byte{0xff});
}

void TestBigMemory::moves() {
    BigMemory one(100), other(200);
    one.data()[0] = std::byte{1};
    other.data()[0] = std::byte{2};
    one = std::move(other);
    QCOMPARE(one.data()[0], std::byte{2});
    const BigMemory third(std::move(one));
    QCOMPARE(third.data()[0], std::byte{2});
    QVERIFY(one.data() == nullptr);
}

void TestBigMemory::piecesDoNotOverlap_data() {
    QTest::addColumn<bool>("prepared");
    QTest::newRow("pages come as they are used") << false;
    QTest::newRow("another thread prepares them") << true;
}

/// Through all kinds of regions: each piece keeps what was written to it, whatever is taken later.
void TestBigMemory::piecesDoNotOverlap() {
    QFETCH(bool, prepared);
    Arena arena;
    arena.prepare(); // there is nothing yet
    std::jthread other;
    if (prepared)
        other = std::jthread([&](const std::stop_token &stop) {
            while (!stop.stop_requested())
                arena.prepare();
        });
    struct Piece {
        std::byte *data;
        std::size_t size;
        std::byte mark;
    };
    std::vector<Piece> pieces;
    std::size_t total = 0;
    for (unsigned i = 0; total < BigMemory::kHuge * 6; ++i) {
        const std::size_t size = 1 + (i * 7919) % 100'000;
        std::byte *data = arena.take(size);
        QCOMPARE(reinterpret_cast<std::uintptr_t>(data) % alignof(std::max_align_t), std::uintptr_t(0));
        QVERIFY(std::all_of(data, data + size, [](std::byte b) { return b == std::byte{0}; }));
        pieces.push_back({data, size, static_cast<std::byte>(i % 255 + 1)});
        std::memset(data, static_cast<int>(pieces.back().mark), size);
        total += size;
    }
    other = {};
    for (const Piece &piece : pieces)
        QVERIFY(std::all_of(piece.data, piece.data + piece.size, [&](std::byte b) { return b == piece.mark; }));
}

NATLENS_TEST(TestBigMemory)
#include "tst_big_memory.moc"
