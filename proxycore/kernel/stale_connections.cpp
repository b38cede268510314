#include "proxycore/kernel/stale_connections.h"

namespace natlens::proxycore {

namespace {

packet::Tuple placeOf(const IpAddress &ip, Port port) {
    return {Protocol::udp, {}, {ip, port}};
}

} // namespace

StaleConnections::StaleConnections(const ProxyPlan &plan, const ProxyPlan *before)
    : m_behaviour(plan.behaviour) {
    if (before != nullptr) m_gone = goneUdpAddresses(*before, plan);
    for (const auto &service : plan.services) {
        if (service->name.protocol != Protocol::udp || (plan.behaviour.endsAllStaleUdp && service->serving.empty()))
            continue;
        for (const auto &frontEnd : service->frontEnds)
            m_frontEnds.emplace(placeOf(frontEnd.ip, frontEnd.port), Place{service, frontEnd.via});
    }
}

bool StaleConnections::contains(const packet::Tuple &original, const packet::Tuple &reply) const {
    if (original.protocol != Protocol::udp) return false;
    if (m_gone.contains(original.dst.ip)) return true;
    auto found = m_frontEnds.find(placeOf(original.dst.ip, original.dst.port));
    if (found == m_frontEnds.end()) found = m_frontEnds.find(placeOf({}, original.dst.port));
    if (found == m_frontEnds.end()) return false;
    const auto &[service, via] = found->second;
    return isStaleUdp(m_behaviour, *service, via, original.dst, reply.src);
}

bool servingChanged(const ProxyPlan &before, const ProxyPlan &after) {
    if (!goneUdpAddresses(before, after).empty()) return true;
    auto old = before.services.begin();
    for (const auto &service : after.services) {
        while (old != before.services.end() && (*old)->name < service->name)
            ++old;
        const bool known = old != before.services.end() && (*old)->name == service->name;
        if (known && *old == service) continue;
        if (known ? (*old)->serving != service->serving : !service->serving.empty()) return true;
    }
    return false;
}

} // namespace natlens::proxycore
