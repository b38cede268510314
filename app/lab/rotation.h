// Which nodes a load balancer uses: health checks due, their results, thresholds. Pure: no packets, no clock of its own.
#pragma once

#include "app/lab/addressing.h"

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace natlens::lab {

/// For each Service of type LoadBalancer: policy Local asks the Service's healthCheckNodePort, policy Cluster asks
/// kube-proxy's 10256 (`/healthz` both). A node is out until it has passed `healthyAfter` checks, and out again after
/// `unhealthyAfter` failures in a row. Used by the load balancer of both labs.
class Rotation final {
public:
    using Clock = std::chrono::steady_clock;

    /// One health check: GET http://address:port/healthz.
    struct Check {
        std::string service, node; ///< "namespace/name"; node's name
        packet::IpAddress address;
        packet::Port port = 0;
    };
    /// A load balancer IP, and the nodes' addresses of its family that it goes to now.
    struct Target {
        packet::IpAddress vip;
        std::vector<packet::IpAddress> nodes;
    };

    explicit Rotation(const LoadBalancerSpec &spec) : m_spec(spec) {}

    /// Takes over VIPs, health check ports and nodes from the cluster state. Returns the VIPs that no Service has any more.
    std::vector<packet::IpAddress> configure(const proxycore::ClusterState &state);
    /// Checks to start now; each counts as running until result().
    [[nodiscard]] std::vector<Check> due(Clock::time_point now);
    /// When the next one will be due.
    [[nodiscard]] Clock::time_point next(Clock::time_point now) const;
    /// The end of a check: HTTP status, 0 when there was no answer. True when the node has entered or left.
    [[nodiscard]] bool result(const Check &check, int status);

    [[nodiscard]] std::vector<Target> targets() const;
    [[nodiscard]] std::vector<Target> targets(const std::string &service) const;
    /// Nodes that the first Service's VIPs go to, by name.
    [[nodiscard]] std::vector<std::string> inRotation() const;
    /// Every node has been judged by the present check: passed often enough, or failed often enough.
    [[nodiscard]] bool settled() const;
    [[nodiscard]] std::vector<packet::IpAddress> vips() const;

private:
    struct Node {
        HostAddresses addresses;
        unsigned passed = 0, failed = 0; ///< in a row
        bool healthy = false;
        bool checking = false;
        Clock::time_point due{};
    };
    struct Frontend {
        std::vector<packet::IpAddress> vips;
        packet::Port checkPort = 0;
        packet::IpFamily checkFamily = packet::IpFamily::v4; ///< that of the first VIP
        std::map<std::string, Node> nodes; ///< by name
    };
    static void addTargets(const Frontend &frontend, std::vector<Target> &targets);

    LoadBalancerSpec m_spec;
    std::map<std::string, Frontend> m_frontends; ///< by "namespace/name" of the Service
};

} // namespace natlens::lab
