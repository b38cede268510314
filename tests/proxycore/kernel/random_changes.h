// Random changes of a cluster state, for tests that keep a kernel in step.
#pragma once

#include "proxycore/model/cluster_state.h"

#include <random>

namespace natlens::proxycore::test {

/// One random change of a Service, an endpoint or a slice.
inline void mutate(ClusterState &state, std::mt19937 &random) {
    const auto below = [&](std::size_t n) { return random() % n; };
    const auto pick = [&](const auto &objects) {
        return std::next(objects.begin(), static_cast<long>(below(objects.size())));
    };
    const auto slice = pick(state.endpointSlices);
    const auto service = pick(state.services);
    switch (below(7)) {
    case 0: {
        auto changed = *service->second;
        changed.externalTrafficPolicy = below(2) == 0 ? TrafficPolicy::local : TrafficPolicy::cluster;
        changed.externalTrafficPolicySource = PolicySource::field;
        state.put(changed);
        break;
    }
    case 1: {
        auto changed = *service->second;
        changed.internalTrafficPolicy = below(2) == 0 ? TrafficPolicy::local : TrafficPolicy::cluster;
        state.put(changed);
        break;
    }
    case 2: {
        auto changed = *service->second;
        changed.clientIpAffinity = !changed.clientIpAffinity;
        changed.affinityTimeout = std::chrono::seconds(30 + below(3) * 60);
        state.put(changed);
        break;
    }
    case 3: {
        auto changed = *slice->second;
        Endpoint endpoint;
        endpoint.addresses = {
            IpAddress::v4(10, 1, static_cast<std::uint8_t>(1 + below(2)), static_cast<std::uint8_t>(5 + below(20)))};
        endpoint.nodeName = endpoint.addresses.front().bytes[2] == 1 ? "n1" : "n2";
        if (changed.addressType == AddressType::ipv4) changed.endpoints.push_back(endpoint);
        state.put(changed);
        break;
    }
    case 4: {
        auto changed = *slice->second;
        if (!changed.endpoints.empty()) changed.endpoints.erase(changed.endpoints.begin());
        state.put(changed);
        break;
    }
    case 5: {
        auto changed = *slice->second;
        if (!changed.endpoints.empty()) changed.endpoints.back().ready = !changed.endpoints.back().ready;
        state.put(changed);
        break;
    }
    default: {
        auto changed = *service->second;
        if (changed.ports.size() > 1) changed.ports.pop_back();
        changed.loadBalancerSourceRanges = {*IpPrefix::parse(below(2) == 0 ? "203.0.113.0/24" : "192.168.0.0/16")};
        state.put(changed);
        break;
    }
    }
}

} // namespace natlens::proxycore::test
