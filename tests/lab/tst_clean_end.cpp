// However a lab ends, nothing of it is left: no process, namespace, mount, socket or file.
#include "lab/natlens_run.h"

#include "tests/test_program.h"
#include <QDir>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QRandomGenerator>
#include <QTemporaryDir>
#include <signal.h>
#include <unistd.h>

using namespace natlens::test;

namespace {

/// Processes that run the natlens under test, and the network namespaces that any visible process is in.
struct World {
    QSet<QString> processes, namespaces, sockets, files;
    int mounts = 0;

    static World now(const QString &folder) {
        World world;
        const QString own = QFileInfo(program()).canonicalFilePath();
        for (const QString &pid : QDir("/proc").entryList({"[0-9]*"}, QDir::Dirs)) {
            const QString exe = QFile::symLinkTarget("/proc/" + pid + "/exe");
            if (exe == own) world.processes << pid;
            const QString net = QFile::symLinkTarget("/proc/" + pid + "/ns/net");
            if (!net.isEmpty()) world.namespaces << net.section('/', -1);
        }
        QFile sockets("/proc/net/unix");
        if (sockets.open(QIODevice::ReadOnly))
            for (const QByteArray &line : sockets.readAll().split('\n'))
                if (line.contains("@natlens-lab-" + QByteArray::number(getuid()) + "-"))
                    world.sockets << QString::fromLatin1(line.split(' ').last());
        QFile mounts("/proc/self/mounts");
        if (mounts.open(QIODevice::ReadOnly)) world.mounts = int(mounts.readAll().count('\n'));
        for (const QString &name : QDir(folder).entryList(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot))
            world.files << name;
        return world;
    }

    /// What others had and have ended meanwhile is no concern of the test.
    bool hasNothingBeside(const World &before) const {
        return before.processes.contains(processes) && before.sockets.contains(sockets) && mounts <= before.mounts &&
               before.files.contains(files) && before.namespaces.contains(namespaces);
    }
};

/// A killed process is gone a moment later; this waits for that moment.
bool settlesTo(const World &before, const QString &folder) {
    QElapsedTimer timer;
    timer.start();
    while (timer.elapsed() < 10'000) {
        if (World::now(folder).hasNothingBeside(before)) return true;
        QTest::qWait(20);
    }
    return false;
}

} // namespace

class TestCleanEnd : public QObject {
    Q_OBJECT
private Q_SLOTS:
    // NATLENS_LONG=1 makes it the hundred runs of the first issue; the normal test run does fewer.
    void halfOfManyRunsAreKilledAtRandomMoments() {
        NATLENS_NEEDS_LAB();
        const int runs = qEnvironmentVariableIntValue("NATLENS_LONG") == 1 ? 100 : 12;
        QTemporaryDir folder;
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert("TMPDIR", folder.path());
        const World before = World::now(folder.path());
        // Every seed is printed, so that a failure can be made again.
        const auto seed = QRandomGenerator::global()->generate();
        QRandomGenerator random(seed);
        qInfo("seed %u, %d runs", seed, runs);
        for (int i = 0; i < runs; ++i) {
            QProcess process;
            process.setProcessEnvironment(environment);
            process.start(program(), {"lab", "run", "nodeport", "--json"});
            QVERIFY(process.waitForStarted());
            if (i % 2 == 0) {
                QTest::qWait(random.bounded(250));
                process.kill(); // SIGKILL; does nothing when the run was faster
                QVERIFY(process.state() == QProcess::NotRunning || process.waitForFinished());
            } else {
                QVERIFY(process.waitForFinished(60'000));
                QCOMPARE(process.exitStatus(), QProcess::NormalExit);
                QVERIFY2(process.exitCode() == 0, process.readAllStandardError());
            }
            QVERIFY2(settlesTo(before, folder.path()), qPrintable(QString("after run %1").arg(i)));
        }
    }

    void everyProcessOfALabMayBeTheOneThatDies_data() {
        QTest::addColumn<int>("victim"); // 0: front end, 1: the lab's parent, 2: the lab itself
        QTest::newRow("front end") << 0;
        QTest::newRow("launcher") << 1;
        QTest::newRow("lab") << 2;
    }

    void everyProcessOfALabMayBeTheOneThatDies() {
        NATLENS_NEEDS_LAB();
        QFETCH(int, victim);
        QTemporaryDir folder;
        const World before = World::now(folder.path());
        QProcess process;
        process.start(program(), {"lab", "up", "nodeport", "--ready-file", folder.filePath("ready")});
        QVERIFY(process.waitForStarted());
        QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(folder.filePath("ready")), 20'000);
        QList<pid_t> chain{pid_t(process.processId())};
        while (chain.size() < 3) {
            QByteArray text;
            // The lab is started by a thread of the front end: look at all of them.
            for (const QString &task : QDir(QString("/proc/%1/task").arg(chain.last())).entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
                QFile file(QString("/proc/%1/task/%2/children").arg(chain.last()).arg(task));
                if (file.open(QIODevice::ReadOnly)) text += file.readAll();
            }
            const auto first = text.trimmed().split(' ').value(0);
            QVERIFY2(!first.isEmpty(), "a lab is three processes");
            chain << first.toInt();
        }
        QVERIFY(chain.at(victim) > 1);
        ::kill(chain.at(victim), SIGKILL);
        QVERIFY(process.waitForFinished(20'000));
        QFile::remove(folder.filePath("ready"));
        QVERIFY(settlesTo(before, folder.path()));
        if (victim != 0) {
            QVERIFY(process.exitStatus() == QProcess::NormalExit);
            QVERIFY(process.exitCode() != 0);
            QVERIFY(!process.readAllStandardError().trimmed().isEmpty());
        }
    }
};

NATLENS_TEST(TestCleanEnd)
#include "tst_clean_end.moc"
