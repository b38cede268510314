#include "app/gui/words.h"

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
        QString words = text(s.nameSpace.empty() ? s.name : s.nameSpace + "/" + s.name) + ":" + QString::number(s.port);
        if (s.via != tracer::Via::none) words += " via " + text(tracer::toString(s.via));
        return words;
    }
    if (path.kind == tracer::PathKind::healthCheck) return QStringLiteral("health check");
    return path.kind == tracer::PathKind::service ? QStringLiteral("service not named") : QStringLiteral("no service");
}

QString connectionText(const tracer::Path &path) {
    return addressText(path.client.address) + kArrow + addressText(path.requested);
}

QString seenText(const tracer::Path &path) {
    if (path.kind == tracer::PathKind::healthCheck)
        return path.http && path.http->status != 0 ? "answered " + QString::number(path.http->status)
                                                   : QStringLiteral("no answer seen");
    if (!path.seenByEndpoint) return QStringLiteral("no endpoint reached");
    return "endpoint saw " + text(path.seenByEndpoint->ip.toString());
}

QString outcomeText(const tracer::Path &path) {
    QString words = text(tracer::toString(path.outcome));
    if (!path.droppedAt.empty()) words += " at " + text(path.droppedAt);
    return words;
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
