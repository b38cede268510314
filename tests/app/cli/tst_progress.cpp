// What the line on the terminal says while a recording is read, and how long lines are broken.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "app/cli/output.h"
#include "app/cli/watch.h"
#endif

#include "tests/test_program.h"

class TestProgress : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void readingStage_data();
    void readingStage();
    void wrapped_data();
    void wrapped();
    void wrappedHelp();
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

void TestProgress::wrapped_data() {
    QTest::addColumn<QString>("text");
    QTest::addColumn<int>("columns"); // 0: no terminal
    QTest::addColumn<QString>("lines");
    const QString words = "  D01 The endpoint 10.180.1.136:8080 sees 10.180.1.1 instead of the client's address (p1)";
    QTest::newRow("a file") << words << 0 << words;
    QTest::newRow("wide enough") << words << 100 << words;
    QTest::newRow("80 columns") << words << 80
                                << "  D01 The endpoint 10.180.1.136:8080 sees 10.180.1.1 instead of the client's\n"
                                   "      address (p1)";
    QTest::newRow("never below 60") << words << 20
                                    << "  D01 The endpoint 10.180.1.136:8080 sees 10.180.1.1\n"
                                       "      instead of the client's address (p1)";
    QTest::newRow("a long word") << "  D01 " + QString(100, 'x') << 60
                                 << "  D01 " + QString(50, 'x') + "\n      " + QString(50, 'x');
    QTest::newRow("nothing") << "" << 60 << "";
}

void TestProgress::wrapped() {
    QFETCH(QString, text);
    QFETCH(int, columns);
    QFETCH(QString, lines);
    QCOMPARE(QString::fromStdString(natlens::cli::wrapped(text.toStdString(), 6,
                                                          columns == 0 ? std::nullopt : std::optional<int>(columns))),
             lines);
}

/// A list of options: descriptions go on below themselves, and nothing else changes.
void TestProgress::wrappedHelp() {
    const std::string help = "Usage: natlens replay [OPTIONS] FILE...\n\nOptions:\n"
                             "  --json           one path a line, and nothing else on standard output, ever\n"
                             "  --quiet          no progress\n";
    QCOMPARE(natlens::cli::wrappedHelp(help, std::nullopt), help);
    QCOMPARE(natlens::cli::wrappedHelp(help, 200), help);
    QCOMPARE(natlens::cli::wrappedHelp(help, 60),
             std::string("Usage: natlens replay [OPTIONS] FILE...\n\nOptions:\n"
                         "  --json           one path a line, and nothing else on\n"
                         "                   standard output, ever\n"
                         "  --quiet          no progress\n"));
}

NATLENS_TEST(TestProgress)
#include "tst_progress.moc"
