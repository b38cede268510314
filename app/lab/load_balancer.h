// The lab's load balancer: forwards packets for its VIPs unchanged to a healthy node, as Google's does.
#pragma once

#include "app/lab/http_client.h"
#include "app/lab/rotation.h"
#include "app/lab/topology.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace natlens::lab {

/// Balances by routing: each VIP is a multipath route over the nodes in rotation, so the kernel hashes every connection
/// to one of them and changes nothing but the TTL; nodes answer the client directly. Which nodes are in rotation is
/// decided by HTTP health checks from the load balancer's own address (see Rotation). Lives on the lab's thread.
class LoadBalancer final {
public:
    using Clock = Rotation::Clock;

    LoadBalancer(LoadBalancerSpec spec, HttpClient &client, LabHost &host, std::function<void()> rotationChanged);

    /// Takes over VIPs, health check ports and nodes from the cluster state. Call after every change.
    [[nodiscard]] base::Status configure(const proxycore::ClusterState &state);
    /// Starts the checks that are due. Returns when the next one is.
    Clock::time_point tick(Clock::time_point now);

    [[nodiscard]] const Rotation &rotation() const { return m_rotation; }

private:
    void onResult(const Rotation::Check &check, const HttpOutcome &outcome);
    [[nodiscard]] base::Status program(const Rotation::Target &target);

    LoadBalancerSpec m_spec;
    Rotation m_rotation;
    HttpClient &m_client;
    LabHost &m_host;
    std::function<void()> m_rotationChanged;
};

} // namespace natlens::lab
