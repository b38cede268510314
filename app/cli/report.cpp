#include "app/cli/report.h"

#include "app/cli/path_choice.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/telling.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

namespace natlens::cli {
namespace {

using tracer::Path;

Style styleOf(const Path &path) {
    switch (path.outcome) {
    case tracer::Outcome::delivered: return Style::good;
    case tracer::Outcome::incomplete: return Style::muted;
    default: return Style::bad;
    }
}

std::string outcomeText(const Path &path) {
    std::string text = diagram::describeOutcome(path);
    if (path.http && path.http->status != 0) text += fmt::format(", HTTP {}", path.http->status);
    if (path.attempts > 1) text += fmt::format(", {} attempts", path.attempts);
    return text;
}

std::string endpointText(const Path &path) {
    if (!path.endpoint) return "no endpoint seen";
    const tracer::EndpointEnd &end = *path.endpoint;
    std::string name = !end.pod.empty() ? end.pod : !end.host.empty() ? end.host : end.address.toString();
    if (!end.node.empty() && end.node != name) name += " on " + end.node;
    if (!path.seenByEndpoint) return name;
    std::string text = fmt::format("{} sees {}", name, diagram::inWords(*path.seenByEndpoint));
    if (path.sourcePreserved)
        text += *path.sourcePreserved ? " (client's address kept)" : " (client's address replaced)";
    return text;
}

void printPaths(Output &output, const tracer::Snapshot &snapshot) {
    if (snapshot.paths.empty()) return;
    output.write(output.styled(Style::bold, "Paths") + "\n");
    for (const bool housekeeping : {false, true})
        for (const auto &path : snapshot.paths)
            if (tracer::isHousekeeping(*path) == housekeeping) output.write(pathLine(output, *path) + "\n");
    output.write("\n");
}

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

std::string listed(const std::vector<std::string> &ids, std::uint64_t of) {
    return fmt::format("{}{}", fmt::join(ids, ", "), of > ids.size() ? ", ..." : "");
}

/// The same finding on several paths is one finding.
void printFindings(Output &output, const tracer::Snapshot &snapshot) {
    struct Group {
        const tracer::Finding *finding;
        std::vector<std::string> paths;
        std::uint64_t connections = 0;
    };
    std::vector<Group> groups;
    if (snapshot.all) {
        for (const tracer::FindingGroup &found : snapshot.all->summary().findings)
            groups.push_back({&found.finding, found.examples, found.connections});
    }
    for (const auto &path : snapshot.paths) {
        if (snapshot.all) break;
        for (const tracer::Finding &finding : path->findings) {
            auto group = std::find_if(groups.begin(), groups.end(), [&](const Group &other) {
                return other.finding->code == finding.code && other.finding->text == finding.text;
            });
            if (group == groups.end()) group = groups.insert(groups.end(), {&finding, {}});
            group->paths.push_back(path->id);
            ++group->connections;
        }
    }
    if (groups.empty()) return;
    output.write(output.styled(Style::bold, "Findings") + "\n");
    for (const Group &group : groups) {
        std::string paths = listed(group.paths, group.connections);
        if (group.connections > group.paths.size())
            paths = fmt::format("{} connections: {}", grouped(group.connections), paths);
        const Style style = group.finding->severity == tracer::Severity::error     ? Style::bad
                            : group.finding->severity == tracer::Severity::warning ? Style::warning
                                                                                   : Style::plain;
        const auto write = [&](const std::string &text) { output.write(wrapped(text, 6, output.columns()) + "\n"); };
        const tracer::Finding &finding = *group.finding;
        // Colours take no columns: they come when the lines are made.
        std::string text = wrapped(fmt::format("  {} {} ({})", finding.code, finding.text, paths), 6, output.columns());
        text.replace(2, finding.code.size(), output.styled(style, finding.code));
        output.write(text + "\n");
        if (!finding.fix.empty()) write("      what helps: " + finding.fix);
        if (!finding.cost.empty()) write("      what that costs: " + finding.cost);
    }
    output.write("\n");
}

void printComparisons(Output &output, const std::vector<session::Comparison> &comparisons) {
    if (comparisons.empty()) return;
    const bool unicode = unicodeLocale();
    output.write(output.styled(Style::bold, "Expected by the document, and observed") + "\n");
    for (const session::Comparison &comparison : comparisons) {
        const std::string mark = comparison.met ? output.styled(Style::good, unicode ? "\u2713" : "ok ")
                                                : output.styled(Style::bad, unicode ? "\u2717" : "NOT");
        output.write(fmt::format("  {} {}\n    {}observed: {}\n", mark, comparison.expected, unicode ? "" : "  ",
                                 comparison.observed));
    }
    output.write("\n");
}

/// Losses first: they limit what everything else means.
void printLosses(Output &output, const tracer::Snapshot &snapshot) {
    for (const tracer::CapturePointStatus &point : snapshot.points) {
        if (point.dropped == 0) continue;
        output.write(
            output.styled(Style::warning,
                          fmt::format("The capture lost {} packets at {}: what is missing there may have been sent.",
                                      point.dropped, point.name)) +
            "\n");
    }
}

/// Only where there is something to say: most sources have one clock.
void printClocks(Output &output, const tracer::Snapshot &snapshot) {
    const auto worthSaying = [](const tracer::Host &host) {
        return host.clock && (host.clock->changesTimes() || !host.clock->steps.empty());
    };
    if (std::none_of(snapshot.hosts.begin(), snapshot.hosts.end(), worthSaying)) return;
    output.write(output.styled(Style::bold, "Clocks") + "\n");
    for (const tracer::Host &host : snapshot.hosts)
        if (host.clock) output.write(fmt::format("  {}: {}\n", host.name, tracer::inWords(*host.clock)));
    output.write("\n");
}

std::string requestedText(const tracer::PathGroup &group) {
    return group.severalPorts ? group.example.requested.ip.toString() + ", several ports"
                              : diagram::inWords(group.example.requested);
}

/// What the paths of a group have in common: no ports of clients, no times.
std::string groupText(const Output &output, const tracer::PathGroup &group) {
    const Path &path = group.example;
    std::string text;
    if (path.kind == tracer::PathKind::healthCheck) text = "health check ";
    if (path.kind == tracer::PathKind::direct) text = "direct ";
    if (path.service && !path.service->name.empty()) text += diagram::describe(*path.service) + " ";
    text += fmt::format("{}{} {}: ", path.client.node.empty() ? "" : path.client.node + " ",
                        unicodeLocale() ? "\u2192" : "->", requestedText(group));
    if (path.endpoint) {
        const tracer::EndpointEnd &end = *path.endpoint;
        text += !end.pod.empty() ? end.pod : !end.host.empty() ? end.host : end.address.ip.toString();
        if (path.sourcePreserved)
            text += *path.sourcePreserved ? " (client's address kept)" : " (client's address replaced)";
        text += ", ";
    }
    return text + output.styled(styleOf(path), diagram::describeOutcome(path));
}

/// Too many paths for a line each: how many of which kind, and examples.
void printSummary(Output &output, const tracer::Snapshot &snapshot) {
    constexpr std::size_t kGroups = 40, kExamples = 20;
    const tracer::Summary &summary = snapshot.all->summary();
    std::string outcomes;
    for (std::size_t i = 0; i < summary.outcomes.size(); ++i)
        if (summary.outcomes[i] != 0)
            outcomes += fmt::format("{}{} {}", outcomes.empty() ? "" : ", ", grouped(summary.outcomes[i]),
                                    tracer::toString(static_cast<tracer::Outcome>(i)));
    output.write(output.styled(Style::bold, "Connections") + fmt::format(": {} in {} packets: {}\n\n",
                                                                         grouped(summary.connections),
                                                                         grouped(snapshot.packets), outcomes));
    std::size_t shown = 0;
    std::uint64_t left = summary.connections;
    for (const tracer::PathGroup &group : summary.groups) {
        const bool isRest = summary.hasRest && &group == &summary.groups.back();
        if (shown == kGroups || isRest) break;
        ++shown;
        left -= group.connections;
        output.write(fmt::format("  {:>10} {} ({})\n", grouped(group.connections), groupText(output, group),
                                 listed(group.examples, group.connections)));
    }
    if (left != 0)
        output.write(fmt::format("  {:>10} of other kinds; --json has all of them, --filter fewer\n", grouped(left)));
    output.write("\n");
    shown = 0;
    auto examples = withPaths(snapshot, kExamples).paths;
    std::ranges::stable_sort(examples, {}, [](const auto &path) { return tracer::tellingOf(*path); });
    for (const auto &path : examples) {
        const bool endedWell =
            path->outcome == tracer::Outcome::delivered || path->outcome == tracer::Outcome::incomplete;
        if (endedWell && path->findings.empty()) continue;
        if (shown++ == 0)
            output.write(output.styled(Style::bold, "Examples of those with findings, or that did not end well") +
                         "\n");
        output.write(pathLine(output, *path) + "\n");
    }
    if (shown != 0) output.write("\n");
}

/// The document draws Services and their health checks; of other connections its pictures would show next to nothing.
bool isAboutServices(const tracer::Snapshot &snapshot) {
    return std::ranges::any_of(snapshot.paths, [](const auto &path) {
        return path->kind == tracer::PathKind::service || path->kind == tracer::PathKind::healthCheck;
    });
}

} // namespace

std::string pathLine(const Output &output, const Path &path) {
    const std::string client = path.client.node.empty()
                                   ? diagram::inWords(path.client.address)
                                   : fmt::format("{} {}", path.client.node, diagram::inWords(path.client.address));
    std::string what;
    if (path.kind == tracer::PathKind::healthCheck) what = "health check ";
    if (path.kind == tracer::PathKind::direct) what = "direct ";
    const std::string outcome = outcomeText(path);
    std::string line =
        wrapped(fmt::format("  {:<4} {}{} {} {}: {}, {}", path.id, what, client, unicodeLocale() ? "\u2192" : "->",
                            diagram::inWords(path.requested), endpointText(path), outcome),
                7, output.columns());
    // Colours take no columns; an outcome that goes over two lines has none.
    if (line.ends_with(outcome))
        line.replace(line.size() - outcome.size(), outcome.size(), output.styled(styleOf(path), outcome));
    return line;
}

std::string remarkOn500(const tracer::Snapshot &snapshot) {
    const bool shown = std::any_of(snapshot.paths.begin(), snapshot.paths.end(), [](const auto &path) {
        return path->kind == tracer::PathKind::healthCheck && path->http && path->http->status == 500;
    });
    if (!shown) return {};
    return "Note: the document's drawing says 500 for a failed health check; kube-proxy has always answered 503 "
           "(natlens lab run loadbalancer-local --profile document shows that).";
}

void printReport(Output &output, const session::View &view) {
    const tracer::Snapshot &snapshot = *view.traced;
    if (!view.lab.scenario.empty())
        output.write(output.styled(Style::bold, view.lab.scenario) + ": " + view.lab.summary + "\n\n");
    // The document's picture where it can be drawn: small, and with the lines below it nothing is missing.
    // With very many paths a picture shows nothing.
    const bool few = snapshot.paths.size() <= kDrawnPaths;
    std::string picture = few && isAboutServices(snapshot) ? diagram::renderDocument(snapshot) : std::string();
    if (picture.empty() && unicodeLocale() && few)
        picture = diagram::renderUnicode(snapshot, {.columns = output.pictureColumns()});
    if (!picture.empty()) output.write(picture + "\n");
    printLosses(output, snapshot);
    if (snapshot.all) {
        printSummary(output, snapshot);
    } else if (snapshot.paths.empty()) {
        output.write(
            fmt::format("No connections in {} packets{}.\n\n", snapshot.packets,
                        snapshot.undecodable ? fmt::format(" ({} not understood)", snapshot.undecodable) : ""));
    } else {
        printPaths(output, snapshot);
    }
    printFindings(output, snapshot);
    printClocks(output, snapshot);
    printComparisons(output, view.lab.comparisons);
    if (const std::string remark = remarkOn500(snapshot); !remark.empty()) output.write(remark + "\n");
}

} // namespace natlens::cli
