// What lies where in a display list: hit-testing, keyboard order and words, without any painting.
#pragma once

#include "tracer/diagram/display_list.h"
#include "tracer/path/snapshot.h"

#include <QRectF>
#include <QString>

#include <optional>
#include <string>
#include <vector>

namespace natlens::gui {

/// A thing of the picture that can be pointed at, focused and read aloud.
struct DiagramItem {
    enum class Kind { host, path };
    Kind kind = Kind::host;
    std::string id;     ///< Host::name or Path::id
    diagram::Rect rect; ///< what it covers, in coordinates of the list

    bool operator==(const DiagramItem &) const = default;
};

/// Hosts first, left to right and top to bottom, then paths in order of their first packet; only what `list` shows.
/// `maxPaths` keeps a screen reader's tree small.
[[nodiscard]] std::vector<DiagramItem> diagramItems(const diagram::DisplayList &list, const tracer::Snapshot &snapshot,
                                                    std::size_t maxPaths = 200);

/// What is at `point`: the nearest arrow within `tolerance`, else the smallest badge, text or box around it.
[[nodiscard]] std::optional<diagram::ItemRef> hitTest(const diagram::DisplayList &list, diagram::Point point,
                                                      double tolerance);

/// Indexes of the arrows that path `id` runs over (an arrow may stand for several paths).
[[nodiscard]] std::vector<std::size_t> arrowsOf(const diagram::DisplayList &list, const tracer::Snapshot &snapshot,
                                                const std::string &id);

[[nodiscard]] const tracer::Path *findPath(const tracer::Snapshot &snapshot, const std::string &id);
[[nodiscard]] const tracer::Host *findHost(const tracer::Snapshot &snapshot, const std::string &name);

/// "node2, node: 10.240.0.5, 10.180.2.1. 48 packets captured at eth0, cbr0."
[[nodiscard]] QString describeHost(const tracer::Snapshot &snapshot, const std::string &name);
/// The words of diagram::describe() for what `ref` stands for: a hop, a path with this segment, or a host.
[[nodiscard]] QString describeItem(const tracer::Snapshot &snapshot, const diagram::ItemRef &ref);

/// Same picture apart from packet counts: then the static layer may stay.
[[nodiscard]] bool sameAppearance(const diagram::DisplayList &a, const diagram::DisplayList &b);

} // namespace natlens::gui
