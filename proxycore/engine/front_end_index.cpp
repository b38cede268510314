#include "proxycore/engine/decision.h"

namespace natlens::proxycore {

namespace {

/// One more user of `key`, and one less.
template<class Key>
void addUser(FlatTable<Key, std::uint32_t> &users, const Key &key) {
    ++*users.insert(key, 0).first;
}

template<class Key>
void removeUser(FlatTable<Key, std::uint32_t> &users, const Key &key) {
    if (auto *count = users.find(key); count != nullptr && --*count == 0) users.erase(key);
}

} // namespace

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
    std::uint32_t line = 0;
    for (const auto &frontEnd : service.frontEnds) {
        const auto [place, isNew] =
            m_places.insert({frontEnd.ip, service.name.protocol, frontEnd.port}, {&service, frontEnd});
        if (isNew) place->line = line != 0 ? line : (line = m_lines.add(service));
        if (frontEnd.via == Via::clusterIP) addUser(m_clusterIps, Key{.ip = frontEnd.ip});
    }
    for (const auto &endpoint : service.reachable)
        if (endpoint.local) addUser(m_runHere, Key{endpoint.address.ip, service.name.protocol, endpoint.address.port});
}

void FrontEndIndex::remove(const ServicePortPlan &service) {
    std::uint32_t line = 0;
    for (const auto &frontEnd : service.frontEnds) {
        const Key key{frontEnd.ip, service.name.protocol, frontEnd.port};
        if (const Place *place = m_places.find(key); place != nullptr && place->service == &service) {
            line = place->line;
            m_places.erase(key);
        }
        if (frontEnd.via == Via::clusterIP) removeUser(m_clusterIps, Key{.ip = frontEnd.ip});
    }
    if (line != 0) m_lines.remove(line);
    for (const auto &endpoint : service.reachable)
        if (endpoint.local)
            removeUser(m_runHere, Key{endpoint.address.ip, service.name.protocol, endpoint.address.port});
}

bool FrontEndIndex::acceptsNodePorts(const IpAddress &address) const {
    const auto &match = m_plan.nodePorts;
    if (!match.allLocal) return std::binary_search(match.addresses.begin(), match.addresses.end(), address);
    return address.isLoopback() ? match.loopback : m_plan.isLocalAddress(address);
}

FrontEndIndex::Hit FrontEndIndex::find(Protocol protocol, const packet::SocketAddress &destination) const {
    if (const auto *exact = m_places.find({destination.ip, protocol, destination.port})) return hitOf(exact);
    if (!acceptsNodePorts(destination.ip)) return {};
    return hitOf(m_places.find({IpAddress{}, protocol, destination.port}));
}

FrontEndIndex::Hit FrontEndIndex::findAnywhere(Protocol protocol, const packet::SocketAddress &destination) const {
    const auto *place = m_places.find({destination.ip, protocol, destination.port});
    if (place == nullptr) place = m_places.find({IpAddress{}, protocol, destination.port});
    return hitOf(place);
}

void FrontEndIndex::prefetchService(Protocol protocol, const packet::SocketAddress &destination) const {
    const auto *place = m_places.find({destination.ip, protocol, destination.port});
    if (place == nullptr) return;
    m_lines.prefetch(place->line);
    if (place->frontEnd.route == Route::external) __builtin_prefetch(&place->service->externalLocal);
}

bool FrontEndIndex::isClusterIp(const IpAddress &address) const {
    return m_clusterIps.find({.ip = address}) != nullptr;
}

bool FrontEndIndex::runsHere(Protocol protocol, const packet::SocketAddress &endpoint) const {
    return m_runHere.find({endpoint.ip, protocol, endpoint.port}) != nullptr;
}

} // namespace natlens::proxycore
