// /metrics of kube-proxy: its names, in Prometheus' text format 0.0.4.
#pragma once

#include "proxycore/health/health.h"

#include <chrono>
#include <cstdint>
#include <map>
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
    void syncFailed(IpFamily family);
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
    /// 0.001 s doubled fourteen times, as kube-proxy's exponential buckets.
    struct Histogram {
        std::vector<std::uint64_t> buckets = std::vector<std::uint64_t>(15);
        std::uint64_t count = 0;
        double sum = 0;
        void observe(double seconds);
    };
    struct Family {
        Histogram all, full, partial, reconciler;
        double lastSync = 0, lastQueued = 0;
        std::uint64_t failed = 0, deleted = 0;
        std::uint64_t noLocalInternal = 0, noLocalExternal = 0;
    };
    class Printer;

    Mode m_mode;
    std::map<IpFamily, Family> m_families;
    std::uint64_t m_serviceChanges = 0, m_endpointChanges = 0;
    std::map<int, std::uint64_t> m_healthz, m_livez;
};

/// 127.0.0.1:10249/metrics.
[[nodiscard]] HttpAnswer metricsAnswer(const ProxyMetrics &metrics);

} // namespace natlens::proxycore
