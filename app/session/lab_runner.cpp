// The lab as a source: one thread between its pipe, its control socket and the tracer.
#include "app/session/cluster_file.h"
#include "app/session/cluster_input.h"
#include "app/session/ingest.h"
#include "app/session/lab_messages.h"
#include "app/session/lab_process.h"
#include "app/session/publish_clock.h"
#include "app/session/runner.h"
#include "app/session/stream_store.h"
#include "capture/file/reader.h"

#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <thread>

namespace natlens::session {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How long the lab may take to drain its captures after `stop`, and to end after its stream has.
constexpr milliseconds kDrainPatience{10'000};
constexpr milliseconds kExitPatience{3'000};
/// An interactive lab's comparisons are made anew until all are met, at most this long after the steps were done:
/// the tracer decides some outcomes only when later packets show that time has passed.
constexpr milliseconds kSettleTime{3'000};

class LabRunner final : public Runner {
public:
    LabRunner(const Options &options, Publisher &publisher)
        : m_options(options)
        , m_publisher(publisher) {}
    ~LabRunner() override {
        m_thread.request_stop();
        wake();
    }

    base::Status start(const LabSource &source);
    void command(std::string line) override {
        {
            const std::lock_guard lock(m_mutex);
            m_commands.push_back(std::move(line));
        }
        wake();
    }
    void stop() override {
        {
            const std::lock_guard lock(m_mutex);
            m_stopWanted = true;
        }
        wake();
    }
    base::Status saveRecording(const std::filesystem::path &path) const override {
        if (m_store) return m_store->copyTo(path);
        return base::fail(base::ErrorCode::unsupported, "the stream was not kept", "save to", path.string());
    }

private:
    base::Result<std::vector<std::string>> arguments(const LabSource &source);
    void wake() {
        const std::uint64_t one = 1;
        if (::write(m_wake.get(), &one, sizeof one) < 0) { /* the counter is full: it will wake anyway */
        }
    }
    void run(std::stop_token stop);
    void poll();
    void takeCommands();
    void sendStop();
    void writeControl();
    void readControl();
    std::size_t readStream(std::size_t most);
    void catchUp();
    void stepsDone();
    void publish();
    void conclude();
    void problem(std::string text, int status) {
        m_view.problem = std::move(text);
        m_view.problemStatus = status;
        m_dirty = true;
    }

    const Options m_options;
    Publisher &m_publisher;
    base::UniqueFd m_wake;
    std::unique_ptr<StreamStore> m_store, m_record;
    mutable std::mutex m_mutex;
    std::vector<std::string> m_commands; ///< guarded by m_mutex
    bool m_stopWanted = false;           ///< guarded by m_mutex
    // The thread's own from here:
    std::optional<LabProcess> m_process;
    tracer::Tracer m_tracer;
    DirectInput m_input{m_tracer};
    std::optional<Ingest> m_ingest;
    std::optional<file::Reader> m_reader;
    LabConversation m_lab;
    View m_view;
    PublishClock m_publishClock;
    std::vector<std::byte> m_buffer = std::vector<std::byte>(256u << 10);
    std::string m_toSend;
    unsigned m_stepsDone = 0;                       ///< of m_lab.stepsDone, those acted upon
    base::Timestamp m_stepsBegan;                   ///< paths before it belong to an earlier run
    std::optional<Clock::time_point> m_settleUntil; ///< comparisons may still change until then
    std::optional<Clock::time_point> m_drainUntil;  ///< `stop` was sent
    bool m_streamOpen = true, m_controlOpen = true, m_streamBad = false;
    bool m_playSent = false, m_dirty = false, m_killed = false;
    std::jthread m_thread; // last: joined before the rest goes
};

base::Result<std::vector<std::string>> LabRunner::arguments(const LabSource &source) {
    std::vector<std::string> words{"--scenario", source.scenario};
    const auto add = [&](const char *option, const std::string &value) {
        if (value.empty()) return;
        words.emplace_back(option);
        words.push_back(value);
    };
    add("--profile", m_options.profile);
    add("--datapath", m_options.datapath);
    if (m_options.simulated) words.emplace_back("--simulated");
    const auto cluster = readClusterInput(m_options.clusterFiles, ObjectsFor::lab);
    if (!cluster) return std::unexpected(cluster.error());
    if (!cluster->listings.empty())
        return base::fail(base::ErrorCode::invalidInput,
                          "these are rules of a node: a lab is built of Kubernetes objects, and rules name no pods", {},
                          cluster->listings.front().file);
    m_view.remarks = cluster->remarks;
    for (const auto &argument : m_options.clusterFiles)
        add("--cluster", clusterArgument(argument).file);
    if (!m_options.proxyConfigFile.empty()) {
        auto config = readJsonObject(m_options.proxyConfigFile, "KubeProxyConfiguration");
        if (!config) return std::unexpected(config.error());
        add("--proxy-config", m_options.proxyConfigFile);
    }
    if (m_options.seed != 0) add("--seed", std::to_string(m_options.seed));
    return words;
}

base::Status LabRunner::start(const LabSource &source) {
    if (auto filter = checkFilter(m_options.filter); !filter) return filter;
    auto words = arguments(source);
    if (!words) return std::unexpected(words.error());
    const std::filesystem::path program = findProgram(m_options.program);
    if (program.empty())
        return base::fail(base::ErrorCode::notFound, "the program `natlens` was not found beside this one nor in PATH",
                          "lab");
    m_wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!m_wake) return base::failErrno("eventfd");
    if (!m_options.record.empty()) {
        auto record = StreamStore::create(m_options.record);
        if (!record) return std::unexpected(record.error());
        m_record = std::move(*record);
    }
    if (m_options.keepStream) {
        auto store = StreamStore::temporary();
        if (!store) return std::unexpected(store.error());
        m_store = std::move(*store);
    }
    auto process = LabProcess::start(program, *words);
    if (!process) return std::unexpected(process.error());
    m_process.emplace(std::move(*process));
    m_ingest.emplace(m_input, Ingest::Options{m_options.filter, false});
    m_reader.emplace(*m_ingest, file::Reader::Options{});

    // Signals are for the program's own threads.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    m_thread = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return {};
}

void LabRunner::takeCommands() {
    std::uint64_t count;
    while (::read(m_wake.get(), &count, sizeof count) > 0) {
    }
    std::vector<std::string> commands;
    bool stopWanted;
    {
        const std::lock_guard lock(m_mutex);
        commands.swap(m_commands);
        stopWanted = m_stopWanted;
    }
    for (std::string &line : commands) {
        if (!m_controlOpen || m_drainUntil) {
            m_lab.log("error: the lab has ended; nothing was sent");
            m_dirty = true;
            continue;
        }
        // What follows is a person's doing and no longer what the scenario expects.
        m_settleUntil.reset();
        if (line == playCommand()) {
            m_stepsBegan = base::Timestamp::now();
            m_lab.status.stepsDone = false;
        }
        m_toSend += line + '\n';
    }
    if (stopWanted) sendStop();
}

void LabRunner::sendStop() {
    if (m_drainUntil) return;
    m_drainUntil = Clock::now() + kDrainPatience;
    m_toSend += stopCommand() + '\n';
}

void LabRunner::writeControl() {
    if (m_toSend.empty() || !m_controlOpen) return;
    const ssize_t sent = ::send(m_process->control(), m_toSend.data(), m_toSend.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) m_toSend.erase(0, static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) m_toSend.clear(); // it is gone: reading will say so
}

void LabRunner::readControl() {
    std::array<char, 16384> buffer;
    for (;;) {
        const ssize_t got = ::recv(m_process->control(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) {
            m_controlOpen = false;
            break;
        }
        m_lab.feed(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
        m_dirty = true;
    }
    if (m_lab.ready && !m_playSent) {
        m_playSent = true;
        if (m_options.playSteps) {
            m_toSend += playCommand() + '\n';
        } else if (!m_options.interactive) {
            sendStop();
        }
    }
    if (m_lab.stepsDone > m_stepsDone) {
        m_stepsDone = m_lab.stepsDone;
        stepsDone();
    }
}

/// Reads once, at most `most` bytes. Bytes read; 0 when there are none now or no more at all.
std::size_t LabRunner::readStream(std::size_t most) {
    const ssize_t got = ::read(m_process->stream(), m_buffer.data(), std::min(most, m_buffer.size()));
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) {
        m_streamOpen = false;
        return 0;
    }
    const auto bytes = std::span<const std::byte>(m_buffer).first(static_cast<std::size_t>(got));
    m_view.bytes += bytes.size();
    m_dirty = true;
    if (m_store) {
        if (auto kept = m_store->append(bytes); !kept) m_lab.log("error: " + kept.error().sentence());
    }
    if (m_record) {
        if (auto kept = m_record->append(bytes); !kept) problem(kept.error().sentence(), 2);
    }
    if (!m_streamBad) {
        if (auto fed = m_reader->feed(bytes); !fed) {
            m_streamBad = true;
            problem("the lab's stream cannot be read: " + fed.error().sentence(), 2);
        }
    }
    return bytes.size();
}

/// Reads what lies in the pipe at this moment: everything the lab wrote before it said what it said last.
void LabRunner::catchUp() {
    int available = 0;
    if (::ioctl(m_process->stream(), FIONREAD, &available) != 0) return;
    for (std::size_t left = available > 0 ? static_cast<std::size_t>(available) : 0; left > 0;) {
        const std::size_t got = readStream(left);
        if (got == 0) return;
        left -= got;
    }
}

void LabRunner::stepsDone() {
    m_lab.status.stepsDone = true;
    if (!m_options.interactive) {
        sendStop(); // compared after the stream has ended
        return;
    }
    catchUp();
    m_settleUntil = Clock::now() + kSettleTime;
}

void LabRunner::publish() {
    m_publishClock.begin();
    m_view.traced = m_tracer.snapshot();
    if (m_settleUntil) {
        m_lab.status.comparisons = compare(m_lab.expectations, *m_view.traced, m_lab.status.answers, m_stepsBegan);
        const bool allMet = std::all_of(m_lab.status.comparisons.begin(), m_lab.status.comparisons.end(),
                                        [](const Comparison &comparison) { return comparison.met; });
        if (allMet || Clock::now() >= *m_settleUntil) m_settleUntil.reset();
    }
    m_view.lab = m_lab.status;
    m_publisher.publish(m_view);
    m_publishClock.end();
    m_dirty = false;
}

void LabRunner::poll() {
    milliseconds timeout{-1};
    const auto sooner = [&](milliseconds other) {
        other = std::max(other, milliseconds(0));
        if (timeout.count() < 0 || other < timeout) timeout = other;
    };
    if (m_dirty) sooner(m_publishClock.left());
    for (const auto &moment : {m_settleUntil, m_drainUntil})
        if (moment) sooner(std::chrono::ceil<milliseconds>(*moment - Clock::now()));

    pollfd descriptors[] = {{m_wake.get(), POLLIN, 0},
                            {m_controlOpen ? m_process->control() : -1,
                             static_cast<short>(m_toSend.empty() ? POLLIN : POLLIN | POLLOUT), 0},
                            {m_process->stream(), POLLIN, 0}};
    if (::poll(descriptors, std::size(descriptors), static_cast<int>(timeout.count())) <= 0) return;
    if (descriptors[0].revents) takeCommands();
    if (descriptors[1].revents & POLLOUT) writeControl();
    if (descriptors[1].revents & (POLLIN | POLLHUP | POLLERR)) readControl();
    if (descriptors[2].revents) readStream(m_buffer.size());
}

void LabRunner::run(std::stop_token stop) {
    while (m_streamOpen && !stop.stop_requested()) {
        poll();
        if (!m_lab.fatal.empty() && !m_drainUntil) m_drainUntil = Clock::now() + kExitPatience;
        if (m_drainUntil && Clock::now() >= *m_drainUntil) {
            m_killed = true;
            break;
        }
        if (m_settleUntil && Clock::now() >= *m_settleUntil) m_dirty = true;
        if (m_dirty && m_publishClock.due()) publish();
    }
    if (stop.stop_requested()) {
        m_process->end(milliseconds(0)); // nobody looks any more
        return;
    }
    conclude();
}

/// The stream has ended: why, and what came of it.
void LabRunner::conclude() {
    const auto until = Clock::now() + kExitPatience;
    while (m_controlOpen && !m_killed) { // its last words
        pollfd control{m_process->control(), POLLIN, 0};
        const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
        if (left.count() <= 0 || ::poll(&control, 1, static_cast<int>(left.count())) <= 0) break;
        readControl();
    }
    const bool asked = m_drainUntil.has_value();
    const int waitStatus = m_process->end(m_killed ? milliseconds(0) : kExitPatience);
    const base::Status complete = m_streamBad ? base::Status{} : m_reader->finish();
    if (!m_lab.fatal.empty()) {
        problem(m_lab.fatal, m_lab.fatalStatus);
    } else if (m_killed) {
        problem("the lab did not end within 10 seconds and was killed; its recording may lack the last packets", 1);
    } else if (!asked || !WIFEXITED(waitStatus) || WEXITSTATUS(waitStatus) != 0) {
        // Before it was ready an exit status of 2 or 3 is the lab's own verdict on its arguments or this machine.
        const int exited = WIFEXITED(waitStatus) ? WEXITSTATUS(waitStatus) : 0;
        const bool verdict = !m_lab.ready && (exited == 2 || exited == 3);
        problem(fmt::format("the lab process {} {}; `natlens doctor` tells what this machine allows",
                            describeWaitStatus(waitStatus),
                            m_lab.ready ? "while the lab was running" : "before the lab was ready"),
                verdict ? exited : 1);
    } else if (!complete) {
        problem("the lab's stream breaks off: " + complete.error().sentence(), 2);
    }
    m_tracer.finish();
    m_view.traced = m_tracer.snapshot();
    if (m_lab.status.stepsDone && !m_options.interactive)
        m_lab.status.comparisons = compare(m_lab.expectations, *m_view.traced, m_lab.status.answers, m_stepsBegan);
    m_lab.status.running = false;
    m_settleUntil.reset();
    m_record.reset();
    m_view.ended = true;
    publish();
}

} // namespace

base::Result<std::unique_ptr<Runner>> startLab(const LabSource &source, const Options &options, Publisher &publisher) {
    auto runner = std::make_unique<LabRunner>(options, publisher);
    if (auto started = runner->start(source); !started) return std::unexpected(started.error());
    return runner;
}

std::vector<ScenarioInfo> scenarios() {
    const std::filesystem::path program = findProgram({});
    if (program.empty()) return {};
    const auto text = runProgram(program, {"lab-process", "--list"});
    if (!text) return {};
    std::vector<ScenarioInfo> result;
    std::string_view rest = *text;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        const auto object = nlohmann::json::parse(line, nullptr, false);
        if (object.is_object() && object.contains("name") && object["name"].is_string())
            result.push_back({object["name"].get<std::string>(), object.value("summary", "")});
    }
    return result;
}

} // namespace natlens::session
