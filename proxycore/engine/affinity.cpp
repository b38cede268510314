#include "proxycore/engine/affinity.h"

#include <algorithm>

namespace natlens::proxycore {

namespace {

bool isFresh(std::int64_t seen, const ServicePortPlan &service, std::int64_t now) {
    return now - seen < std::chrono::nanoseconds(service.affinity).count();
}

} // namespace

const PlannedEndpoint *AffinityTable::recall(const ServicePortPlan &service,
                                             const std::vector<PlannedEndpoint> &endpoints, const IpAddress &client,
                                             std::int64_t now) const {
    const auto memory = m_memories.find(service.name);
    if (memory == m_memories.end()) return nullptr;
    const auto visits = memory->second.byClient.find(client);
    if (visits == memory->second.byClient.end()) return nullptr;
    for (const auto &endpoint : endpoints)
        for (const auto &visit : visits->second)
            if (visit.endpoint == endpoint.address && isFresh(visit.seen, service, now)) return &endpoint;
    return nullptr;
}

void AffinityTable::remember(const ServicePortPlan &service, const packet::SocketAddress &endpoint,
                             const IpAddress &client, std::int64_t now, const Behaviour &behaviour) {
    auto &memory = m_memories[service.name];
    auto &clients = memory.byEndpoint[endpoint];
    while (!clients.empty() && !isFresh(clients.begin()->first, service, now))
        forget(memory, endpoint, *clients.begin());

    if (const auto visits = memory.byClient.find(client); visits != memory.byClient.end())
        for (auto &visit : visits->second) {
            if (visit.endpoint != endpoint) continue;
            clients.erase({visit.seen, client});
            clients.insert({now, client});
            visit.seen = now;
            return;
        }
    if (clients.size() >= behaviour.affinityCapacity) {
        if (!behaviour.affinityEvictsOldest || clients.empty()) return;
        forget(memory, endpoint, *clients.begin());
    }
    clients.insert({now, client});
    memory.byClient[client].push_back({endpoint, now});
}

void AffinityTable::follow(const ServicePortName &name, const ServicePortPlan *service) {
    const auto memory = m_memories.find(name);
    if (memory == m_memories.end()) return;
    if (service == nullptr || service->affinity.count() == 0) {
        m_memories.erase(memory);
        return;
    }
    auto &endpoints = memory->second.byEndpoint;
    for (auto at = endpoints.begin(); at != endpoints.end();) {
        const auto &address = at->first;
        const bool remains =
            std::ranges::any_of(service->reachable, [&](const auto &e) { return e.address == address; });
        while (!remains && !at->second.empty())
            forget(memory->second, address, *at->second.begin());
        at = remains ? std::next(at) : endpoints.erase(at);
    }
}

void AffinityTable::forget(Memory &memory, const packet::SocketAddress &endpoint,
                           std::pair<std::int64_t, IpAddress> visit) {
    memory.byEndpoint[endpoint].erase(visit);
    const auto client = memory.byClient.find(visit.second);
    if (client == memory.byClient.end()) return;
    std::erase_if(client->second, [&](const Visit &v) { return v.endpoint == endpoint; });
    if (client->second.empty()) memory.byClient.erase(client);
}

} // namespace natlens::proxycore
