#include "app/gui/hop_model.h"

#include "app/gui/words.h"
#include "tracer/diagram/diagram.h"

#include <algorithm>
#include <cmath>

namespace natlens::gui {

using tracer::Hop;
using tracer::HopEnd;
using tracer::Nat;
using tracer::Path;

namespace {

const QString kFrom = QStringLiteral("from ");
const QString kTo = QStringLiteral("to   "); // same width as "from " in the address font

QString endText(const std::optional<HopEnd> &end, const QString &absent) {
    return end ? kFrom + addressText(end->src) + "\n" + kTo + addressText(end->dst) : absent;
}

const QString kNotCaptured = QStringLiteral("not captured");

bool isClient(const Path &path, const Hop &hop) {
    return hop.role == tracer::HostRole::client || (!path.client.node.empty() && hop.host == path.client.node);
}

bool isEndpoint(const Path &path, const Hop &hop) {
    return hop.role == tracer::HostRole::pod || (path.endpoint && hop.host == path.endpoint->host);
}

QString inText(const Path &path, const Hop &hop) {
    const bool request = hop.direction == tracer::Direction::request;
    const bool starts = request ? isClient(path, hop) : isEndpoint(path, hop);
    return endText(hop.in, !hop.out ? QStringLiteral("–") : starts ? QStringLiteral("starts here") : kNotCaptured);
}

/// Nothing came out only where something should have been seen to.
QString outText(const Path &path, const Hop &hop) {
    if (hop.out || !hop.in) return endText(hop.out, QStringLiteral("–"));
    const bool request = hop.direction == tracer::Direction::request;
    if (request ? isEndpoint(path, hop) : isClient(path, hop)) return QStringLiteral("ends here");
    const bool dropped = path.droppedAt == hop.host && path.dropDirection == hop.direction;
    const bool last = std::none_of(path.hops.begin() + (&hop - path.hops.data()) + 1, path.hops.end(),
                                   [&](const Hop &later) { return later.direction == hop.direction; });
    return dropped || (last && path.outcome == tracer::Outcome::rejected) ? QStringLiteral("nothing came out")
                                                                          : kNotCaptured;
}

QString natText(const Hop &hop) {
    QStringList words;
    for (const Nat nat : hop.nat)
        words << text(tracer::toString(nat));
    return words.join('\n');
}

QString ttlText(const Hop &hop) {
    if (hop.in && hop.out) return QString("%1 → %2").arg(hop.in->ttl).arg(hop.out->ttl);
    if (hop.in) return QString::number(hop.in->ttl);
    return hop.out ? QString::number(hop.out->ttl) : QString();
}

QString lines(const QString &first, const QString &second) {
    return second.isEmpty() ? first : first.isEmpty() ? second : first + "\n" + second;
}

QString hostText(const Hop &hop) {
    return lines(text(hop.host), text(tracer::toString(hop.direction)));
}

QString confidenceText(const Hop &hop) {
    if (hop.evidence.empty()) return hop.inferred ? QStringLiteral("inferred") : QString();
    return QString("confidence %1 %").arg(std::lround(hop.confidence * 100));
}

/// Marks address and port of one line if they differ from the other side's.
void markLine(std::vector<ChangedPart> &parts, const packet::SocketAddress &mine, const packet::SocketAddress &other,
              int lineStart, Nat nat) {
    if (mine == other || mine.ip.isNone()) return;
    const int whole = static_cast<int>(addressText(mine).size());
    const int port = static_cast<int>(QString::number(mine.port).size());
    if (mine.ip != other.ip && mine.port != other.port)
        parts.push_back({lineStart, whole, nat});
    else if (mine.ip != other.ip)
        parts.push_back({lineStart, whole - port - 1, nat});
    else
        parts.push_back({lineStart + whole - port, port, nat});
}

} // namespace

std::vector<ChangedPart> changedParts(const Hop &hop, bool after) {
    std::vector<ChangedPart> parts;
    if (!hop.in || !hop.out) return parts;
    const HopEnd &mine = after ? *hop.out : *hop.in;
    const HopEnd &other = after ? *hop.in : *hop.out;
    const int firstLine = static_cast<int>(kFrom.size());
    const int secondLine = static_cast<int>(kFrom.size() + addressText(mine.src).size() + 1 + kTo.size());
    // On the way back a translation is undone at the other end: what DNAT made of the destination is now the source.
    const bool reply = hop.direction == tracer::Direction::reply;
    markLine(parts, mine.src, other.src, firstLine, reply ? Nat::dnat : Nat::snat);
    markLine(parts, mine.dst, other.dst, secondLine, reply ? Nat::snat : Nat::dnat);
    return parts;
}

void HopModel::setPath(std::shared_ptr<const tracer::Path> path) {
    if (path == m_path) return;
    const auto keep = [&] {
        return m_path && path && m_path->id == path->id && m_path->hops.size() == path->hops.size();
    };
    if (keep()) {
        m_path = std::move(path);
        if (rowCount() > 0) Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
        return;
    }
    beginResetModel();
    m_path = std::move(path);
    endResetModel();
}

int HopModel::rowOfHost(const std::string &host) const {
    for (int row = 0; row < rowCount(); ++row)
        if (hop(row).host == host) return row;
    return -1;
}

int HopModel::rowCount(const QModelIndex &parent) const {
    return parent.isValid() || !m_path ? 0 : static_cast<int>(m_path->hops.size());
}

int HopModel::columnCount(const QModelIndex &parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant HopModel::data(const QModelIndex &index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) return {};
    const Hop &h = hop(index.row());
    const int column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        switch (column) {
        case HostColumn: return hostText(h);
        case InColumn: return inText(*m_path, h);
        case OutColumn: return outText(*m_path, h);
        case NatColumn: return natText(h);
        case TtlColumn: return ttlText(h);
        case RuleColumn: return lines(text(h.rule), text(h.ruleField));
        case EvidenceColumn: return lines(evidenceText(h), confidenceText(h));
        default: return {};
        }
    case Qt::ToolTipRole: {
        QString words = text(diagram::describe(h)).trimmed();
        if (h.captureDrops > 0) words += QString("\nThe capture lost %1 packets on this host.").arg(h.captureDrops);
        return words;
    }
    case Qt::AccessibleTextRole:
        return column == HostColumn ? text(diagram::describe(h)).trimmed() : data(index, Qt::DisplayRole);
    case Qt::TextAlignmentRole:
        return QVariant::fromValue(
            Qt::Alignment(Qt::AlignVCenter | (column == TtlColumn ? Qt::AlignHCenter : Qt::AlignLeft)));
    case MonospaceRole: return (column == InColumn && h.in) || (column == OutColumn && h.out) || column == TtlColumn;
    case ChangedRole:
        if (column == InColumn || column == OutColumn) return QVariant::fromValue(changedParts(h, column == OutColumn));
        return {};
    default: return {};
    }
}

QVariant HopModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (role != Qt::DisplayRole) return {};
    if (orientation == Qt::Vertical) return section + 1;
    switch (section) {
    case HostColumn: return QStringLiteral("Host");
    case InColumn: return QStringLiteral("Before");
    case OutColumn: return QStringLiteral("After");
    case NatColumn: return QStringLiteral("Translation");
    case TtlColumn: return QStringLiteral("TTL");
    case RuleColumn: return QStringLiteral("Decided by");
    case EvidenceColumn: return QStringLiteral("Evidence");
    default: return {};
    }
}

} // namespace natlens::gui
