// What a node's kube-proxy answers over HTTP at this moment; both labs put it behind their own sockets.
#pragma once

#include "app/lab/http_server.h"
#include "capture/base/timestamp.h"
#include "proxycore/health/health.h"
#include "proxycore/health/metrics.h"
#include "proxycore/plan/proxy_plan.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace natlens::lab {

/// kube-proxy's --healthz-bind-address and --metrics-bind-address.
inline constexpr packet::Port kProxyHealthPort = 10256, kMetricsPort = 10249;

/// Lives on its owner's thread; the handlers must not outlive it.
class NodeAnswers final {
public:
    /// `clock` tells the time that answers carry.
    NodeAnswers(const proxycore::ProxyConfig &config, proxycore::HealthProfile profile,
                std::function<base::Timestamp()> clock);
    /// Who is asked for packet counters when /metrics is (iptables mode).
    void countPackets(std::function<proxycore::ProxyMetrics::Packets()> count) { m_countPackets = std::move(count); }

    /// Before each sync of the rules of these families.
    void queued(const proxycore::ClusterState &state, std::span<const packet::IpFamily> families);
    /// A change has been heard of that no sync has carried out yet.
    [[nodiscard]] bool isWaiting() const;
    /// After each successful sync of the rules of the plan's family.
    void synced(std::shared_ptr<const proxycore::ProxyPlan> plan, std::shared_ptr<const proxycore::Node> node,
                std::chrono::nanoseconds duration);
    [[nodiscard]] proxycore::ProxyMetrics &metrics() { return m_metrics; }

    [[nodiscard]] HttpHandler healthHandler();        ///< :10256
    [[nodiscard]] HttpHandler metricsHandler();       ///< 127.0.0.1:10249
    /// One healthCheckNodePort, answered by the proxy of one family.
    struct HealthCheckPort {
        std::string service; ///< "namespace/name"
        packet::SocketAddress address;
        auto operator<=>(const HealthCheckPort &) const = default;
    };
    /// Every healthCheckNodePort with every address it is listened on.
    [[nodiscard]] std::vector<HealthCheckPort> healthCheckPorts() const;
    [[nodiscard]] HttpHandler healthCheckHandler(const HealthCheckPort &port) const;

private:
    struct Family {
        std::shared_ptr<const proxycore::ProxyPlan> plan, before; ///< of the last sync and of the one before; null
        base::Timestamp lastSync;
        std::optional<base::Timestamp> waiting; ///< since when a change waits for its sync
    };
    [[nodiscard]] proxycore::ProxyHealth health() const;
    [[nodiscard]] bool isHealthy(const Family &family) const;
    void countRules();

    proxycore::Mode m_mode;
    proxycore::HealthProfile m_profile;
    std::chrono::nanoseconds m_patience; ///< with a change that waits for its sync
    std::function<base::Timestamp()> m_clock;
    std::function<proxycore::ProxyMetrics::Packets()> m_countPackets;
    std::map<packet::IpFamily, Family> m_families;
    std::shared_ptr<const proxycore::Node> m_node;
    proxycore::ClusterState m_state; ///< that was synced last
    proxycore::ProxyMetrics m_metrics;
};

} // namespace natlens::lab
