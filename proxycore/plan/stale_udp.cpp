#include "proxycore/plan/stale_udp.h"

#include <algorithm>

namespace natlens::proxycore {

bool isStaleUdp(const Behaviour &behaviour, const ServicePortPlan &service, Via via, const packet::SocketAddress &asked,
                const packet::SocketAddress &answers) {
    const auto &serving = service.serving;
    if (behaviour.endsAllStaleUdp)
        return !serving.empty() && !std::binary_search(serving.begin(), serving.end(), answers);
    return via == Via::clusterIP && answers.ip != asked.ip &&
           std::none_of(serving.begin(), serving.end(),
                        [&](const auto &endpoint) { return endpoint.ip == answers.ip; });
}

std::set<IpAddress> goneUdpAddresses(const ProxyPlan &before, const ProxyPlan &after) {
    std::set<IpAddress> gone;
    if (after.behaviour.endsAllStaleUdp) return gone;
    auto now = after.services.begin();
    for (const auto &service : before.services) {
        while (now != after.services.end() && (*now)->name < service->name)
            ++now;
        const bool stays = now != after.services.end() && (*now)->name == service->name;
        if (service->name.protocol == Protocol::udp && !stays) gone.insert(service->clusterIP);
    }
    return gone;
}

} // namespace natlens::proxycore
