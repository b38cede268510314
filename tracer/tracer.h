// The tracer: observations and evidence in, immutable snapshots out. No input or output, no clock, no threads of its
// own.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "tracer/parallel.h"
#include "tracer/path/snapshot.h"
#include "tracer/stitch/evidence.h"
#include "tracer/stitch/observation.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace natlens::proxycore {
struct NodeRules;
}

namespace natlens::tracer {

/// Feeds every stage from observation to finding. All results are a function of what was added (time comes from the
/// packets), so live, replay and tests agree. Packets may arrive a little out of order (reorder window: 50 ms).
/// Lives on one thread; snapshots may be read on any.
class Tracer final {
public:
    struct Options {
        /// With more pairs of addresses than this (a connection has one, and one more for each translation) snapshots
        /// hold only some of the paths: the earliest while the source goes on, examples of all kinds when it has ended;
        /// then Snapshot::all has the rest.
        std::size_t keepLegs = SIZE_MAX;
        ParallelFor parallel = oneByOne; ///< for what can be done in parallel at the end of a large source
    };

    explicit Tracer(Options options);
    Tracer()
        : Tracer(Options()) {}
    ~Tracer();
    Tracer(const Tracer &) = delete;
    Tracer &operator=(const Tracer &) = delete;

    /// `name` is "host/interface"; a name without a slash is a host with an unnamed interface.
    void addCapturePoint(base::CapturePointId id, std::string_view name, packet::LinkType linkType);
    void addPacket(base::CapturePointId point, base::Timestamp time, base::PacketNumber number, Crossing crossing,
                   std::uint32_t originalLength, std::span<const std::byte> captured);
    /// In order.
    void addPackets(std::span<const Observation> packets);
    /// Makes ready what packets to come will need, which changes no result. The only function for another thread than
    /// the tracer's: for one that would wait for it otherwise.
    void prepareRoom();
    /// A packet that a filter left out: time goes on.
    void passOver(base::Timestamp time);
    void addTranslation(const TranslationEvent &event);
    void addRuleTrace(const RuleTraceEvent &event);
    /// One Kubernetes watch event, {"type":"ADDED|MODIFIED|DELETED","object":{...}}, or a plain object or List.
    /// Unreadable JSON is counted, not fatal.
    void addClusterState(base::Timestamp time, std::string_view json);
    /// Rules that were read from a node (proxycore/rules); "" when nobody knows from which. Best before the first
    /// packet: everything is judged by them.
    void addNodeRules(std::string_view node, const proxycore::NodeRules &rules);
    /// What was found out about a host's clock. The times of its packets must be given corrected.
    void setHostClock(std::string_view host, HostClock clock);
    /// Settings and counters that a host told of itself (docs/recording-facts.md). Unreadable JSON is passed over.
    void addFacts(std::string_view host, base::Timestamp time, std::string_view json);
    /// Total packets lost at a capture point since the capture began.
    void addDrops(base::CapturePointId point, base::Timestamp time, std::uint64_t total);
    /// The source has ended: outcomes that waited for more packets are decided.
    void finish();

    /// The current state; unchanged paths are shared with the previous snapshot. Cost: proportional to what changed.
    [[nodiscard]] std::shared_ptr<const Snapshot> snapshot();

private:
    class Impl;
    class Ended;
    std::shared_ptr<Impl> m_impl; ///< also Snapshot::all's
};

} // namespace natlens::tracer
