// When kube-proxies write rules after a change: at once, or not before the last time is long enough ago.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace natlens::lab {

/// kube-proxy's minSyncPeriod: between the end of one sync and the begin of the next there is at least that time; changes
/// that come meanwhile are carried out together. Pure: the caller brings the time.
class SyncPace final {
public:
    using Time = std::chrono::steady_clock::time_point;

    /// 0: every change at once.
    explicit SyncPace(std::chrono::milliseconds period) : m_period(period) {}

    /// Something has changed. True: to be carried out now; false: at due().
    [[nodiscard]] bool changed(Time now) {
        m_waits = m_synced && now < *m_synced + m_period;
        return !m_waits;
    }
    /// A sync has ended: it had all changes there were.
    void synced(Time now) {
        m_synced = now;
        m_waits = false;
        m_retry.reset();
    }
    /// A sync did not come to its end: it is tried again, but not at once. kube-proxy waits for its syncPeriod, 30
    /// seconds.
    void failed(Time now) {
        synced(now);
        m_retry = now + std::max<std::chrono::milliseconds>(std::chrono::seconds(30), m_period);
    }
    /// When the changes that wait, or the sync that failed, are to be carried out; nothing when there are none.
    [[nodiscard]] std::optional<Time> due() const {
        return m_waits ? std::optional<Time>(*m_synced + m_period) : m_retry;
    }

private:
    std::chrono::milliseconds m_period;
    std::optional<Time> m_synced, m_retry;
    bool m_waits = false;
};

} // namespace natlens::lab
