// The program natlens-probe as people call it.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "capture/file/reader.h"

#include <arpa/inet.h>
#include <csignal>
#include <netinet/in.h>
#endif

#include "capture/live/own_namespace.h"

using namespace natlens;

class ProgramTest : public QObject {
    Q_OBJECT
public:
    static inline std::string whyNot;

private:
    const QString m_program = QStringLiteral(NATLENS_PROGRAM_DIR "/natlens-probe");

    struct Counter final : file::StreamSink {
        QStringList points;
        int packets = 0, statistics = 0;
        void onCapturePoint(base::CapturePointId, const file::CapturePoint &point) override {
            points << QString::fromStdString(point.name);
        }
        void onPacket(const file::PacketView &) override { ++packets; }
        void onStatistics(const file::PointStatistics &) override { ++statistics; }
    };

private Q_SLOTS:
    void initTestCase() { NATLENS_NEED_NAMESPACE(whyNot); }

    void arguments_data() {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArray>("words");
        QTest::newRow("help") << QStringList{"--help"} << 0 << QByteArray("examples:");
        QTest::newRow("version") << QStringList{"--version"} << 0 << QByteArray("natlens-probe ");
        QTest::newRow("list") << QStringList{"--list"} << 0 << QByteArray("1\tlo\tup");
        QTest::newRow("nothing") << QStringList{} << 2 << QByteArray("--interface");
        QTest::newRow("unknown option") << QStringList{"--no"} << 2 << QByteArray("--help");
        QTest::newRow("stray word") << QStringList{"eth0"} << 2 << QByteArray("'eth0'");
        QTest::newRow("snap length") << QStringList{"-i", "lo", "-s", "5x"} << 2 << QByteArray("64 to 262144");
        QTest::newRow("closed descriptor")
            << QStringList{"-i", "lo", "--stream-fd", "99"} << 2 << QByteArray("descriptor");
        QTest::newRow("no such interface") << QStringList{"-i", "nosuch0"} << 2 << QByteArray("no such interface");
        QTest::newRow("filter") << QStringList{"-f", "tcp prt", "-i", "lo"} << 2 << QByteArray("tcp prt");
        QTest::newRow("no such namespace")
            << QStringList{"-N", "nosuch", "-i", "lo"} << 2 << QByteArray("/run/netns/nosuch");
    }
    void arguments() {
        QFETCH(QStringList, arguments);
        QFETCH(int, status);
        QFETCH(QByteArray, words);
        QProcess process;
        process.setProcessChannelMode(QProcess::MergedChannels);
        process.start(m_program, arguments);
        QVERIFY(process.waitForFinished());
        QCOMPARE(process.exitCode(), status);
        const QByteArray output = process.readAll();
        QVERIFY2(output.contains(words), output.constData());
    }

    void notPermitted() {
        QProcess process;
        process.start("setpriv", {"--bounding-set=-all", "--inh-caps=-all", m_program, "-i", "lo"});
        QVERIFY(process.waitForFinished());
        if (process.error() == QProcess::FailedToStart) QSKIP("setpriv (util-linux) is not installed");
        QCOMPARE(process.exitCode(), 3);
        const QByteArray words = process.readAllStandardError();
        QVERIFY2(words.contains("sudo") && words.contains("setcap"), words.constData());
    }

    void streams_data() {
        QTest::addColumn<bool>("bySignal");
        QTest::newRow("ended by SIGTERM") << true;
        QTest::newRow("ended by closing its standard input") << false;
    }
    void streams() {
        QFETCH(bool, bySignal);
        QProcess process;
        process.start(m_program,
                      {"--node", "here", "--interface", "lo", "--filter", "udp port 4001", "--stream-fd", "1"});
        QVERIFY(process.waitForReadyRead()); // the capture point's description: it captures from here on
        QFile status(QStringLiteral("/proc/%1/status").arg(process.processId()));
        QVERIFY(status.open(QIODevice::ReadOnly));
        const QByteArray text = status.readAll();
        QVERIFY2(text.contains("CapEff:\t0000000000000000") && text.contains("CapPrm:\t0000000000000000"),
                 text.constData());
        const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(4001);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        QCOMPARE(::sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr *>(&to), sizeof to), ssize_t{1});
        ::close(fd);
        if (bySignal) {
            process.terminate();
        } else {
            process.closeWriteChannel();
        }
        QVERIFY(process.waitForFinished());
        QCOMPARE(process.exitStatus(), QProcess::NormalExit);
        QCOMPARE(process.exitCode(), 0);
        Counter counter;
        file::Reader reader(counter, {});
        const QByteArray stream = process.readAllStandardOutput();
        QVERIFY(reader.feed(std::as_bytes(std::span(stream.constData(), static_cast<std::size_t>(stream.size())))));
        QVERIFY(reader.finish());
        QCOMPARE(counter.points, QStringList{"here/lo"});
        QCOMPARE(counter.packets, 1);
        QVERIFY(counter.statistics >= 1);
    }

    void readerGoesAway() {
        QProcess process;
        process.start("sh", {"-c", "{ \"$0\" -i lo; echo status $? >&2; } | head -c 8", m_program});
        QVERIFY(process.waitForFinished());
        const QByteArray words = process.readAllStandardError();
        QVERIFY2(words.contains("status 0"), words.constData()); // not SIGPIPE, which would be 141
    }
};

NATLENS_NAMESPACE_TEST(ProgramTest)
#include "tst_program.moc"
