// `--screenshot`: waits for the source to end or settle, writes the window as PNG, and says how the program ends.
#pragma once

#include "app/gui/main_window.h"

#include <chrono>

namespace natlens::gui {

/// When a source is taken for settled.
struct SettleRule {
    std::chrono::milliseconds quiet{600};    ///< no new view for so long after the lab's steps were played
    std::chrono::milliseconds atMost{90000}; ///< then the picture is taken anyway, and a line on standard error says so
};

/// Nothing more is expected: a recording has been read, or the lab has played its steps.
[[nodiscard]] bool complete(const session::View &view, bool isLab);

/// Runs the event loop until then. Returns the exit status of DESIGN section 5: 0; 1 when the scenario's expectations
/// were not met; 2 or 3 for a source that could not be opened (its message is in the picture and on standard error).
[[nodiscard]] int takeScreenshot(MainWindow &window, const QString &file, const SettleRule &rule = {});

} // namespace natlens::gui
