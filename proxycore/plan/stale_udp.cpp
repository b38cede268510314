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

} // namespace natlens::proxycore
