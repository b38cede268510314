// Recordings whose clocks differ, replayed as people give them: what was recorded by one clock is the truth.
#include "app/session/beginning.h"
#include "recording.h"
#include "tracer/path/path_json.h"

#include "tests/test_program.h"
#include <QTemporaryDir>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

using namespace natlens;
using namespace std::chrono_literals;
using nlohmann::json;
using session::FileSource;
using session::Options;
using session::Session;
using session::View;
using testing::Frame;

namespace {

constexpr std::int64_t kSecond = 1'000'000; // microseconds, as Frame has them
const std::vector<std::string> kPoints{"client/eth0", "node2/eth0", "pod/eth0"};

std::shared_ptr<const View> replay(const std::vector<std::filesystem::path> &files, const Options &options = {}) {
    auto session = Session::open(FileSource{files}, options);
    if (!session) return nullptr;
    auto view = (*session)->view();
    for (int i = 0; i < 600 && !view->ended; ++i)
        view = (*session)->waitForChange(view->version, 100ms);
    return view;
}

/// One connection a second.
std::vector<Frame> connections(unsigned count) {
    std::vector<Frame> frames;
    for (unsigned i = 0; i < count; ++i) {
        // An odd time for each: clocks that tick in step would be an easy case.
        const auto some = testing::conversation(static_cast<packet::Port>(20000 + i), i * kSecond + i * 7919 % 1000);
        frames.insert(frames.end(), some.begin(), some.end());
    }
    return frames;
}

struct Clock {
    std::int64_t offset = 0; ///< microseconds
    double skew = 0;
    std::int64_t stepAt = 0, step = 0;

    [[nodiscard]] std::int64_t read(std::int64_t time) const {
        return time + offset + std::llround(static_cast<double>(time) * skew) +
               (stepAt != 0 && time >= stepAt ? step : 0);
    }
};
using Clocks = std::map<std::string, Clock>; ///< by host

std::string hostOf(const Frame &frame) {
    return frame.point.substr(0, frame.point.find('/'));
}

std::vector<Frame> asRead(std::vector<Frame> frames, const Clocks &clocks) {
    for (Frame &frame : frames)
        if (const auto clock = clocks.find(hostOf(frame)); clock != clocks.end())
            frame.microseconds = clock->second.read(frame.microseconds);
    return frames;
}

std::int64_t nanoseconds(const json &text) {
    const std::string digits = text.get<std::string>();
    const auto dot = digits.find('.');
    const std::int64_t whole = std::stoll(digits.substr(0, dot)), part = std::stoll(digits.substr(dot + 1));
    return whole * 1'000'000'000 + (digits.starts_with('-') ? -part : part);
}

std::string lines(const View &view) {
    std::string text;
    for (const auto &path : view.traced->paths)
        text += tracer::toJsonLine(*path) + "\n";
    return text;
}

const tracer::HostClock *clockOf(const View &view, const std::string &host) {
    for (const auto &known : view.traced->hosts)
        if (known.name == host) return known.clock.get();
    return nullptr;
}

/// By the client's port, as ids depend on the order in which connections came.
std::map<int, json> byPort(const View &view) {
    std::map<int, json> result;
    for (const auto &path : view.traced->paths)
        result[path->client.address.port] = json::parse(tracer::toJsonLine(*path));
    return result;
}

/// Every hop's times are those of the truth, but for the bound that is given with them.
void compareTimes(const View &shown, const View &truth, std::int64_t slack = 1'000) {
    const auto expected = byPort(truth), found = byPort(shown);
    QCOMPARE(found.size(), expected.size());
    for (const auto &[port, path] : expected) {
        QVERIFY(found.contains(port));
        const json &other = found.at(port);
        QCOMPARE(other["outcome"], path["outcome"]);
        QCOMPARE(other["hops"].size(), path["hops"].size());
        for (std::size_t i = 0; i < path["hops"].size(); ++i) {
            const json &hop = other["hops"][i], &trueHop = path["hops"][i];
            QCOMPARE(hop["node"], trueHop["node"]);
            QCOMPARE(hop["nat"], trueHop["nat"]);
            const std::int64_t bound = hop["clock"].is_null() ? 0 : nanoseconds(hop["clock"]["bound"]);
            for (const char *end : {"in", "out"}) {
                if (trueHop[end].is_null()) continue;
                const auto error = nanoseconds(hop[end]["time"]) - nanoseconds(trueHop[end]["time"]);
                QVERIFY2(std::abs(error) <= bound + slack, QByteArray::number(qlonglong(error)));
            }
        }
    }
}

} // namespace

Q_DECLARE_METATYPE(Clocks)

class TestClocks : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::filesystem::path at(const std::string &name) const {
        return std::filesystem::path(m_dir.path().toStdString()) / name;
    }
    std::vector<std::filesystem::path> split(const std::string &prefix, const std::vector<Frame> &frames) {
        std::vector<std::filesystem::path> files;
        for (const std::string &point : kPoints) {
            files.push_back(at(prefix + point.substr(0, point.find('/')) + ".pcapng"));
            if (!testing::writeRecording(testing::createFile(files.back()), frames, {point})) files.clear();
        }
        return files;
    }
    std::filesystem::path merged(const std::string &name, std::vector<Frame> frames) {
        std::ranges::stable_sort(frames, {}, &Frame::microseconds);
        if (!testing::writeRecording(testing::createFile(at(name)), frames)) return {};
        return at(name);
    }

private Q_SLOTS:
    void theBeginningIsThereFirst();
    void corrected_data() {
        QTest::addColumn<Clocks>("clocks");
        QTest::addColumn<unsigned>("connections");
        QTest::newRow("seconds apart") << Clocks{{"node2", {5 * kSecond + 12'345}}, {"pod", {-3 * kSecond}}} << 5u;
        QTest::newRow("one connection") << Clocks{{"node2", {5 * kSecond}}, {"pod", {-3 * kSecond}}} << 1u;
        QTest::newRow("seconds apart and 100 ppm")
            << Clocks{{"node2", {5 * kSecond, 100e-6}}, {"pod", {-3 * kSecond, -100e-6}}} << 60u;
        QTest::newRow("only skewed") << Clocks{{"node2", {0, 100e-6}}} << 120u;
        QTest::newRow("hours apart") << Clocks{{"node2", {-7200 * kSecond}}} << 3u;
        QTest::newRow("set forward") << Clocks{{"node2", {kSecond, 0, 30 * kSecond - 500'000, 2 * kSecond}}} << 60u;
        QTest::newRow("set back") << Clocks{{"node2", {kSecond, 0, 30 * kSecond - 500'000, -2 * kSecond}}} << 60u;
    }
    /// In separate files, in any order, and put together into one.
    void corrected() {
        QFETCH(Clocks, clocks);
        QFETCH(unsigned, connections);
        const auto frames = ::connections(connections);
        const auto truth = replay({merged("truth.pcapng", frames)});
        QVERIFY(truth && truth->problem.empty());
        QCOMPARE(truth->traced->paths.size(), std::size_t(connections));
        auto files = split("shifted-", asRead(frames, clocks));
        const auto shown = replay(files);
        compareTimes(*shown, *truth);
        for (const auto &[host, clock] : clocks) {
            const auto *found = clockOf(*shown, host);
            QVERIFY(found && found->state == tracer::HostClock::State::corrected);
            QCOMPARE(found->reference, std::string("client"));
            QVERIFY(std::abs(found->skew - clock.skew) <= found->skewBound);
            QCOMPARE(found->steps.size(), std::size_t(clock.step != 0 ? 1 : 0));
            if (clock.step != 0) QVERIFY(std::abs(found->steps[0].jump - clock.step * 1000) < 100'000);
        }
        std::ranges::reverse(files);
        compareTimes(*replay(files), *truth);
        if (clocks.at(clocks.begin()->first).step >= 0) // nobody can sort by a clock that was set back
            compareTimes(*replay({merged("together.pcapng", asRead(frames, clocks))}), *truth);
    }

    /// Equal clocks are found equal, and nothing is changed.
    void equalClocksAreLeftAlone() {
        const auto frames = connections(10);
        const auto truth = replay({merged("truth.pcapng", frames)});
        const auto shown = replay(split("equal-", frames));
        QCOMPARE(lines(*shown), lines(*truth));
        int equal = 0;
        for (const std::string host : {"client", "node2", "pod"}) {
            QVERIFY(clockOf(*shown, host));
            QVERIFY(!clockOf(*shown, host)->changesTimes());
            QVERIFY(clockOf(*shown, host)->bound && *clockOf(*shown, host)->bound < 200'000);
            equal += clockOf(*shown, host)->state == tracer::HostClock::State::equal;
        }
        QCOMPARE(equal, 2);
    }

    void switchedOff() {
        const auto frames = connections(3);
        const Clocks clocks{{"pod", {400'000}}};
        Options options;
        options.alignClocks = false;
        const auto shown = replay(split("raw-", asRead(frames, clocks)), options);
        QVERIFY(!clockOf(*shown, "pod"));
        const auto corrected = replay(split("raw-", asRead(frames, clocks)));
        QVERIFY(clockOf(*corrected, "pod")->changesTimes());
        QVERIFY(shown->traced->lastTime - corrected->traced->lastTime > 300ms);
    }

    /// Answers took another way: the error is not known, and no delay comes out negative.
    void oneWay() {
        auto frames = connections(20);
        std::erase_if(frames, [](const Frame &frame) {
            const auto packet = packet::decode(packet::LinkType::ethernet, frame.bytes);
            return packet.tuple.src.port == 8080 || packet.tuple.src.port == 32080;
        });
        const auto shown = replay(split("oneway-", asRead(frames, {{"node2", {5 * kSecond}}})));
        const auto *clock = clockOf(*shown, "node2");
        QVERIFY(clock && clock->state == tracer::HostClock::State::oneSided);
        QVERIFY(!clock->bound);
        QVERIFY(tracer::inWords(*clock).find("one way") != std::string::npos);
        QCOMPARE(shown->traced->paths.size(), std::size_t(20));
    }

    /// Hosts without a packet in common are left as they are, and that is said.
    void nothingInCommon() {
        auto frames = connections(4);
        std::erase_if(frames, [](const Frame &frame) {
            const auto packet = packet::decode(packet::LinkType::ethernet, frame.bytes);
            const bool even = packet.tuple.src.port % 2 == 0 && packet.tuple.dst.port % 2 == 0;
            return frame.point == "node2/eth0" || (frame.point == "client/eth0") == even;
        });
        const auto shown = replay(split("apart-", frames));
        for (const std::string host : {"client", "pod"})
            QVERIFY(clockOf(*shown, host) && clockOf(*shown, host)->state == tracer::HostClock::State::alone);
    }

    /// Files that grow are corrected by what they held in the beginning.
    void followed() {
        const auto frames = connections(40);
        const auto truth = replay({merged("truth.pcapng", frames)});
        const auto whole = split("whole-", asRead(frames, {{"node2", {5 * kSecond}}, {"pod", {-3 * kSecond}}}));
        FileSource source;
        source.follow = true;
        std::vector<std::string> rest;
        for (const auto &file : whole) {
            const std::string bytes = testing::contents(file);
            source.files.push_back(at("followed-" + file.filename().string()));
            testing::writeText(source.files.back(), std::string_view(bytes).substr(0, bytes.size() / 2));
            rest.push_back(bytes.substr(bytes.size() / 2));
        }
        const auto opened = Session::open(source, {});
        QVERIFY(opened);
        const auto viewWith = [&](std::uint64_t packets) {
            auto view = (*opened)->view();
            for (int i = 0; i < 600 && view->traced->packets < packets; ++i)
                view = (*opened)->waitForChange(view->version, 100ms);
            return view;
        };
        QVERIFY(viewWith(1)->traced->packets < truth->traced->packets);
        for (std::size_t i = 0; i < rest.size(); ++i)
            std::ofstream(source.files[i], std::ios::binary | std::ios::app) << rest[i];
        QCOMPARE(viewWith(truth->traced->packets)->traced->packets, truth->traced->packets);
        (*opened)->stop();
        auto view = (*opened)->view();
        for (int i = 0; i < 600 && !view->ended; ++i)
            view = (*opened)->waitForChange(view->version, 100ms);
        compareTimes(*view, *truth);
        QVERIFY(clockOf(*view, "node2") && clockOf(*view, "node2")->changesTimes());
    }

    /// Annotating, which writes corrected times, and replaying that changes nothing.
    void annotatedReplaysAlike() {
        const auto files =
            split("annotate-", asRead(connections(20), {{"node2", {5 * kSecond, 100e-6}}, {"pod", {-3 * kSecond}}}));
        Options options;
        options.record = at("annotated.pcapng").string();
        const auto first = replay(files, options);
        QVERIFY2(first->problem.empty(), first->problem.c_str());
        const auto second = replay({at("annotated.pcapng")});
        QCOMPARE(lines(*second), lines(*first));
        QVERIFY(clockOf(*second, "node2")->changesTimes());
        options.record = at("again.pcapng").string();
        QCOMPARE(lines(*replay({at("annotated.pcapng")}, options)), lines(*first));
        QCOMPARE(testing::contents(at("again.pcapng")), testing::contents(at("annotated.pcapng")));
    }
};

/// Files too large to be compared in a moment are shown as far as their beginnings go. Here all is in the beginning.
void TestClocks::theBeginningIsThereFirst() {
    const auto frames = asRead(connections(40), {{"node2", {.offset = 3 * kSecond}}});
    const auto files = split("beginning-", frames);
    QCOMPARE(files.size(), kPoints.size());
    const auto whole = replay(files);
    QVERIFY(whole);
    const auto open = [&] {
        std::vector<session::CaptureInput> inputs;
        for (const auto &file : files)
            if (auto input = session::CaptureInput::open(file)) inputs.push_back(std::move(*input));
        return inputs;
    };
    const auto goOn = [] { return true; };
    int looks = 0;
    const auto again = [&] { return session::CaptureInput::open(files.front()); };
    const auto early = [&](const session::ClockPlan &plan) {
        ++looks;
        QVERIFY(plan.corrects());
        session::Beginning beginning({}, {}, {}, plan);
        beginning.read(open(), again, goOn);
        beginning.finish();
        QCOMPARE(beginning.packets(), whole->traced->packets);
        QCOMPARE(lines({.traced = beginning.snapshot()}), lines(*whole));
    };
    const auto small = session::ClockPlan::make(open, goOn, early);
    QCOMPARE(looks, 0);
    const auto large = session::ClockPlan::make(open, goOn, early, {.first = 1, .small = 0});
    QCOMPARE(looks, 1);
    QVERIFY(large.clocks() == small.clocks());
    // Who stops after that look gets no plan that is half made.
    bool stopped = false;
    const auto none = session::ClockPlan::make(
        open, [&] { return !stopped; }, [&](const session::ClockPlan &) { stopped = true; }, {.first = 1, .small = 0});
    QVERIFY(stopped);
    QVERIFY(none.clocks().empty());
}

NATLENS_TEST(TestClocks)
#include "tst_clocks.moc"
