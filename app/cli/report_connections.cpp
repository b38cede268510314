#include "app/cli/report_connections.h"

#include "app/cli/markdown.h"
#include "app/cli/path_choice.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/telling.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <unordered_map>

namespace natlens::cli {
namespace {

using tracer::Hop;
using tracer::HopEnd;
using tracer::Path;
using tracer::Snapshot;

constexpr std::size_t kKindsNamed = 30;

std::string pathTitle(const Path &path) {
    std::string text = path.id + ": ";
    if (path.kind == tracer::PathKind::healthCheck) text += "health check ";
    if (!path.client.node.empty()) text += path.client.node + " ";
    text += fmt::format("{} to {}", diagram::inWords(path.client.address), diagram::inWords(path.requested));
    return text + ", " + diagram::describeOutcome(path);
}

std::string natInWords(const Hop &hop) {
    std::vector<std::string_view> words;
    for (const tracer::Nat nat : hop.nat)
        words.push_back(tracer::toString(nat));
    return fmt::format("{}", fmt::join(words, ", "));
}

std::string evidenceInWords(const Hop &hop) {
    std::vector<std::string_view> words;
    for (const auto kind : hop.evidence)
        words.push_back(tracer::toString(kind));
    return fmt::format("{}{}", fmt::join(words, ", "), hop.inferred ? " (nobody captured there)" : "");
}

/// One line for each end of a hop: that is where packets were seen.
std::string hopsTable(const Path &path) {
    std::string table = tableHead({"hop", "where", "", "from", "to", "TTL", "packet", "time", "after", "translation",
                                   "rule", "evidence", "confidence"});
    std::size_t number = 0;
    base::Timestamp before;
    for (const Hop &hop : path.hops) {
        ++number;
        bool first = true;
        for (const auto *end : {&hop.in, &hop.out}) {
            if (!*end) continue;
            const HopEnd &seen = **end;
            const bool known = seen.time.nanoseconds != 0;
            const std::int64_t delay = (seen.time - before).count();
            const std::string after =
                !known || before.nanoseconds == 0 ? "" : (delay < 0 ? "-" : "+") + tracer::durationInWords(delay);
            table += tableRow({first ? fmt::format("{} {}", number, tracer::toString(hop.direction)) : "",
                               inText(hop.host + (seen.interface.empty() ? "" : "/" + seen.interface)),
                               end == &hop.in ? "in" : "out", inCode(seen.src.toString()), inCode(seen.dst.toString()),
                               seen.ttl != 0 ? std::to_string(seen.ttl) : "",
                               seen.packet.value != 0 ? std::to_string(seen.packet.value) : "",
                               known ? seen.time.toString() : "", after, first ? natInWords(hop) : "",
                               first ? inText(hop.rule) : "", first ? inText(evidenceInWords(hop)) : "",
                               first ? fmt::format("{:.2f}", hop.confidence) : ""});
            if (known) before = seen.time;
            first = false;
        }
    }
    return table;
}

std::string pathSection(const Path &path) {
    std::string section = fmt::format("\n### {}\n\n", inText(pathTitle(path)));
    if (path.service && !path.service->name.empty())
        section +=
            fmt::format("* Service: {}\n", inText(diagram::describe(*path.service) +
                                                  (path.service->type.empty() ? "" : ", " + path.service->type)));
    if (path.endpoint) {
        const auto &end = *path.endpoint;
        section += fmt::format("* Endpoint: {} {}", inText(!end.pod.empty() ? end.pod : end.host),
                               inCode(end.address.toString()));
        if (!end.node.empty()) section += " on " + inText(end.node);
        if (path.seenByEndpoint) section += ", which sees " + inCode(path.seenByEndpoint->toString());
        if (path.sourcePreserved)
            section += *path.sourcePreserved ? " (the client's address)" : " (not the client's address)";
        section += "\n";
    }
    if (path.http) {
        std::string http = path.http->method.empty() ? "" : path.http->method + " " + path.http->target;
        if (http.size() > 200) http = http.substr(0, 200) + "...";
        section += fmt::format("* HTTP: {}{}\n", inCode(http),
                               path.http->status != 0 ? fmt::format(" answered {}", path.http->status) : "");
    }
    if (path.attempts > 1) section += fmt::format("* Attempts: {}\n", path.attempts);
    for (const std::string &note : path.notes)
        section += fmt::format("* Note: {}\n", inText(note));
    section +=
        fmt::format("* Packets: {}, {} to {}\n", path.packets, path.firstSeen.toString(), path.lastSeen.toString());
    return section + "\n" + hopsTable(path);
}

/// The paths that are not shown one by one, by what they have in common.
std::string restSection(const Snapshot &snapshot, const Snapshot &shown) {
    struct Kind {
        std::string what;
        tracer::Telling telling = tracer::Telling::other;
        std::uint64_t connections = 0;
    };
    std::vector<Kind> kinds;
    std::unordered_map<std::string, std::size_t> places;
    const auto count = [&](const Path &path, std::uint64_t connections, bool severalPorts) {
        auto what = fmt::format(
            "{} to {}: {}", path.client.node.empty() ? path.client.address.ip.toString() : path.client.node,
            severalPorts ? path.requested.ip.toString() + ", several ports" : diagram::inWords(path.requested),
            diagram::describeOutcome(path));
        const auto [at, isNew] = places.try_emplace(what, kinds.size());
        if (isNew) kinds.push_back({std::move(what), tracer::tellingOf(path)});
        Kind &kind = kinds[at->second];
        kind.telling = std::min(kind.telling, tracer::tellingOf(path));
        kind.connections += connections;
    };
    std::uint64_t rest = pathCount(snapshot) - shown.paths.size();
    if (snapshot.all) {
        rest = pathCount(snapshot); // the groups count all of them
        const auto &groups = snapshot.all->summary().groups;
        for (const tracer::PathGroup &group : groups)
            if (!snapshot.all->summary().hasRest || &group != &groups.back())
                count(group.example, group.connections, group.severalPorts);
    } else {
        const std::set<const Path *> told = [&] {
            std::set<const Path *> set;
            for (const auto &path : shown.paths)
                set.insert(path.get());
            return set;
        }();
        for (const auto &path : snapshot.paths)
            if (!told.contains(path.get())) count(*path, 1, tracer::isAnyPort(*path));
    }
    if (rest == 0) return {};
    std::ranges::stable_sort(kinds, {}, [](const Kind &kind) { return std::pair(kind.telling, ~kind.connections); });
    const std::string sum = counted(rest, "connection", "connections");
    std::string section =
        fmt::format("\n### {}\n\n", snapshot.all ? "All " + sum : sum + " more") + tableHead({"connections", "what"});
    std::uint64_t left = rest;
    for (std::size_t i = 0; i < std::min(kinds.size(), kKindsNamed); ++i) {
        section += tableRow({std::to_string(kinds[i].connections), inText(kinds[i].what)});
        left -= kinds[i].connections;
    }
    if (left != 0) section += tableRow({std::to_string(left), "of other kinds"});
    return section;
}

} // namespace

std::string connectionsSection(const Snapshot &snapshot, const Snapshot &shown) {
    if (shown.paths.empty()) return {};
    std::string section = "\n## Connections\n";
    for (const auto &path : shown.paths)
        section += pathSection(*path);
    return section + restSection(snapshot, shown);
}

} // namespace natlens::cli
