#include "app/gui/path_delegate.h"

#include "app/gui/outcome_mark.h"
#include "app/gui/path_model.h"
#include "app/gui/words.h"

#include <QFontMetrics>
#include <QPainter>

#include <algorithm>

namespace natlens::gui {

using diagram::Token;

namespace {

constexpr int kPad = 8;
constexpr int kMark = 20;

const PathModel *modelOf(const QModelIndex &index) {
    return qobject_cast<const PathModel *>(index.model());
}

Token severityColour(const tracer::Path &path) {
    for (const tracer::Finding &finding : path.findings)
        if (finding.severity == tracer::Severity::error) return Token::drop;
    return Token::snat;
}

} // namespace

QSize PathDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &) const {
    const int lines =
        QFontMetrics(resized(addressFont(), 0)).height() + QFontMetrics(resized(option.font, -1)).height();
    return {200, lines + 2 * kPad};
}

void PathDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const {
    const PathModel *model = modelOf(index);
    if (model == nullptr) return QStyledItemDelegate::paint(painter, option, index);
    const tracer::Path &path = *model->path(index.row());

    painter->save();
    const QRect r = option.rect;
    if (option.state & QStyle::State_Selected) {
        painter->fillRect(r, m_theme.tint(Token::selection, 0.18));
        painter->fillRect(QRect(r.left(), r.top(), 3, r.height()), m_theme.colour(Token::selection));
    } else if (option.state & QStyle::State_MouseOver) {
        painter->fillRect(r, m_theme.tint(Token::selection, 0.08));
    }
    paintMark(*painter, QRectF(r.left() + kPad + 2, r.top() + (r.height() - kMark) / 2.0, kMark, kMark),
              outcomeMark(path), m_theme);

    const int left = r.left() + kPad + kMark + 12;
    const int width = r.right() - kPad - left;
    const QFont upper = resized(addressFont(), -0.5);
    const QFont lower = resized(option.font, -1);
    const QFontMetrics upperMetrics(upper);
    const QFontMetrics lowerMetrics(lower);
    const int upperBase = r.top() + kPad + upperMetrics.ascent();
    const int lowerBase = r.top() + kPad + upperMetrics.height() + 1 + lowerMetrics.ascent();

    painter->setFont(upper);
    painter->setPen(m_theme.colour(Token::text));
    painter->drawText(left, upperBase, connectionText(path, upperMetrics, width));

    painter->setFont(lower);
    int room = width;
    if (const QString findings = findingsText(path); !findings.isEmpty()) {
        const int wide = lowerMetrics.horizontalAdvance(findings);
        painter->setPen(m_theme.colour(severityColour(path)));
        painter->drawText(left + width - wide, lowerBase, findings);
        room -= wide + 10;
    }
    const bool delivered = path.outcome == tracer::Outcome::delivered;
    const QString words = (delivered ? seenText(path) : outcomeText(path)) + " · " + serviceText(path);
    painter->setPen(m_theme.colour(Token::mutedText));
    painter->drawText(left, lowerBase, lowerMetrics.elidedText(words, Qt::ElideRight, std::max(0, room)));

    painter->setPen(m_theme.tint(Token::text, 0.1));
    painter->drawLine(r.left() + kPad, r.bottom(), r.right() - kPad, r.bottom());
    if ((option.state & QStyle::State_HasFocus) && (option.state & QStyle::State_KeyboardFocusChange)) {
        painter->setPen(QPen(m_theme.colour(Token::text), 1, Qt::DotLine));
        painter->setBrush(Qt::NoBrush);
        painter->drawRect(r.adjusted(4, 2, -3, -3));
    }
    painter->restore();
}

} // namespace natlens::gui
