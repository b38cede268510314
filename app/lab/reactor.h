// Descriptors and timers of workloads, served from the lab's one loop.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace natlens::lab {

/// One epoll descriptor for everything that scenarios start. The owner polls fd() and calls serve() when it is
/// readable. Lives on the lab's thread.
class Reactor final {
public:
    using Callback = std::function<void()>;

    [[nodiscard]] static base::Result<std::unique_ptr<Reactor>> create();

    [[nodiscard]] int fd() const { return m_epoll.get(); }
    void serve();

    enum class For { reading, writing };
    /// Calls back whenever the descriptor is ready (or has failed), until forget(). The descriptor stays the caller's.
    void watch(int descriptor, For what, Callback callback);
    void forget(int descriptor);
    /// Calls back once.
    void after(std::chrono::milliseconds delay, Callback callback);

private:
    Reactor(base::UniqueFd epoll, base::UniqueFd timer)
        : m_epoll(std::move(epoll))
        , m_timer(std::move(timer)) {}
    void serveTimers();
    void armTimer();

    using Clock = std::chrono::steady_clock;
    base::UniqueFd m_epoll, m_timer;
    std::map<int, std::shared_ptr<const Callback>> m_callbacks;
    std::multimap<Clock::time_point, Callback> m_timers;
};

} // namespace natlens::lab
