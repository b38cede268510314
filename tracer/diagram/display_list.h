// Geometry decided once, as data: what a painter (QPainter, SVG) draws without thinking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace natlens::diagram {

struct Point {
    double x = 0, y = 0;
    bool operator==(const Point &) const = default;
};
struct Rect {
    double x = 0, y = 0, width = 0, height = 0;
    bool operator==(const Rect &) const = default;
};

/// Theme tokens; theme_tokens.inc gives each a colour in every theme. Meaning is never carried by hue alone (shape,
/// dash, letter too).
enum class Token : std::uint8_t {
    background,
    text,
    mutedText,
    hostFill,
    hostStroke,
    nodeFill,
    podFill,
    clientFill,
    lbFill,
    request,
    reply,
    snat,
    dnat,
    drop,
    healthCheck,
    probeFail,
    selection,
    badgeFill,
    badgeText,
};

/// What an item stands for, so that a pointer or a screen reader can ask. Any field may be empty.
struct ItemRef {
    std::string pathId; ///< Path::id
    std::string host;   ///< Host::name
    int segment = -1;   ///< index into Path::segments
    int hop = -1;       ///< index into Path::hops
    bool operator==(const ItemRef &) const = default;
};

struct Box {
    Rect rect;
    double radius = 6;
    Token fill = Token::hostFill, stroke = Token::hostStroke;
    bool dashed = false; ///< inferred, never captured
    ItemRef ref;
    bool operator==(const Box &) const = default;
};

enum class ArrowHead : std::uint8_t { none, arrow, cross };

/// A polyline from tail to head (two or more points). Packets move along it: `trackId` is stable from one list to the
/// next.
struct Arrow {
    std::vector<Point> points;
    Token stroke = Token::request;
    double width = 2;
    bool dashed = false;
    ArrowHead head = ArrowHead::arrow;
    std::string trackId;       ///< "from>to/request"
    std::uint64_t packets = 0; ///< packets seen on it so far, over all paths it stands for
    ItemRef ref;
    bool operator==(const Arrow &) const = default;
};

enum class Align : std::uint8_t { left, centre, right };

struct Text {
    Point at; ///< baseline; x is the left, middle or right according to `align`
    std::string text;
    double size = 13; ///< pixels
    bool bold = false, monospace = false;
    Align align = Align::left;
    Token colour = Token::text;
    ItemRef ref;
    bool operator==(const Text &) const = default;
};

/// A labelled pill on an arrow or host: "SNAT", "DNAT", "200", "500", "X".
struct Badge {
    Rect rect;
    std::string text;
    Token fill = Token::badgeFill, colour = Token::badgeText;
    ItemRef ref;
    bool operator==(const Badge &) const = default;
};

struct DisplayList {
    Rect bounds;            ///< everything lies inside
    std::vector<Box> boxes; ///< painted in this order: boxes, arrows, badges, texts
    std::vector<Arrow> arrows;
    std::vector<Badge> badges;
    std::vector<Text> texts;
    bool operator==(const DisplayList &) const = default;
};

} // namespace natlens::diagram
