// Small texts that several widgets show, made at display time.
#pragma once

#include "tracer/path/path.h"

#include <QFont>
#include <QFontMetrics>
#include <QString>

namespace natlens::gui {

[[nodiscard]] inline QString text(const std::string &s) {
    return QString::fromUtf8(s.data(), static_cast<qsizetype>(s.size()));
}
[[nodiscard]] inline QString text(std::string_view s) {
    return QString::fromUtf8(s.data(), static_cast<qsizetype>(s.size()));
}

/// "104.132.1.79:53210", or a dash when unknown.
[[nodiscard]] QString addressText(const packet::SocketAddress &address);
/// "default/nodeport:80 via nodePort", "a Service via nodePort" without a name, "health check", or "no service".
[[nodiscard]] QString serviceText(const tracer::Path &path);
/// "104.132.1.79:53210 -> 10.240.0.5:32080" with a real arrow.
[[nodiscard]] QString connectionText(const tracer::Path &path);
/// The same in at most `width` pixels: without the client's port if need be, then cut, but never the arrow.
[[nodiscard]] QString connectionText(const tracer::Path &path, const QFontMetrics &metrics, int width);
/// "endpoint saw 10.240.0.5", "what the endpoint saw was not captured"; "no endpoint reached" only where packets were
/// stopped on the way.
[[nodiscard]] QString seenText(const tracer::Path &path);
/// "delivered", "dropped at node1", ...
[[nodiscard]] QString outcomeText(const tracer::Path &path);
/// "1 finding", "3 findings", "" for none.
[[nodiscard]] QString findingsText(const tracer::Path &path);
/// Everything a filter line may match, in lower case.
[[nodiscard]] QString filterText(const tracer::Path &path);
/// "conntrack, tcp-isn · 100 %".
[[nodiscard]] QString evidenceText(const tracer::Hop &hop);

/// The system's fixed-width font: for addresses.
[[nodiscard]] QFont addressFont();
/// `font` with its size changed by `points`, never below 7.
[[nodiscard]] QFont resized(QFont font, double points);

} // namespace natlens::gui
