// The hosts that one direction of a connection visited, in order.
#pragma once

#include "tracer/stitch/link_finder.h"

#include <optional>
#include <vector>

namespace natlens::tracer {

/// One pass of one flow, placed in its connection.
struct Sighting {
    HostIndex host = 0;
    base::CapturePointId point;
    unsigned step = 0; ///< index into Connection::steps
    int epoch = 0;     ///< proxies passed before, in the direction of travel up to a constant
    std::uint8_t ttl = 0;
    Facing facing = Facing::unknown;
    std::uint16_t ipId = 0;
    Timestamp first, last;
    PacketNumber number;
    std::uint64_t packets = 0;
    std::optional<std::uint64_t> payloadBytes = {}; ///< of its flow, where that is one pass
    std::uint32_t syns = 0;
    SocketAddress src, dst;
    bool icmp = false;
    std::uint16_t tunnel = 0;            ///< it was in, see FlowTable::tunnel
    std::uint8_t macFrom = 0, macTo = 0; ///< see Pass
};

/// What was seen of one direction at one host.
struct Visit {
    HostIndex host = 0;
    std::optional<Sighting> in = {}, out = {};   ///< first sight going in, last sight going out
    std::uint64_t packetsIn = 0, packetsOut = 0; ///< largest count of any of the host's points
    std::optional<std::uint64_t> payloadBytes =
        {}; ///< the largest sum of any of the host's points, repetitions included
    std::uint32_t syns = 0;
    Timestamp first = {}, last = {};
    bool unsure = false;  ///< even faceLoneHost() found nothing that tells: nobody should conclude that it ended here
    bool tied = false;    ///< which of it and a neighbour comes first is no more than likely
    bool assumed = false; ///< the only host of its way, and nothing there tells whether packets came or went
};

/// Visits of one direction, in the order of travel: by time to live, which needs no clocks (STITCHING 2.2), then by
/// leg, then by time; `opposite` is the way of the other direction, which tells where times are equal. A host that
/// forwards is seen with two values of it and stands between its neighbours.
[[nodiscard]] std::vector<Visit> findWay(const Connection &connection, Direction direction, const LegTable &legs,
                                         const FlowTable &flows, CapturePoints &points,
                                         const std::vector<Visit> &opposite = {});

/// Decides what findWay() could only assume, from both ways of a connection that one host alone has seen: whether it is
/// the client's side or the other one. What still is no more than likely stays `assumed`.
void faceLoneHost(std::vector<Visit> &request, std::vector<Visit> &reply, const CapturePoints &points);

} // namespace natlens::tracer
