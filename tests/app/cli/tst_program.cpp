// The natlens program from outside: arguments, bad input, help. Needs no namespaces.
#include "../session/recording.h"

#include <QProcess>
#include <QRegularExpression>
#include <QTemporaryDir>
#include "tests/test_program.h"

using namespace natlens;

namespace {

struct Ran {
    int status = -1; ///< -1: it crashed or did not end
    QString out, err;
};

Ran runProgram(const QStringList &arguments, const QString &shell = {}) {
    QProcess process;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert("LC_ALL", "C.UTF-8");
    process.setProcessEnvironment(environment);
    const QString program = QStringLiteral(NATLENS_PROGRAM_DIR "/natlens");
    if (shell.isEmpty())
        process.start(program, arguments);
    else
        process.start("sh", {"-c", shell, program});
    if (!process.waitForFinished(60'000) || process.exitStatus() != QProcess::NormalExit) return {};
    return {process.exitCode(), QString::fromUtf8(process.readAllStandardOutput()),
            QString::fromUtf8(process.readAllStandardError())};
}

} // namespace

class TestProgram : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    QString at(const QString &name) const { return m_dir.filePath(name); }

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(testing::writeRecording(testing::createFile(at("good.pcapng").toStdString()), testing::conversation()));
        const std::string bytes = testing::contents(at("good.pcapng").toStdString());
        testing::writeText(at("cut.pcapng").toStdString(), std::string_view(bytes).substr(0, bytes.size() - 6));
        testing::writeText(at("noise.pcapng").toStdString(), "not a capture at all, but quite some bytes of text");
        testing::writeText(at("empty.pcapng").toStdString(), "");
        testing::writeText(at("broken.json").toStdString(), "{\n  \"kind\": \"List\",\n  \"items\": [,]\n}\n");
        testing::writeText(at("service.json").toStdString(), "{\"kind\": \"Service\"}");
    }

    /// Bad input: the status of DESIGN section 5, one line on standard error that says what and where, no output.
    void badInput_data() {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<int>("status");
        QTest::addColumn<QStringList>("mentions");
        const auto row = [this](const char *name, const QString &line, int status, const QStringList &mentions) {
            QStringList words = line.split(' ');
            for (QString &word : words)
                if (word.startsWith('@')) word = at(word.mid(1));
            QTest::newRow(name) << words << status << mentions;
        };
        row("unknown scenario", "lab run nodprt", 2, {"nodprt", "nodeport", "loadbalancer-local"});
        row("unknown scenario, up", "lab up nodprt", 2, {"nodprt", "clusterip"});
        row("scenario file that is not there", "lab run @none.json", 2, {"none.json"});
        row("scenario file that is broken", "lab run @broken.json", 2, {"broken.json"});
        row("datapath", "lab run nodeport --datapath ipvs", 2, {"ipvs", "nftables", "engine"});
        row("profile", "lab run nodeport --profile tomorrow", 2, {"--profile", "picture"});
        row("cluster is broken JSON", "lab run nodeport --cluster @broken.json", 2,
            {"broken.json", "line 3, column 13"});
        row("cluster is no list", "replay @good.pcapng --cluster @service.json", 2, {"service.json", "/kind"});
        row("replay's cluster is broken", "replay @good.pcapng --cluster @broken.json", 2, {"broken.json", "line 3"});
        row("proxy configuration", "lab run nodeport --proxy-config @service.json", 2,
            {"service.json", "KubeProxyConfiguration"});
        row("filter", "replay @good.pcapng --filter nonsense-here", 2, {"--filter", "nonsense-here"});
        row("missing file", "replay @none.pcapng", 2, {"none.pcapng", "No such file"});
        row("folder", "replay @.", 2, {"folder"});
        row("no capture", "replay @noise.pcapng", 2, {"noise.pcapng"});
        row("record nowhere", "replay @good.pcapng --record @no/such/file", 2, {"no/such/file"});
        row("record over the source", "replay @good.pcapng --record @good.pcapng", 2, {"good.pcapng"});
        row("unknown option", "replay @good.pcapng --jsn", 2, {"--jsn", "natlens replay --help"});
        row("unknown command", "reply", 2, {"\"reply\"", "replay", "natlens --help"});
        row("unknown command of lab", "lab rum", 2, {"\"rum\"", "run", "natlens lab --help"});
        row("json and diagram", "replay @good.pcapng --json --diagram unicode", 2, {"--json", "--diagram"});
        row("unknown diagram", "replay @good.pcapng --diagram ascii", 2, {"--diagram", "document"});
        row("no file", "replay", 2, {"FILE"});
        row("no format", "render @good.pcapng", 2, {"--format"});
        row("unknown format", "render @good.pcapng --format png", 2, {"--format", "svg"});
        row("render nowhere", "render @good.pcapng --format svg -o @no/such.svg", 2, {"such.svg", "No such file"});
        row("exec without command", "lab exec node2", 2, {"--"});
        row("exec without lab", "lab exec --lab 1 node2 -- true", 2, {"lab"});
    }
    void badInput() {
        QFETCH(QStringList, arguments);
        QFETCH(int, status);
        QFETCH(QStringList, mentions);
        const Ran ran = runProgram(arguments);
        QVERIFY2(ran.status == status, qPrintable(QString::number(ran.status) + ran.err));
        QCOMPARE(ran.out, QString());
        QCOMPARE(ran.err.count('\n'), 1);
        for (const QString &word : mentions)
            QVERIFY2(ran.err.contains(word), qPrintable(ran.err));
        QVERIFY2(testing::contents(at("good.pcapng").toStdString()).size() > 500, "the source was overwritten");
    }

    /// What could be read is shown; the line says where the file broke off.
    void truncatedRecording() {
        const Ran ran = runProgram({"replay", at("cut.pcapng"), "--json"});
        QCOMPARE(ran.status, 2);
        QCOMPARE(ran.out.count('\n'), 1);
        QVERIFY(ran.out.startsWith("{\"schema\":\"natlens.path/1\""));
        QCOMPARE(ran.err.count('\n'), 1);
        QVERIFY2(ran.err.contains("cut.pcapng") && ran.err.contains(QRegularExpression("[0-9]{3,}")),
                 qPrintable(ran.err));
    }

    void replayAgreesWithItself_data() {
        QTest::addColumn<QString>("render");
        QTest::addColumn<QStringList>("replay");
        QTest::newRow("document") << "document" << QStringList{"--diagram", "document"};
        QTest::newRow("unicode") << "unicode" << QStringList{"--diagram", "unicode"};
        QTest::newRow("json") << "json" << QStringList{"--json"};
    }
    void replayAgreesWithItself() {
        QFETCH(QString, render);
        QFETCH(QStringList, replay);
        const Ran replayed = runProgram(QStringList{"replay", at("good.pcapng")} + replay);
        const Ran rendered = runProgram({"render", at("good.pcapng"), "--format", render, "-o", at("out")});
        QCOMPARE(replayed.status, 0);
        QCOMPARE(rendered.status, 0);
        QCOMPARE(rendered.out, QString());
        QCOMPARE(replayed.err + rendered.err, QString());
        QCOMPARE(QString::fromStdString(testing::contents(at("out").toStdString())), replayed.out);
        if (render != "document") QVERIFY(!replayed.out.isEmpty());
    }

    void report() {
        const Ran ran = runProgram({"replay", at("good.pcapng")});
        QCOMPARE(ran.status, 0);
        QCOMPARE(ran.err, QString());
        for (const char *text : {"104.132.1.79:53210", "10.240.0.5:32080", "sees 10.240.0.5:54210", "delivered"})
            QVERIFY2(ran.out.contains(text), qPrintable(ran.out));
        QVERIFY2(!ran.out.contains('\x1b'), "colours without a terminal");
    }

    /// The document's pictures are of Services: two hosts that just talk are drawn with their addresses.
    void reportOfADirectConnection() {
        std::vector<testing::Frame> frames = testing::conversation();
        std::erase_if(frames, [](const auto &frame) { return frame.point != "client/eth0"; });
        for (testing::Frame &frame : frames) {
            frame.point = "server/eth0";
            frame.direction = file::PacketDirection::inbound;
        }
        const auto path = at("direct.pcapng").toStdString();
        QVERIFY(testing::writeRecording(testing::createFile(path), frames, {"server/eth0"}));
        const Ran ran = runProgram({"replay", at("direct.pcapng")});
        QCOMPARE(ran.status, 0);
        const QString picture = ran.out.section("\nPaths\n", 0, 0);
        for (const char *text : {"client", "server", "104.132.1.79:53210", "10.240.0.5:32080"})
            QVERIFY2(picture.contains(text), qPrintable(ran.out));
    }

    void svg() {
        const Ran ran = runProgram({"render", at("good.pcapng"), "--format", "svg", "--theme", "dark"});
        QCOMPARE(ran.status, 0);
        QVERIFY(ran.out.contains("<svg") && ran.out.trimmed().endsWith("</svg>"));
    }

    void standardInput() {
        const Ran ran = runProgram({}, "\"$0\" replay - --json < '" + at("good.pcapng") + "'");
        QCOMPARE(ran.status, 0);
        QCOMPARE(ran.out.count('\n'), 1);
        QCOMPARE(runProgram({}, "\"$0\" replay - - < /dev/null").status, 2);
    }

    /// A reader that goes away is no error; a disk that is full is.
    void closedAndFullOutput() {
        const Ran closed = runProgram({}, "{ \"$0\" replay --help; echo $? >&2; } | true");
        QCOMPARE(closed.err, QString("0\n"));
        if (!QFile::exists("/dev/full")) QSKIP("no /dev/full here");
        const Ran full = runProgram({}, "\"$0\" replay '" + at("good.pcapng") + "' > /dev/full");
        QCOMPARE(full.status, 2);
        QCOMPARE(full.err.count('\n'), 1);
    }

    /// Help names every option of DESIGN section 5, gives an example, and no more commands than there are.
    void help_data() {
        QTest::addColumn<QString>("command");
        QTest::addColumn<QString>("words");
        const QString source = " --json --diagram --record --cluster --proxy-config --filter --quiet Example Exit";
        const QString lab = " --datapath --profile --seed SCENARIO" + source;
        QTest::newRow("natlens") << ""
                                 << "lab replay render doctor --version Example Exit";
        QTest::newRow("lab") << "lab"
                             << "list run up exec Example";
        QTest::newRow("lab list") << "lab list"
                                  << "Example";
        QTest::newRow("lab run") << "lab run" << lab;
        QTest::newRow("lab up") << "lab up"
                                << "--ready-file" + lab;
        QTest::newRow("lab exec") << "lab exec"
                                  << "NODE --lab -- Example";
        QTest::newRow("replay") << "replay"
                                << "FILE" + source;
        QTest::newRow("render") << "render"
                                << "FILE --format --output --theme --cluster --filter Example";
        QTest::newRow("explain") << "explain"
                                 << "--cluster --node --node-address --from --to --protocol --mode --json Exit Examples";
        QTest::newRow("rules") << "rules"
                               << "--cluster --node --format nftables iptables plan --family Exit Examples";
        QTest::newRow("doctor") << "doctor"
                                << "Exit Example";
    }
    void help() {
        QFETCH(QString, command);
        QFETCH(QString, words);
        const Ran ran = runProgram(command.split(' ', Qt::SkipEmptyParts) + QStringList{"--help"});
        QCOMPARE(ran.status, 0);
        QCOMPARE(ran.err, QString());
        for (const QString &word : words.split(' ', Qt::SkipEmptyParts))
            QVERIFY2(ran.out.contains(word), qPrintable(word + " is missing in\n" + ran.out));
        QVERIFY2(!ran.out.contains("lab-process"), "that one is not for people");
        QVERIFY(ran.out.contains("Usage: natlens" + (command.isEmpty() ? "" : " " + command)));
    }

    /// Every option that help names is in the man page and in each shell's completion.
    void documentationIsComplete() {
        QSet<QString> options;
        const QRegularExpression option("(?<![\\w-])--[a-z][a-z-]+");
        for (const char *command : {"", "lab run", "lab up", "lab exec", "replay", "render", "explain", "rules"}) {
            const Ran ran = runProgram(QString(command).split(' ', Qt::SkipEmptyParts) + QStringList{"--help"});
            for (auto found = option.globalMatch(ran.out.section("Example", 0, 0)); found.hasNext();)
                options.insert(found.next().captured());
        }
        QVERIFY(options.size() >= 16);
        for (const char *file : {"natlens.1", "natlens.bash", "_natlens", "natlens.fish"}) {
            const QString path = QStringLiteral(NATLENS_SOURCE_DIR "/resources/packaging/") + file;
            const QString text = QString::fromStdString(testing::contents(path.toStdString())).replace("\\-", "-");
            QVERIFY2(!text.isEmpty(), file);
            for (const QString &name : options) {
                const QString there = QString(file).endsWith(".fish") ? "-l " + name.mid(2) : name;
                QVERIFY2(text.contains(there), qPrintable(there + " is missing in " + file));
            }
        }
    }

    void version() {
        const Ran ran = runProgram({"--version"});
        QCOMPARE(ran.status, 0);
        QVERIFY(QRegularExpression("^natlens \\d+\\.\\d+\\.\\d+\n$").match(ran.out).hasMatch());
    }

    void listNamesTheDocumentsScenarios() {
        const Ran ran = runProgram({"lab", "list"});
        QCOMPARE(ran.status, 0);
        for (const char *name : {"clusterip", "nodeport", "nodeport-local", "loadbalancer", "loadbalancer-local"})
            QVERIFY(ran.out.contains(
                QRegularExpression(QString("^%1  +\\S").arg(name), QRegularExpression::MultilineOption)));
    }

    void doctor() {
        const Ran ran = runProgram({"doctor"});
        QVERIFY2(ran.status == 0 || ran.status == 3, qPrintable(ran.err));
        for (const char *text : {"user namespaces", "nftables", "conntrack", "capture"})
            QVERIFY(ran.out.contains(text));
        QCOMPARE(ran.out.contains("The lab can run here"), ran.status == 0);
        // A user who may make no more namespaces is told so, with a remedy.
        const Ran limited =
            runProgram({}, "exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" doctor' \"$0\"");
        if (limited.err.contains("unshare") || limited.err.contains("annot create") || limited.status < 0)
            QSKIP("cannot be limited here");
        QCOMPARE(limited.status, 3);
        QVERIFY2(limited.out.contains("to get it:"), qPrintable(limited.out));
    }

    /// A library that is loaded late and cannot be: the package to install, from the doctor and from a lab.
    void missingLibrary_data() {
        QTest::addColumn<QString>("library");
        QTest::addColumn<QString>("package");
        QTest::newRow("curl") << "libcurl.so.4" << "libcurl4";
        QTest::newRow("microhttpd") << "libmicrohttpd.so.12" << "libmicrohttpd12";
    }
    void missingLibrary() {
        QFETCH(QString, library);
        QFETCH(QString, package);
        QTemporaryDir folder; // an empty file takes the library's place
        QVERIFY(QFile(folder.filePath(library)).open(QIODevice::WriteOnly));
        const QString hidden = "export LD_LIBRARY_PATH=" + folder.path() + "; exec \"$0\" ";
        const Ran doctor = runProgram({}, hidden + "doctor");
        QCOMPARE(doctor.status, 3);
        QVERIFY2(doctor.out.contains("to get it: install the package " + package), qPrintable(doctor.out));
        if (runProgram({"doctor"}).status != 0) QSKIP("no lab can run here");
        const Ran lab = runProgram({}, hidden + "lab run clusterip");
        QCOMPARE(lab.status, 3);
        QVERIFY2(lab.err.contains("install the package " + package), qPrintable(lab.err));
    }
};

NATLENS_TEST(TestProgram)
#include "tst_program.moc"
