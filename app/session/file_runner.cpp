// Recordings as a source.
#include "app/session/cluster_file.h"
#include "app/session/file_merge.h"
#include "app/session/ingest.h"
#include "app/session/publish_clock.h"
#include "app/session/recording_sink.h"
#include "app/session/runner.h"
#include "app/session/stream_store.h"

#include <atomic>
#include <thread>

namespace natlens::session {
namespace {

using Clock = std::chrono::steady_clock;

class FileRunner final : public Runner, private file::StreamSink {
public:
    FileRunner(const FileSource &source, const Options &options, Publisher &publisher)
        : m_source(source)
        , m_options(options)
        , m_publisher(publisher) {}

    base::Status start() {
        if (auto filter = checkFilter(m_options.filter); !filter) return filter;
        if (m_source.files.empty())
            return base::fail(base::ErrorCode::invalidInput, "name at least one capture file", "replay");
        if (!m_options.clusterFile.empty()) {
            auto cluster = readClusterFile(m_options.clusterFile);
            if (!cluster) return std::unexpected(cluster.error());
            m_cluster = std::move(*cluster);
        }
        for (const auto &path : m_source.files) {
            if (path == "-" && m_stdinCopy)
                return base::fail(base::ErrorCode::invalidInput, "standard input can be read only once", "read", "-");
            auto input = InputFile::open(path);
            if (!input) return std::unexpected(input.error());
            m_total += input->size;
            m_inputs.push_back(std::move(*input));
            if (path != "-" || !m_options.keepStream) continue;
            auto copy = StreamStore::temporary();
            if (!copy) return std::unexpected(copy.error());
            m_stdinCopy = std::move(*copy);
        }
        if (!m_options.record.empty()) {
            auto fd = createRecording(m_options.record, m_source.files);
            if (!fd) return std::unexpected(fd.error());
            m_record = std::make_unique<RecordingSink>(std::move(*fd), m_options.record);
        }
        Ingest::Options ingest{m_options.filter, !m_options.clusterFile.empty()};
        m_ingest = std::make_unique<Ingest>(m_tracer, std::move(ingest));
        m_thread = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
        return {};
    }

    void command(std::string) override {}
    void stop() override { m_thread.request_stop(); }
    base::Status saveRecording(const std::filesystem::path &path) const override;

private:
    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        if (m_record) m_record->onCapturePoint(id, point);
        m_ingest->onCapturePoint(id, point);
    }
    void onPacket(const file::PacketView &packet) override {
        if (m_options.replayAtCaptureSpeed && !pace(packet.time)) return;
        m_packets.store(packet.number.value, std::memory_order_relaxed);
        if (m_record) m_record->onPacket(packet);
        m_ingest->onPacket(packet);
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        if (m_record) m_record->onStatistics(statistics);
        m_ingest->onStatistics(statistics);
    }

    void run(std::stop_token stop);
    bool pace(base::Timestamp time);
    void publish();

    const FileSource m_source;
    const Options m_options;
    Publisher &m_publisher;
    std::string m_cluster;
    std::vector<InputFile> m_inputs;
    std::unique_ptr<StreamStore> m_stdinCopy; ///< what came from standard input, for saveRecording()
    std::uint64_t m_total = 0;
    std::atomic<std::uint64_t> m_packets = 0; ///< delivered so far
    // The thread's own:
    tracer::Tracer m_tracer;
    std::unique_ptr<Ingest> m_ingest;
    std::unique_ptr<RecordingSink> m_record;
    PublishClock m_publishClock;
    View m_view;
    std::stop_token m_stop;
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
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any wake;
        wake.wait_until(lock, m_stop, due, [] { return false; });
    }
    return !m_stop.stop_requested();
}

void FileRunner::run(std::stop_token stop) {
    m_stop = std::move(stop);
    m_view.progress = m_total == 0 ? 1 : 0;
    if (!m_cluster.empty()) m_tracer.addClusterState({}, m_cluster);
    MergeHooks hooks;
    hooks.goOn = [&](std::uint64_t bytes) {
        m_view.bytes = bytes;
        if (m_total > 0) m_view.progress = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(m_total));
        if (m_publishClock.due()) publish();
        return !m_stop.stop_requested();
    };
    if (m_stdinCopy) {
        // Of several inputs one may be standard input; only that one cannot be read again.
        if (m_source.files.size() == 1)
            hooks.raw = [this](std::span<const std::byte> bytes) {
                (void)m_stdinCopy->append(bytes); // without room for the copy there is nothing to save later: said then
            };
    }
    const base::Status read = readMerged(m_inputs, *this, hooks);
    if (!read) {
        m_view.problem = read.error().sentence();
        m_view.problemStatus = 2;
    }
    if (m_record) {
        if (auto written = m_record->finish(); !written) {
            if (m_view.problem.empty()) m_view.problem = written.error().sentence();
            m_view.problemStatus = 2;
        }
        m_record.reset();
    }
    m_tracer.finish();
    m_view.progress = 1;
    m_view.ended = true;
    publish();
}

base::Status FileRunner::saveRecording(const std::filesystem::path &path) const {
    std::vector<InputFile> inputs;
    for (const auto &file : m_source.files) {
        if (file == "-" && (!m_stdinCopy || m_source.files.size() > 1))
            return base::fail(base::ErrorCode::unsupported, "standard input was not kept and cannot be read again",
                              "save to", path.string());
        auto input = InputFile::open(file == "-" ? m_stdinCopy->path() : file);
        if (!input) return std::unexpected(input.error());
        if (file == "-") input->name = "-";
        inputs.push_back(std::move(*input));
    }
    auto fd = createRecording(path, m_source.files);
    if (!fd) return std::unexpected(fd.error());

    /// Lets the packets through that the view shows.
    class Limit final : public file::StreamSink {
    public:
        Limit(RecordingSink &sink, std::uint64_t last)
            : m_sink(sink)
            , m_last(last) {}
        void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
            m_sink.onCapturePoint(id, point);
        }
        void onPacket(const file::PacketView &packet) override {
            done = packet.number.value > m_last;
            if (!done) m_sink.onPacket(packet);
        }
        void onStatistics(const file::PointStatistics &statistics) override {
            if (!done) m_sink.onStatistics(statistics);
        }
        bool done = false;

    private:
        RecordingSink &m_sink;
        std::uint64_t m_last;
    };
    RecordingSink writer(std::move(*fd), path.string());
    Limit limit(writer, m_packets.load(std::memory_order_relaxed));
    // A recording that breaks off is saved as far as it goes; the view has said so already.
    (void)readMerged(inputs, limit, {[&](std::uint64_t) { return !limit.done; }, {}});
    return writer.finish();
}

} // namespace

base::Result<std::unique_ptr<Runner>> startFiles(const FileSource &source, const Options &options,
                                                 Publisher &publisher) {
    auto runner = std::make_unique<FileRunner>(source, options, publisher);
    if (auto started = runner->start(); !started) return std::unexpected(started.error());
    return runner;
}

} // namespace natlens::session
