// Random clusters and packets: small, and every feature of kube-proxy within reach.
#pragma once

#include "proxycore/engine/decision.h"
#include "proxycore/model/cluster_state.h"
#include "proxycore/model/proxy_config.h"

#include <random>
#include <string>
#include <vector>

namespace natlens::test {

using namespace natlens::proxycore;

/// The node under test is n1: 192.168.0.2 and 192.168.99.11 on `out0`, 10.1.1.1 (pods 10.1.1.0/24) on `pods0`.
struct RandomCase {
    ClusterState state;
    ProxyConfig config;
};

/// One packet, and how it reaches the node.
struct RandomPacket {
    FlowQuery flow;
    enum class Way : std::uint8_t { outside, pods, local } way = Way::outside;
};

class RandomCluster final {
public:
    explicit RandomCluster(std::uint32_t seed) : m_random(seed) {}

    [[nodiscard]] RandomCase next();
    /// Packets to every front end there is, to ports and addresses beside them, from everywhere that matters.
    [[nodiscard]] std::vector<RandomPacket> packets(const RandomCase &made, std::size_t count);

    [[nodiscard]] unsigned below(unsigned bound) { return static_cast<unsigned>(m_random() % bound); }
    [[nodiscard]] bool oneIn(unsigned n) { return below(n) == 0; }

private:
    [[nodiscard]] Service service(unsigned number);
    [[nodiscard]] EndpointSlice slice(const Service &service, unsigned number);
    [[nodiscard]] Endpoint endpoint();
    [[nodiscard]] ProxyConfig config();

    std::mt19937 m_random;
};

} // namespace natlens::test
