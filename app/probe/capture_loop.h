// Private to app/probe: the thread that reads all capture points and writes the stream.
#pragma once

#include "app/probe/capture_service.h"
#include "app/probe/capture_source.h"
#include "app/probe/stream_order.h"
#include "capture/file/pcapng_writer.h"

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

namespace natlens::probe {

inline constexpr const char *kClusterState = "cluster-state";

/// A capture point that is ready to be read. `source` may be null: a point that only write() feeds.
struct OpenedPoint {
    file::CapturePoint description;
    std::unique_ptr<CaptureSource> source;
};

/// What CaptureService promises, without knowing how capture points are opened.
/// Everything below "the loop's thread only" belongs to that thread; the rest is guarded by m_mutex. Callers put
/// commands into a queue and wake the thread through an eventfd; the thread never waits for a caller.
class CaptureLoop final {
public:
    CaptureLoop(base::UniqueFd stream, std::string application);
    ~CaptureLoop();
    CaptureLoop(const CaptureLoop &) = delete;
    CaptureLoop &operator=(const CaptureLoop &) = delete;

    [[nodiscard]] base::Status add(OpenedPoint point);
    [[nodiscard]] base::Status remove(const std::string &name);
    [[nodiscard]] base::Status write(const std::string &name, std::span<const std::byte> bytes,
                                     base::Timestamp time = base::Timestamp::now());

    [[nodiscard]] base::Status start();
    bool drain(std::chrono::milliseconds quietTime, std::chrono::milliseconds atMost);
    [[nodiscard]] base::Status stop();
    [[nodiscard]] bool isRunning() const;
    [[nodiscard]] CaptureTotals totals() const;

private:
    using Clock = std::chrono::steady_clock;

    struct AddPoint {
        OpenedPoint opened;
    };
    struct RemovePoint {
        std::string name;
    };
    struct WritePacket {
        std::string name;
        base::Timestamp time;
        std::vector<std::byte> bytes;
    };
    using Command = std::variant<AddPoint, RemovePoint, WritePacket>;

    struct Point {
        base::CapturePointId id;
        std::string name;
        std::unique_ptr<CaptureSource> source;
        std::uint64_t injected = 0; ///< packets that came by write()
        SourceCounters written;     ///< as the last statistics block said
        [[nodiscard]] SourceCounters counters() const;
    };

    void run(const std::stop_token &stop);
    [[nodiscard]] base::Status serve(const std::stop_token &stop);
    [[nodiscard]] base::Status obeyCommands();
    [[nodiscard]] base::Status obey(AddPoint command);
    void obey(const RemovePoint &command);
    void obey(const WritePacket &command);
    /// Reads the points that epoll named; returns how far in time the stream is complete.
    base::Timestamp collectReady(int timeoutMilliseconds);
    /// False when the limit was reached and `last` is the time of the newest packet read.
    bool collect(Point &point, base::Timestamp &last);
    void close(std::size_t index);
    void closeInBackground(std::unique_ptr<CaptureSource> source);
    [[nodiscard]] base::Status writeUntil(base::Timestamp until);
    [[nodiscard]] base::Status writeStatistics();
    [[nodiscard]] base::Status writeStatistics(Point &point, base::Timestamp time);
    [[nodiscard]] base::Status finish();
    void publishRound(std::uint64_t request, std::uint64_t commands);
    [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> progressAsked() const;
    void wake() const;
    [[nodiscard]] base::Status knownPoint(const std::string &name) const; ///< m_mutex is held
    [[nodiscard]] std::uint64_t enqueue(Command command);                 ///< m_mutex is held

    base::UniqueFd m_stream; ///< until the thread takes it
    std::string m_application;
    base::UniqueFd m_epoll, m_wake;

    std::mutex m_stopping; ///< only one caller joins the thread
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    std::vector<Command> m_commands;
    std::vector<std::string> m_names; ///< of the points that callers may name
    std::uint64_t m_commandsGiven = 0, m_commandsDone = 0;
    std::uint64_t m_roundsAsked = 0, m_roundsDone = 0;
    Clock::time_point m_lastArrival;
    bool m_allWritten = true; ///< nothing was kept back at the end of the last round
    bool m_started = false, m_ended = false;
    std::optional<base::Error> m_error;
    CaptureTotals m_totals;

    // the loop's thread only
    std::optional<file::PcapngWriter> m_writer;
    std::vector<Point> m_points;
    StreamOrder m_order;
    std::vector<file::PointStatistics> m_lastWords; ///< of points that were closed, behind their last packets
    std::vector<std::future<void>> m_closing;       ///< closing takes the kernel some milliseconds each
    std::uint64_t m_written = 0;
    SourceCounters m_closed;      ///< sums of the points that are gone
    bool m_arrived = false;       ///< something came in this round
    bool m_statisticsDue = false; ///< something came since the last statistics
    bool m_readerGone = false;
    Clock::time_point m_nextStatistics;

    std::jthread m_thread; ///< last: it ends before the rest is destroyed
};

} // namespace natlens::probe
