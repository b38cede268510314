// Random clusters and packets: small, and every feature of kube-proxy within reach.
#pragma once

#include "property/draws.h"
#include "property/world.h"
#include "proxycore/engine/decision.h"
#include "proxycore/model/cluster_state.h"
#include "proxycore/model/proxy_config.h"

#include <vector>

namespace natlens::test {

using namespace natlens::proxycore;

/// One packet, and how it reaches the node n1 (see World).
struct RandomPacket {
    FlowQuery flow; ///< without a source port
    enum class Way : std::uint8_t { outside, pods, local } way = Way::outside;

    [[nodiscard]] IpFamily family() const { return flow.destination.ip.family; }
};

/// A cluster of two nodes as seen from n1, kube-proxy's configuration there, and packets to try. Services are of IPv4,
/// of IPv6 or of both.
struct RandomCase {
    ClusterState state;
    ProxyConfig config;
    std::vector<RandomPacket> packets;
};

/// What a case is made from: lists of any length (see Draws), for what is around the Services, for them, and for each
/// packet.
struct CaseNumbers {
    std::vector<std::uint32_t> surroundings, services;
    std::vector<std::vector<std::uint32_t>> packets;
};

/// The same numbers make the same case.
[[nodiscard]] RandomCase makeCase(const CaseNumbers &numbers);

} // namespace natlens::test
