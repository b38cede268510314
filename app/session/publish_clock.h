// When the next view is due.
#pragma once

#include "app/session/runner.h"

namespace natlens::session {

/// At most one view every kPublishInterval, and no more than a tenth of the thread's time spent on making them: with
/// very many paths the views become rarer instead of the reading slower.
class PublishClock final {
public:
    using Clock = std::chrono::steady_clock;

    void begin() { m_began = Clock::now(); }
    void end() {
        const auto now = Clock::now();
        m_next = now + std::max<Clock::duration>(kPublishInterval, 10 * (now - m_began));
    }
    [[nodiscard]] bool due() const { return Clock::now() >= m_next; }
    /// Until the next one is due, rounded up; 0 when it is.
    [[nodiscard]] std::chrono::milliseconds left() const {
        const auto now = Clock::now();
        return now >= m_next ? std::chrono::milliseconds(0)
                             : std::chrono::ceil<std::chrono::milliseconds>(m_next - now);
    }

private:
    Clock::time_point m_began, m_next;
};

} // namespace natlens::session
