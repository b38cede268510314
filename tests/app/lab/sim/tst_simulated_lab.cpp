// The simulated lab from outside: every scenario of the document, the same pictures, the same bytes for the same seed.
#include "tests/test_program.h"

#include "lab/natlens_run.h"

#include <QProcess>
#include <QStandardPaths>
#include <QTemporaryDir>

#include <cerrno>
#include <cstddef>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace natlens::test;

namespace {

Run simulate(const QString &scenario, const QStringList &more) {
    return run(QStringList{"lab", "run", scenario, "--simulated"} + more);
}

/// In the child, before it becomes natlens: from here on it and its children get EPERM for unshare and setns, as on a
/// machine that allows no namespaces.
void forbidNamespaces() {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_unshare, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_setns, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{sizeof code / sizeof code[0], code};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        ::_exit(99); // no proof without the filter
}

Run runWithoutNamespaces(const QStringList &arguments) {
    QProcess process;
    process.setChildProcessModifier(forbidNamespaces);
    process.start(program(), arguments);
    process.closeWriteChannel();
    Run result;
    if (process.waitForFinished(60'000) && process.exitStatus() == QProcess::NormalExit) result.status = process.exitCode();
    if (process.state() != QProcess::NotRunning) process.kill();
    result.out = process.readAllStandardOutput();
    result.err = process.readAllStandardError();
    return result;
}

} // namespace

class TestSimulatedLab : public QObject {
    Q_OBJECT

    QTemporaryDir m_folder;
    QString at(const QString &name) const { return m_folder.filePath(name); }

    /// One question to each node's port, and one to a port where nobody listens.
    bool writeSctpScenario() const {
        QByteArray text("{'name': 'sctp', 'base': 'nodeport', 'clusterPatch': [{'kind': 'Service', 'metadata': {"
                        "'name': 'nodeport', 'namespace': 'default'}, 'spec': {'ports': [{'name': 'signals', 'port': 70,"
                        "'targetPort': 7000, 'protocol': 'SCTP', 'nodePort': 32070}]}}], 'steps': [");
        for (const char *to : {"10.240.0.4:32070", "10.240.0.5:32070", "10.240.0.3:32070", "10.240.0.5:9"})
            text += QByteArray("{'do': 'connect', 'on': 'client', 'protocol': 'sctp', 'lines': ['hello'], 'to': '") + to +
                    (QByteArray(to).endsWith(":9") ? "'}" : "'},");
        text += "], 'expect': []}";
        QFile file(at("sctp.json"));
        return file.open(QIODevice::WriteOnly) && file.write(text.replace('\'', '"')) > 0;
    }

    static void scenarios() {
        QTest::addColumn<QString>("scenario");
        for (const char *name : {"clusterip", "nodeport", "nodeport-local", "loadbalancer", "loadbalancer-local"})
            QTest::newRow(name) << QString(name);
    }

private Q_SLOTS:
    /// What the scenario expects of the real lab is seen here too, and what each endpoint saw is what the document prints.
    void endsWell_data() {
        QTest::addColumn<QString>("scenario");
        QTest::addColumn<QStringList>("seen");
        QTest::newRow("clusterip") << "clusterip" << QStringList{"10.244.3.8"};
        QTest::newRow("nodeport") << "nodeport" << QStringList{"10.180.1.1", "10.240.0.5", "10.240.0.3"};
        QTest::newRow("nodeport-local") << "nodeport-local" << QStringList{"104.132.1.79", "", ""};
        QTest::newRow("loadbalancer-local") << "loadbalancer-local" << QStringList{"104.132.1.79"};
    }
    void endsWell() {
        QFETCH(QString, scenario);
        QFETCH(QStringList, seen);
        const Run lab = simulate(scenario, {"--json"});
        QVERIFY2(lab.status == 0, lab.said());
        QStringList got;
        for (const auto &path : lab.pathsOfKind("service"))
            got << (path["seenByEndpoint"].is_null() ? QString() : QString::fromStdString(path["seenByEndpoint"]["ip"]));
        QVERIFY2(got == seen, lab.said());
    }

    /// Where the real lab is refused the simulated one runs.
    void needsNoNamespaces_data() { scenarios(); }
    void needsNoNamespaces() {
        QFETCH(QString, scenario);
        const Run refused = runWithoutNamespaces({"lab", "run", scenario, "--quiet"});
        QVERIFY2(refused.status == 3, refused.said());
        const Run lab = runWithoutNamespaces({"lab", "run", scenario, "--simulated", "--json"});
        QVERIFY2(lab.status == 0, lab.said());
        QVERIFY2(!lab.pathsOfKind("service").empty(), lab.said());
    }

    /// `lab up` stays until it is ended, and does not send anybody to hosts that cannot be entered.
    void staysUp() {
        QProcess lab;
        lab.start(program(), {"lab", "up", "nodeport", "--simulated"});
        QByteArray said;
        while (!said.contains("end it:") && lab.waitForReadyRead(30'000)) said += lab.readAllStandardOutput();
        QVERIFY2(said.contains("end it:"), said + lab.readAllStandardError());
        QVERIFY2(said.contains("targets:") && !said.contains("lab exec"), said);
        QVERIFY(lab.state() == QProcess::Running);
        lab.terminate();
        QVERIFY(lab.waitForFinished(30'000));
        QVERIFY(lab.exitStatus() == QProcess::NormalExit);
    }

    /// UDP: a question and its answer through a node port; a port where nobody listens.
    void datagrams() {
        QFile file(at("udp.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(R"({"name": "udp", "base": "nodeport", "clusterPatch": [{"kind": "Service", "metadata": {"name": "nodeport",
            "namespace": "default"}, "spec": {"ports": [{"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP",
            "nodePort": 32053}]}}], "steps": [
            {"do": "datagrams", "on": "client", "to": "10.240.0.5:32053", "count": 3, "intervalMs": 10, "waitMs": 50},
            {"do": "datagrams", "on": "client", "to": "10.240.0.5:9", "waitMs": 50}], "expect": []})");
        file.close();
        const Run lab = simulate(at("udp.json"), {"--json", "--profile", "today"});
        QVERIFY2(lab.status == 0, lab.said());
        const auto paths = lab.paths();
        QCOMPARE(paths.size(), std::size_t{2});
        const auto &asked = paths[0]["requested"]["port"] == 32053 ? paths[0] : paths[1];
        const auto &closed = paths[0]["requested"]["port"] == 32053 ? paths[1] : paths[0];
        QVERIFY2(asked["protocol"] == "UDP" && asked["outcome"] == "delivered", lab.said());
        QVERIFY2(asked["endpoint"]["ip"] == "10.180.1.136" && asked["endpoint"]["port"] == 5353, lab.said());
        QVERIFY2(asked["seenByEndpoint"]["ip"] == "10.240.0.5", lab.said());
        QVERIFY2(closed["outcome"] == "rejected", lab.said());
    }

    /// The document's node port, asked by SCTP: every node answers, and the endpoint sees what it sees of TCP.
    void sctp() {
        QVERIFY(writeSctpScenario());
        const Run lab = simulate(at("sctp.json"), {"--json", "--profile", "today"});
        QVERIFY2(lab.status == 0, lab.said());
        QMap<QString, QString> seen;
        for (const auto &path : lab.paths()) {
            QVERIFY2(path["protocol"] == "SCTP", lab.said());
            const auto requested = QString::fromStdString(path["requested"]["ip"]);
            if (path["requested"]["port"] == 9) {
                QVERIFY2(path["kind"] == "direct" && path["outcome"] == "rejected", lab.said()); // by an ABORT
                continue;
            }
            QVERIFY2(path["outcome"] == "delivered" && path["kind"] == "service", lab.said());
            QVERIFY2(path["endpoint"]["ip"] == "10.180.1.136" && path["endpoint"]["port"] == 7000, lab.said());
            seen[requested] = QString::fromStdString(path["seenByEndpoint"]["ip"]);
        }
        const QMap<QString, QString> expected{
            {"10.240.0.4", "10.180.1.1"}, {"10.240.0.5", "10.240.0.5"}, {"10.240.0.3", "10.240.0.3"}};
        QVERIFY2(seen == expected, lab.said());
        const Run again = simulate(at("sctp.json"), {"--json", "--profile", "today"});
        QCOMPARE(again.out, lab.out);
        const Run drawn = simulate(at("sctp.json"), {"--profile", "today", "--diagram", "document"});
        QVERIFY2(drawn.out.contains("SNAT"), drawn.said());
    }

    /// What a step cannot do is said, and the exit status tells.
    void nobodyAsks() {
        QFile file(at("nobody.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(QByteArray("{'base': 'nodeport', 'name': 'nobody', 'expect': [], 'steps': [{'do': 'request', "
                              "'from': 'nobody', 'url': 'http://10.240.0.5:32080/'}]}")
                       .replace('\'', '"'));
        file.close();
        const Run lab = simulate(at("nobody.json"), {});
        QCOMPARE(lab.status, 1);
        QVERIFY2(lab.err.contains("request from nobody: no such host in this lab"), lab.said());
    }

    /// In namespaces it is the kernel's SCTP, or a sentence that says that it has none.
    void sctpOfTheKernel() {
        NATLENS_NEEDS_LAB();
        QVERIFY(writeSctpScenario());
        const Run lab = run({"lab", "run", at("sctp.json"), "--json", "--profile", "today"});
        const int socket = ::socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
        if (socket < 0) {
            QCOMPARE(lab.status, 3);
            QVERIFY2(lab.err.contains("modprobe sctp") && lab.err.contains("--simulated"), lab.said());
            return;
        }
        ::close(socket);
        QVERIFY2(lab.status == 0, lab.said());
        const auto delivered = std::ranges::count_if(lab.paths(), [](const auto &path) {
            return path["protocol"] == "SCTP" && path["outcome"] == "delivered";
        });
        QCOMPARE(delivered, 3);
    }

    /// A change is carried out at once, or, if the scenario wants it so, when kube-proxy's minSyncPeriod allows it.
    void changesWait_data() {
        QTest::addColumn<bool>("wait");
        QTest::addColumn<QString>("outcomes");
        QTest::newRow("at once") << false << "dropped dropped";
        QTest::newRow("minSyncPeriod") << true << "delivered dropped";
    }
    void changesWait() {
        QFETCH(bool, wait);
        QFETCH(QString, outcomes);
        QByteArray text("{'name': 'pace', 'base': 'nodeport', 'obeyMinSyncPeriod': WAIT, 'steps': ["
                        "{'do': 'set-policy', 'service': 'default/nodeport', 'policy': 'Local'},"
                        "{'do': 'request', 'from': 'client', 'url': 'http://10.240.0.5:32080/'},"
                        "{'do': 'pause', 'durationMs': 1500},"
                        "{'do': 'request', 'from': 'client', 'url': 'http://10.240.0.5:32080/'}], 'expect': []}");
        text.replace('\'', '"').replace("WAIT", wait ? "true" : "false");
        QFile file(at("pace.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(text);
        file.close();
        const Run lab = simulate(at("pace.json"), {"--json", "--profile", "today"});
        QVERIFY2(lab.status == 0, lab.said());
        auto paths = lab.paths();
        std::ranges::sort(paths, {}, [](const auto &path) { return path["hops"][0]["in"]["time"].template get<std::string>(); });
        QStringList found;
        for (const auto &path : paths) found << QString::fromStdString(path["outcome"].template get<std::string>());
        QCOMPARE(found.join(' '), outcomes);
    }

    void bothModes_data() { scenarios(); }
    void bothModes() {
        QFETCH(QString, scenario);
        const Run lab = simulate(scenario, {"--datapath", "iptables", "--profile", "today"});
        QVERIFY2(lab.status == 0, lab.said());
    }

    void pictures_data() {
        QTest::addColumn<QString>("scenario");
        for (const char *name : {"nodeport", "nodeport-local", "loadbalancer-local"})
            QTest::newRow(name) << QString(name);
    }
    void pictures() {
        QFETCH(QString, scenario);
        const Run lab = simulate(scenario, {"--diagram", "document"});
        QVERIFY2(lab.status == 0, lab.said());
        QCOMPARE(lab.out, documentPicture(qPrintable(scenario + ".txt")));
    }

    void seeds_data() { scenarios(); }
    void seeds() {
        QFETCH(QString, scenario);
        const auto record = [&](const char *seed, const char *file) {
            const Run lab = simulate(scenario, {"--quiet", "--seed", seed, "--record", at(file)});
            QFile recording(at(file));
            return lab.status == 0 && recording.open(QIODevice::ReadOnly) ? recording.readAll() : lab.said();
        };
        const QByteArray once = record("7", "once.pcapng"), again = record("7", "again.pcapng");
        QVERIFY(once.size() > 5000);
        QVERIFY(once == again);
        QVERIFY(once != record("8", "other.pcapng"));
    }

    /// An independent reader finds nothing wrong with any packet: lengths, checksums.
    void referee_data() { scenarios(); }
    void referee() {
        QFETCH(QString, scenario);
        const QString tshark = QStandardPaths::findExecutable("tshark");
        if (tshark.isEmpty()) QSKIP("tshark is not installed");
        QVERIFY(simulate(scenario, {"--quiet", "--record", at("referee.pcapng")}).status == 0);
        const Run good = run({"-r", at("referee.pcapng"), "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
                              "-Y", "tcp.checksum.status == 1 && ip.checksum.status == 1"}, tshark);
        QVERIFY2(good.out.count('\n') > 20, good.said());
        const Run bad = run({"-r", at("referee.pcapng"), "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
                             "-Y", "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0"}, tshark);
        QVERIFY2(bad.status == 0 && bad.out.isEmpty(), bad.said());
    }

    /// A recording of virtual time replays to the same paths.
    void replay() {
        const Run lab = simulate("nodeport", {"--json", "--record", at("replay.pcapng")});
        const Run again = run({"replay", at("replay.pcapng"), "--json"});
        QVERIFY2(lab.status == 0 && again.status == 0, again.said());
        QCOMPARE(again.pathsOfKind("service").size(), lab.pathsOfKind("service").size());
        for (std::size_t i = 0; i < lab.pathsOfKind("service").size(); ++i)
            QVERIFY(again.pathsOfKind("service")[i]["hops"] == lab.pathsOfKind("service")[i]["hops"]);
    }
};

NATLENS_TEST(TestSimulatedLab)
#include "tst_simulated_lab.moc"
