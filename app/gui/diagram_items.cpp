#include "app/gui/diagram_items.h"

#include "app/gui/words.h"
#include "tracer/diagram/diagram.h"

#include <QStringList>

#include <algorithm>
#include <cmath>
#include <limits>

namespace natlens::gui {

using diagram::DisplayList;
using diagram::ItemRef;
using diagram::Point;
using diagram::Rect;

namespace {

bool contains(const Rect &r, Point p) {
    return p.x >= r.x && p.y >= r.y && p.x <= r.x + r.width && p.y <= r.y + r.height;
}

Rect united(const Rect &a, const Rect &b) {
    const double x = std::min(a.x, b.x);
    const double y = std::min(a.y, b.y);
    return {x, y, std::max(a.x + a.width, b.x + b.width) - x, std::max(a.y + a.height, b.y + b.height) - y};
}

Rect boundsOf(const diagram::Arrow &arrow) {
    Rect r{arrow.points.front().x, arrow.points.front().y, 0, 0};
    for (const Point &p : arrow.points)
        r = united(r, {p.x, p.y, 0, 0});
    return r;
}

double distance(Point p, Point a, Point b) {
    const double dx = b.x - a.x;
    const double dy = b.y - a.y;
    const double square = dx * dx + dy * dy;
    const double t = square > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / square, 0.0, 1.0) : 0.0;
    return std::hypot(p.x - (a.x + t * dx), p.y - (a.y + t * dy));
}

double distance(Point p, const std::vector<Point> &line) {
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t i = 1; i < line.size(); ++i)
        best = std::min(best, distance(p, line[i - 1], line[i]));
    return best;
}

bool meaningful(const ItemRef &ref) {
    return !ref.pathId.empty() || !ref.host.empty();
}

std::string trackOf(const tracer::Segment &segment) {
    return segment.from + ">" + segment.to + "/" + std::string(tracer::toString(segment.direction));
}

} // namespace

const tracer::Path *findPath(const tracer::Snapshot &snapshot, const std::string &id) {
    if (id.empty()) return nullptr;
    const auto it = std::ranges::find_if(snapshot.paths, [&](const auto &path) { return path->id == id; });
    return it == snapshot.paths.end() ? nullptr : it->get();
}

const tracer::Host *findHost(const tracer::Snapshot &snapshot, const std::string &name) {
    const auto it = std::ranges::find(snapshot.hosts, name, &tracer::Host::name);
    return it == snapshot.hosts.end() ? nullptr : &*it;
}

std::vector<std::size_t> arrowsOf(const DisplayList &list, const tracer::Snapshot &snapshot, const std::string &id) {
    std::vector<std::size_t> found;
    const tracer::Path *path = findPath(snapshot, id);
    if (path == nullptr) return found;
    const auto runsOver = [&](const diagram::Arrow &arrow) {
        if (!arrow.ref.pathId.empty() && arrow.ref.pathId == id) return true;
        return std::ranges::any_of(path->segments,
                                   [&](const tracer::Segment &s) { return trackOf(s) == arrow.trackId; });
    };
    for (std::size_t i = 0; i < list.arrows.size(); ++i)
        if (!list.arrows[i].points.empty() && runsOver(list.arrows[i])) found.push_back(i);
    return found;
}

std::vector<DiagramItem> diagramItems(const DisplayList &list, const tracer::Snapshot &snapshot, std::size_t maxPaths) {
    std::vector<DiagramItem> items;
    for (const diagram::Box &box : list.boxes) {
        if (box.ref.host.empty()) continue;
        if (std::ranges::any_of(items, [&](const DiagramItem &item) { return item.id == box.ref.host; })) continue;
        items.push_back({DiagramItem::Kind::host, box.ref.host, box.rect});
    }
    std::ranges::stable_sort(items, [](const DiagramItem &a, const DiagramItem &b) {
        return std::pair(a.rect.x, a.rect.y) < std::pair(b.rect.x, b.rect.y);
    });

    std::size_t paths = 0;
    for (const auto &path : snapshot.paths) {
        if (paths == maxPaths) break;
        const std::vector<std::size_t> arrows = arrowsOf(list, snapshot, path->id);
        if (arrows.empty()) continue;
        Rect rect = boundsOf(list.arrows[arrows.front()]);
        for (const std::size_t i : arrows)
            rect = united(rect, boundsOf(list.arrows[i]));
        items.push_back({DiagramItem::Kind::path, path->id, rect});
        ++paths;
    }
    return items;
}

std::optional<ItemRef> hitTest(const DisplayList &list, Point point, double tolerance) {
    for (auto it = list.badges.rbegin(); it != list.badges.rend(); ++it)
        if (contains(it->rect, point) && meaningful(it->ref)) return it->ref;

    const ItemRef *best = nullptr;
    double nearest = tolerance;
    for (const diagram::Arrow &arrow : list.arrows) {
        if (!meaningful(arrow.ref)) continue;
        if (const double d = distance(point, arrow.points) - arrow.width / 2; d <= nearest) {
            nearest = d;
            best = &arrow.ref;
        }
    }
    if (best != nullptr) return *best;

    double smallest = std::numeric_limits<double>::infinity();
    for (const diagram::Box &box : list.boxes) {
        const double area = box.rect.width * box.rect.height;
        if (contains(box.rect, point) && meaningful(box.ref) && area <= smallest) {
            smallest = area;
            best = &box.ref;
        }
    }
    if (best != nullptr) return *best;
    return std::nullopt;
}

QString describeHost(const tracer::Snapshot &snapshot, const std::string &name) {
    const tracer::Host *host = findHost(snapshot, name);
    if (host == nullptr) return text(name);
    QString words = text(host->label.empty() ? host->name : host->label);
    if (host->role != tracer::HostRole::unknown && text(tracer::toString(host->role)) != words)
        words += ", " + text(tracer::toString(host->role));
    if (!host->podNode.empty()) words += " on " + text(host->podNode);
    QStringList addresses;
    for (const auto &address : host->addresses)
        addresses << text(address.toString());
    if (!addresses.isEmpty()) words += ": " + addresses.join(", ");
    std::uint64_t packets = 0;
    std::uint64_t dropped = 0;
    QStringList interfaces;
    for (const tracer::CapturePointStatus &point : snapshot.points) {
        if (point.host != name || point.evidence) continue;
        packets += point.packets;
        dropped += point.dropped;
        interfaces << text(point.interface);
    }
    if (!interfaces.isEmpty())
        words += ". " + QString::number(packets) + " packets captured at " + interfaces.join(", ");
    if (dropped > 0) words += "; the capture lost " + QString::number(dropped);
    return words + ".";
}

QString describeItem(const tracer::Snapshot &snapshot, const ItemRef &ref) {
    if (const tracer::Path *path = findPath(snapshot, ref.pathId)) {
        if (ref.hop >= 0 && static_cast<std::size_t>(ref.hop) < path->hops.size())
            return text(diagram::describe(path->hops[static_cast<std::size_t>(ref.hop)])).trimmed();
        return text(diagram::describe(*path)).trimmed();
    }
    return ref.host.empty() ? QString() : describeHost(snapshot, ref.host);
}

bool sameAppearance(const DisplayList &a, const DisplayList &b) {
    const auto sameArrow = [](const diagram::Arrow &x, const diagram::Arrow &y) {
        return x.points == y.points && x.stroke == y.stroke && x.width == y.width && x.dashed == y.dashed &&
               x.head == y.head && x.trackId == y.trackId && x.ref == y.ref;
    };
    return a.bounds == b.bounds && a.boxes == b.boxes && a.badges == b.badges && a.texts == b.texts &&
           std::ranges::equal(a.arrows, b.arrows, sameArrow);
}

} // namespace natlens::gui
