#include "proxycore/engine/decision.h"

namespace natlens::proxycore {

FrontEndIndex::FrontEndIndex(const ProxyPlan &plan)
    : m_plan(plan) {
    m_places.reserve(plan.services.size() * 2);
    for (std::uint32_t s = 0; s < m_plan.services.size(); ++s) {
        const auto &service = *m_plan.services[s];
        for (std::uint32_t f = 0; f < service.frontEnds.size(); ++f) {
            const auto &frontEnd = service.frontEnds[f];
            m_places.try_emplace(Key{service.name.protocol, {}, {frontEnd.ip, frontEnd.port}}, Place{s, f});
            if (frontEnd.via == Via::clusterIP) ++m_clusterIps[frontEnd.ip];
        }
    }
}

bool FrontEndIndex::acceptsNodePorts(const IpAddress &address) const {
    const auto &match = m_plan.nodePorts;
    if (!match.allLocal) return std::binary_search(match.addresses.begin(), match.addresses.end(), address);
    return address.isLoopback() ? match.loopback : m_plan.isLocalAddress(address);
}

FrontEndIndex::Hit FrontEndIndex::at(const Place &place) const {
    const auto &service = m_plan.services[place.service];
    return {service, &service->frontEnds[place.frontEnd]};
}

FrontEndIndex::Hit FrontEndIndex::find(Protocol protocol, const packet::SocketAddress &destination) const {
    if (const auto exact = m_places.find(Key{protocol, {}, destination}); exact != m_places.end())
        return at(exact->second);
    if (!acceptsNodePorts(destination.ip)) return {};
    const auto nodePort = m_places.find(Key{protocol, {}, {IpAddress{}, destination.port}});
    return nodePort == m_places.end() ? Hit{} : at(nodePort->second);
}

} // namespace natlens::proxycore
