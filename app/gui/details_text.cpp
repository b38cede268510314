#include "app/gui/details_text.h"

#include "app/gui/words.h"

namespace natlens::gui {

using diagram::Token;

namespace {

QString html(const std::string &s) {
    return text(s).toHtmlEscaped();
}

QString heading(const QString &words) {
    return "<p style='margin-top:10px; margin-bottom:2px'><b>" + words + "</b></p>";
}

QString paragraph(const QString &words) {
    return "<p style='margin-top:2px; margin-bottom:4px'>" + words + "</p>";
}

QString coloured(const QString &words, const QColor &colour) {
    return "<span style='color:" + colour.name() + "'>" + words + "</span>";
}

QString findingHtml(const tracer::Finding &finding, const Theme &theme) {
    const Token token = finding.severity == tracer::Severity::error     ? Token::drop
                        : finding.severity == tracer::Severity::warning ? Token::snat
                                                                        : Token::mutedText;
    QString words =
        heading(coloured(html(finding.code) + " · " + text(tracer::toString(finding.severity)), theme.colour(token)));
    words += paragraph(html(finding.text));
    if (!finding.fix.empty()) words += paragraph("<b>What would help:</b> " + html(finding.fix));
    if (!finding.cost.empty()) words += paragraph("<b>What that costs:</b> " + html(finding.cost));
    if (!finding.field.empty())
        words +=
            paragraph(coloured("Decided by <code>" + html(finding.field) + "</code>", theme.colour(Token::mutedText)));
    if (!finding.packets.empty()) {
        QStringList numbers;
        for (const base::PacketNumber number : finding.packets) {
            if (numbers.size() == 8) {
                numbers << QStringLiteral("…");
                break;
            }
            numbers << QString::number(number.value);
        }
        words += paragraph(coloured("Packets " + numbers.join(", "), theme.colour(Token::mutedText)));
    }
    return words;
}

} // namespace

QString headlineText(const tracer::Path &path) {
    return QString("%1  ·  %2  ·  %3").arg(connectionText(path), outcomeText(path), seenText(path));
}

QString pathHtml(const tracer::Path *path, const Theme &theme) {
    if (path == nullptr) return {};
    QString words;
    for (const tracer::Finding &finding : path->findings)
        words += findingHtml(finding, theme);
    if (path->http) {
        const tracer::HttpExchange &http = *path->http;
        words += heading("HTTP");
        words +=
            paragraph("<code>" + html(http.method + " " + http.target) + "</code> → " +
                      (http.status != 0 ? "<b>" + QString::number(http.status) + "</b>" : QString("no response seen")));
        if (!http.clientAddress.empty())
            words += paragraph("The endpoint answered <code>client_address=" + html(http.clientAddress) + "</code>");
    }
    words += heading("Connection");
    words += paragraph(text(path->id) + ", " + text(packet::toString(path->protocol)) + ", " +
                       serviceText(*path).toHtmlEscaped());
    if (path->endpoint) {
        const tracer::EndpointEnd &end = *path->endpoint;
        words += paragraph("Endpoint " + (end.pod.empty() ? html(end.host) : html(end.pod)) +
                           (end.node.empty() || end.node == end.host ? QString() : " on " + html(end.node)) +
                           ", <code>" + addressText(end.address) + "</code>");
    }
    if (path->sourcePreserved)
        words += paragraph(*path->sourcePreserved ? "The endpoint sees the client's own address."
                                                  : "The endpoint does not see the client's address.");
    QString count = QString::number(path->packets) + " packets";
    if (path->attempts > 1) count += QString(", %1 attempts").arg(path->attempts);
    words += paragraph(coloured(count, theme.colour(Token::mutedText)));
    for (const std::string &note : path->notes)
        words += paragraph(coloured(html(note), theme.colour(Token::snat)));
    return words;
}

QString comparisonsHtml(const session::LabStatus &lab, const Theme &theme) {
    if (lab.comparisons.empty()) return {};
    QString words = heading("Expected by the document, and observed");
    words += "<table cellspacing='0' cellpadding='3' width='100%'>";
    for (const session::Comparison &c : lab.comparisons) {
        const QString mark = c.met ? coloured("<b>✓ met</b>", theme.colour(Token::reply))
                                   : coloured("<b>✗ not met</b>", theme.colour(Token::drop));
        words += "<tr><td width='20%'>" + mark + "</td><td width='40%'>" + html(c.expected) + "</td><td width='40%'>" +
                 html(c.observed) + "</td></tr>";
    }
    return words + "</table>";
}

} // namespace natlens::gui
