#include "proxycore/model/cluster_state.h"

namespace natlens::proxycore {

std::string_view toString(ServiceType value) {
    switch (value) {
    case ServiceType::clusterIP: return "ClusterIP";
    case ServiceType::nodePort: return "NodePort";
    case ServiceType::loadBalancer: return "LoadBalancer";
    case ServiceType::externalName: return "ExternalName";
    }
    return "ClusterIP";
}

std::string_view toString(TrafficPolicy value) {
    return value == TrafficPolicy::local ? "Local" : "Cluster";
}

std::string_view toString(AddressType value) {
    switch (value) {
    case AddressType::ipv4: return "IPv4";
    case AddressType::ipv6: return "IPv6";
    case AddressType::fqdn: return "FQDN";
    }
    return "IPv4";
}

namespace {

/// The annotation key that this Service already uses, or an empty view.
std::string_view presentKey(const Labels &annotations, std::string_view beta, std::string_view alpha) {
    if (annotations.contains(std::string(beta))) return beta;
    if (annotations.contains(std::string(alpha))) return alpha;
    return {};
}

} // namespace

void setExternalTrafficPolicy(Service &service, TrafficPolicy policy) {
    service.externalTrafficPolicy = policy;
    const auto key = presentKey(service.annotations, kExternalTrafficBeta, kExternalTrafficAlpha);
    if (!key.empty()) service.annotations[std::string(key)] = policy == TrafficPolicy::local ? "OnlyLocal" : "Global";
    // A field, where there is one, decides over the annotation, so it must follow too.
    if (key.empty() || service.externalTrafficPolicySource == PolicySource::field)
        service.externalTrafficPolicySource = PolicySource::field;
    else
        service.externalTrafficPolicySource = PolicySource::annotation;
}

void setHealthCheckNodePort(Service &service, Port port) {
    service.healthCheckNodePort = port;
    const auto key = presentKey(service.annotations, kHealthCheckNodePortBeta, kHealthCheckNodePortAlpha);
    if (key.empty()) return;
    if (port == 0)
        service.annotations.erase(std::string(key));
    else
        service.annotations[std::string(key)] = std::to_string(port);
}

std::vector<IpAddress> Node::ipAddresses() const {
    std::vector<IpAddress> result;
    for (const auto &entry : addresses) {
        if (entry.type != "InternalIP" && entry.type != "ExternalIP") continue;
        if (const auto ip = IpAddress::parse(entry.address)) result.push_back(*ip);
    }
    return result;
}

IpAddress Node::primaryAddress(IpFamily family) const {
    for (const std::string_view type : {"InternalIP", "ExternalIP"})
        for (const auto &entry : addresses) {
            if (entry.type != type) continue;
            if (const auto ip = IpAddress::parse(entry.address); ip && ip->family == family) return *ip;
        }
    return {};
}

std::string Problem::toString() const {
    std::string result = object;
    if (!pointer.empty()) result += (result.empty() ? "" : ": ") + pointer;
    result += (result.empty() ? "" : ": ") + text;
    // Names come from the input, and this is one line.
    for (char &c : result)
        if (static_cast<unsigned char>(c) < ' ') c = '?';
    return result;
}

bool Pod::hasNetwork() const {
    return !hostNetwork && phase != "Succeeded" && phase != "Failed";
}

void ClusterState::put(Node node) {
    ObjectName key{"", node.name};
    nodes.insert_or_assign(std::move(key), std::make_shared<const Node>(std::move(node)));
}

void ClusterState::put(Pod pod) {
    ObjectName key = pod.name;
    pods.insert_or_assign(std::move(key), std::make_shared<const Pod>(std::move(pod)));
}

void ClusterState::put(Service service) {
    ObjectName key = service.name;
    services.insert_or_assign(std::move(key), std::make_shared<const Service>(std::move(service)));
}

void ClusterState::put(EndpointSlice slice) {
    ObjectName key = slice.name;
    endpointSlices.insert_or_assign(std::move(key), std::make_shared<const EndpointSlice>(std::move(slice)));
}

void ClusterState::addAll(const ClusterState &more) {
    const auto add = [](auto &objects, const auto &others) {
        for (const auto &[name, object] : others)
            objects.insert_or_assign(name, object);
    };
    add(nodes, more.nodes);
    add(pods, more.pods);
    add(services, more.services);
    add(endpointSlices, more.endpointSlices);
    add(serviceCIDRs, more.serviceCIDRs);
    problems.insert(problems.end(), more.problems.begin(), more.problems.end());
}

std::shared_ptr<const Service> ClusterState::service(std::string_view nameSpace, std::string_view name) const {
    const auto found = services.find(ObjectName{std::string(nameSpace), std::string(name)});
    return found == services.end() ? nullptr : found->second;
}

std::shared_ptr<const Node> ClusterState::node(std::string_view name) const {
    const auto found = nodes.find(ObjectName{"", std::string(name)});
    return found == nodes.end() ? nullptr : found->second;
}

std::shared_ptr<const Pod> ClusterState::podWithAddress(const IpAddress &address) const {
    for (const auto &[name, pod] : pods)
        for (const auto &ip : pod->ips)
            if (ip == address && pod->hasNetwork()) return pod;
    return nullptr;
}

} // namespace natlens::proxycore
