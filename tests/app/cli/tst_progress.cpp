// What the line on the terminal says while a recording is read.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "app/cli/watch.h"
#endif

#include "tests/test_program.h"

class TestProgress : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void readingStage_data();
    void readingStage();
};

void TestProgress::readingStage_data() {
    QTest::addColumn<double>("progress");
    QTest::addColumn<quint64>("bytes");
    QTest::addColumn<quint64>("packets");
    QTest::addColumn<int>("milliseconds");
    QTest::addColumn<QString>("text");
    QTest::newRow("half") << 0.5 << quint64(1) << quint64(2'000'000) << 2000
                          << "reading: [##########..........] 50 %, 2.0 million packets, 1.0 million/s, 2 s left";
    QTest::newRow("beginning: too early to say")
        << 0.001 << quint64(1) << quint64(812) << 100 << "reading: [....................] 0 %, 812 packets, 8,120/s";
    QTest::newRow("never 100 before the end") << 0.9999 << quint64(1) << quint64(1'000'000) << 10'000
                                              << "reading: [###################.] 99 %, 1.0 million packets, "
                                                 "100,000/s, 1 s left";
    QTest::newRow("a pipe") << 1.0 << quint64(5) * 1048576 << quint64(40'005) << 1500
                            << "reading: 5 MiB, 40,005 packets, 26,670/s";
    QTest::newRow("no time has passed") << 0.0 << quint64(0) << quint64(0) << 0
                                        << "reading: [....................] 0 %, 0 packets, 0/s";
}

void TestProgress::readingStage() {
    QFETCH(double, progress);
    QFETCH(quint64, bytes);
    QFETCH(quint64, packets);
    QFETCH(int, milliseconds);
    QFETCH(QString, text);
    QCOMPARE(QString::fromStdString(
                 natlens::cli::readingStage(progress, bytes, packets, std::chrono::milliseconds(milliseconds))),
             text);
}

NATLENS_TEST(TestProgress)
#include "tst_progress.moc"
