// When the next view is due.
#pragma once

#include "app/session/runner.h"

#include <algorithm>

namespace natlens::session {

/// At most one view every kPublishInterval (later, if asked for, more seldom), and no more than a tenth of the thread's
/// time spent on making them: with very many paths the views become rarer instead of the reading slower.
class PublishClock final {
public:
    using Clock = std::chrono::steady_clock;

    /// The longer it goes on the longer the interval becomes, up to `slowest`: a person who has waited for a second
    /// will not miss a tenth.
    /// `first`: when the first one is due.
    explicit PublishClock(Clock::duration slowest = kPublishInterval, Clock::duration first = {})
        : m_slowest(slowest)
        , m_next(first == Clock::duration{} ? Clock::time_point{} : m_start + first) {}

    void begin() { m_began = Clock::now(); }
    void end() {
        const auto now = Clock::now();
        const auto interval = std::clamp<Clock::duration>((now - m_start) / 10, kPublishInterval, m_slowest);
        m_next = now + std::max(interval, 10 * (now - m_began));
    }
    [[nodiscard]] bool due() const { return Clock::now() >= m_next; }
    /// Until the next one is due, rounded up; 0 when it is.
    [[nodiscard]] std::chrono::milliseconds left() const {
        const auto now = Clock::now();
        return now >= m_next ? std::chrono::milliseconds(0)
                             : std::chrono::ceil<std::chrono::milliseconds>(m_next - now);
    }

private:
    Clock::duration m_slowest;
    Clock::time_point m_start = Clock::now(), m_began, m_next;
};

} // namespace natlens::session
