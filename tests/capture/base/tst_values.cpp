// Time stamps, owned descriptors, byte order and hashing.
#include "tests/test_program.h"

#include "capture/base/byte_order.h"
#include "capture/base/hash.h"
#include "capture/base/timestamp.h"
#include "capture/base/unique_fd.h"

#include <fcntl.h>
#include <limits>
#include <set>

using namespace natlens::base;

class TestValues : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void timestampText_data();
    void timestampText();
    void timestampArithmetic();
    void descriptorHasOneOwner();
    void byteOrder();
    void hashSeesEveryByteAndTheLength();
};

void TestValues::timestampText_data() {
    QTest::addColumn<qint64>("nanoseconds");
    QTest::addColumn<QString>("expected");
    QTest::newRow("zero") << qint64(0) << "0.000000000";
    QTest::newRow("now-ish") << qint64(1700000000000000123) << "1700000000.000000123";
    QTest::newRow("before 1970") << qint64(-1) << "-1.999999999";
    QTest::newRow("last") << std::numeric_limits<qint64>::max() << "9223372036.854775807";
}

void TestValues::timestampText() {
    QFETCH(qint64, nanoseconds);
    QTEST(QString::fromStdString(Timestamp{nanoseconds}.toString()), "expected");
}

void TestValues::timestampArithmetic() {
    const Timestamp a{1000}, b{250};
    QCOMPARE((a - b).count(), 750);
    QCOMPARE((b + std::chrono::microseconds(1)).nanoseconds, 1250);
    QVERIFY(b < a);
    constexpr auto kNever = std::chrono::nanoseconds::min(), kForever = std::chrono::nanoseconds::max();
    const Timestamp first{kNever.count()}, last{kForever.count()};
    QCOMPARE((first - last).count(), kNever.count());
    QCOMPARE((last - first).count(), kForever.count());
    QCOMPARE((last + std::chrono::nanoseconds(1)).nanoseconds, last.nanoseconds);
    QCOMPARE((first + std::chrono::nanoseconds(-1)).nanoseconds, first.nanoseconds);
    QVERIFY(Timestamp::now().nanoseconds > 1'600'000'000'000'000'000);
}

void TestValues::descriptorHasOneOwner() {
    const auto isOpen = [](int fd) { return ::fcntl(fd, F_GETFD) != -1; };
    int raw = -1;
    {
        UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        QVERIFY(first);
        raw = first.get();
        UniqueFd second(std::move(first));
        QVERIFY(!first.valid());
        QCOMPARE(second.get(), raw);
        UniqueFd third;
        third = std::move(second);
        QCOMPARE(third.get(), raw);
        QVERIFY(isOpen(raw));
    }
    QVERIFY(!isOpen(raw));

    UniqueFd kept(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    raw = kept.release();
    QVERIFY(!kept);
    QVERIFY(isOpen(raw));
    UniqueFd(raw).reset();
    QVERIFY(!isOpen(raw));
}

void TestValues::byteOrder() {
    const unsigned char wire[] = {0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
    QCOMPARE(loadBig16(wire + 1), std::uint16_t(0x0102));
    QCOMPARE(loadBig32(wire + 1), std::uint32_t(0x01020304));
    QCOMPARE(loadBig64(wire + 1), std::uint64_t(0x0102030405060708));
    QCOMPARE(swapBytes(std::uint16_t(0x1234)), std::uint16_t(0x3412));
    unsigned char out[4];
    storeBig32(out, 0x0a0b0c0d);
    QCOMPARE(loadBig32(out), std::uint32_t(0x0a0b0c0d));
    QCOMPARE(int(out[0]), 0x0a);
    storeBig16(out, 0x1122);
    QCOMPARE(int(out[1]), 0x22);
}

void TestValues::hashSeesEveryByteAndTheLength() {
    std::array<std::byte, 20> bytes{};
    std::set<std::uint64_t> seen;
    for (std::size_t length = 0; length <= bytes.size(); ++length)
        seen.insert(hashBytes(std::span(bytes).first(length)));
    QCOMPARE(seen.size(), bytes.size() + 1);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto changed = bytes;
        changed[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << bit % 8)};
        QVERIFY(seen.insert(hashBytes(changed)).second);
    }
    QVERIFY(hashBytes(bytes, 1) != hashBytes(bytes, 2));
}

NATLENS_TEST(TestValues)
#include "tst_values.moc"
