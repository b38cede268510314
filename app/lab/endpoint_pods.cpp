#include "app/lab/endpoint_pods.h"

#include "app/lab/addressing.h"

#include <algorithm>
#include <map>
#include <set>
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

/// The node that has this address itself; "" when none has.
std::string ownerOf(const IpAddress &address, const ClusterState &state) {
    for (const auto &[name, node] : state.nodes) {
        const auto own = node->ipAddresses();
        if (std::ranges::find(own, address) != own.end()) return name.name;
    }
    return {};
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
                if (four == fours.end() || state.podWithAddress(address) || nodeName.empty()) return;
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
        if (address.bytes.back() <= 1 || state.podWithAddress(address)) continue; // 1 is the bridge's
        pod.ips.push_back(address);
        state.put(std::move(pod));
    }
}

} // namespace

void addMissingNodes(ClusterState &state) {
    const auto name = [&](const std::string &node) {
        if (node.empty() || state.node(node)) return;
        proxycore::Node missing;
        missing.name = node;
        state.put(std::move(missing));
    };
    for (const auto &[podName, pod] : state.pods)
        if (!pod->ips.empty()) name(pod->nodeName);
    for (const auto &[sliceName, slice] : state.endpointSlices)
        for (const auto &endpoint : slice->endpoints) name(endpoint.nodeName);
    if (state.nodes.empty()) name("node1");

    std::uint32_t next = 0;
    for (const auto &[key, object] : ClusterState::Objects<proxycore::Node>(state.nodes)) {
        ++next;
        if (!object->ipAddresses().empty()) continue;
        auto node = *object;
        for (const auto &[podName, pod] : state.pods)
            if (pod->hostNetwork && pod->nodeName == node.name && node.ipAddresses().empty())
                for (const auto &ip : pod->ips) node.addresses.push_back({"InternalIP", ip.toString()});
        if (node.ipAddresses().empty())
            node.addresses.push_back({"InternalIP", IpAddress::v4(198, 18, static_cast<std::uint8_t>(next >> 8),
                                                                  static_cast<std::uint8_t>(next & 0xff))
                                                        .toString()});
        state.put(std::move(node));
    }
}

std::string nameFor(std::string_view kind, const IpAddress &address) {
    std::string name = std::string(kind) + "-" + address.toString();
    for (auto &letter : name)
        if (letter == '.' || letter == ':') letter = '-';
    return name;
}

std::vector<IpAddress> outsideEndpoints(const ClusterState &state) {
    std::set<IpAddress> found;
    for (const auto &[name, slice] : state.endpointSlices)
        for (const auto &endpoint : slice->endpoints)
            if (!endpoint.addresses.empty() && !endpoint.addresses.front().isNone() &&
                !state.podWithAddress(endpoint.addresses.front()) && ownerOf(endpoint.addresses.front(), state).empty())
                found.insert(endpoint.addresses.front());
    return {found.begin(), found.end()};
}

void addPodsOfEndpoints(ClusterState &state) {
    std::vector<ObjectName> made;
    std::set<IpAddress> hostPods; // addresses of nodes at which one answers
    for (const auto &[name, pod] : state.pods)
        if (pod->hostNetwork) hostPods.insert(pod->ips.begin(), pod->ips.end());
    for (const auto family : kFamilies) {
        if (family == packet::IpFamily::v6) joinFamilies(state);
        forEach(state, family, [&](const auto &slice, const auto &endpoint, const auto &nodeName, const Place &) {
            const auto &address = endpoint.addresses.front();
            const auto host = ownerOf(address, state);
            const bool known = host.empty() ? state.podWithAddress(address) != nullptr : hostPods.contains(address);
            if (known || (host.empty() && nodeName.empty())) return;
            ObjectName name = endpoint.pod;
            if (name.nameSpace.empty()) name.nameSpace = slice.name.nameSpace;
            if (name.name.empty() || state.pods.contains(name))
                name.name = nameFor("pod", address); // a second address has a host too
            if (host.empty())
                made.push_back(name);
            else
                hostPods.insert(address);
            state.put(Pod{.name = name,
                          .labels = {},
                          .nodeName = host.empty() ? nodeName : host,
                          .ips = {address},
                          .hostNetwork = !host.empty(),
                          .phase = "Running"});
        });
    }
    addIpv6(made, state);
}

} // namespace natlens::lab
