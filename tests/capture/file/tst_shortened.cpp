// A file that another program shortens while it is read.
#include "tests/test_program.h"

#include "capture/file/file_maker.h"
#include "capture/file/reader.h"

#include <QFile>
#include <QTemporaryDir>

using namespace natlens;
using test::FileMaker;
using test::Order;

namespace {

/// Cuts the file as soon as its first packet has come.
class Cutter final : public file::StreamSink {
public:
    Cutter(QString path, qint64 to)
        : m_path(std::move(path))
        , m_to(to) {}
    void onCapturePoint(base::CapturePointId, const file::CapturePoint &) override {}
    void onPacket(const file::PacketView &) override {
        if (packets++ == 0) cut = QFile::resize(m_path, m_to);
    }
    void onStatistics(const file::PointStatistics &) override {}

    int packets = 0;
    bool cut = false;

private:
    QString m_path;
    qint64 m_to;
};

} // namespace

class TestShortened : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void endsWithoutASignal_data();
    void endsWithoutASignal();
};

void TestShortened::endsWithoutASignal_data() {
    QTest::addColumn<qint64>("to");
    QTest::newRow("to nothing") << qint64(0);
    QTest::newRow("to a part") << qint64(70'000);
}

void TestShortened::endsWithoutASignal() {
    QFETCH(qint64, to);
    FileMaker f(Order::little);
    f.section().interface("n1/eth0");
    constexpr int kPackets = 2000;
    for (int i = 0; i < kPackets; ++i)
        f.packet(0, std::uint64_t(i), QByteArray(500, 'x'));
    QTemporaryDir folder;
    const QString path = folder.filePath("cut.pcapng");
    QFile file(path);
    QVERIFY(file.open(QIODevice::WriteOnly) && file.write(f.bytes) == f.bytes.size());
    file.close();
    Cutter cutter(path, to);
    const auto status = file::readFile(path.toStdString(), cutter);
    QVERIFY(cutter.cut);
    QVERIFY(cutter.packets < kPackets);
    QVERIFY(!status);
    QCOMPARE(int(status.error().code), int(base::ErrorCode::truncated));
    QVERIFY2(status.error().sentence().find("was shortened while it was read") != std::string::npos,
             status.error().sentence().c_str());
}

NATLENS_TEST(TestShortened)
#include "tst_shortened.moc"
