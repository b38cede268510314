// Immutable state of everything traced so far; the only thing that leaves the tracer.
#pragma once

#include "tracer/path/path.h"
#include "tracer/path/summary.h"

#include <memory>

namespace natlens::tracer {

/// Statistics of one capture point ("node2/eth0").
struct CapturePointStatus {
    std::string name, host, interface;
    std::uint64_t packets = 0;
    std::uint64_t dropped = 0; ///< from pcapng Interface Statistics Blocks (isb_ifdrop + isb_osdrop)
    std::uint64_t cut = 0;     ///< packets that the snap length shortened
    bool evidence = false;     ///< conntrack, nftrace or cluster-state: not packets of its own

    bool operator==(const CapturePointStatus &) const = default;
};

/// One consistent view. Paths are shared between snapshots and never change after publication.
struct Snapshot {
    std::uint64_t version = 0; ///< grows by one with every change
    std::vector<Host> hosts;   ///< in order of first appearance
    std::vector<CapturePointStatus> points;
    std::vector<std::shared_ptr<const Path>> paths; ///< in order of first packet
    /// There are more paths than are kept, and `paths` are only some of them (Tracer::Options::keepPaths).
    bool partial = false;
    std::shared_ptr<const AllPaths> all = {}; ///< only when partial and ended
    std::uint64_t packets = 0;                ///< packets read
    std::uint64_t undecodable = 0;
    Timestamp firstTime, lastTime;
    bool ended = false; ///< the source has ended; no more changes
};

} // namespace natlens::tracer
