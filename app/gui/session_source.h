// A session behind the window: opened, commanded and ended on a thread of its own.
#pragma once

#include "app/gui/view_source.h"

namespace natlens::gui {

/// Starts to open the session on a worker thread. The source may be destroyed at any moment: the session is then ended
/// on its worker while the window goes on.
[[nodiscard]] std::unique_ptr<ViewSource> openSession(const SourceRequest &request);

/// Waits until the sessions of destroyed sources have ended. Call before main() returns, so that no lab outlives it.
void waitForEndedSessions();

} // namespace natlens::gui
