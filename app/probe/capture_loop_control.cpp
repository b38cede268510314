// The side of CaptureLoop that other threads call.
#include "app/probe/capture_loop.h"

#include <algorithm>
#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace natlens::probe {

CaptureLoop::CaptureLoop(base::UniqueFd stream, std::string application)
    : m_stream(std::move(stream))
    , m_application(std::move(application)) {}

CaptureLoop::~CaptureLoop() {
    (void)stop();
}

void CaptureLoop::wake() const {
    if (m_wake) eventfd_write(m_wake.get(), 1);
}

std::uint64_t CaptureLoop::enqueue(Command command) {
    m_commands.push_back(std::move(command));
    wake();
    return ++m_commandsGiven;
}

base::Status CaptureLoop::knownPoint(const std::string &name) const {
    if (m_ended) return base::fail(base::ErrorCode::cancelled, "the capture has ended", "capture", name);
    if (std::ranges::find(m_names, name) != m_names.end()) return {};
    return base::fail(base::ErrorCode::notFound, "there is no such capture point", "capture", name);
}

base::Status CaptureLoop::add(OpenedPoint point) {
    const std::lock_guard lock(m_mutex);
    const std::string &name = point.description.name;
    if (m_ended) return base::fail(base::ErrorCode::cancelled, "the capture has ended", "capture", name);
    if (std::ranges::find(m_names, name) != m_names.end()) {
        return base::fail(base::ErrorCode::invalidInput, "this capture point is there already", "capture", name);
    }
    m_names.push_back(name);
    (void)enqueue(AddPoint{std::move(point)});
    return {};
}

base::Status CaptureLoop::remove(const std::string &name) {
    std::unique_lock lock(m_mutex);
    if (auto known = knownPoint(name); !known) return known;
    const std::uint64_t number = enqueue(RemovePoint{name});
    if (m_started) m_changed.wait(lock, [&] { return m_ended || m_commandsDone >= number; });
    std::erase(m_names, name);
    return {};
}

base::Status CaptureLoop::write(const std::string &name, std::span<const std::byte> bytes, base::Timestamp time) {
    const std::lock_guard lock(m_mutex);
    if (auto known = knownPoint(name); !known) return known;
    (void)enqueue(WritePacket{name, time, {bytes.begin(), bytes.end()}});
    return {};
}

base::Status CaptureLoop::start() {
    const std::lock_guard lock(m_mutex);
    if (m_started) return base::fail(base::ErrorCode::internal, "started twice", "capture");
    m_epoll.reset(epoll_create1(EPOLL_CLOEXEC));
    if (!m_epoll) return base::failErrno("epoll_create1");
    m_wake.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!m_wake) return base::failErrno("eventfd");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = ~std::uint64_t{0};
    if (epoll_ctl(m_epoll.get(), EPOLL_CTL_ADD, m_wake.get(), &event) != 0)
        return base::failErrno("epoll_ctl", "eventfd");
    m_started = true;
    m_lastArrival = Clock::now();
    m_thread = std::jthread([this](const std::stop_token &stop) { run(stop); });
    return {};
}

bool CaptureLoop::drain(std::chrono::milliseconds quietTime, std::chrono::milliseconds atMost) {
    const auto deadline = Clock::now() + atMost;
    std::unique_lock lock(m_mutex);
    while (m_started && !m_ended) {
        const std::uint64_t round = ++m_roundsAsked;
        wake();
        const bool done = m_changed.wait_until(lock, deadline, [&] { return m_ended || m_roundsDone >= round; });
        if (!done || m_ended) return false;
        const auto now = Clock::now();
        const auto quietAt = m_lastArrival + quietTime;
        if (m_allWritten && now >= quietAt) return true;
        if (now >= deadline) return false;
        constexpr std::chrono::milliseconds kAgain{1}; // what is kept back is written within this time
        m_changed.wait_until(lock, std::min(deadline, std::max(quietAt, now + kAgain)), [&] { return m_ended; });
    }
    return false;
}

base::Status CaptureLoop::stop() {
    const std::lock_guard once(m_stopping);
    if (m_thread.joinable()) {
        m_thread.request_stop();
        wake();
        m_thread.join();
    }
    const std::lock_guard lock(m_mutex);
    m_ended = true;
    m_commands.clear();
    m_stream.reset();
    if (m_error) return std::unexpected(*m_error);
    return {};
}

bool CaptureLoop::isRunning() const {
    const std::lock_guard lock(m_mutex);
    return m_started && !m_ended;
}

CaptureTotals CaptureLoop::totals() const {
    const std::lock_guard lock(m_mutex);
    return m_totals;
}

} // namespace natlens::probe
