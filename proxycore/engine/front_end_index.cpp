#include "proxycore/engine/decision.h"

namespace natlens::proxycore {

FrontEndIndex::Changes FrontEndIndex::update(const ProxyPlan &plan) {
    Changes changes;
    const auto &before = m_plan.services, &after = plan.services;
    auto old = before.begin();
    auto now = after.begin();
    while (old != before.end() || now != after.end()) {
        if (old != before.end() && now != after.end() && *old == *now) {
            ++old;
            ++now;
            continue;
        }
        const bool onlyOld = now == after.end() || (old != before.end() && (*old)->name < (*now)->name);
        const bool onlyNow = old == before.end() || (now != after.end() && (*now)->name < (*old)->name);
        if (!onlyNow) changes.removed.push_back(*old++);
        if (!onlyOld) changes.added.push_back(*now++);
    }
    // All removals first: a front end may pass from one Service to another.
    for (const auto &service : changes.removed)
        remove(*service);
    m_places.reserve(m_places.size() + changes.added.size() * 2);
    for (const auto &service : changes.added)
        add(*service);
    m_plan = plan;
    return changes;
}

void FrontEndIndex::add(const ServicePortPlan &service) {
    for (const auto &frontEnd : service.frontEnds) {
        m_places.insert({frontEnd.ip, service.name.protocol, frontEnd.port}, {&service, &frontEnd});
        if (frontEnd.via == Via::clusterIP) ++*m_clusterIps.insert({.ip = frontEnd.ip}, 0).first;
    }
}

void FrontEndIndex::remove(const ServicePortPlan &service) {
    for (const auto &frontEnd : service.frontEnds) {
        const Key key{frontEnd.ip, service.name.protocol, frontEnd.port};
        if (const Hit *place = m_places.find(key); place != nullptr && place->service == &service) m_places.erase(key);
        if (frontEnd.via != Via::clusterIP) continue;
        if (auto *users = m_clusterIps.find({.ip = frontEnd.ip}); users != nullptr && --*users == 0)
            m_clusterIps.erase({.ip = frontEnd.ip});
    }
}

bool FrontEndIndex::acceptsNodePorts(const IpAddress &address) const {
    const auto &match = m_plan.nodePorts;
    if (!match.allLocal) return std::binary_search(match.addresses.begin(), match.addresses.end(), address);
    return address.isLoopback() ? match.loopback : m_plan.isLocalAddress(address);
}

FrontEndIndex::Hit FrontEndIndex::find(Protocol protocol, const packet::SocketAddress &destination) const {
    if (const auto *exact = m_places.find({destination.ip, protocol, destination.port})) return *exact;
    if (!acceptsNodePorts(destination.ip)) return {};
    const auto *nodePort = m_places.find({IpAddress{}, protocol, destination.port});
    return nodePort == nullptr ? Hit{} : *nodePort;
}

FrontEndIndex::Hit FrontEndIndex::findAnywhere(Protocol protocol, const packet::SocketAddress &destination) const {
    const auto *place = m_places.find({destination.ip, protocol, destination.port});
    if (place == nullptr) place = m_places.find({IpAddress{}, protocol, destination.port});
    return place == nullptr ? Hit{} : *place;
}

const ServicePortPlan *FrontEndIndex::prefetchService(Protocol protocol,
                                                      const packet::SocketAddress &destination) const {
    const auto *place = m_places.find({destination.ip, protocol, destination.port});
    if (place == nullptr) return nullptr;
    __builtin_prefetch(place->frontEnd);
    __builtin_prefetch(&place->service->externalLocal);
    __builtin_prefetch(&place->service->cluster);
    __builtin_prefetch(&place->service->affinity);
    return place->service;
}

bool FrontEndIndex::isClusterIp(const IpAddress &address) const {
    return m_clusterIps.find({.ip = address}) != nullptr;
}

} // namespace natlens::proxycore
