// Virtual time: what happens next, and when.
#pragma once

#include "capture/base/timestamp.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace natlens::lab::sim {

using std::chrono::nanoseconds;

/// Events in the order of their times, those of one time in the order in which they were asked for: a run is a function
/// of its inputs alone. Lives on one thread.
class EventQueue final {
public:
    explicit EventQueue(base::Timestamp start) : m_now(start) {}

    [[nodiscard]] base::Timestamp now() const { return m_now; }
    /// Runs `event` after `delay` (0: after what is due already).
    void after(nanoseconds delay, std::function<void()> event) {
        m_events.emplace(std::pair(m_now + delay, m_count++), std::move(event));
    }
    [[nodiscard]] std::optional<base::Timestamp> next() const {
        return m_events.empty() ? std::nullopt : std::optional(m_events.begin()->first.first);
    }
    /// Makes it the time of the next event and runs that. False when there is none.
    bool runNext() {
        if (m_events.empty()) return false;
        auto first = m_events.extract(m_events.begin());
        m_now = first.key().first;
        first.mapped()();
        return true;
    }
    /// Runs everything due until then, and makes it that time.
    void runUntil(base::Timestamp time) {
        while (!m_events.empty() && m_events.begin()->first.first <= time) runNext();
        if (m_now < time) m_now = time;
    }

private:
    base::Timestamp m_now;
    std::uint64_t m_count = 0;
    std::map<std::pair<base::Timestamp, std::uint64_t>, std::function<void()>> m_events;
};

} // namespace natlens::lab::sim
