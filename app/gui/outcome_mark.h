// The mark of a path's outcome: told apart by shape and letter, coloured besides.
#pragma once

#include "app/gui/theme.h"
#include "tracer/path/path.h"

#include <QRectF>

class QPainter;

namespace natlens::gui {

enum class MarkShape { disc, square, diamond, triangle, ring, dashedRing };

struct OutcomeMark {
    MarkShape shape = MarkShape::dashedRing;
    char letter = '?';
    diagram::Token colour = diagram::Token::mutedText;
    bool operator==(const OutcomeMark &) const = default;
};

/// No two outcomes share shape and letter; health checks carry an H.
[[nodiscard]] OutcomeMark outcomeMark(const tracer::Path &path);
void paintMark(QPainter &painter, const QRectF &rect, const OutcomeMark &mark, const Theme &theme);

} // namespace natlens::gui
