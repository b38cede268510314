#include "app/gui/view_feed.h"

namespace natlens::gui {

ViewFeed::ViewFeed(QObject *parent)
    : QObject(parent) {
    m_timer.setInterval(kIntervalMilliseconds);
    m_timer.setTimerType(Qt::PreciseTimer);
    connect(&m_timer, &QTimer::timeout, this, &ViewFeed::poll);
}

void ViewFeed::setSource(ViewSource *source) {
    m_source = source;
    m_shown.reset();
    m_newest.reset();
    m_waiting.clear();
    m_skipped = 0;
    m_paused = m_stepArmed = false;
    if (source != nullptr)
        m_timer.start();
    else
        m_timer.stop();
    Q_EMIT waitingChanged();
}

void ViewFeed::show(const ViewPointer &view) {
    m_shown = view;
    Q_EMIT viewChanged(view);
}

void ViewFeed::poll() {
    if (m_source == nullptr) return;
    ViewPointer view = m_source->view();
    if (!view) {
        if (const auto failure = m_source->failure()) {
            m_timer.stop();
            Q_EMIT failed(*failure);
        }
        return;
    }
    if (m_newest && view->version == m_newest->version) {
        if (view->ended) m_timer.stop(); // nothing more can come
        return;
    }
    m_newest = std::move(view);
    if (!m_paused || !m_shown) {
        show(m_newest);
    } else if (m_stepArmed) {
        m_stepArmed = false;
        show(m_newest);
        Q_EMIT stepped();
    } else if (m_waiting.size() < kMaxWaiting) {
        m_waiting.push_back(m_newest);
        Q_EMIT waitingChanged();
    } else {
        ++m_skipped;
        Q_EMIT waitingChanged();
    }
}

void ViewFeed::setPaused(bool paused) {
    if (m_paused == paused) return;
    m_paused = paused;
    m_stepArmed = false;
    m_waiting.clear();
    m_skipped = 0;
    if (!paused && m_newest && m_newest != m_shown) show(m_newest);
    Q_EMIT waitingChanged();
}

void ViewFeed::step() {
    if (!m_paused) return;
    if (m_waiting.empty()) {
        // After skipped changes the newest is the next one that is known.
        if (m_newest && m_newest != m_shown) {
            m_skipped = 0;
            show(m_newest);
            Q_EMIT stepped();
            Q_EMIT waitingChanged();
        } else {
            m_stepArmed = true;
        }
        return;
    }
    const ViewPointer next = m_waiting.front();
    m_waiting.pop_front();
    show(next);
    Q_EMIT stepped();
    Q_EMIT waitingChanged();
}

} // namespace natlens::gui
