// Session affinity: which client was last seen at which endpoint.
#pragma once

#include "proxycore/plan/proxy_plan.h"

#include <map>
#include <set>
#include <unordered_map>

namespace natlens::proxycore {

/// One memory for each endpoint of each service port, whatever front end was used; keyed by the client's address.
/// Limits and eviction are those of the plan's behaviour. Memories survive changes of the plan as long as their rule
/// does. Lives on one thread; times in nanoseconds.
class AffinityTable final {
public:
    /// The first endpoint in list order that remembers the client and was seen less than the timeout ago; null: none.
    [[nodiscard]] const PlannedEndpoint *recall(const ServicePortPlan &service,
                                                const std::vector<PlannedEndpoint> &endpoints, const IpAddress &client,
                                                std::int64_t now) const;
    /// A new connection of the client goes to the endpoint. A client that no longer fits is not remembered, or the one
    /// not seen for longest is forgotten for it, as `behaviour` says.
    void remember(const ServicePortPlan &service, const packet::SocketAddress &endpoint, const IpAddress &client,
                  std::int64_t now, const Behaviour &behaviour);

    /// The service port is now `service` (null: gone): forgets endpoints that it no longer has.
    void follow(const ServicePortName &name, const ServicePortPlan *service);

private:
    struct Visit {
        packet::SocketAddress endpoint;
        std::int64_t seen = 0;
    };
    struct Memory {
        std::unordered_map<IpAddress, std::vector<Visit>> byClient;
        std::map<packet::SocketAddress, std::set<std::pair<std::int64_t, IpAddress>>> byEndpoint; ///< oldest first
    };
    static void forget(Memory &memory, const packet::SocketAddress &endpoint, std::pair<std::int64_t, IpAddress> visit);

    std::map<ServicePortName, Memory> m_memories;
};

} // namespace natlens::proxycore
