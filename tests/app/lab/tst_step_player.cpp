// Steps are played in order, without blocking, and a load balancer that never settles does not hang the lab.
#include "app/lab/step_player.h"

#include "tests/test_program.h"

using namespace natlens::lab;
using namespace std::chrono_literals;

namespace {

/// Writes down what happens; requests stay open until a test ends them.
struct Recorder final : StepActions {
    std::vector<std::string> events;
    std::vector<std::function<void()>> open;
    std::optional<std::vector<std::string>> rotation;

    void log(const std::string &text) override { events.push_back(text); }
    void request(const std::string &, const std::string &url, milliseconds, std::function<void()> done) override {
        events.push_back("GET " + url);
        open.push_back(std::move(done));
    }
    void change(const Step &step) override { events.push_back("change " + step.service); }
    void act(const HostAction &action, std::function<void()> done) override {
        events.push_back("act on " + action.on);
        open.push_back(std::move(done));
    }
    std::optional<std::vector<std::string>> settledRotation() const override { return rotation; }
    milliseconds patience = 15s;
    milliseconds rotationPatience() const override { return patience; }
    void stepsDone() override { events.push_back("done"); }

    void end(std::size_t index) { open.at(index)(); }
};

Step request(std::vector<std::string> urls, bool together) {
    Step step;
    step.kind = Step::Kind::request;
    step.from = "client";
    step.urls = std::move(urls);
    step.together = together;
    return step;
}

/// Until the load balancer uses node1 and no other.
Step waitForNode1() {
    Step step;
    step.kind = Step::Kind::waitRotation;
    step.nodes = {"node1"};
    return step;
}

const StepPlayer::Clock::time_point kStart{};

} // namespace

class TestStepPlayer : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void oneRequestAfterTheOther() {
        const std::vector<Step> steps{request({"a", "b"}, false)};
        Recorder recorder;
        StepPlayer player(steps, recorder);
        player.advance(kStart);
        QVERIFY(recorder.events.empty()); // not before play()
        player.play();
        player.advance(kStart);
        player.advance(kStart);
        QCOMPARE(recorder.events, (std::vector<std::string>{"GET a"}));
        recorder.end(0);
        player.advance(kStart);
        QCOMPARE(recorder.events, (std::vector<std::string>{"GET a", "GET b"}));
        QVERIFY(player.playing());
        recorder.end(1);
        player.advance(kStart);
        QCOMPARE(recorder.events.back(), std::string("done"));
        QVERIFY(!player.playing());
    }

    void togetherMeansAtOnce() {
        const std::vector<Step> steps{request({"a", "b", "c"}, true)};
        Recorder recorder;
        StepPlayer player(steps, recorder);
        player.play();
        player.advance(kStart);
        QCOMPARE(recorder.events.size(), std::size_t(3));
        recorder.end(2);
        recorder.end(0);
        player.advance(kStart);
        QVERIFY(player.playing());
        recorder.end(1);
        player.advance(kStart);
        QVERIFY(!player.playing());
    }

    void waitsForTheRotation() {
        const std::vector<Step> steps{waitForNode1()};
        Recorder recorder;
        recorder.rotation = std::vector<std::string>{"node1", "node2"};
        StepPlayer player(steps, recorder);
        player.play();
        player.advance(kStart);
        player.advance(kStart + 1s);
        QVERIFY(player.playing());
        recorder.rotation = std::nullopt; // undecided
        player.advance(kStart + 2s);
        QVERIFY(player.playing());
        recorder.rotation = std::vector<std::string>{"node1"};
        player.advance(kStart + 3s);
        QVERIFY(!player.playing());
    }

    /// A provider that asks every eight seconds needs three answers.
    void slowLoadBalancersHaveTheirTime() {
        const std::vector<Step> steps{waitForNode1()};
        Recorder recorder;
        LoadBalancerSpec slow;
        slow.interval = 8s;
        slow.timeout = 1s;
        QVERIFY(slow.longestJudgement() > 25s);
        recorder.patience = slow.longestJudgement();
        StepPlayer player(steps, recorder);
        player.play();
        player.advance(kStart);
        player.advance(kStart + 25s);
        QVERIFY(player.playing());
        player.advance(kStart + 40s);
        QVERIFY(!player.playing());
    }

    void givesUpOnARotationThatNeverComes() {
        const std::vector<Step> steps{waitForNode1()};
        Recorder recorder;
        StepPlayer player(steps, recorder);
        player.play();
        player.advance(kStart);
        player.advance(kStart + 1h);
        QVERIFY(!player.playing());
        QVERIFY(recorder.events.front().find("did not settle") != std::string::npos);
    }

    void changesAndPauses() {
        Step change;
        change.kind = Step::Kind::setPolicy;
        change.service = "default/nodeport";
        change.like = "kubectl patch";
        Step pause;
        pause.kind = Step::Kind::pause;
        pause.duration = 100ms;
        const std::vector<Step> steps{change, pause};
        Recorder recorder;
        StepPlayer player(steps, recorder);
        player.play();
        player.advance(kStart);
        QCOMPARE(recorder.events, (std::vector<std::string>{"$ kubectl patch", "change default/nodeport"}));
        player.advance(kStart + 99ms);
        QVERIFY(player.playing());
        player.advance(kStart + 100ms);
        QVERIFY(!player.playing());
        player.play(); // a second time
        player.advance(kStart + 1s);
        QVERIFY(player.playing());
    }
};

NATLENS_TEST(TestStepPlayer)
#include "tst_step_player.moc"
