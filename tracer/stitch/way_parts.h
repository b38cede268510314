// Private to the making of ways: what one host shows of one direction, and hosts that share one file.
#pragma once

#include "tracer/stitch/way.h"

#include <vector>

namespace natlens::tracer {

struct HostSights {
    HostIndex host = 0;
    std::vector<Sighting> sights = {}; ///< in the direction of travel
    int epoch = 0;                     ///< grows with every proxy on the way
    int ttlSum = 0, stepSum = 0;
    bool assumed = false; ///< see Visit
    bool leaves = false;  ///< some sight is known to go out and none to go in
    bool tied = false;    ///< see Visit
    Timestamp first = {};

    /// Fills in everything that follows from host and sights.
    void summarise(Direction direction);
};

/// A classic file may hold what several capture points saw (mergecap, a mirror port). One interface shows a packet at
/// most twice, in and out, one time to live apart, and receives with the Ethernet address that it sends from; where
/// more values are seen, or another address, several machines or interfaces stand between them, and each is made a host
/// of its own, named after an address that is its own as far as packets tell. Files known to be mixed are split
/// everywhere. Others are returned as they are.
[[nodiscard]] std::vector<HostSights> splitMixed(HostSights host, const Connection &connection, Direction direction,
                                                 CapturePoints &points);

/// A packet that left a host and came back to it one time to live lower has been at another router meanwhile, whether
/// that was captured or not (a load balancer beside the node, a pod that forwards): the host was visited twice. Where
/// captures do not tell directions, an even number of times to live at several interfaces says so. Expects sights in
/// the direction of travel.
[[nodiscard]] std::vector<HostSights> splitReturns(HostSights host, Direction direction);

} // namespace natlens::tracer
