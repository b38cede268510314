// Pulls views from a source at the window's own rate; pause keeps the changes, step hands them out one by one.
#pragma once

#include "app/gui/view_source.h"

#include <QObject>
#include <QTimer>

#include <deque>

namespace natlens::gui {

/// Asks the source at most 59 times a second and tells the window only about versions it has not seen. Lives on the GUI
/// thread.
///
/// Paused, the picture stands still while the source goes on: each published change is kept (views share their paths,
/// so one costs little), up to kMaxWaiting; what does not fit is counted. `step()` shows the next one, or, when none is
/// waiting, the first that comes. Going on jumps to the newest.
class ViewFeed final : public QObject {
    Q_OBJECT
public:
    using ViewPointer = std::shared_ptr<const session::View>;
    static constexpr int kIntervalMilliseconds = 17;
    static constexpr std::size_t kMaxWaiting = 1000;

    explicit ViewFeed(QObject *parent = nullptr);
    /// Null: no source. Ends pause.
    void setSource(ViewSource *source);
    [[nodiscard]] const ViewPointer &shown() const { return m_shown; }
    [[nodiscard]] bool paused() const { return m_paused; }
    [[nodiscard]] std::size_t waiting() const { return m_waiting.size(); }
    [[nodiscard]] std::size_t skipped() const { return m_skipped; } ///< changes that did not fit while paused
    [[nodiscard]] bool polling() const { return m_timer.isActive(); }

public Q_SLOTS:
    void setPaused(bool paused);
    void step();
    /// One question to the source; the timer calls it.
    void poll();

Q_SIGNALS:
    void viewChanged(const natlens::gui::ViewFeed::ViewPointer &view);
    void stepped(); ///< the view just shown came by step()
    void failed(const natlens::base::Error &error);
    void waitingChanged();

private:
    void show(const ViewPointer &view);

    ViewSource *m_source = nullptr;
    QTimer m_timer;
    ViewPointer m_shown, m_newest;
    std::deque<ViewPointer> m_waiting;
    std::size_t m_skipped = 0;
    bool m_paused = false, m_stepArmed = false;
};

} // namespace natlens::gui
