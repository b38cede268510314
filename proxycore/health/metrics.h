// /metrics of kube-proxy: its names, in Prometheus' text format 0.0.4.
#pragma once

#include "proxycore/health/health.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// Counts what a proxy does, and prints it as kube-proxy 1.36 does: only the metrics of the mode it runs in. Times come from
/// the caller. A value; not to be used from two threads at once.
class ProxyMetrics final {
public:
    explicit ProxyMetrics(Mode mode) : m_mode(mode) {}

    enum class Sync : std::uint8_t { full, partial };
    /// One sync of one family's rules that succeeded, ended at `end` (seconds since the epoch).
    void synced(IpFamily family, Sync kind, std::chrono::nanoseconds duration, double end);
    /// What the kernel refused, since the last call: syncs (iptables: restores), those among them that wrote changes only
    /// (iptables), deletions of unused chains (nftables).
    struct Refused {
        std::uint64_t syncs = 0, partial = 0, cleanUps = 0;
    };
    void refused(IpFamily family, const Refused &count);
    /// iptables mode: packets that its rules have counted. kube-proxy takes the numbers from the kernel's nfacct, and has
    /// neither metric where that is not there; what is not known is left out here, too.
    struct Packets {
        std::optional<std::uint64_t> invalidDropped;     ///< connection tracking called them invalid
        std::optional<std::uint64_t> localhostNodePorts; ///< accepted at node ports of 127.0.0.0/8
    };
    void packets(const Packets &counted) { m_packets = counted; }
    /// iptables mode: how many rules a table has after a sync, and how many of them that sync wrote.
    void rules(IpFamily family, const std::string &table, std::size_t total, std::size_t written);
    /// A sync was asked for: counts the Services and EndpointSlices that differ between the two states.
    void queued(IpFamily family, double at, const ClusterState &before, const ClusterState &after);
    /// Services with policy Local that have no endpoint on this node.
    void noLocalEndpoints(IpFamily family, const ProxyPlan &plan);
    /// One look for stale UDP connections.
    void reconciled(IpFamily family, std::chrono::nanoseconds duration, std::uint64_t deleted);
    /// An answer of /healthz or /livez.
    void answeredHealthz(int status) { ++m_healthz[status]; }
    void answeredLivez(int status) { ++m_livez[status]; }

    [[nodiscard]] std::string text() const;

private:
    /// kube-proxy's two rows of buckets: 0.001 s doubled fourteen times, and up to five minutes for network
    /// programming.
    static const std::vector<double> kSyncBounds, kProgrammingBounds;
    struct Histogram {
        const std::vector<double> *bounds = &kSyncBounds;
        std::vector<std::uint64_t> buckets = std::vector<std::uint64_t>(bounds->size());
        std::uint64_t count = 0;
        double sum = 0;
        void observe(double seconds);
    };
    struct Rules {
        std::size_t total = 0, written = 0;
    };
    struct Family {
        Histogram all, full, partial, reconciler, programming{&kProgrammingBounds};
        double lastSync = 0, lastQueued = 0;
        bool endpointsWait = false; ///< for a sync; those of the first one are no change
        std::map<std::string, Rules> rules; ///< by table
        Refused refused;
        std::uint64_t deleted = 0;
        std::uint64_t noLocalInternal = 0, noLocalExternal = 0;
    };
    class Printer;

    Mode m_mode;
    std::map<IpFamily, Family> m_families;
    std::uint64_t m_serviceChanges = 0, m_endpointChanges = 0;
    std::uint64_t m_servicesPending = 0, m_endpointsPending = 0; ///< since the last sync
    std::map<int, std::uint64_t> m_healthz, m_livez;
    Packets m_packets;
};

/// 127.0.0.1:10249/metrics.
[[nodiscard]] HttpAnswer metricsAnswer(const ProxyMetrics &metrics);

} // namespace natlens::proxycore
