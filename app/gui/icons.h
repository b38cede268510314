// Icons of the tool bar, drawn in the colour of the text so that they suit every theme.
#pragma once

#include <QColor>
#include <QIcon>

namespace natlens::gui {

enum class Icon { open, save, exportPicture, play, pause, step, fit, zoomIn, zoomOut, home };

[[nodiscard]] QIcon makeIcon(Icon icon, const QColor &colour);

} // namespace natlens::gui
