// The wide text picture: every kind of connection as a column of hosts, the request going down at the left, the reply
// coming up at the right, with the addresses that the packets have between two hosts.
#include "tracer/diagram/diagram.h"
#include "tracer/diagram/route.h"
#include "tracer/diagram/scene.h"
#include "tracer/diagram/text_grid.h"
#include "tracer/diagram/unicode_column.h"
#include "tracer/path/telling.h"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <set>

namespace natlens::diagram {
namespace {

using tracer::Outcome;
using tracer::Path;
using tracer::PathKind;
using tracer::Snapshot;

constexpr int kNarrowest = 60, kWidest = 100;

/// Nothing that came out of a file may command a terminal; TextGrid cares for the pictures, this for the lines.
std::string printable(std::string text) {
    TextGrid line;
    line.put(0, 0, text);
    auto out = line.text();
    if (!out.empty()) out.pop_back();
    return out;
}

/// Nothing is cut off: what is longer than a line goes on below, indented. Lines end in '\n'.
std::string wrapped(const std::string &text, int width, int indent) {
    const auto first = text.find_first_not_of(' ');
    const std::string start(first == text.npos ? 0 : first, ' ');
    return wrapIndented(start + printable(text.substr(start.size())), width, indent) + "\n";
}

/// Connections that differ only in ports and times; the newest one is drawn.
struct Shape {
    const Path *newest = nullptr;
    std::vector<std::string> hosts; ///< as the request visited them
    std::vector<std::string> ids;
    std::set<std::string> kinds; ///< see SceneOptions::kinds
    bool selected = false;
};

std::vector<Shape> shapesOf(const Snapshot &snapshot, const SceneOptions &options) {
    std::vector<Shape> shapes;
    for (const auto &path : snapshot.paths) {
        if (path->kind == PathKind::healthCheck) continue;
        const bool selected = !options.selectedPath.empty() && path->id == options.selectedPath;
        if (options.onlySelected && !options.selectedPath.empty() && !selected) continue;
        auto hosts = requestHosts(*path);
        const auto same = std::ranges::find_if(shapes, [&](const Shape &shape) {
            const auto &other = *shape.newest;
            return !selected && !shape.selected && shape.hosts == hosts && other.kind == path->kind &&
                   other.outcome == path->outcome && other.requested == path->requested &&
                   other.service == path->service && other.client.node == path->client.node &&
                   other.sourcePreserved == path->sourcePreserved && other.segments.size() == path->segments.size() &&
                   (other.http ? other.http->status : 0) == (path->http ? path->http->status : 0);
        });
        auto &shape = same == shapes.end() ? shapes.emplace_back() : *same;
        shape.newest = path.get();
        shape.hosts = std::move(hosts);
        shape.ids.push_back(path->id);
        if (!options.kinds.empty() && !selected) {
            std::string kind;
            tracer::writeKind(*path, kind);
            shape.kinds.insert(std::move(kind));
        }
        shape.selected = selected;
    }
    std::ranges::stable_sort(shapes, {}, [](const Shape &shape) {
        return std::pair(tracer::isNoise(tracer::tellingOf(*shape.newest)), tracer::isHousekeeping(*shape.newest));
    });
    return shapes;
}

std::string_view words(Outcome outcome) {
    switch (outcome) {
    case Outcome::delivered: return "delivered";
    case Outcome::dropped: return "✗ dropped";
    case Outcome::rejected: return "✗ rejected";
    case Outcome::reset: return "reset";
    case Outcome::unanswered: return "unanswered";
    case Outcome::incomplete: return "not fully captured";
    }
    return "";
}

/// How many shapes the connections of a kind have.
std::map<std::string, unsigned> shapesOfKinds(const std::vector<Shape> &shapes) {
    std::map<std::string, unsigned> count;
    for (const Shape &shape : shapes)
        for (const std::string &kind : shape.kinds)
            ++count[kind];
    return count;
}

/// "p1, p2", "p1, p2, p3, p4, … (6 connections)"; `atMost`: some of `all` are of another shape.
std::string some(const std::vector<std::string> &ids, std::uint64_t all = 0, bool atMost = false) {
    constexpr std::size_t kNamed = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(ids.size(), kNamed); ++i)
        text += (i > 0 ? ", " : "") + ids[i];
    all = std::max<std::uint64_t>(all, ids.size());
    if (all > std::min(ids.size(), kNamed))
        text += fmt::format(", … ({}{} connections)", atMost ? "some of " : "", all);
    return text;
}

std::string titleOf(const Shape &shape, const SceneOptions &options, const std::map<std::string, unsigned> &shapes) {
    const auto &path = *shape.newest;
    std::uint64_t all = 0;
    bool atMost = false;
    for (const std::string &kind : shape.kinds)
        if (const auto found = options.kinds.find(kind); found != options.kinds.end()) {
            all += found->second;
            atMost = atMost || shapes.at(kind) > 1;
        }
    std::string text = fmt::format("{}{}  ", shape.selected ? "▶ " : "", some(shape.ids, all, atMost));
    if (path.service) {
        text += describe(*path.service);
        if (!path.service->type.empty()) text += " (" + path.service->type + ")";
        text += " at ";
    }
    text += inWords(path.requested) + " · " +
            (path.outcome == Outcome::dropped && !path.isRequestDropped() ? "✗ answer dropped"
                                                                          : std::string(words(path.outcome)));
    if (!path.droppedAt.empty()) text += " at " + path.droppedAt;
    if (path.http && path.http->status != 0) text += fmt::format(" · HTTP {}", path.http->status);
    if (path.sourcePreserved) text += *path.sourcePreserved ? " · source kept" : " · source replaced";
    return text;
}

std::string checksOf(const Scene &scene, int width) {
    const auto nameOf = [&](const std::string &name) {
        const SceneHost *host = scene.find(name);
        return host == nullptr || !host->inferred ? name : host->title + " (not captured)";
    };
    std::string out;
    for (const auto &check : scene.checks) {
        if (out.empty()) out = "Health checks\n";
        const auto &streams = check.streams;
        auto line = fmt::format("  {} ──▶ {}  {}", nameOf(streams.near), nameOf(streams.far),
                                check.status != 0 ? fmt::format("◀── {}", check.status)
                                                  : std::string(streams.reply ? "◀──" : "no answer"));
        if (streams.request) {
            if (streams.request->label.size() > 1)
                line += "  " + streams.request->label[0] + " → " + streams.request->label[1].substr(2);
            if (streams.request->connections > 1)
                line += fmt::format("  ({}{} checks)", streams.request->atMost ? "some of " : "",
                                    streams.request->connections);
        }
        out += wrapped(line, width, 6);
    }
    return out;
}

std::string findingsOf(const Snapshot &snapshot, const SceneOptions &options, int width) {
    std::vector<std::pair<std::string, std::vector<std::string>>> found; // text, ids
    for (const auto &path : snapshot.paths) {
        if (options.onlySelected && !options.selectedPath.empty() && path->id != options.selectedPath) continue;
        for (const auto &finding : path->findings) {
            const auto text = finding.code + " " + finding.text;
            auto same = std::ranges::find(found, text, &std::pair<std::string, std::vector<std::string>>::first);
            if (same == found.end()) same = found.insert(found.end(), {text, {}});
            same->second.push_back(path->id);
        }
    }
    std::string out;
    for (const auto &[text, ids] : found)
        out += (out.empty() ? "Findings\n" : "") + wrapped(fmt::format("  {}  [{}]", text, some(ids)), width, 6);
    return out;
}

/// Hosts that no drawn connection or check came to.
std::string othersOf(const Scene &scene, const std::vector<Shape> &shapes, int width) {
    std::string out, line;
    for (const auto &host : scene.hosts) {
        const bool drawn =
            std::ranges::any_of(
                shapes,
                [&](const Shape &shape) { return std::ranges::find(shape.hosts, host.name) != shape.hosts.end(); }) ||
            std::ranges::any_of(scene.checks, [&](const SceneCheck &check) {
                return check.streams.near == host.name || check.streams.far == host.name;
            });
        if (drawn || host.inferred) continue;
        const auto entry = elide(host.name + (host.address.empty() ? "" : " (" + host.address + ")"), width - 4);
        if (!line.empty() && columns(line) + columns(entry) + 3 > width) {
            out += line + ",\n";
            line.clear();
        }
        line += (!line.empty() ? ", " : "  ") + entry;
    }
    return line.empty() ? "" : "Other hosts\n" + out + line + "\n";
}

std::string printableLines(const std::string &text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        out += printable(text.substr(at, end - at)) + "\n";
        at = end + 1;
    }
    return out;
}

} // namespace

std::string renderUnicode(const Snapshot &snapshot, const SceneOptions &options) {
    const auto scene = sceneOf(snapshot, options);
    if (scene.hosts.empty()) return "Nothing captured yet.\n";
    const auto shapes = shapesOf(snapshot, options);
    const auto shapesOfKind = shapesOfKinds(shapes);
    const int width = std::clamp(options.columns, kNarrowest, kWidest);
    std::string out;
    const auto add = [&](const std::string &part) {
        if (!part.empty()) out += (out.empty() ? "" : "\n") + part;
    };
    for (const auto &shape : shapes)
        add(wrapped(titleOf(shape, options, shapesOfKind), width, 4) + drawColumn(*shape.newest, shape.hosts, width));
    add(checksOf(scene, width));
    add(printableLines(othersOf(scene, shapes, width)));
    add(findingsOf(snapshot, options, width));
    return out;
}

} // namespace natlens::diagram
