#include "app/lab/endpoint_pods.h"

#include "app/lab/addressing.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

namespace natlens::lab {
namespace {

using packet::IpAddress;
using proxycore::ClusterState;
using proxycore::ObjectName;
using proxycore::Pod;

std::string nodeOf(const proxycore::Endpoint &endpoint, const ClusterState &state) {
    if (state.node(endpoint.nodeName)) return endpoint.nodeName;
    for (const auto &[name, node] : state.nodes)
        for (const auto &range : node->podCIDRs)
            if (range.contains(endpoint.addresses.front())) return name.name;
    return {};
}

/// An IPv4 address somewhere else than where its node's pods are cannot be wired up.
bool fits(const IpAddress &address, const std::string &nodeName, const ClusterState &state) {
    const auto node = state.node(nodeName);
    if (!node) return false;
    bool hasRange = false;
    for (const auto &range : node->podCIDRs) {
        hasRange = hasRange || range.address.family == address.family;
        if (range.contains(address)) return true;
    }
    return address.isV6() && !hasRange; // the lab takes the /64 around it
}

std::string nameFor(const IpAddress &address) {
    std::string name = "pod-" + address.toString();
    for (auto &letter : name)
        if (letter == '.' || letter == ':') letter = '-';
    return name;
}

bool hasFamily(const Pod &pod, packet::IpFamily family) {
    return std::ranges::any_of(pod.ips, [&](const auto &ip) { return ip.family == family; });
}

/// Where an endpoint stands among those of its Service on one node, in slices of one family.
using Place = std::tuple<ObjectName, std::string, std::size_t>;

/// Calls visit(slice, endpoint, name of its node, place) for every endpoint of the family, in order.
template<class Visit>
void forEach(const ClusterState &state, packet::IpFamily family, Visit visit) {
    std::map<std::pair<ObjectName, std::string>, std::size_t> counts; // by Service and node
    for (const auto &[sliceName, slice] : ClusterState::Objects<proxycore::EndpointSlice>(state.endpointSlices))
        for (const auto &endpoint : slice->endpoints) {
            if (endpoint.addresses.empty() || endpoint.addresses.front().family != family) continue;
            const auto nodeName = nodeOf(endpoint, state);
            const ObjectName service{sliceName.nameSpace, slice->serviceName};
            visit(*slice, endpoint, nodeName, Place{service, nodeName, counts[{service, nodeName}]++});
        }
}

/// Gives an IPv4 pod the address at its place in the IPv6 slices.
void joinFamilies(ClusterState &state) {
    std::map<Place, IpAddress> fours;
    forEach(state, packet::IpFamily::v4, [&](const auto &, const auto &endpoint, const auto &, const Place &place) {
        fours[place] = endpoint.addresses.front();
    });
    forEach(state, packet::IpFamily::v6,
            [&](const auto &, const auto &endpoint, const auto &nodeName, const Place &place) {
                const auto &address = endpoint.addresses.front();
                const auto four = fours.find(place);
                if (four == fours.end() || state.podWithAddress(address) || !fits(address, nodeName, state)) return;
                const auto pod = state.podWithAddress(four->second);
                if (!pod || (!endpoint.pod.name.empty() && endpoint.pod != pod->name) ||
                    hasFamily(*pod, packet::IpFamily::v6) || pod->nodeName != nodeName)
                    return;
                Pod both = *pod;
                both.ips.push_back(address);
                state.put(std::move(both));
            });
}

/// So that every pod of ours can ask every Service: "10.1.1.6" goes with "fd00:10:1::6".
void addIpv6(const std::vector<ObjectName> &pods, ClusterState &state) {
    for (const auto &name : pods) {
        Pod pod = *state.pods.at(name);
        if (hasFamily(pod, packet::IpFamily::v6)) continue;
        auto address = nodeNetwork(*state.node(pod.nodeName), state).podRange(packet::IpFamily::v6).address;
        if (address.isNone()) continue;
        address.bytes.back() = pod.ips.front().bytes[3];
        if (state.podWithAddress(address)) continue;
        pod.ips.push_back(address);
        state.put(std::move(pod));
    }
}

} // namespace

void addPodsOfEndpoints(ClusterState &state) {
    std::vector<ObjectName> made;
    for (const auto family : kFamilies) {
        if (family == packet::IpFamily::v6) joinFamilies(state);
        forEach(state, family, [&](const auto &slice, const auto &endpoint, const auto &nodeName, const Place &) {
            const auto &address = endpoint.addresses.front();
            if (state.podWithAddress(address) || !fits(address, nodeName, state)) return;
            ObjectName name = endpoint.pod;
            if (name.nameSpace.empty()) name.nameSpace = slice.name.nameSpace;
            if (name.name.empty() || state.pods.contains(name))
                name.name = nameFor(address); // a second address has a host too
            made.push_back(name);
            state.put(Pod{.name = name,
                          .labels = {},
                          .nodeName = nodeName,
                          .ips = {address},
                          .hostNetwork = false,
                          .phase = "Running"});
        });
    }
    addIpv6(made, state);
}

} // namespace natlens::lab
