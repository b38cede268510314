// What kube-proxy answers over HTTP: healthCheckNodePort, /healthz, /livez, /proxyMode. Pure functions.
#pragma once

#include "proxycore/plan/proxy_plan.h"

#include <string>
#include <utility>
#include <vector>

namespace natlens::proxycore {

/// Which kube-proxy answers. `picture`: the document's drawing, whose failed check says 500; `document`: kube-proxy 1.5
/// as it was, 503 (no released kube-proxy has ever answered 500); `today`: 1.36.
enum class HealthProfile { picture, document, today };
[[nodiscard]] std::string_view toString(HealthProfile value);

struct HttpAnswer {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers; ///< in order; without Date and Content-Length
    std::string body;                                         ///< no newline at the end

    bool operator==(const HttpAnswer &) const = default;
};

/// The answer on a Service's healthCheckNodePort, for any path and method.
/// `proxyHealthy` matters to profile `today` only (kube-proxy looks at it since 1.27).
[[nodiscard]] HttpAnswer healthCheckAnswer(HealthProfile profile, const ObjectName &service, unsigned localEndpoints,
                                           bool proxyHealthy = true);
[[nodiscard]] HttpAnswer healthCheckAnswer(HealthProfile profile, const HealthCheckPlan &check,
                                           bool proxyHealthy = true);

/// The addresses a healthCheckNodePort is listened on; empty: all addresses of the family. With kube-proxy's defaults
/// nftables mode listens on the node's primary address only, so that 127.0.0.1 is refused; 1.5 listened everywhere.
[[nodiscard]] std::vector<IpAddress> healthCheckAddresses(const ProxyPlan &plan, HealthProfile profile);

/// One family's state as /healthz shows it.
struct FamilyHealth {
    IpFamily family = IpFamily::v4;
    std::string lastUpdated; ///< RFC 3339 with nanoseconds
    bool healthy = true;     ///< no queued update is older than twice the sync period
};

struct ProxyHealth {
    std::string currentTime; ///< RFC 3339 with nanoseconds
    std::string lastUpdated; ///< newest real update; when the answer is 200, kube-proxy prints the current time instead
    bool nodeEligible = true; ///< see isEligible()
    std::vector<FamilyHealth> families;
};

/// A node that is not being deleted and has no taint ToBeDeletedByClusterAutoscaler (KEP-3836); null: not eligible.
[[nodiscard]] bool isEligible(const Node *node);

/// :10256/healthz and :10256/livez of kube-proxy 1.36. The latter does not look at the node.
[[nodiscard]] HttpAnswer healthzAnswer(const ProxyHealth &health);
[[nodiscard]] HttpAnswer livezAnswer(const ProxyHealth &health);

/// 127.0.0.1:10249/proxyMode: "iptables" or "nftables".
[[nodiscard]] HttpAnswer proxyModeAnswer(Mode mode);
/// 127.0.0.1:10249/healthz: "ok".
[[nodiscard]] HttpAnswer metricsHealthzAnswer();
/// Any other path of these servers.
[[nodiscard]] HttpAnswer notFoundAnswer();

} // namespace natlens::proxycore
