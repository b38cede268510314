#include "app/gui/words.h"

#include "tracer/diagram/diagram.h"

#include <QFontDatabase>
#include <QStringList>

#include <algorithm>
#include <cmath>

namespace natlens::gui {

namespace {
const QString kDash = QStringLiteral("–");
const QString kArrow = QStringLiteral(" → ");
} // namespace

QString addressText(const packet::SocketAddress &address) {
    return address.ip.isNone() ? kDash : text(address.toString());
}

QString serviceText(const tracer::Path &path) {
    if (path.service) {
        const tracer::ServiceRef &s = *path.service;
        QString words = text(diagram::describe(s));
        if (!s.name.empty() && s.port != 0) words += ":" + QString::number(s.port);
        if (s.via != tracer::Via::none) words += " via " + text(tracer::toString(s.via));
        return words;
    }
    if (path.kind == tracer::PathKind::healthCheck) return QStringLiteral("health check");
    return path.kind == tracer::PathKind::service ? QStringLiteral("service not named") : QStringLiteral("no service");
}

QString connectionText(const tracer::Path &path) {
    return addressText(path.client.address) + kArrow + addressText(path.requested);
}

QString connectionText(const tracer::Path &path, const QFontMetrics &metrics, int width) {
    const QString whole = connectionText(path);
    if (metrics.horizontalAdvance(whole) <= width) return whole;
    const QString requested = addressText(path.requested);
    const QString client = path.client.address.ip.isNone() ? kDash : text(path.client.address.ip.toString());
    if (const QString words = client + kArrow + requested; metrics.horizontalAdvance(words) <= width) return words;
    const int room = width - metrics.horizontalAdvance(kArrow) - 2; // widths of parts are rounded
    const int right =
        std::min(metrics.horizontalAdvance(requested), std::max(room / 2, room - metrics.horizontalAdvance(client)));
    return metrics.elidedText(client, Qt::ElideMiddle, room - right) + kArrow +
           metrics.elidedText(requested, Qt::ElideMiddle, right);
}

QString seenText(const tracer::Path &path) {
    if (path.kind == tracer::PathKind::healthCheck)
        return path.http && path.http->status != 0 ? "answered " + QString::number(path.http->status)
                                                   : QStringLiteral("no answer seen");
    if (!path.seenByEndpoint) {
        const bool stopped = path.outcome == tracer::Outcome::dropped || path.outcome == tracer::Outcome::rejected;
        return stopped && !path.endpoint ? QStringLiteral("no endpoint reached")
                                         : QStringLiteral("what the endpoint saw was not captured");
    }
    return "endpoint saw " + text(path.seenByEndpoint->ip.toString());
}

QString outcomeText(const tracer::Path &path) {
    return text(diagram::describeOutcome(path));
}

QString findingsText(const tracer::Path &path) {
    if (path.findings.empty()) return {};
    return path.findings.size() == 1 ? QStringLiteral("1 finding")
                                     : QString::number(path.findings.size()) + " findings";
}

QString filterText(const tracer::Path &path) {
    QStringList words{text(path.id),
                      text(packet::toString(path.protocol)),
                      text(tracer::toString(path.kind)),
                      outcomeText(path),
                      serviceText(path),
                      connectionText(path),
                      seenText(path),
                      text(path.client.node)};
    if (path.endpoint)
        words << text(path.endpoint->pod) << text(path.endpoint->node) << addressText(path.endpoint->address);
    for (const tracer::Hop &hop : path.hops) {
        words << text(hop.host);
        for (const tracer::Nat nat : hop.nat)
            words << text(tracer::toString(nat));
    }
    for (const tracer::Finding &finding : path.findings)
        words << text(finding.code);
    return words.join(' ').toLower();
}

QString evidenceText(const tracer::Hop &hop) {
    QStringList kinds;
    for (const tracer::EvidenceKind kind : hop.evidence)
        kinds << text(tracer::toString(kind));
    if (hop.inferred) kinds << QStringLiteral("inferred, not captured");
    if (kinds.isEmpty()) return kDash;
    return kinds.join(", ");
}

QFont addressFont() {
    return QFontDatabase::systemFont(QFontDatabase::FixedFont);
}

QFont resized(QFont font, double points) {
    font.setPointSizeF(std::max(7.0, (font.pointSizeF() > 0 ? font.pointSizeF() : 10.0) + points));
    return font;
}

} // namespace natlens::gui
