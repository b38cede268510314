// Which tracked UDP connections must end because their endpoint is gone (kube-proxy's conntrack reconciler,
// since 1.32).
#pragma once

#include "proxycore/plan/stale_udp.h"

#include <unordered_map>
#include <vector>

namespace natlens::proxycore {

/// Finds the Service of a tracked connection. TCP and SCTP are never touched. Shares what it needs with the plan; a
/// value.
class StaleConnections final {
public:
    /// `before`: the plan that this one replaces, if there is one.
    explicit StaleConnections(const ProxyPlan &plan, const ProxyPlan *before = nullptr);

    /// The connection was made through a Service (by its address, or a node port on any address) and must end:
    /// isStaleUdp().
    [[nodiscard]] bool contains(const packet::Tuple &original, const packet::Tuple &reply) const;

private:
    struct Place {
        std::shared_ptr<const ServicePortPlan> service;
        Via via = Via::none;
    };
    Behaviour m_behaviour;
    std::unordered_map<packet::Tuple, Place> m_frontEnds; ///< by destination; node ports without an address
    std::set<IpAddress> m_gone;                           ///< goneUdpAddresses()
};

/// Some UDP service port has other serving endpoints than before, or (1.5) is gone: the moment to look for stale
/// connections.
[[nodiscard]] bool servingChanged(const ProxyPlan &before, const ProxyPlan &after);

} // namespace natlens::proxycore
