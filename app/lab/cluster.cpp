#include "app/lab/cluster.h"

#include "app/lab/addressing.h"
#include "app/lab/endpoint_pods.h"
#include "proxycore/model/kubernetes_json.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <set>

namespace natlens::lab {
namespace {

using base::ErrorCode;
using proxycore::Pod;
using proxycore::Service;
using proxycore::WatchEventType;

constexpr const char *kManagedBy = "endpointslice.kubernetes.io/managed-by";
constexpr const char *kManager = "natlens-lab";
/// The port that the document shows, and the first last byte of a pod's address.
constexpr packet::Port kFirstHealthCheckPort = 32122;
constexpr unsigned kFirstPodAddress = 136;
/// --service-node-port-range
constexpr packet::Port kFirstNodePort = 30000, kLastNodePort = 32767;

packet::Port targetPort(const proxycore::ServicePort &port) {
    if (port.targetPort.empty()) return port.port;
    packet::Port number = 0;
    std::from_chars(port.targetPort.data(), port.targetPort.data() + port.targetPort.size(), number);
    return number; // 0 for a named port: the lab's pods have none
}

/// The number behind a name stands in the pod's containers, which the lab does not know: it cannot write such a slice.
bool hasNamedTarget(const proxycore::Service &service) {
    return std::ranges::any_of(service.ports, [](const auto &port) { return targetPort(port) == 0; });
}

bool isOurs(const proxycore::EndpointSlice &slice) {
    const auto manager = slice.labels.find(kManagedBy);
    return manager != slice.labels.end() && manager->second == kManager;
}

/// "source-ip-app-3" -> "source-ip-app".
std::string stem(const std::string &podName) {
    const auto dash = podName.rfind('-');
    if (dash == std::string::npos || dash + 1 == podName.size()) return podName;
    const bool numbered = podName.find_first_not_of("0123456789", dash + 1) == std::string::npos;
    return numbered ? podName.substr(0, dash) : podName;
}

template<class T>
std::string event(WatchEventType type, const T &object) {
    return proxycore::watchEvent(type, proxycore::toJson(object));
}

} // namespace

LabCluster::LabCluster(ClusterState initial) : m_state(std::move(initial)) {
    addMissingNodes(m_state);
    addPodsOfEndpoints(m_state);
    for (const auto &[name, service] : m_state.services) {
        Service changed = *service;
        updateHealthCheckPort(changed);
        if (changed != *service) m_state.put(std::move(changed));
    }
    updateSlices(nullptr);
    if (const auto pods = servers(); !pods.empty()) m_template = pods.front();
}

ObjectName LabCluster::parseName(const std::string &text) {
    const auto slash = text.find('/');
    if (slash == std::string::npos) return {"default", text};
    return {text.substr(0, slash), text.substr(slash + 1)};
}

std::vector<std::string> LabCluster::initialEvents() const {
    std::vector<std::string> events;
    const auto add = [&](const auto &objects) {
        for (const auto &[name, object] : objects) events.push_back(event(WatchEventType::added, *object));
    };
    add(m_state.nodes);
    add(m_state.pods);
    add(m_state.services);
    add(m_state.endpointSlices);
    return events;
}

bool LabCluster::selects(const Service &service, const Pod &pod) const {
    if (service.selector.empty() || service.name.nameSpace != pod.name.nameSpace) return false;
    return std::ranges::all_of(service.selector, [&](const auto &label) {
        const auto found = pod.labels.find(label.first);
        return found != pod.labels.end() && found->second == label.second;
    });
}

std::vector<packet::Port> LabCluster::serverPorts(const Pod &pod, packet::Protocol protocol) const {
    std::set<packet::Port> ports;
    for (const auto &[name, service] : m_state.services) {
        if (!selects(*service, pod)) continue;
        for (const auto &port : service->ports)
            if (port.protocol == protocol && targetPort(port) != 0) ports.insert(targetPort(port));
    }
    const auto more = endpointPorts(pod.ips, protocol);
    ports.insert(more.begin(), more.end());
    return {ports.begin(), ports.end()};
}

std::vector<packet::Port> LabCluster::endpointPorts(std::span<const packet::IpAddress> addresses,
                                                    packet::Protocol protocol) const {
    std::set<packet::Port> ports;
    for (const auto &[name, slice] : m_state.endpointSlices) {
        const bool named = std::ranges::any_of(slice->endpoints, [&](const auto &endpoint) {
            return !endpoint.addresses.empty() &&
                   std::ranges::find(addresses, endpoint.addresses.front()) != addresses.end();
        });
        if (!named) continue;
        for (const auto &port : slice->ports)
            if (port.protocol == protocol && port.port.value_or(0) != 0) ports.insert(*port.port);
    }
    return {ports.begin(), ports.end()};
}

std::vector<Pod> LabCluster::servers() const {
    std::vector<Pod> pods;
    for (const auto &[name, pod] : m_state.pods)
        if (!serverPorts(*pod).empty()) pods.push_back(*pod);
    return pods;
}

// API server: a LoadBalancer with policy Local has a health check node port, others have none (KEP-614 era rule, 1.7).
void LabCluster::updateHealthCheckPort(Service &service) const {
    const bool needed = service.type == proxycore::ServiceType::loadBalancer &&
                        service.externalTrafficPolicy == proxycore::TrafficPolicy::local;
    if (!needed) {
        if (service.healthCheckNodePort != 0) proxycore::setHealthCheckNodePort(service, 0);
        return;
    }
    if (service.healthCheckNodePort != 0) return;
    std::set<packet::Port> taken;
    for (const auto &[name, other] : m_state.services) {
        taken.insert(other->healthCheckNodePort);
        for (const auto &port : other->ports) taken.insert(port.nodePort);
    }
    packet::Port port = kFirstHealthCheckPort;
    for (unsigned tries = 0; taken.contains(port); ++tries) {
        if (tries == kLastNodePort - kFirstNodePort) return; // all are taken: the plan reports the Service
        port = port == kLastNodePort ? kFirstNodePort : static_cast<packet::Port>(port + 1);
    }
    proxycore::setHealthCheckNodePort(service, port);
}

base::Result<ClusterChange> LabCluster::replaceService(Service service) {
    updateHealthCheckPort(service);
    ClusterChange change;
    change.events.push_back(event(WatchEventType::modified, service));
    m_state.put(std::move(service));
    updateSlices(&change.events);
    return change;
}

base::Result<ClusterChange> LabCluster::annotate(const std::string &name, const std::string &key,
                                                 const std::string &value) {
    const auto parsed = parseName(name);
    const auto service = m_state.service(parsed.nameSpace, parsed.name);
    if (!service) return base::fail(ErrorCode::notFound, "no such service", "annotate", name);
    Service changed = *service;
    changed.annotations[key] = value;
    if (key == proxycore::kExternalTrafficBeta || key == proxycore::kExternalTrafficAlpha) {
        if (value != "OnlyLocal" && value != "Global")
            return base::fail(ErrorCode::invalidInput, "must be OnlyLocal or Global", "annotate", key + "=" + value);
        if (changed.externalTrafficPolicySource != proxycore::PolicySource::field) {
            changed.externalTrafficPolicySource = proxycore::PolicySource::annotation;
            changed.externalTrafficPolicy =
                value == "OnlyLocal" ? proxycore::TrafficPolicy::local : proxycore::TrafficPolicy::cluster;
        }
    }
    return replaceService(std::move(changed));
}

base::Result<ClusterChange> LabCluster::setPolicy(const std::string &name, const std::string &policy) {
    const auto parsed = parseName(name);
    const auto service = m_state.service(parsed.nameSpace, parsed.name);
    if (!service) return base::fail(ErrorCode::notFound, "no such service", "set-policy", name);
    if (policy != "Cluster" && policy != "Local")
        return base::fail(ErrorCode::invalidInput, "must be Cluster or Local", "set-policy", policy);
    Service changed = *service;
    proxycore::setExternalTrafficPolicy(
        changed, policy == "Local" ? proxycore::TrafficPolicy::local : proxycore::TrafficPolicy::cluster);
    return replaceService(std::move(changed));
}

base::Result<packet::IpAddress> LabCluster::freeAddress(const packet::IpPrefix &range) const {
    for (unsigned last = kFirstPodAddress; last <= 254; ++last) {
        auto address = range.address;
        address.bytes[address.size() - 1] = static_cast<std::uint8_t>(address.bytes[address.size() - 1] + last);
        if (range.contains(address) && !m_state.podWithAddress(address)) return address;
    }
    return base::fail(ErrorCode::invalidInput, "no free pod address is left", "place pod", range.toString());
}

base::Result<Pod> LabCluster::replica(const Pod &like, const std::string &nodeName) const {
    const auto node = m_state.node(nodeName);
    if (!node) return base::fail(ErrorCode::notFound, "no such node", "place pod", nodeName);
    const auto network = nodeNetwork(*node, m_state);
    Pod pod = like;
    pod.nodeName = nodeName;
    for (unsigned number = 2;; ++number) {
        pod.name.name = fmt::format("{}-{}", stem(like.name.name), number);
        if (!m_state.pods.contains(pod.name)) break;
    }
    pod.ips.clear();
    for (const auto &ip : like.ips) { // of the families of the other, as far as the node has them
        auto range = network.podRange(ip.family);
        if (range.address.isNone()) { // among the other's neighbours: as good a place as any
            if (!network.has(ip.family)) continue;
            range = *packet::IpPrefix::parse(ip.toString() + (ip.isV6() ? "/64" : "/24"));
        }
        const auto address = freeAddress(range);
        if (!address) return std::unexpected(address.error());
        pod.ips.push_back(*address);
    }
    if (pod.ips.empty())
        return base::fail(ErrorCode::invalidInput, "the node has no address of the pod's family", "place pod",
                          nodeName);
    return pod;
}

base::Result<ClusterChange> LabCluster::movePod(const std::string &name, const std::string &nodeName) {
    const auto found = m_state.pods.find(parseName(name));
    if (found == m_state.pods.end()) return base::fail(ErrorCode::notFound, "no such pod", "move pod", name);
    ClusterChange change;
    const Pod old = *found->second;
    if (old.nodeName == nodeName) return change;
    auto moved = replica(old, nodeName);
    if (!moved) return std::unexpected(moved.error());
    change.events.push_back(event(WatchEventType::deleted, old));
    change.events.push_back(event(WatchEventType::added, *moved));
    m_state.pods.erase(old.name);
    m_state.put(*moved);
    change.podsRemoved.push_back(old);
    change.podsAdded.push_back(*moved);
    takeOverSlices(old, change.events);
    updateSlices(&change.events);
    return change;
}

base::Result<ClusterChange> LabCluster::scale(unsigned replicas) {
    if (replicas > kMaximumReplicas)
        return base::fail(ErrorCode::invalidInput, fmt::format("at most {} endpoints", kMaximumReplicas), "scale",
                          std::to_string(replicas));
    if (!m_template) return base::fail(ErrorCode::notFound, "no service selects a pod in this cluster", "scale");
    ClusterChange change;
    auto pods = servers();
    while (pods.size() > replicas) {
        change.events.push_back(event(WatchEventType::deleted, pods.back()));
        m_state.pods.erase(pods.back().name);
        change.podsRemoved.push_back(pods.back());
        pods.pop_back();
    }
    while (pods.size() < replicas) {
        // The node with the fewest goes first, as the scheduler would have it; among equals by name.
        std::map<std::string, unsigned> load;
        for (const auto &[name, node] : m_state.nodes) load[name.name] = 0;
        for (const auto &pod : pods) ++load[pod.nodeName];
        const auto least = std::ranges::min_element(load, {}, [](const auto &entry) { return entry.second; });
        auto pod = replica(*m_template, pods.empty() ? m_template->nodeName : least->first);
        if (!pod) return std::unexpected(pod.error());
        m_state.put(*pod);
        change.events.push_back(event(WatchEventType::added, *pod));
        change.podsAdded.push_back(*pod);
        pods.push_back(*pod);
    }
    for (const auto &pod : change.podsAdded) takeOverSlices(pod, change.events);
    for (const auto &pod : change.podsRemoved) takeOverSlices(pod, change.events);
    updateSlices(&change.events);
    return change;
}

/// Slices that a real cluster's controller has written say what it knew (an endpoint that is not ready, one that goes),
/// until the lab itself changes the pods behind them.
void LabCluster::takeOverSlices(const Pod &pod, std::vector<std::string> &events) {
    for (const auto &[name, service] : m_state.services) {
        if (!selects(*service, pod) || hasNamedTarget(*service)) continue;
        std::erase_if(m_state.endpointSlices, [&](const auto &entry) {
            const auto &slice = *entry.second;
            const bool controllers = slice.serviceName == name.name && slice.name.nameSpace == name.nameSpace &&
                                     (slice.isOfEndpoints() || slice.labels.contains(kManagedBy)) && !isOurs(slice);
            if (controllers) events.push_back(event(WatchEventType::deleted, slice));
            return controllers;
        });
    }
}

// EndpointSlice controller: one slice of each of its families for each Service with a selector that brought none.
void LabCluster::updateSlices(std::vector<std::string> *events) {
    for (const auto &[name, service] : m_state.services) {
        if (service->selector.empty()) continue;
        const bool ownSlices = std::ranges::any_of(m_state.endpointSlices, [&](const auto &entry) {
            const auto &slice = *entry.second;
            return slice.serviceName == name.name && slice.name.nameSpace == name.nameSpace &&
                   !isOurs(slice);
        });
        if (ownSlices) continue;
        for (const auto family : kFamilies) {
            const bool wanted =
                std::ranges::any_of(service->clusterIPs, [&](const auto &ip) { return ip.family == family; });
            if (wanted || (service->clusterIPs.empty() && family == packet::IpFamily::v4))
                updateSlice(*service, family, events);
        }
    }
}

/// What spec.trafficDistribution asks the controller to write (KEP-4444, KEP-3015). kube-proxy looks at the hints only.
void LabCluster::addHints(const Service &service, proxycore::Endpoint &endpoint) const {
    const auto node = m_state.node(endpoint.nodeName);
    if (!node) return;
    if (const auto zone = node->labels.find(std::string(proxycore::kZoneLabel)); zone != node->labels.end())
        endpoint.zone = zone->second;
    const auto &wanted = service.trafficDistribution;
    const bool sameNode = wanted == "PreferSameNode";
    if (sameNode) endpoint.nodeHints = {endpoint.nodeName};
    if ((sameNode || wanted == "PreferClose" || wanted == "PreferSameZone") && !endpoint.zone.empty())
        endpoint.zoneHints = {endpoint.zone};
}

void LabCluster::updateSlice(const Service &service, packet::IpFamily family, std::vector<std::string> *events) {
    const bool six = family == packet::IpFamily::v6;
    proxycore::EndpointSlice slice;
    slice.name = {service.name.nameSpace, service.name.name + (six ? "-natlens-ipv6" : "-natlens")};
    slice.addressType = six ? proxycore::AddressType::ipv6 : proxycore::AddressType::ipv4;
    slice.serviceName = service.name.name;
    slice.labels = {{std::string(proxycore::kServiceNameLabel), service.name.name}, {kManagedBy, kManager}};
    for (const auto &port : service.ports) slice.ports.push_back({port.name, port.protocol, targetPort(port)});
    for (const auto &[podName, pod] : m_state.pods) {
        const auto ip = std::ranges::find(pod->ips, family, &packet::IpAddress::family);
        if (!selects(service, *pod) || ip == pod->ips.end()) continue;
        proxycore::Endpoint endpoint;
        endpoint.addresses = {*ip};
        endpoint.nodeName = pod->nodeName;
        endpoint.pod = podName;
        addHints(service, endpoint);
        slice.endpoints.push_back(std::move(endpoint));
    }
    const auto old = m_state.endpointSlices.find(slice.name);
    if (old != m_state.endpointSlices.end() && *old->second == slice) return;
    if (events != nullptr)
        events->push_back(
            event(old == m_state.endpointSlices.end() ? WatchEventType::added : WatchEventType::modified, slice));
    m_state.put(std::move(slice));
}

} // namespace natlens::lab
