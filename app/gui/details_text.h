// Everything about the selected path that is not a hop, as rich text.
#pragma once

#include "app/gui/theme.h"
#include "app/session/session.h"

#include <QString>

namespace natlens::gui {

/// Findings with their fix, the HTTP exchange, notes; "" for null.
[[nodiscard]] QString pathHtml(const tracer::Path *path, const Theme &theme);
/// What the scenario expects beside what was observed; "" when there is nothing to compare (yet).
[[nodiscard]] QString comparisonsHtml(const session::LabStatus &lab, const Theme &theme);
/// One line: outcome, connection, what the endpoint saw.
[[nodiscard]] QString headlineText(const tracer::Path &path);

} // namespace natlens::gui
