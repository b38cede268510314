// The picture as a file.
#pragma once

#include "app/gui/theme.h"
#include "capture/base/result.h"
#include "tracer/diagram/display_list.h"

#include <QString>

namespace natlens::gui {

/// Writes SVG or PNG (two pixels a unit), chosen by the end of the name; other endings are an error.
[[nodiscard]] base::Status savePicture(const diagram::DisplayList &list, const Theme &theme, const QString &file);

} // namespace natlens::gui
