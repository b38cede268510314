#include "proxycore/kernel/stale_connections.h"

#include <algorithm>

namespace natlens::proxycore {

namespace {

packet::Tuple placeOf(const IpAddress &ip, Port port) {
    return {Protocol::udp, {}, {ip, port}};
}

} // namespace

StaleConnections::StaleConnections(const ProxyPlan &plan) {
    for (const auto &service : plan.services) {
        if (service->name.protocol != Protocol::udp || service->serving.empty()) continue;
        for (const auto &frontEnd : service->frontEnds)
            m_frontEnds.emplace(placeOf(frontEnd.ip, frontEnd.port), m_serving.size());
        m_serving.push_back(service->serving);
    }
}

bool StaleConnections::contains(const packet::Tuple &original, const packet::Tuple &reply) const {
    if (original.protocol != Protocol::udp) return false;
    auto found = m_frontEnds.find(placeOf(original.dst.ip, original.dst.port));
    if (found == m_frontEnds.end()) found = m_frontEnds.find(placeOf({}, original.dst.port));
    if (found == m_frontEnds.end()) return false;
    const auto &serving = m_serving[found->second];
    return !std::binary_search(serving.begin(), serving.end(), reply.src);
}

bool servingChanged(const ProxyPlan &before, const ProxyPlan &after) {
    auto old = before.services.begin();
    for (const auto &service : after.services) {
        while (old != before.services.end() && (*old)->name < service->name) ++old;
        const bool known = old != before.services.end() && (*old)->name == service->name;
        if (known && *old == service) continue;
        if (known ? (*old)->serving != service->serving : !service->serving.empty()) return true;
    }
    return false;
}

} // namespace natlens::proxycore
