#include "app/lab/reactor.h"

#include <array>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace natlens::lab {

base::Result<std::unique_ptr<Reactor>> Reactor::create() {
    base::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return base::failErrno("epoll_create1");
    base::UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer) return base::failErrno("timerfd_create");
    std::unique_ptr<Reactor> reactor(new Reactor(std::move(epoll), std::move(timer)));
    reactor->watch(reactor->m_timer.get(), For::reading, [self = reactor.get()] { self->serveTimers(); });
    return reactor;
}

void Reactor::serve() {
    std::array<epoll_event, 32> events;
    const int count = ::epoll_wait(m_epoll.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        // An earlier callback may have done away with this one; the copy keeps the running one alive.
        const auto found = m_callbacks.find(events[static_cast<std::size_t>(i)].data.fd);
        if (found == m_callbacks.end()) continue;
        const auto callback = found->second;
        (*callback)();
    }
}

void Reactor::watch(int descriptor, For what, Callback callback) {
    epoll_event event{};
    event.events = what == For::reading ? EPOLLIN : EPOLLOUT;
    event.data.fd = descriptor;
    const bool known = m_callbacks.contains(descriptor);
    ::epoll_ctl(m_epoll.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, &event);
    m_callbacks[descriptor] = std::make_shared<const Callback>(std::move(callback));
}

void Reactor::forget(int descriptor) {
    if (m_callbacks.erase(descriptor) != 0) ::epoll_ctl(m_epoll.get(), EPOLL_CTL_DEL, descriptor, nullptr);
}

void Reactor::after(std::chrono::milliseconds delay, Callback callback) {
    m_timers.emplace(Clock::now() + delay, std::move(callback));
    armTimer();
}

void Reactor::armTimer() {
    itimerspec next{};
    if (!m_timers.empty()) {
        const auto left = std::max<std::int64_t>(1, (m_timers.begin()->first - Clock::now()).count());
        next.it_value.tv_sec = left / 1'000'000'000;
        next.it_value.tv_nsec = left % 1'000'000'000;
    }
    ::timerfd_settime(m_timer.get(), 0, &next, nullptr);
}

void Reactor::serveTimers() {
    std::uint64_t expired = 0;
    (void)!::read(m_timer.get(), &expired, sizeof expired);
    const auto now = Clock::now();
    while (!m_timers.empty() && m_timers.begin()->first <= now) {
        const Callback callback = std::move(m_timers.begin()->second);
        m_timers.erase(m_timers.begin());
        callback();
    }
    armTimer();
}

} // namespace natlens::lab
