#include "app/session/lab_process.h"
#include "app/session/session.h"
#include "recording.h"

#include <QTemporaryDir>
#include "tests/test_program.h"
#include <csignal>
#include <fstream>
#include <sys/resource.h>

using namespace natlens;
using namespace std::chrono_literals;
using session::LabSource;
using session::Options;
using session::Session;
using session::View;

namespace {

Options fakeLab() {
    Options options;
    options.program = NATLENS_FAKE_LAB;
    return options;
}

template<class Condition>
std::shared_ptr<const View> until(const Session &session, Condition condition) {
    auto view = session.view();
    for (int i = 0; i < 300 && !condition(*view) && !view->ended; ++i)
        view = session.waitForChange(view->version, 100ms);
    return view;
}

std::shared_ptr<const View> endedLab(const Session &session) {
    return until(session, [](const View &view) { return view.ended; });
}

bool logged(const View &view, const std::string &text) {
    return std::any_of(view.lab.log.begin(), view.lab.log.end(),
                       [&](const std::string &line) { return line.find(text) != std::string::npos; });
}

/// Children of this process, dead or alive.
std::vector<int> childProcesses() {
    std::vector<int> pids;
    std::ifstream file("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    for (int pid; file >> pid;)
        pids.push_back(pid);
    return pids;
}

} // namespace

class TestLab : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::filesystem::path at(const char *name) const {
        return std::filesystem::path(m_dir.path().toStdString()) / name;
    }

    std::string m_inherited = ":"; ///< descriptors that whoever started this test left open for all its children

private Q_SLOTS:
    void initTestCase() {
        for (int fd = 5; fd < 256; ++fd) { // 3 and 4 are the lab's own
            const int flags = ::fcntl(fd, F_GETFD);
            if (flags >= 0 && (flags & FD_CLOEXEC) == 0) m_inherited += " " + std::to_string(fd);
        }
    }
    void cleanup() { QVERIFY2(childProcesses().empty(), "a lab process was left behind, or not waited for"); }

    void playsAndCompares_data() {
        QTest::addColumn<QString>("scenario");
        QTest::addColumn<bool>("met");
        QTest::newRow("as expected") << "met" << true;
        QTest::newRow("not as expected") << "unmet" << false;
    }
    void playsAndCompares() {
        QFETCH(QString, scenario);
        QFETCH(bool, met);
        auto session = Session::open(LabSource{scenario.toStdString()}, fakeLab());
        QVERIFY(session);
        const auto view = endedLab(**session);
        QVERIFY(view->ended);
        QVERIFY2(view->problem.empty(), view->problem.c_str());
        QVERIFY(view->lab.stepsDone);
        QVERIFY(!view->lab.running);
        QCOMPARE(view->traced->paths.size(), std::size_t(1));
        QCOMPARE(view->lab.comparisons.size(), std::size_t(2));
        QVERIFY2(view->lab.comparisons[0].met == met, view->lab.comparisons[0].observed.c_str());
        QVERIFY(view->lab.comparisons[1].met);
        QCOMPARE(view->lab.answers.size(), std::size_t(1));
        // The statistics block that followed `stop` was read: nothing after it is lost either.
        std::uint64_t dropped = 0;
        for (const auto &point : view->traced->points)
            dropped += point.dropped;
        QCOMPARE(dropped, std::uint64_t(3));
        QVERIFY2(logged(*view, "stray descriptors" + m_inherited + "."), view->lab.log[2].c_str());
    }

    void optionsReachTheLab() {
        testing::writeText(at("cluster.json"), R"({"kind":"List","items":[]})");
        testing::writeText(at("proxy.json"), R"({"kind":"KubeProxyConfiguration"})");
        Options options = fakeLab();
        options.profile = "today";
        options.datapath = "nftables";
        options.seed = 7;
        options.clusterFiles = {at("cluster.json").string()};
        options.proxyConfigFile = at("proxy.json").string();
        auto session = Session::open(LabSource{"met"}, options);
        QVERIFY(session);
        const auto view = endedLab(**session);
        for (const std::string &word :
             {std::string("lab-process --scenario met"), std::string("--profile today"),
              std::string("--datapath nftables"), std::string("--seed 7"), "--cluster " + options.clusterFiles.front(),
              "--proxy-config " + options.proxyConfigFile})
            QVERIFY2(logged(*view, word), word.c_str());
    }

    void badArguments() {
        testing::writeText(at("service.json"), R"({"kind":"Service"})");
        Options options = fakeLab();
        options.proxyConfigFile = at("service.json").string();
        QVERIFY(!Session::open(LabSource{"met"}, options));
        options = fakeLab();
        options.record = at("no/such.pcapng").string();
        const auto session = Session::open(LabSource{"met"}, options);
        QVERIFY(!session);
        QCOMPARE(base::exitStatus(session.error()), 2);
        options = fakeLab();
        options.program = at("missing");
        QVERIFY(!Session::open(LabSource{"met"}, options));
    }

    void endings_data() {
        QTest::addColumn<QString>("scenario");
        QTest::addColumn<int>("status");
        QTest::addColumn<QString>("mentions");
        QTest::newRow("says why") << "fatal" << 3 << "user namespaces are off; try sudo";
        QTest::newRow("says nothing") << "dies-early" << 3 << "exited with status 3 before the lab was ready";
        QTest::newRow("killed") << "dies" << 1 << "signal 9";
        QTest::newRow("fails at the end") << "fails-at-the-end" << 1 << "exited with status 5";
    }
    void endings() {
        QFETCH(QString, scenario);
        QFETCH(int, status);
        QFETCH(QString, mentions);
        auto session = Session::open(LabSource{scenario.toStdString()}, fakeLab());
        QVERIFY(session);
        const auto view = endedLab(**session);
        QVERIFY(view->ended);
        QVERIFY2(QString::fromStdString(view->problem).contains(mentions), view->problem.c_str());
        QVERIFY(view->problem.find('\n') == std::string::npos);
        QCOMPARE(view->problemStatus, status);
        if (scenario == "dies") QCOMPARE(view->traced->paths.size(), std::size_t(1)); // what was captured is shown
    }

    void interactive() {
        Options options = fakeLab();
        options.interactive = true;
        auto opened = Session::open(LabSource{"met"}, options);
        QVERIFY(opened);
        Session &session = **opened;
        auto view =
            until(session, [](const View &v) { return !v.lab.comparisons.empty() && v.lab.comparisons[0].met; });
        QVERIFY(view->lab.running && view->lab.stepsDone && !view->ended);
        session.sendRequest("client", "http://10.240.0.5:32080/");
        session.setExternalTrafficPolicy("default/nodeport", "Local");
        session.movePod("default/source-ip-app", "node3");
        session.scale(4);
        view = until(session, [](const View &v) { return logged(v, "cannot scale"); });
        for (const char *text :
             {R"("from":"client","url":"http://10.240.0.5:32080/")", R"("policy":"Local","service":"default/nodeport")",
              R"("node":"node3","pod":"default/source-ip-app")", R"("replicas":4)", "error: cannot scale"})
            QVERIFY2(logged(*view, text), text);
        session.playSteps();
        view = until(session, [](const View &v) { return v.traced->paths.size() == 2; });
        QCOMPARE(view->traced->paths.size(), std::size_t(2));
        session.stop();
        view = endedLab(session);
        QVERIFY(view->ended);
        QVERIFY2(view->problem.empty(), view->problem.c_str());
        session.scale(1); // too late, and harmless
        QVERIFY(session.saveRecording(at("saved.pcapng")));
        const auto again = Session::open(session::FileSource{{at("saved.pcapng")}}, {});
        QVERIFY(again);
        QCOMPARE(endedLab(**again)->traced->paths.size(), std::size_t(2));
    }

    /// Building only: no steps are played, and a lab that is not interactive ends by itself.
    void withoutSteps() {
        Options options = fakeLab();
        options.playSteps = false;
        auto session = Session::open(LabSource{"met"}, options);
        QVERIFY(session);
        const auto view = endedLab(**session);
        QVERIFY2(view->problem.empty(), view->problem.c_str());
        QVERIFY(view->traced->paths.empty());
        QVERIFY(view->lab.comparisons.empty());
    }

    /// A front end that goes away at any moment leaves no process behind (cleanup() looks).
    void destroyedAtAnyMoment() {
        for (int i = 0; i < 40; ++i) {
            Options options = fakeLab();
            options.interactive = i % 2 == 0;
            auto session = Session::open(LabSource{"met"}, options);
            QVERIFY(session);
            for (int steps = 0; steps < i % 10; ++steps)
                (void)(*session)->waitForChange((*session)->view()->version, 5ms);
        }
    }

    void recordIsTheStream() {
        Options options = fakeLab();
        options.record = at("record.pcapng").string();
        auto session = Session::open(LabSource{"met"}, options);
        QVERIFY(session);
        const auto view = endedLab(**session);
        QCOMPARE(std::uint64_t(std::filesystem::file_size(options.record)), view->bytes);
        const auto again = Session::open(session::FileSource{{options.record}}, {});
        const auto replayed = endedLab(**again);
        QCOMPARE(replayed->traced->paths.size(), view->traced->paths.size());
        QVERIFY(*replayed->traced->paths[0] == *view->traced->paths[0]);
    }

    /// A disk that fills up ends the recording, not the view; what was recorded can be read.
    void aFullDiskEndsTheRecordingOnly() {
        rlimit before{};
        ::getrlimit(RLIMIT_FSIZE, &before);
        const auto handler = std::signal(SIGXFSZ, SIG_IGN);
        rlimit small = before;
        small.rlim_cur = 2000; // more than the headers, less than the packets
        Options options = fakeLab();
        options.keepStream = false;
        options.interactive = true;
        options.record = at("small.pcapng").string();
        ::setrlimit(RLIMIT_FSIZE, &small);
        auto session = Session::open(LabSource{"met"}, options);
        QVERIFY(session);
        const auto view =
            until(**session, [](const View &v) { return v.traced->paths.size() == 1 && !v.problem.empty(); });
        ::setrlimit(RLIMIT_FSIZE, &before);
        std::signal(SIGXFSZ, handler);
        QVERIFY(!view->ended);
        QCOMPARE(view->traced->paths.size(), std::size_t(1));
        QVERIFY2(view->problem.find("small.pcapng") != std::string::npos, view->problem.c_str());
        const auto part = Session::open(session::FileSource{{options.record}}, {});
        QVERIFY(part);
        const auto read = endedLab(**part);
        QVERIFY2(read->problem.empty(), read->problem.c_str());
        QVERIFY(std::filesystem::file_size(options.record) > 0);
    }
};

NATLENS_TEST(TestLab)
#include "tst_lab.moc"
