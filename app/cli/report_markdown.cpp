#include "app/cli/report_markdown.h"

#include "app/cli/markdown.h"
#include "app/cli/path_choice.h"
#include "app/cli/report_commands.h"
#include "app/cli/report_connections.h"
#include "tracer/diagram/diagram.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

namespace natlens::cli {
namespace {

using tracer::Path;
using tracer::Snapshot;

/// Evidence is named by packet numbers; after so many the rest is counted.
constexpr std::size_t kPacketsNamed = 12, kPathsNamed = 10;

/// "2023-11-14 22:13:20.000012345 UTC".
std::string utc(base::Timestamp time) {
    std::int64_t seconds = time.nanoseconds / 1'000'000'000, part = time.nanoseconds % 1'000'000'000;
    if (part < 0) {
        part += 1'000'000'000;
        --seconds;
    }
    const std::time_t clock = seconds;
    std::tm fields{};
    ::gmtime_r(&clock, &fields);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:09} UTC", fields.tm_year + 1900, fields.tm_mon + 1,
                       fields.tm_mday, fields.tm_hour, fields.tm_min, fields.tm_sec, part);
}

/// The same finding on several paths is one.
struct FindingGroup {
    const tracer::Finding *finding = nullptr;
    std::vector<std::string> paths, packets; ///< of very many connections some
    std::uint64_t connections = 0;
};

std::vector<FindingGroup> groupFindings(const Snapshot &snapshot) {
    std::vector<FindingGroup> groups;
    if (snapshot.all)
        for (const tracer::FindingGroup &found : snapshot.all->summary().findings)
            groups.push_back({&found.finding, found.examples, {}, found.connections});
    for (const auto &path : snapshot.paths) {
        for (const tracer::Finding &finding : path->findings) {
            auto group = std::ranges::find_if(groups, [&](const FindingGroup &other) {
                return other.finding->code == finding.code && other.finding->text == finding.text;
            });
            if (group == groups.end() && snapshot.all) continue; // counted under other words
            if (group == groups.end()) group = groups.insert(groups.end(), {&finding, {}, {}});
            if (!snapshot.all) {
                group->paths.push_back(path->id);
                ++group->connections;
            }
            for (const auto number : finding.packets)
                group->packets.push_back(std::to_string(number.value));
        }
    }
    std::ranges::stable_sort(groups, std::ranges::greater{}, [](const FindingGroup &g) { return g.finding->severity; });
    return groups;
}

std::string summary(const session::View &view, const std::vector<FindingGroup> &findings) {
    const Snapshot &snapshot = *view.traced;
    std::map<std::string_view, std::uint64_t> outcomes;
    for (const auto &path : snapshot.paths)
        if (!snapshot.all) ++outcomes[tracer::toString(path->outcome)];
    for (std::size_t i = 0; snapshot.all && i < snapshot.all->summary().outcomes.size(); ++i)
        if (const auto count = snapshot.all->summary().outcomes[i]; count != 0)
            outcomes[tracer::toString(static_cast<tracer::Outcome>(i))] = count;
    std::vector<std::string> ends, grave;
    for (const auto &[outcome, count] : outcomes)
        ends.push_back(fmt::format("{} {}", count, outcome));
    const auto points = std::ranges::count_if(snapshot.points, [](const auto &point) { return !point.evidence; });
    std::string text = fmt::format("{} in {} from {}", counted(pathCount(snapshot), "connection", "connections"),
                                   counted(snapshot.packets, "packet", "packets"),
                                   counted(static_cast<std::uint64_t>(points), "capture point", "capture points"));
    if (snapshot.firstTime.nanoseconds != 0)
        text += fmt::format(", {} to {}", utc(snapshot.firstTime), utc(snapshot.lastTime));
    text += ends.empty() ? ". " : fmt::format(": {}. ", fmt::join(ends, ", "));
    std::vector<std::pair<std::string, std::uint64_t>> codes; // the gravest first, each once
    for (const FindingGroup &group : findings) {
        const std::string what = fmt::format("{} ({}", group.finding->code, tracer::toString(group.finding->severity));
        auto known = std::ranges::find(codes, what, &std::pair<std::string, std::uint64_t>::first);
        if (known == codes.end()) known = codes.insert(codes.end(), {what, 0});
        known->second += group.connections;
    }
    for (const auto &[what, connections] : codes)
        grave.push_back(fmt::format("{}, {})", what, counted(connections, "connection", "connections")));
    text += grave.empty() ? "No findings. " : fmt::format("Findings: {}. ", names(std::move(grave), kPathsNamed));
    std::uint64_t lost = 0;
    for (const auto &point : snapshot.points)
        lost += point.dropped;
    if (lost != 0)
        text += fmt::format("The captures lost {}: what is missing may have been sent. ",
                            counted(lost, "packet", "packets"));
    if (!view.problem.empty()) text += "The input was not read to its end: " + view.problem + ". ";
    return inText(text);
}

std::string picture(const Snapshot &snapshot) {
    constexpr std::size_t kDrawn = 20;
    const Snapshot drawn = withPaths(snapshot, kDrawn);
    const std::string text = diagram::renderUnicode(drawn, {.kinds = diagram::kindsOf(snapshot, drawn)});
    if (text.empty()) return {};
    std::string section = "\n## Picture\n\n" + codeBlock(text);
    if (drawn.paths.size() < pathCount(snapshot))
        section += fmt::format("\nDrawn: {} of {} connections, those with findings first, then those of Services.\n",
                               drawn.paths.size(), pathCount(snapshot));
    return section;
}

std::string findingsSection(const std::vector<FindingGroup> &findings) {
    if (findings.empty()) return {};
    std::string section = "\n## Findings\n";
    for (const FindingGroup &group : findings) {
        const tracer::Finding &finding = *group.finding;
        section += fmt::format("\n### {} ({})\n\n{}\n\n", inText(finding.code), tracer::toString(finding.severity),
                               inText(finding.text));
        if (!finding.field.empty()) section += fmt::format("* Decided by: {}\n", inCode(finding.field));
        if (!finding.fix.empty()) section += fmt::format("* What helps: {}\n", inText(finding.fix));
        if (!finding.cost.empty()) section += fmt::format("* What that costs: {}\n", inText(finding.cost));
        if (!finding.reference.empty()) section += fmt::format("* See: <{}>\n", finding.reference);
        const std::string some =
            group.connections > group.paths.size() ? fmt::format("{}, as ", group.connections) : "";
        section += fmt::format("* Connections: {}{}\n", some, inText(names(group.paths, kPathsNamed)));
        if (!group.packets.empty())
            section += fmt::format("* Evidence: packets {}\n", names(group.packets, kPacketsNamed));
    }
    return section;
}

std::string comparisons(const session::View &view) {
    if (view.lab.comparisons.empty()) return {};
    std::string section =
        fmt::format("\n## Expected of {}\n\n", inText(view.lab.scenario)) + tableHead({"met", "expected", "observed"});
    for (const session::Comparison &comparison : view.lab.comparisons)
        section +=
            tableRow({comparison.met ? "yes" : "**no**", inText(comparison.expected), inText(comparison.observed)});
    return section;
}

std::string clocks(const Snapshot &snapshot) {
    if (std::ranges::none_of(snapshot.hosts, [](const auto &host) { return host.clock != nullptr; })) return {};
    std::string section =
        "\n## Clocks\n\n" + tableHead({"host", "offset", "skew", "error at most", "packets", "what was done"});
    for (const tracer::Host &host : snapshot.hosts) {
        if (!host.clock) continue;
        const tracer::HostClock &clock = *host.clock;
        const bool changed = clock.changesTimes();
        section += tableRow({inText(host.name), changed ? tracer::signedSeconds(clock.offset) + " s" : "",
                             changed ? fmt::format("{:+.3f} ppm", tracer::partsPerMillion(clock.skew)) : "",
                             clock.bound && clock.state != tracer::HostClock::State::reference
                                 ? tracer::durationInWords(*clock.bound)
                                 : "",
                             clock.samples != 0 ? std::to_string(clock.samples) : "", inText(tracer::inWords(clock))});
    }
    return section;
}

std::string quality(const session::View &view) {
    const Snapshot &snapshot = *view.traced;
    std::string section =
        "\n## Captures\n\n" + tableHead({"capture point", "packets", "lost", "cut by the snap length"});
    for (const auto &point : snapshot.points)
        section += tableRow({inText(point.name) + (point.evidence ? " (evidence)" : ""), std::to_string(point.packets),
                             std::to_string(point.dropped), std::to_string(point.cut)});
    if (snapshot.undecodable != 0)
        section += fmt::format("\n{} could not be decoded (cut or damaged).\n",
                               counted(snapshot.undecodable, "packet", "packets"));
    if (!view.problem.empty()) section += fmt::format("\nThe input has a fault: {}\n", inText(view.problem));
    return section;
}

std::string reproduce(const Snapshot &snapshot, const Snapshot &shown, const ReportOrigin &origin) {
    std::vector<std::string> words;
    for (const std::string &word : origin.command)
        words.push_back(words.empty() ? "natlens" : shellWord(word));
    std::string section =
        "\n## To look again\n\nThis report:\n\n" + codeBlock(fmt::format("{}\n", fmt::join(words, " ")), "sh");
    std::vector<const Path *> paths;
    for (const auto &path : shown.paths)
        paths.push_back(path.get());
    std::string captures;
    for (const auto &point : snapshot.points) {
        const std::string filter = captureFilter(paths, point.host, point.interface);
        if (point.evidence || filter.empty()) continue;
        std::string file = point.host + "-" + point.interface + ".pcap";
        std::ranges::replace(file, '/', '_');
        captures += fmt::format("# on {}\ntcpdump -i {} -s 256 -B 16384 -w {} {}\n", point.host,
                                shellWord(point.interface.empty() ? "any" : point.interface), shellWord(file),
                                shellWord(filter));
    }
    if (!captures.empty())
        section += "\nCapture it again, at each point at the same time:\n\n" + codeBlock(captures, "sh");
    // Of several files the packet numbers are those of the one that they make together.
    std::string displays, file = origin.files.empty() ? "recording.pcapng" : origin.files.front();
    if (origin.files.size() > 1) {
        file = "together.pcapng";
        std::vector<std::string> files;
        for (const std::string &name : origin.files)
            files.push_back(shellWord(name));
        displays = fmt::format("natlens replay {} --record {} --quiet > /dev/null\n", fmt::join(files, " "), file);
    }
    for (const Path *path : paths)
        if (const std::string filter = displayFilter(*path); !filter.empty())
            displays += fmt::format("# {}\ntshark -r {} -Y {}\n", path->id, shellWord(file), shellWord(filter));
    if (!displays.empty()) section += "\nThe packets of each connection above:\n\n" + codeBlock(displays, "sh");
    return section;
}

} // namespace

std::string markdownReport(const session::View &view, const ReportOrigin &origin) {
    const Snapshot &snapshot = *view.traced;
    const auto findings = groupFindings(snapshot);
    const Snapshot shown = withPaths(snapshot, kReportedPaths);
    std::string report =
        fmt::format("# natlens report{}\n\n{}\n", view.lab.scenario.empty() ? "" : ": " + inText(view.lab.scenario),
                    summary(view, findings));
    report += picture(snapshot);
    report += findingsSection(findings);
    report += connectionsSection(snapshot, shown);
    report += comparisons(view);
    report += clocks(snapshot);
    report += quality(view);
    report += reproduce(snapshot, shown, origin);
    return report;
}

} // namespace natlens::cli
