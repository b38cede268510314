// Gives every part of a scene its place. Rows from top to bottom: clients, load balancers, nodes, pods. Between two
// rows lies a channel in four zones, and that is what keeps lines away from boxes and labels:
//   lanes     lines between hosts of the row above that are not neighbours, one level each
//   diagonals lines change their column; nothing else is here
//   stubs     lines run straight into the row below; their labels stand beside them
// Hosts are set so far apart that boxes, stub labels, lane labels and health checks fit into their own columns.
#include "tracer/diagram/layout_parts.h"

namespace natlens::diagram {
namespace {

DisplayList hint() {
    DisplayList list;
    list.bounds = {0, 0, 560, 200};
    list.texts.push_back({{280, 96}, "Nothing captured yet", 18, true, false, Align::centre, Token::text, {}});
    list.texts.push_back({{280, 124},
                          "Run a scenario of the lab, or open a recording.",
                          13,
                          false,
                          false,
                          Align::centre,
                          Token::mutedText,
                          {}});
    return list;
}

} // namespace

DisplayList layout(const tracer::Snapshot &snapshot, const SceneOptions &options) {
    const auto scene = sceneOf(snapshot, options);
    if (scene.hosts.empty()) return hint();
    auto plan = planOf(scene);
    placeColumns(plan);
    placeRows(plan);
    return paint(plan);
}

} // namespace natlens::diagram
