// The wide text picture: every kind of connection as a column of hosts, the request going down at the left, the reply
// coming up at the right, with the addresses that the packets have between two hosts. At most 100 columns wide.
#include "tracer/diagram/diagram.h"
#include "tracer/diagram/route.h"
#include "tracer/diagram/scene.h"
#include "tracer/diagram/text_grid.h"

#include <algorithm>
#include <fmt/core.h>

namespace natlens::diagram {
namespace {

using tracer::Direction;
using tracer::Hop;
using tracer::Outcome;
using tracer::Path;
using tracer::PathKind;
using tracer::Segment;
using tracer::Snapshot;

constexpr int kWidth = 100;
constexpr int kBoxLeft = 1, kBoxRight = 97, kNarrowRight = 48; ///< narrow: a reply passes beside the host
constexpr int kRequest = 6, kReply = 52, kLabelWidth = 42;     ///< columns of the two lines

/// Connections that differ only in ports and times; the newest one is drawn.
struct Shape {
    const Path *newest = nullptr;
    std::vector<std::string> hosts; ///< as the request visited them
    std::vector<std::string> ids;
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
        shape.selected = selected;
    }
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

std::string titleOf(const Shape &shape) {
    const auto &path = *shape.newest;
    std::string ids;
    constexpr std::size_t kNamed = 4;
    for (std::size_t i = 0; i < std::min(shape.ids.size(), kNamed); ++i)
        ids += (i > 0 ? ", " : "") + shape.ids[i];
    if (shape.ids.size() > kNamed) ids += fmt::format(", … ({} connections)", shape.ids.size());
    std::string text = fmt::format("{}{}  ", shape.selected ? "▶ " : "", ids);
    if (path.service)
        text += fmt::format("{}/{} ({}) at ", path.service->nameSpace, path.service->name, path.service->type);
    text += path.requested.toString() + " · " + std::string(words(path.outcome));
    if (!path.droppedAt.empty()) text += " at " + path.droppedAt;
    if (path.http && path.http->status != 0) text += fmt::format(" · HTTP {}", path.http->status);
    if (path.sourcePreserved) text += *path.sourcePreserved ? " · source kept" : " · source replaced";
    return elide(text, kWidth);
}

/// The segment of the reply that passes between hosts `gap` and `gap + 1`, with the places of its ends.
struct ReplySpan {
    const Segment *segment = nullptr;
    std::size_t top = 0, bottom = 0;
};

class Column {
public:
    explicit Column(const Shape &shape)
        : m_path(*shape.newest)
        , m_hosts(shape.hosts) {
        for (const auto &segment : m_path.segments) {
            if (segment.direction != Direction::reply) continue;
            const auto from = std::ranges::find(m_hosts, segment.from), to = std::ranges::find(m_hosts, segment.to);
            if (from == m_hosts.end() || to == m_hosts.end() || to >= from) {
                m_elsewhere.push_back(&segment);
                continue;
            }
            m_replies.push_back({&segment, static_cast<std::size_t>(to - m_hosts.begin()),
                                 static_cast<std::size_t>(from - m_hosts.begin())});
        }
    }

    std::string draw() {
        for (std::size_t i = 0; i < m_hosts.size(); ++i) {
            host(i);
            if (i + 1 < m_hosts.size()) gap(i);
        }
        auto text = m_grid.text();
        for (const auto *segment : m_elsewhere)
            text += elide(fmt::format("  reply also: {} → {}, {} → {}", segment->from, segment->to,
                                      segment->src.toString(), segment->dst.toString()),
                          kWidth) +
                    "\n";
        return text;
    }

private:
    void host(std::size_t index) {
        const bool passed =
            std::ranges::any_of(m_replies, [&](const ReplySpan &r) { return r.top < index && index < r.bottom; });
        const int right = passed ? kNarrowRight : kBoxRight;
        const int first = m_row;
        const auto line = [&](std::string_view text, int column) {
            m_grid.put(m_row++, column, elide(text, right - column - 1));
        };
        std::string bar;
        for (int i = kBoxLeft + 1; i < right; ++i)
            bar += "─";
        m_grid.put(m_row++, kBoxLeft, "┌" + bar + "┐");
        line(nameOf(index), kBoxLeft + 2);
        for (const auto &hop : m_path.hops) {
            if (hop.host != m_hosts[index] || hop.direction != Direction::request) continue;
            if (hop.in && hop.out) {
                if (hop.in->src != hop.out->src)
                    line(fmt::format("SNAT  {} ⇒ {}", hop.in->src.toString(), hop.out->src.toString()), kBoxLeft + 4);
                if (hop.in->dst != hop.out->dst)
                    line(fmt::format("DNAT  {} ⇒ {}", hop.in->dst.toString(), hop.out->dst.toString()), kBoxLeft + 4);
            }
            if (!hop.rule.empty()) line("rule  " + hop.rule, kBoxLeft + 4);
        }
        if (m_path.droppedAt == m_hosts[index]) line("✗ dropped here", kBoxLeft + 4);
        for (int row = first + 1; row < m_row; ++row) {
            m_grid.put(row, kBoxLeft, "│");
            m_grid.put(row, right, "│");
        }
        m_grid.put(m_row++, kBoxLeft, "└" + bar + "┘");
        if (passed)
            for (int row = first; row < m_row; ++row)
                m_grid.put(row, kReply, "│");
    }

    std::string nameOf(std::size_t index) const {
        const auto &name = m_hosts[index];
        const auto address = index == 0                                         ? m_path.client.address.ip.toString()
                             : m_path.endpoint && m_path.endpoint->host == name ? m_path.endpoint->address.ip.toString()
                                                                                : "";
        auto text = !name.empty() ? name
                    : index == 0  ? std::string("client (not captured)")
                                  : std::string("endpoint (not captured)");
        if (!address.empty()) text += "  " + address;
        if (index > 0 && m_path.endpoint && m_path.endpoint->host == name && !m_path.endpoint->pod.empty() &&
            !m_path.endpoint->node.empty())
            text += fmt::format("  pod {} on {}", m_path.endpoint->pod, m_path.endpoint->node);
        return text;
    }

    void gap(std::size_t index) {
        const auto *request = findSegment(m_path, Direction::request, m_hosts[index], m_hosts[index + 1]);
        if (request) {
            const auto line = request->confidence < kCertain ? "┊" : "│";
            m_grid.put(m_row, kRequest, line);
            m_grid.put(m_row + 1, kRequest, request->lost ? "✗" : "▼");
            addresses(kRequest + 2, *request);
        }
        for (const auto &reply : m_replies) {
            if (index < reply.top || index >= reply.bottom) continue;
            const auto line = reply.segment->confidence < kCertain ? "┊" : "│";
            m_grid.put(m_row, kReply, index != reply.top ? line : reply.segment->lost ? "✗" : "▲");
            m_grid.put(m_row + 1, kReply, line);
            if (index + 1 == reply.bottom) addresses(kReply + 2, *reply.segment);
        }
        m_row += 2;
    }

    void addresses(int column, const Segment &segment) {
        m_grid.put(m_row, column, elide(segment.src.toString(), kLabelWidth));
        m_grid.put(m_row + 1, column, elide("→ " + segment.dst.toString(), kLabelWidth));
    }

    const Path &m_path;
    const std::vector<std::string> &m_hosts;
    std::vector<ReplySpan> m_replies;
    std::vector<const Segment *> m_elsewhere;
    TextGrid m_grid;
    int m_row = 0;
};

std::string checksOf(const Scene &scene) {
    std::string out;
    for (const auto &check : scene.checks) {
        if (out.empty()) out = "Health checks\n";
        const auto &streams = check.streams;
        auto line = fmt::format("  {} ──▶ {}  {}", streams.near, streams.far,
                                check.status != 0 ? fmt::format("◀── {}", check.status)
                                                  : std::string(streams.reply ? "◀──" : "no answer"));
        if (streams.request) {
            if (streams.request->label.size() > 1)
                line += "  " + streams.request->label[0] + " → " + streams.request->label[1].substr(2);
            if (streams.request->connections > 1) line += fmt::format("  ({} checks)", streams.request->connections);
        }
        out += elide(line, kWidth) + "\n";
    }
    return out;
}

std::string findingsOf(const Snapshot &snapshot, const SceneOptions &options) {
    std::vector<std::pair<std::string, std::string>> found; // text without ids, ids
    for (const auto &path : snapshot.paths) {
        if (options.onlySelected && !options.selectedPath.empty() && path->id != options.selectedPath) continue;
        for (const auto &finding : path->findings) {
            const auto text = finding.code + " " + finding.text;
            const auto same = std::ranges::find(found, text, &std::pair<std::string, std::string>::first);
            if (same == found.end())
                found.emplace_back(text, path->id);
            else
                same->second += ", " + path->id;
        }
    }
    std::string out;
    for (const auto &[text, ids] : found)
        out +=
            (out.empty() ? "Findings\n" : "") + elide(fmt::format("  {}  [{}]", text, elide(ids, 20)), kWidth) + "\n";
    return out;
}

/// Hosts that no drawn connection or check came to.
std::string othersOf(const Scene &scene, const std::vector<Shape> &shapes) {
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
        const auto entry = elide(host.name + (host.address.empty() ? "" : " (" + host.address + ")"), kWidth - 4);
        if (!line.empty() && columns(line) + columns(entry) + 3 > kWidth) {
            out += line + ",\n";
            line.clear();
        }
        line += (!line.empty() ? ", " : "  ") + entry;
    }
    return line.empty() ? "" : "Other hosts\n" + out + line + "\n";
}

/// Nothing that came out of a file may command a terminal; TextGrid cares for the pictures, this for the lines.
std::string printable(std::string text) {
    TextGrid line;
    line.put(0, 0, text);
    auto out = line.text();
    if (!out.empty()) out.pop_back();
    return out;
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
    std::string out;
    const auto add = [&](const std::string &part) {
        if (!part.empty()) out += (out.empty() ? "" : "\n") + part;
    };
    for (const auto &shape : shapes)
        add(printable(titleOf(shape)) + "\n" + Column(shape).draw());
    add(printableLines(checksOf(scene)));
    add(printableLines(othersOf(scene, shapes)));
    add(printableLines(findingsOf(snapshot, options)));
    return out;
}

} // namespace natlens::diagram
