// What is to be drawn, before anything has a place: hosts in rows, and pairs of arrows between them.
#pragma once

#include "tracer/diagram/diagram.h"
#include "tracer/diagram/route.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace natlens::diagram {

/// Arrows that rest on less than this are dashed. Above it are conntrack's word, the rule trace's, and joint TCP
/// evidence.
inline constexpr double kCertain = 0.9;

/// The rows of a picture, from top to bottom, as in the document.
enum class Tier : std::uint8_t { client, balancer, node, pod };
inline constexpr std::size_t kTiers = 4;

/// A letter or word on a host: "SNAT", "DNAT", "X".
struct Mark {
    std::string text;
    Token fill = Token::badgeFill;
    ItemRef ref;
};

struct SceneHost {
    std::string name, title, address;
    Tier tier = Tier::node;
    std::string node;      ///< pods: where they run, "" when unknown
    bool inferred = false; ///< never captured
    bool muted = false;    ///< another path is selected, and it does not come here
    std::vector<Mark> marks;
};

/// All packets that went from one host to another in one direction: one arrow.
struct Stream {
    std::string from, to;
    tracer::Direction direction = tracer::Direction::request;
    std::vector<std::string> label; ///< lines: "source", "> destination", "3 connections"
    std::uint64_t packets = 0;
    std::uint64_t connections = 0;
    bool atMost = false; ///< `connections` counts some that went another way: how many did is not known
    bool lost = false, weak = false, selected = false, healthCheck = false;
    ItemRef ref; ///< the selected path's segment, otherwise the newest one's
};

/// Request and reply between the same two hosts; they are drawn side by side.
struct StreamPair {
    std::string near, far; ///< host at the client's side, host at the endpoint's side
    std::optional<Stream> request, reply;
};

/// A node's health checks.
struct SceneCheck {
    StreamPair streams; ///< near: who asks; far: the node
    int status = 0;     ///< 0: no answer seen
};

struct Scene {
    std::vector<SceneHost> hosts;   ///< by row, then by name
    std::vector<StreamPair> pairs;  ///< ordered by their hosts' names
    std::vector<SceneCheck> checks; ///< at most one for each node, ordered by node
    bool selection = false;         ///< some path is selected: everything else is muted

    [[nodiscard]] const SceneHost *find(std::string_view host) const;
};

[[nodiscard]] Scene sceneOf(const tracer::Snapshot &snapshot, const SceneOptions &options);

} // namespace natlens::diagram
