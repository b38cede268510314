#include "app/gui/hop_delegate.h"

#include "app/gui/hop_model.h"
#include "app/gui/words.h"

#include <QFontMetrics>
#include <QPainter>
#include <QTextLayout>

#include <algorithm>
#include <cmath>

namespace natlens::gui {

using diagram::Token;

namespace {

constexpr int kPadX = 8;
constexpr int kPadY = 5;

Token tokenOf(tracer::Nat nat) {
    return nat == tracer::Nat::snat ? Token::snat : Token::dnat;
}

} // namespace

QFont HopDelegate::fontFor(const QStyleOptionViewItem &option, const QModelIndex &index) const {
    return index.data(HopModel::MonospaceRole).toBool() ? resized(addressFont(), -0.5) : option.font;
}

QSize HopDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const {
    QFont font = fontFor(option, index);
    if (index.column() == HopModel::InColumn || index.column() == HopModel::OutColumn) font.setBold(true);
    const QFontMetricsF metrics(font);
    double width = 0;
    int count = 2; // every row has room for two lines, so rows line up
    const QStringList all = index.data().toString().split('\n');
    for (const QString &line : all)
        width = std::max(width, metrics.horizontalAdvance(line));
    count = std::max(count, static_cast<int>(all.size()));
    const int extra = index.column() == HopModel::NatColumn ? 16 : 0;
    // One more pixel: widths are fractions, and a text as wide as its cell must not be elided.
    return {static_cast<int>(std::ceil(width)) + 1 + 2 * kPadX + extra,
            static_cast<int>(std::ceil(metrics.lineSpacing() * count)) + 2 * kPadY};
}

void HopDelegate::paintPills(QPainter &painter, const QStyleOptionViewItem &option, const QStringList &words) const {
    QFont font = resized(option.font, -1);
    font.setBold(true);
    painter.setFont(font);
    const QFontMetrics metrics(font);
    const int height = metrics.height();
    const int total = static_cast<int>(words.size()) * (height + 4) - 4;
    int y = option.rect.center().y() - total / 2;
    painter.setRenderHint(QPainter::Antialiasing);
    for (const QString &word : words) {
        const QColor fill =
            m_theme.colour(word == text(tracer::toString(tracer::Nat::snat)) ? Token::snat : Token::dnat);
        const QRect pill(option.rect.left() + kPadX, y, metrics.horizontalAdvance(word) + 14, height);
        painter.setPen(Qt::NoPen);
        painter.setBrush(fill);
        painter.drawRoundedRect(pill, height / 2.0, height / 2.0);
        painter.setPen(readableOn(fill));
        painter.drawText(pill, Qt::AlignCenter, word);
        y += height + 4;
    }
}

void HopDelegate::paintLines(QPainter &painter, const QStyleOptionViewItem &option, const QModelIndex &index) const {
    const QString whole = index.data().toString();
    const QStringList all = whole.split('\n');
    const QFont font = fontFor(option, index);
    const QFontMetrics metrics(font);
    const auto parts = index.data(HopModel::ChangedRole).value<std::vector<ChangedPart>>();
    const int room = option.rect.width() - 2 * kPadX;
    const bool centred = index.column() == HopModel::TtlColumn;

    double y = option.rect.center().y() - metrics.lineSpacing() * static_cast<double>(all.size()) / 2 + 1;
    int start = 0;
    for (qsizetype i = 0; i < all.size(); ++i) {
        const QString &line = all[i];
        QTextLayout layout(parts.empty() ? metrics.elidedText(line, Qt::ElideRight, room) : line, font);
        QList<QTextLayout::FormatRange> formats;
        QTextCharFormat plain;
        plain.setForeground(
            m_theme.colour(i == 0 || index.column() == HopModel::InColumn || index.column() == HopModel::OutColumn
                               ? Token::text
                               : Token::mutedText));
        formats.push_back({0, static_cast<int>(line.size()), plain});
        for (const ChangedPart &part : parts) {
            if (part.start < start || part.start >= start + line.size()) continue;
            QTextCharFormat format;
            format.setForeground(m_theme.colour(tokenOf(part.nat)));
            format.setFontWeight(QFont::Bold);
            formats.push_back({part.start - start, part.length, format});
        }
        layout.setFormats(formats);
        layout.beginLayout();
        QTextLine shaped = layout.createLine();
        shaped.setLineWidth(1e6);
        layout.endLayout();
        const double x =
            centred ? option.rect.center().x() - shaped.naturalTextWidth() / 2 : option.rect.left() + kPadX;
        layout.draw(&painter, QPointF(x, y));
        y += metrics.lineSpacing();
        start += static_cast<int>(line.size()) + 1;
    }
}

void HopDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const {
    painter->save();
    painter->setClipRect(option.rect);
    if (option.state & QStyle::State_Selected) painter->fillRect(option.rect, m_theme.tint(Token::selection, 0.16));
    const QString words = index.data().toString();
    if (index.column() == HopModel::NatColumn && !words.isEmpty())
        paintPills(*painter, option, words.split('\n'));
    else
        paintLines(*painter, option, index);
    if ((option.state & QStyle::State_HasFocus) && (option.state & QStyle::State_KeyboardFocusChange)) {
        painter->setPen(QPen(m_theme.colour(Token::text), 1, Qt::DotLine));
        painter->setBrush(Qt::NoBrush);
        painter->drawRect(option.rect.adjusted(1, 1, -2, -2));
    }
    painter->restore();
}

} // namespace natlens::gui
