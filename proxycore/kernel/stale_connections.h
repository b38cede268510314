// Which tracked UDP connections must end because their endpoint is gone (kube-proxy's conntrack reconciler, since 1.32).
#pragma once

#include "proxycore/plan/proxy_plan.h"

#include <unordered_map>
#include <vector>

namespace natlens::proxycore {

/// UDP has no end of its own: as long as a client goes on sending, connection tracking sends its packets to the endpoint of
/// the first one. TCP and SCTP are never touched. Keeps what it needs of the plan; a value.
class StaleConnections final {
public:
    explicit StaleConnections(const ProxyPlan &plan);

    /// The connection was made through a Service (by its address, or a node port on any address) and is answered by
    /// somebody who does not serve it: an endpoint that is gone, or (reply from the asked address itself) nobody, from a
    /// time when the Service had no endpoint. A Service without any serving endpoint keeps its connections, as in kube-proxy.
    [[nodiscard]] bool contains(const packet::Tuple &original, const packet::Tuple &reply) const;

private:
    std::vector<std::vector<packet::SocketAddress>> m_serving;
    std::unordered_map<packet::Tuple, std::size_t> m_frontEnds; ///< by destination; node ports without an address
};

/// Some UDP service port has other serving endpoints than before: the moment to look for stale connections.
[[nodiscard]] bool servingChanged(const ProxyPlan &before, const ProxyPlan &after);

} // namespace natlens::proxycore
