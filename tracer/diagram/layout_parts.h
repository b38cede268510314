// The stages of layout(): sizes, columns, rows, then the finished display list.
#pragma once

#include "tracer/diagram/scene.h"

#include <array>
#include <map>
#include <string>
#include <vector>

namespace natlens::diagram {

inline constexpr double kMargin = 28, kHostGap = 44, kParallel = 18, kLabelGap = 9, kLineHeight = 13.5;
inline constexpr double kLabelSize = 10.5, kTitleSize = 13.5, kAddressSize = 11;
inline constexpr double kCheckWidth = 142, kBadgeHeight = 18, kTouch = 2, ///< kTouch: space between arrow and box
    kRank = 13, kLostGap = 6; ///< kRank: between lines that run along each other; kLostGap: room for a cross

/// Widths are estimated on the generous side, as the fonts are the painter's.
[[nodiscard]] double textWidth(std::string_view text, double size, bool bold, bool monospace);
[[nodiscard]] double labelWidth(const std::optional<Stream> &stream);
[[nodiscard]] double labelHeight(const std::optional<Stream> &stream);
[[nodiscard]] double badgeWidth(std::string_view text);

/// How a pair runs.
enum class Course : std::uint8_t {
    down,   ///< from a row to a lower one
    beside, ///< straight between two neighbouring nodes
    lane,   ///< below the row, between hosts that are not neighbours
};

struct PairPlan {
    const StreamPair *pair = nullptr;
    std::size_t upper = 0, lower = 0; ///< hosts; for courses within a row: left and right
    Course course = Course::down;
    bool labelled = true;
    int lane = 0;
    double requestX = 0, replyX = 0;           ///< columns of the stubs at the lower host
    double upperRequestX = 0, upperReplyX = 0; ///< ports at the upper host's lower edge
    double lowerRequestX = 0, lowerReplyX = 0; ///< lanes: ports at the right host's lower edge
    double bypassX = 0;                        ///< where it passes a row in between
    bool bypass = false;
    bool replyAtLeft = false;           ///< else the request is; labels stand at the outer sides
    int requestRank = 0, replyRank = 0; ///< how far down lines change columns in the channel above the lower host
    int requestBypassRank = 0, replyBypassRank = 0; ///< the same above a row that is passed by
};

/// Two lines that run into a host side by side: a pair's request and reply, or the request of one pair and the reply
/// of another (packets that come from the load balancer, and are answered straight to the client).
struct StubGroup {
    std::size_t request = kNone, reply = kNone; ///< index into Plan::pairs
    double labels = 6;                          ///< room for the wider of the two labels
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

    [[nodiscard]] std::size_t any() const { return request != kNone ? request : reply; }
    [[nodiscard]] double width() const { return 2 * labels + kParallel; }
};

struct HostPlan {
    const SceneHost *host = nullptr;
    Rect box;
    double slot = 0; ///< width of everything that belongs in this host's column
    double centre = 0;
    std::vector<std::size_t> stubs; ///< pairs that arrive from above
    std::vector<StubGroup> groups;  ///< the same, side by side
    std::vector<std::size_t> pods;  ///< of a node: hosts below it
    const SceneCheck *check = nullptr;
    bool checkAtLeft = true;
};

struct Plan {
    const Scene *scene = nullptr;
    std::vector<HostPlan> hosts; ///< as in the scene
    std::vector<PairPlan> pairs;
    std::array<std::vector<std::size_t>, kTiers> rows; ///< hosts of each row
    std::vector<std::size_t> columns; ///< from left to right: the nodes, then pods that have no node above them
    std::array<double, kTiers> top{}, height{};         ///< of the rows' boxes
    std::array<double, kTiers> laneTop{}, laneBottom{}; ///< below each row
    std::array<double, kTiers> stubTop{};               ///< above each row
    std::array<int, kTiers> ranks{}; ///< lines that change columns above each row, one below the other
    double besideY = 0;              ///< offset in the node row of arrows between neighbours; the reply runs below
    double besideExtra = 0;          ///< how far their lower labels hang out of the node row
    bool innerChecks = false;        ///< some health check stands between two nodes
};

[[nodiscard]] Plan planOf(const Scene &scene);
void placeColumns(Plan &plan);
void placeRows(Plan &plan);
[[nodiscard]] DisplayList paint(const Plan &plan);

} // namespace natlens::diagram
