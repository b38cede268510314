// Many capture points, one pcapng stream.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"
#include "capture/live/live_capture.h"
#include "capture/netlink/trace_message.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace natlens::probe {

/// Sums over all capture points.
struct CaptureTotals {
    std::uint64_t written = 0;  ///< packets in the stream, netlink messages and cluster state included
    std::uint64_t received = 0; ///< as the capture points last counted
    std::uint64_t dropped = 0;
};

/// Collects packets, conntrack events, rule traces and cluster state and writes them as one pcapng stream, ordered by
/// time as far as a delay of at most two milliseconds allows.
///
/// Every add…() opens its capture point in the network namespace that the calling thread is in at that moment, so the
/// caller enters a namespace, adds, and leaves again; from then on the service's own thread serves it. Packets are kept
/// by the kernel from the moment that their capture point is open, also before start(). All functions may be called
/// from any thread. The capture point's name in the stream is "node/interface", "node/conntrack", "node/nftrace" or
/// "cluster-state". When the reader of the stream goes away the service ends quietly; nothing raises SIGPIPE.
class CaptureService final {
public:
    /// Takes the descriptor that the stream is written to. Nothing is written before start().
    explicit CaptureService(base::UniqueFd stream, std::string application = "natlens");
    ~CaptureService(); ///< stop()
    CaptureService(const CaptureService &) = delete;
    CaptureService &operator=(const CaptureService &) = delete;

    /// Errors are those of live::LiveCapture::open(). Takes a grace period of the kernel (6 to 20 ms).
    [[nodiscard]] base::Status addInterface(const std::string &node, const std::string &interface,
                                            const live::CaptureOptions &options = {});
    /// One of many interfaces to open at once; `networkNamespace` is a descriptor of the namespace it lives in, or -1
    /// for the calling thread's.
    struct InterfaceRequest {
        std::string node, interface;
        int networkNamespace = -1;
    };
    /// As addInterface() for each, in this order, but opened on a thread each: a packet ring costs a grace period of
    /// the kernel (about 20 ms), and threads wait for the same one. The first error, in order; then none is added.
    [[nodiscard]] base::Status addInterfaces(std::span<const InterfaceRequest> requests,
                                             const live::CaptureOptions &options = {});
    /// Errors are those of netlink::EventSocket. The caller sees to netlink::enableConntrackEvents().
    [[nodiscard]] base::Status addConntrack(const std::string &node);
    /// For a datapath that tracks connections itself: the same capture point, filled by writeConntrack() with packets
    /// of link type NETLINK (netlink::wrap), time-stamped when they are written.
    [[nodiscard]] base::Status addWrittenConntrack(const std::string &node);
    [[nodiscard]] base::Status writeConntrack(const std::string &node, std::span<const std::byte> packet);
    /// `names` go into the capture point's description: netlink::parseInterfaceNames() reads them there.
    [[nodiscard]] base::Status addRuleTrace(const std::string &node, const netlink::InterfaceNames &names);
    [[nodiscard]] base::Status addClusterState();
    /// Settings and counters of a node (docs/recording-facts.md): "node/facts", filled by writeFacts() with JSON text.
    [[nodiscard]] base::Status addFacts(const std::string &node);
    [[nodiscard]] base::Status writeFacts(const std::string &node, const std::string &jsonText);

    /// One Kubernetes watch event (JSON text). Needs addClusterState() before. Objects of one listing have one `time`.
    [[nodiscard]] base::Status writeClusterState(const std::string &jsonText,
                                                 base::Timestamp time = base::Timestamp::now());

    /// Writes what the interface still has and its last statistics, then closes it. Call it before the interface is
    /// taken away; one that disappears by itself is closed in the same way. notFound when there is no such capture
    /// point. Added again under the same name it becomes a new pcapng interface of that name, whose counters begin at
    /// 0.
    [[nodiscard]] base::Status removeInterface(const std::string &node, const std::string &interface);

    /// Starts the thread. Points added before come first in the stream, in the order in which they were added, before
    /// any packet.
    [[nodiscard]] base::Status start();

    /// Waits until nothing has arrived at any capture point for `quietTime` and everything is written, but no longer
    /// than `atMost`. False when the time ran out or the service has ended.
    bool drain(std::chrono::milliseconds quietTime, std::chrono::milliseconds atMost);

    /// Reads every capture point until it is empty, writes statistics, flushes and closes the stream. The first error
    /// of the stream, if there was one; a reader that went away is none. Further calls return the same.
    [[nodiscard]] base::Status stop();

    /// True until stop(), a failed write, or the end of the reader.
    [[nodiscard]] bool isRunning() const;
    [[nodiscard]] CaptureTotals totals() const;

private:
    class Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace natlens::probe
