#include "app/probe/capture_loop.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace natlens::probe {
namespace {

using namespace std::chrono_literals;

/// How long the newest packets are kept back, so that the older ones of other capture points can overtake them.
constexpr auto kHold = 500us;
/// Rounds begin at most this often: under load one write(2) then carries many packets.
constexpr auto kRoundPause = 400us;
constexpr int kPendingTimeout = 1; // milliseconds; with the two above, nothing waits longer than 2 ms
constexpr auto kStatisticsEvery = 1s;
constexpr std::size_t kPerRound = 32768; // packets of one point, so that a flood does not starve the others

constexpr std::uint64_t kWakeTag = ~std::uint64_t{0}, kStreamTag = kWakeTag - 1;

bool watch(int epoll, int fd, std::uint32_t events, std::uint64_t tag) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/// Signals are the business of the program's own threads; and SIGPIPE must become EPIPE.
void blockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

} // namespace

SourceCounters CaptureLoop::Point::counters() const {
    SourceCounters result = source ? source->counters() : SourceCounters{};
    result.received += injected;
    return result;
}

void CaptureLoop::run(const std::stop_token &stop) {
    blockSignals();
    // Tells when the reader goes away. It fails on a regular file, which has no reader that could.
    (void)watch(m_epoll.get(), m_stream.get(), 0, kStreamTag);
    m_writer.emplace(std::move(m_stream), m_application);
    base::Status status = serve(stop);
    if (status) status = finish();
    m_writer.reset(); // the reader gets its end of file before the capture points are closed
    for (Point &point : m_points)
        closeInBackground(std::move(point.source));
    m_closing.clear(); // waits; the kernel's grace periods pass side by side
    {
        const std::lock_guard lock(m_mutex);
        m_ended = true;
        if (!status && status.error().errnoValue != EPIPE) m_error = status.error();
        m_commands.clear();
    }
    m_changed.notify_all();
}

base::Status CaptureLoop::serve(const std::stop_token &stop) {
    m_nextStatistics = Clock::now() + kStatisticsEvery;
    if (auto status = obeyCommands(); !status) return status;
    if (auto status = m_writer->flush(); !status) return status;
    while (!stop.stop_requested() && !m_readerGone) {
        const auto began = Clock::now();
        int timeout = -1;
        if (!m_order.empty() || !m_lastWords.empty()) {
            timeout = kPendingTimeout;
        } else if (m_statisticsDue) {
            timeout = static_cast<int>(std::max<std::int64_t>(
                0, std::chrono::ceil<std::chrono::milliseconds>(m_nextStatistics - began).count()));
        }
        m_arrived = false;
        const base::Timestamp complete = collectReady(timeout);
        // Asked for before the commands are taken: whoever asks later waits for the next round.
        const auto [rounds, commands] = progressAsked();
        if (auto status = obeyCommands(); !status) return status;
        if (auto status = writeUntil(complete); !status) return status;
        if (m_statisticsDue && Clock::now() >= m_nextStatistics) {
            if (auto status = writeStatistics(); !status) return status;
        }
        if (auto status = m_writer->flush(); !status) return status;
        publishRound(rounds, commands);
        if (m_arrived) std::this_thread::sleep_until(began + kRoundPause);
    }
    return {};
}

base::Timestamp CaptureLoop::collectReady(int timeoutMilliseconds) {
    std::vector<epoll_event> events(m_points.size() + 2);
    const int count = epoll_wait(m_epoll.get(), events.data(), static_cast<int>(events.size()), timeoutMilliseconds);
    base::Timestamp complete = base::Timestamp::now() + -std::chrono::nanoseconds(kHold);
    for (int i = 0; i < count; ++i) {
        const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
        if (tag == kWakeTag) {
            eventfd_t ignored = 0;
            eventfd_read(m_wake.get(), &ignored);
            continue;
        }
        if (tag == kStreamTag) {
            m_readerGone = true;
            continue;
        }
        const auto point = std::ranges::find(m_points, tag, [](const Point &p) { return std::uint64_t{p.id.value}; });
        if (point == m_points.end()) continue;
        // What a point has not shown yet must not be overtaken by the others.
        if (base::Timestamp last; !collect(*point, last)) complete = std::min(complete, last);
    }
    std::erase_if(m_points, [](const Point &point) { return point.name.empty(); });
    return complete;
}

bool CaptureLoop::collect(Point &point, base::Timestamp &last) {
    std::size_t count = 0;
    const auto status = point.source->collect(
        [&](const Arrival &arrival) {
            ++count;
            last = arrival.time;
            m_order.add(point.id, arrival);
        },
        kPerRound);
    if (count != 0) m_arrived = m_statisticsDue = true;
    if (!status) close(static_cast<std::size_t>(&point - m_points.data()));
    return count < kPerRound;
}

/// Empties the point; collectReady() or remove() takes it out of the list.
void CaptureLoop::close(std::size_t index) {
    Point &point = m_points[index];
    const SourceCounters counters = point.counters();
    m_lastWords.push_back({point.id, base::Timestamp::now(), counters.received, counters.dropped});
    m_closed.received += counters.received;
    m_closed.dropped += counters.dropped;
    {
        const std::lock_guard lock(m_mutex);
        std::erase(m_names, point.name);
    }
    if (point.source) epoll_ctl(m_epoll.get(), EPOLL_CTL_DEL, point.source->fd(), nullptr);
    closeInBackground(std::move(point.source));
    point.name.clear();
}

void CaptureLoop::closeInBackground(std::unique_ptr<CaptureSource> source) {
    std::erase_if(m_closing,
                  [](const std::future<void> &closing) { return closing.wait_for(0s) == std::future_status::ready; });
    if (!source) return;
    m_closing.push_back(std::async(std::launch::async, [owned = std::move(source)]() mutable { owned.reset(); }));
}

base::Status CaptureLoop::obeyCommands() {
    std::vector<Command> commands;
    {
        const std::lock_guard lock(m_mutex);
        commands.swap(m_commands);
    }
    for (Command &command : commands) {
        if (auto *add = std::get_if<AddPoint>(&command)) {
            if (auto status = obey(std::move(*add)); !status) return status;
        } else if (const auto *gone = std::get_if<RemovePoint>(&command)) {
            obey(*gone);
        } else {
            obey(std::get<WritePacket>(command));
        }
    }
    return {};
}

base::Status CaptureLoop::obey(AddPoint command) {
    const auto id = m_writer->addPoint(command.opened.description);
    if (!id) return std::unexpected(id.error());
    Point point;
    point.id = *id;
    point.name = std::move(command.opened.description.name);
    point.source = std::move(command.opened.source);
    if (point.source && !watch(m_epoll.get(), point.source->fd(), EPOLLIN, id->value)) {
        return base::failErrno("epoll_ctl", point.name);
    }
    m_points.push_back(std::move(point));
    return {};
}

void CaptureLoop::obey(const RemovePoint &command) {
    const auto point = std::ranges::find(m_points, command.name, &Point::name);
    if (point == m_points.end()) return;
    base::Timestamp last;
    while (!point->name.empty() && point->source && !collect(*point, last)) {
    }
    if (!point->name.empty()) close(static_cast<std::size_t>(point - m_points.begin()));
    m_points.erase(point);
}

void CaptureLoop::obey(const WritePacket &command) {
    const auto point = std::ranges::find(m_points, command.name, &Point::name);
    if (point == m_points.end()) return;
    ++point->injected;
    m_arrived = m_statisticsDue = true;
    m_order.add(point->id, Arrival{command.time, static_cast<std::uint32_t>(command.bytes.size()), command.bytes,
                                   file::PacketDirection::unknown});
}

base::Status CaptureLoop::writeUntil(base::Timestamp until) {
    base::Status status;
    m_order.release(until, [&](const file::PacketView &packet) {
        if (status) status = m_writer->writePacket(packet);
        ++m_written;
    });
    if (!status) return status;
    for (const file::PointStatistics &statistics : m_lastWords) {
        if (statistics.time > until) continue;
        if (status = m_writer->writeStatistics(statistics); !status) return status;
    }
    std::erase_if(m_lastWords, [&](const auto &statistics) { return statistics.time <= until; });
    return {};
}

base::Status CaptureLoop::writeStatistics() {
    const base::Timestamp time = base::Timestamp::now();
    SourceCounters sum = m_closed;
    for (Point &point : m_points) {
        const SourceCounters counters = point.counters();
        sum.received += counters.received;
        sum.dropped += counters.dropped;
        if (counters == point.written) continue;
        point.written = counters;
        const file::PointStatistics statistics{point.id, time, counters.received, counters.dropped};
        if (auto status = m_writer->writeStatistics(statistics); !status) return status;
    }
    m_statisticsDue = false;
    m_nextStatistics = Clock::now() + kStatisticsEvery;
    const std::lock_guard lock(m_mutex);
    m_totals.received = sum.received;
    m_totals.dropped = sum.dropped;
    return {};
}

base::Status CaptureLoop::finish() {
    if (m_readerGone) return {};
    if (auto status = obeyCommands(); !status) return status;
    // A source that never pauses must not keep stop() from returning.
    constexpr int kMostRounds = 64;
    for (int round = 0; round < kMostRounds; ++round) {
        m_arrived = false;
        collectReady(0);
        if (!m_arrived) break;
    }
    // A point without any packet gets its statistics, too: "nothing was seen here" is a result.
    for (Point &point : m_points)
        point.written = SourceCounters{~std::uint64_t{0}, 0};
    constexpr base::Timestamp kEverything{INT64_MAX};
    if (auto status = writeUntil(kEverything); !status) return status;
    if (auto status = writeStatistics(); !status) return status;
    auto status = m_writer->flush();
    const std::lock_guard lock(m_mutex);
    m_totals.written = m_written;
    return status;
}

std::pair<std::uint64_t, std::uint64_t> CaptureLoop::progressAsked() const {
    const std::lock_guard lock(m_mutex);
    return {m_roundsAsked, m_commandsGiven};
}

void CaptureLoop::publishRound(std::uint64_t request, std::uint64_t commands) {
    {
        const std::lock_guard lock(m_mutex);
        m_roundsDone = request;
        m_commandsDone = commands;
        m_allWritten = m_order.empty() && m_lastWords.empty();
        m_totals.written = m_written;
        if (m_arrived) m_lastArrival = Clock::now();
    }
    m_changed.notify_all();
}

} // namespace natlens::probe
