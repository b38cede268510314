// Recordings as a source.
#include "app/session/batch.h"
#include "app/session/beginning.h"
#include "app/session/clock_plan.h"
#include "app/session/cluster_file.h"
#include "app/session/cluster_input.h"
#include "app/session/file_merge.h"
#include "app/session/file_recording.h"
#include "app/session/ingest.h"
#include "app/session/point_naming.h"
#include "app/session/publish_clock.h"
#include "app/session/rotated_files.h"
#include "app/session/runner.h"
#include "app/session/stream_store.h"
#include "app/session/threads.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace natlens::session {
namespace {

using Clock = std::chrono::steady_clock;

/// Can be opened again and read from its beginning. Standard input, even from a file, cannot: it may be half read.
bool isRepeatable(const CaptureInput &input) {
    struct stat status {};
    return input.name != "-" && ::fstat(input.fd.get(), &status) == 0 && S_ISREG(status.st_mode);
}

/// When the packets of a file were captured.
class SpanSink final : public file::StreamSink {
public:
    void onCapturePoint(base::CapturePointId, const file::CapturePoint &) override {}
    void onPacket(const file::PacketView &packet) override {
        if (!m_span) m_span = {packet.time, packet.time};
        m_span->first = std::min(m_span->first, packet.time);
        m_span->last = std::max(m_span->last, packet.time);
    }
    void onStatistics(const file::PointStatistics &) override {}
    [[nodiscard]] std::optional<TimeSpan> span() const { return m_span; }

private:
    std::optional<TimeSpan> m_span;
};

class FileRunner final : public Runner, private file::StreamSink {
public:
    FileRunner(const FileSource &source, const Options &options, Publisher &publisher)
        : m_source(source)
        , m_options(options)
        , m_publisher(publisher)
        , m_tracer({.keepLegs = options.keepLegs, .parallel = inThreads}) {}

    base::Status start();

    void command(std::string) override {}
    void stop() override { m_thread.request_stop(); }
    base::Status saveRecording(const std::filesystem::path &path) const override;

private:
    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        m_ingest->onCapturePoint(id, point);
        tellClock(m_clocks, point, m_ingest->input());
    }
    void onPacket(const file::PacketView &packet) override {
        if (m_options.replayAtCaptureSpeed && !pace(packet.time)) return;
        ++m_read;
        m_ingest->onPacket(packet);
    }
    void onStatistics(const file::PointStatistics &statistics) override { m_ingest->onStatistics(statistics); }

    void run(std::stop_token stop);
    [[nodiscard]] base::Status read(MergeHooks hooks);
    [[nodiscard]] base::Status readHere();
    [[nodiscard]] base::Status readBeside();
    [[nodiscard]] bool show(std::uint64_t bytes, std::uint64_t packets);
    bool pace(base::Timestamp time);
    void sleepUntil(Clock::time_point due);
    void publish();
    /// Keeps what comes through a pipe, where it must be read more than once before anything is known of it.
    [[nodiscard]] base::Status spool();
    [[nodiscard]] base::Result<CaptureInput> reopen(std::size_t input) const;
    [[nodiscard]] base::Result<std::vector<CaptureInput>> reopenAll() const;
    void nameInputs();
    void nameInput(CaptureInput &input, std::size_t number) const;
    void compareClocks();
    void showBeginning(const ClockPlan &clocks);
    void endWithBeginning();
    void writeRecording();
    [[nodiscard]] std::uint64_t delivered() const { return m_packets.load(std::memory_order_relaxed); }
    void fail(const base::Error &error) {
        if (m_view.problem.empty()) m_view.problem = error.sentence();
        m_view.problemStatus = 2;
    }

    FileSource m_source;
    const Options m_options;
    Publisher &m_publisher;
    ClusterInput m_cluster;            ///< as a person gave it
    std::string m_facts;               ///< as a person gave them
    std::vector<std::string> m_series; ///< of each file
    std::vector<std::string> m_names;  ///< of each file: what it shows
    std::vector<std::string> m_seriesRemarks;
    std::vector<CaptureInput> m_inputs;
    std::vector<std::unique_ptr<StreamStore>>
        m_copies; ///< by input: what came through a pipe; null: a file, or not kept
    ClockPlan m_clocks;
    base::UniqueFd m_record;
    std::uint64_t m_total = 0;
    std::atomic<std::uint64_t> m_packets = 0; ///< delivered so far
    // The thread's own:
    tracer::Tracer m_tracer;
    DirectInput m_input{m_tracer};
    // Of the thread that reads, which is another one in readBeside():
    std::unique_ptr<Ingest> m_ingest;
    std::uint64_t m_read = 0; ///< packets, evidence included
    // The thread's own again:
    PublishClock m_publishClock{std::chrono::milliseconds(100), m_options.firstLook};
    View m_view;
    std::stop_token m_stop;
    std::unique_ptr<Beginning> m_beginning; ///< while clocks are compared
    std::optional<base::Timestamp> m_firstTime;
    Clock::time_point m_paceStart;
    std::jthread m_thread; // last: joined before the rest goes
};

void FileRunner::publish() {
    m_publishClock.begin();
    m_view.traced = m_tracer.snapshot();
    m_publisher.publish(m_view);
    m_publishClock.end();
}

/// Unless stopped meanwhile.
void FileRunner::sleepUntil(Clock::time_point due) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any wake;
    wake.wait_until(lock, m_stop, due, [] { return false; });
}

/// Sleeps until the packet is due; false when stopped meanwhile.
bool FileRunner::pace(base::Timestamp time) {
    if (m_stop.stop_requested()) return false;
    if (!m_firstTime) {
        m_firstTime = time;
        m_paceStart = Clock::now();
    }
    const auto due = m_paceStart + std::chrono::duration_cast<Clock::duration>(time - *m_firstTime);
    if (due > Clock::now()) {
        publish(); // what came before the pause belongs on the screen during it
        sleepUntil(due);
    }
    return !m_stop.stop_requested();
}

base::Status FileRunner::start() {
    if (auto filter = checkFilter(m_options.filter); !filter) return filter;
    if (m_source.files.empty())
        return base::fail(base::ErrorCode::invalidInput, "name at least one capture file", "replay");
    auto cluster = readClusterInput(m_options.clusterFiles, ObjectsFor::tracer);
    if (!cluster) return std::unexpected(cluster.error());
    m_cluster = std::move(*cluster);
    if (auto named = checkPointNames(m_source.points, m_source.files); !named) return named;
    if (!m_options.proxyConfigFile.empty()) {
        auto config = readJsonObject(m_options.proxyConfigFile, "KubeProxyConfiguration");
        if (!config) return std::unexpected(config.error());
        m_facts = "{\"kubeProxy\":" + *config + "}";
        m_tracer.addFacts({}, {}, m_facts);
    }
    if (std::ranges::count(m_source.files, "-") > 1)
        return base::fail(base::ErrorCode::invalidInput, "standard input can be read only once", "read", "-");
    m_series = seriesOf(m_source.files);
    m_names = pointNamesOf(m_source.files, m_series);
    const bool readAgain = m_options.keepStream || !m_options.record.empty() || m_source.files.size() > 1;
    for (const auto &path : m_source.files) {
        auto input = CaptureInput::open(path);
        if (!input) return std::unexpected(input.error());
        m_total += input->size;
        auto &copy = m_copies.emplace_back();
        if (readAgain && !isRepeatable(*input)) {
            auto made = StreamStore::temporary();
            if (!made) return std::unexpected(made.error());
            copy = std::move(*made);
        }
        m_inputs.push_back(std::move(*input));
    }
    if (!m_options.record.empty()) {
        auto fd = createRecording(m_options.record, m_source.files);
        if (!fd) return std::unexpected(fd.error());
        m_record = std::move(*fd);
    }
    Ingest::Options ingest{m_options.filter, !m_cluster.objects.empty()};
    m_ingest = std::make_unique<Ingest>(m_input, std::move(ingest));
    m_thread = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
    return {};
}

base::Status FileRunner::spool() {
    if (m_inputs.size() < 2) return {}; // a single pipe is shown as it comes
    std::vector<std::byte> buffer(256U << 10);
    for (std::size_t i = 0; i < m_inputs.size(); ++i) {
        if (!m_copies[i]) continue;
        while (!m_stop.stop_requested()) {
            const ssize_t got = ::read(m_inputs[i].fd.get(), buffer.data(), buffer.size());
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return base::failErrno("read", m_inputs[i].name);
            if (got == 0) break;
            const auto bytes = std::span<const std::byte>(buffer).first(static_cast<std::size_t>(got));
            if (auto kept = m_copies[i]->append(bytes); !kept) return kept;
        }
        auto input = reopen(i);
        if (!input) return std::unexpected(input.error());
        m_total += input->size;
        m_inputs[i] = std::move(*input);
    }
    return {};
}

base::Result<CaptureInput> FileRunner::reopen(std::size_t input) const {
    const auto &path = m_source.files[input];
    auto again = CaptureInput::open(m_copies[input] ? m_copies[input]->path() : path);
    if (!again) return again;
    again->name = path.string(); // not that of the copy
    nameInput(*again, input);
    return again;
}

base::Result<std::vector<CaptureInput>> FileRunner::reopenAll() const {
    std::vector<CaptureInput> inputs;
    for (std::size_t i = 0; i < m_source.files.size(); ++i) {
        auto input = reopen(i);
        if (!input) return std::unexpected(input.error());
        inputs.push_back(std::move(*input));
    }
    return inputs;
}

/// Which files show one place can be said once all can be read.
void FileRunner::nameInputs() {
    const auto spanOf = [this](std::size_t input) -> std::optional<TimeSpan> {
        std::vector<CaptureInput> one;
        if (auto opened = reopen(input)) one.push_back(std::move(*opened));
        SpanSink sink;
        // Faults are ignored here: whoever reads in earnest will say so.
        if (!one.empty()) (void)readMerged(one, sink, {[this](std::uint64_t) { return !m_stop.stop_requested(); }});
        return sink.span();
    };
    m_seriesRemarks = tellSeriesApart(m_series, m_source.files, spanOf);
    nameWholeSeries(m_source.points, m_source.files, m_series);
    m_names = pointNamesOf(m_source.files, m_series);
    for (std::size_t i = 0; i < m_inputs.size(); ++i)
        nameInput(m_inputs[i], i);
}

void FileRunner::nameInput(CaptureInput &input, std::size_t number) const {
    input.series = m_series[number];
    input.pointName = m_names[number];
    input.nameBy(m_source.points);
}

void FileRunner::compareClocks() {
    // A pipe of which nothing is kept, or not yet, cannot be looked at before it is read.
    const bool repeatable = m_inputs.size() > 1 || isRepeatable(m_inputs.front());
    if (!m_options.alignClocks || !repeatable || (m_source.follow && m_inputs.size() == 1)) return;
    const auto open = [this] {
        auto inputs = reopenAll();
        return inputs ? std::move(*inputs) : std::vector<CaptureInput>();
    };
    // Of files that grow what they hold already must do: their clocks are taken to go on as they went.
    m_clocks = ClockPlan::make(
        open, [this] { return !m_stop.stop_requested(); },
        [this](const ClockPlan &early) {
            if (!m_source.follow) showBeginning(early);
        });
}

void FileRunner::showBeginning(const ClockPlan &clocks) {
    auto inputs = reopenAll();
    if (!inputs) return;
    m_beginning = std::make_unique<Beginning>(m_options, m_facts, m_cluster, clocks);
    m_beginning->read(
        std::move(*inputs), [this] { return reopen(0); }, [this] { return !m_stop.stop_requested(); });
    m_view.traced = m_beginning->snapshot();
    m_publisher.publish(m_view);
}

/// Nobody wants to wait for the rest: what there is stays.
void FileRunner::endWithBeginning() {
    m_beginning->finish();
    m_packets = m_beginning->packets();
    m_view.bytes = m_beginning->bytes();
    if (m_total != 0) m_view.progress = std::min(1.0, static_cast<double>(m_view.bytes) / static_cast<double>(m_total));
    m_view.traced = m_beginning->snapshot();
    m_view.ended = true;
    m_publisher.publish(m_view);
}

void FileRunner::writeRecording() {
    auto inputs = reopenAll();
    if (!inputs) return fail(inputs.error());
    const FileRecording what{m_options, m_clocks, m_tracer.snapshot(), [this] { return reopen(0); }, delivered()};
    if (auto written = writeFileRecording(*inputs, std::move(m_record), m_options.record, what); !written)
        fail(written.error());
}

/// What has been read is in the tracer. False: it is enough.
bool FileRunner::show(std::uint64_t bytes, std::uint64_t packets) {
    m_packets.store(packets, std::memory_order_relaxed);
    m_view.bytes = bytes;
    if (m_source.follow)
        m_view.progress = 1; // there is no end to measure it by
    else if (m_total > 0)
        m_view.progress = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(m_total));
    if (m_publishClock.due()) publish();
    return !m_stop.stop_requested();
}

base::Status FileRunner::read(MergeHooks hooks) {
    if (m_inputs.size() == 1 && m_copies.front())
        hooks.raw = [this](std::span<const std::byte> bytes) {
            (void)m_copies.front()->append(bytes); // without room for the copy there is nothing to save: said then
        };
    if (m_source.follow)
        hooks.waitForMore = [this](std::chrono::milliseconds atMost) { sleepUntil(Clock::now() + atMost); };
    const auto again = [this] { return reopen(0); };
    return m_clocks.read(m_inputs, again, *this, std::move(hooks));
}

/// Packets at the pace at which they were captured: the pauses belong to the thread that publishes.
base::Status FileRunner::readHere() {
    return read({[&](std::uint64_t bytes) { return show(bytes, m_read); }});
}

/// One thread reads and decodes, this one counts.
base::Status FileRunner::readBeside() {
    BatchRing ring;
    base::Status status;
    std::jthread reader([&] {
        std::unique_ptr<Batch> batch = ring.blank();
        m_ingest->setInput(*batch);
        const auto passOn = [&](std::uint64_t bytes) {
            batch->bytesRead = bytes;
            batch->packetsRead = m_read;
            ring.put(std::move(batch));
        };
        std::uint64_t bytesRead = 0;
        MergeHooks hooks;
        hooks.buffer = [&]() -> std::vector<std::byte> & { return batch->portion(); };
        hooks.goOn = [&](std::uint64_t bytes) {
            passOn(bytesRead = bytes);
            batch = ring.blank([this] { m_tracer.prepareRoom(); });
            if (batch) m_ingest->setInput(*batch);
            return batch != nullptr;
        };
        status = read(std::move(hooks));
        if (batch) passOn(bytesRead); // what was merged after the last portion
        ring.finish();
    });
    while (auto batch = ring.take()) {
        batch->deliver(m_tracer);
        if (!show(batch->bytesRead, batch->packetsRead)) ring.close();
        ring.recycle(std::move(batch));
    }
    reader.join();
    return status;
}

void FileRunner::run(std::stop_token stop) {
    m_stop = std::move(stop);
    m_view.progress = m_total == 0 ? 1 : 0;
    m_cluster.tell(m_tracer);
    if (auto spooled = spool(); !spooled) fail(spooled.error());
    nameInputs();
    compareClocks();
    if (m_beginning && m_stop.stop_requested() && !m_record) return endWithBeginning();
    m_beginning.reset();
    if (auto done = m_options.replayAtCaptureSpeed ? readHere() : readBeside(); !done) fail(done.error());
    m_view.remarks = m_cluster.remarks;
    m_view.remarks.insert(m_view.remarks.end(), m_seriesRemarks.begin(), m_seriesRemarks.end());
    for (auto &remark : m_ingest->remarks())
        m_view.remarks.push_back(std::move(remark));
    m_tracer.finish();
    if (!m_stop.stop_requested()) m_view.progress = 1;
    m_view.finishing = true;
    m_publisher.publish(m_view);
    m_view.finishing = false;
    if (m_record) {
        publish();
        writeRecording();
    }
    m_view.ended = true;
    publish();
}

base::Status FileRunner::saveRecording(const std::filesystem::path &path) const {
    for (std::size_t i = 0; i < m_source.files.size(); ++i)
        if (m_source.files[i] == "-" && !m_copies[i])
            return base::fail(base::ErrorCode::unsupported, "standard input was not kept and cannot be read again",
                              "save to", path.string());
    auto inputs = reopenAll();
    if (!inputs) return std::unexpected(inputs.error());
    auto fd = createRecording(path, m_source.files);
    if (!fd) return std::unexpected(fd.error());
    return copyFiles(*inputs, std::move(*fd), path.string(), delivered());
}

} // namespace

base::Result<std::unique_ptr<Runner>> startFiles(const FileSource &source, const Options &options,
                                                 Publisher &publisher) {
    auto runner = std::make_unique<FileRunner>(source, options, publisher);
    if (auto started = runner->start(); !started) return std::unexpected(started.error());
    return runner;
}

} // namespace natlens::session
