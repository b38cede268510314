#include "app/gui/outcome_mark.h"

#include <QPainter>

#include <algorithm>

namespace natlens::gui {

using diagram::Token;
using tracer::Outcome;

OutcomeMark outcomeMark(const tracer::Path &path) {
    if (path.kind == tracer::PathKind::healthCheck && path.outcome == Outcome::delivered) {
        const bool passed = path.http && path.http->status >= 200 && path.http->status < 400;
        return passed ? OutcomeMark{MarkShape::disc, 'H', Token::healthCheck}
                      : OutcomeMark{MarkShape::square, 'H', Token::probeFail};
    }
    switch (path.outcome) {
    case Outcome::delivered: return {MarkShape::disc, 'D', Token::reply};
    case Outcome::dropped: return {MarkShape::square, 'X', Token::drop};
    case Outcome::rejected: return {MarkShape::diamond, 'R', Token::drop};
    case Outcome::reset: return {MarkShape::triangle, 'T', Token::drop};
    case Outcome::unanswered: return {MarkShape::ring, 'U', Token::drop};
    case Outcome::incomplete: return {MarkShape::dashedRing, '?', Token::mutedText};
    }
    return {};
}

void paintMark(QPainter &painter, const QRectF &rect, const OutcomeMark &mark, const Theme &theme) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    const QColor colour = theme.colour(mark.colour);
    const QRectF r = rect.adjusted(1, 1, -1, -1);
    const bool hollow = mark.shape == MarkShape::ring || mark.shape == MarkShape::dashedRing;
    QPen pen(colour, 2);
    if (mark.shape == MarkShape::dashedRing) pen.setDashPattern({2, 1.6});
    painter.setPen(hollow ? pen : QPen(Qt::NoPen));
    painter.setBrush(hollow ? QBrush(Qt::NoBrush) : QBrush(colour));
    switch (mark.shape) {
    case MarkShape::disc: painter.drawEllipse(r); break;
    case MarkShape::square: painter.drawRoundedRect(r.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3); break;
    case MarkShape::diamond:
        painter.drawPolygon(QPolygonF{QPointF(r.center().x(), r.top() - 1), QPointF(r.right() + 1, r.center().y()),
                                      QPointF(r.center().x(), r.bottom() + 1), QPointF(r.left() - 1, r.center().y())});
        break;
    case MarkShape::triangle:
        painter.drawPolygon(QPolygonF{QPointF(r.center().x(), r.top()), QPointF(r.right() + 1, r.bottom()),
                                      QPointF(r.left() - 1, r.bottom())});
        break;
    case MarkShape::ring:
    case MarkShape::dashedRing: painter.drawEllipse(r); break;
    }
    QFont font = painter.font();
    font.setBold(true);
    font.setPixelSize(std::max(7, static_cast<int>(rect.height() * 0.56)));
    painter.setFont(font);
    painter.setPen(hollow ? colour : readableOn(colour));
    const QRectF place = mark.shape == MarkShape::triangle ? r.translated(0, r.height() * 0.14) : r;
    painter.drawText(place, Qt::AlignCenter | Qt::TextDontClip, QString(QLatin1Char(mark.letter)));
    painter.restore();
}

} // namespace natlens::gui
