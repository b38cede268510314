// The lab's load balancer: forwards packets for its VIPs unchanged to a healthy node, as Google's does.
#pragma once

#include "app/lab/http_client.h"
#include "app/lab/scenario.h"
#include "app/lab/topology.h"

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace natlens::lab {

/// Balances by routing: each VIP is a multipath route over the nodes in rotation, so the kernel hashes every connection
/// to one of them and changes nothing but the TTL; nodes answer the client directly. Which nodes are in rotation is
/// decided by HTTP health checks from the load balancer's own address:
/// policy Local asks the Service's healthCheckNodePort, policy Cluster asks kube-proxy's 10256 (`/healthz` both).
/// A node is out until it has passed `healthyAfter` checks, and out again after `unhealthyAfter` failures in a row.
/// Lives on the lab's thread.
class LoadBalancer final {
public:
    using Clock = std::chrono::steady_clock;

    LoadBalancer(LoadBalancerSpec spec, HttpClient &client, LabHost &host, std::function<void()> rotationChanged);

    /// Takes over VIPs, health check ports and nodes from the cluster state. Call after every change.
    [[nodiscard]] base::Status configure(const proxycore::ClusterState &state);
    /// Starts the checks that are due. Returns when the next one is.
    Clock::time_point tick(Clock::time_point now);

    /// Nodes that the first VIP goes to, by name.
    [[nodiscard]] std::vector<std::string> inRotation() const;
    /// Every node has been judged by the present check: passed often enough, or failed often enough.
    [[nodiscard]] bool settled() const;
    [[nodiscard]] std::vector<packet::IpAddress> vips() const;

private:
    struct Target {
        packet::IpAddress address;
        unsigned passed = 0, failed = 0; ///< in a row
        bool healthy = false;
        bool checking = false;
        Clock::time_point due{};
    };
    struct Frontend {
        std::vector<packet::IpAddress> vips;
        packet::Port checkPort = 0;
        std::map<std::string, Target> targets; ///< by node name
    };
    void check(const std::string &service, const std::string &node);
    void onResult(const std::string &service, const std::string &node, packet::Port port, const HttpOutcome &outcome);
    [[nodiscard]] base::Status program(const Frontend &frontend);

    LoadBalancerSpec m_spec;
    HttpClient &m_client;
    LabHost &m_host;
    std::function<void()> m_rotationChanged;
    std::map<std::string, Frontend> m_frontends; ///< by "namespace/name" of the Service
};

} // namespace natlens::lab
