#include "app/session/runner.h"

namespace natlens::session {

Publisher::Publisher() {
    auto first = std::make_shared<View>();
    first->traced = std::make_shared<const tracer::Snapshot>();
    m_view = std::move(first);
}

void Publisher::publish(View view) {
    {
        std::shared_ptr<const View> old; // destroyed outside the lock
        const std::lock_guard lock(m_mutex);
        view.version = m_view->version + 1;
        if (!view.traced) view.traced = m_view->traced;
        old = std::exchange(m_view, std::make_shared<const View>(std::move(view)));
    }
    m_changed.notify_all();
}

std::shared_ptr<const View> Publisher::view() const {
    const std::lock_guard lock(m_mutex);
    return m_view;
}

std::shared_ptr<const View> Publisher::waitForChange(std::uint64_t version, std::chrono::milliseconds atMost) const {
    std::unique_lock lock(m_mutex);
    m_changed.wait_for(lock, atMost, [&] { return m_view->version > version; });
    return m_view;
}

} // namespace natlens::session
