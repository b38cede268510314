// From a snapshot to a picture, in four steps that can be looked at one by one: scene, layout, display list, renderer.
#pragma once

#include "tracer/diagram/display_list.h"
#include "tracer/path/snapshot.h"

#include <cstdint>
#include <map>
#include <string>

namespace natlens::diagram {

/// What to draw of a snapshot.
struct SceneOptions {
    std::string selectedPath = {}; ///< Path::id to emphasise; "" none
    bool onlySelected = false;     ///< leave the other paths out
    bool healthChecks = true;
    int columns = 100; ///< width of text, 60 to 100; what is outside is taken as the nearest
    /// How many connections there are of each kind (tracer::writeKind), where the snapshot's paths stand for more: see
    /// kindsOf(). Counts in the picture are of these, then.
    std::map<std::string, std::uint64_t> kinds = {};
};

/// The document's own pictures in ASCII, glyph for glyph where the observations are the document's; only arrows and
/// labels that were observed. Lines end in '\n', no trailing blanks. "" when nothing was observed.
[[nodiscard]] std::string renderDocument(const tracer::Snapshot &snapshot);

/// A wider picture with box-drawing characters: every host, every path, addresses before and after each hop.
[[nodiscard]] std::string renderUnicode(const tracer::Snapshot &snapshot, const SceneOptions &options = {});

/// Geometry for QPainter and SVG. Pure: equal input, equal list.
[[nodiscard]] DisplayList layout(const tracer::Snapshot &snapshot, const SceneOptions &options = {});

/// A stand-alone SVG document. `theme`: "light", "dark" or "high-contrast".
[[nodiscard]] std::string renderSvg(const DisplayList &list, std::string_view theme = "light");

/// 0xRRGGBB of a token in a theme.
[[nodiscard]] std::uint32_t colour(Token token, std::string_view theme);

/// The path in words, one sentence a line: for text reports, tooltips and screen readers (they say the same).
[[nodiscard]] std::string describe(const tracer::Path &path);
[[nodiscard]] std::string describe(const tracer::Hop &hop);
/// "delivered", "dropped at node1", "answer dropped at node2".
[[nodiscard]] std::string describeOutcome(const tracer::Path &path);
/// "default/nodeport"; "a Service" where only its address was recognised.
[[nodiscard]] std::string describe(const tracer::ServiceRef &service);
/// "a VXLAN tunnel (network 42) from 192.168.0.1 to 192.168.0.2".
[[nodiscard]] std::string describe(const tracer::Encapsulation &tunnel);

/// As toString(), but without a port where there is none (ICMP errors, IGMP).
[[nodiscard]] std::string inWords(const tracer::SocketAddress &address);

} // namespace natlens::diagram
