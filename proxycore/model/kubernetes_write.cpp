#include "proxycore/model/kubernetes_json.h"
#include <nlohmann/json.hpp>

namespace natlens::proxycore {

namespace {

/// Kubernetes prints keys in the order of its types; ours are kept in the order in which they are written here.
using Json = nlohmann::ordered_json;

Json labelsJson(const Labels &labels) {
    Json result = Json::object();
    for (const auto &[key, value] : labels)
        result[key] = value;
    return result;
}

Json metadata(const ObjectName &name, const Labels &labels, const Labels &annotations = {}) {
    Json result = {{"name", name.name}};
    if (!name.nameSpace.empty()) result["namespace"] = name.nameSpace;
    if (!labels.empty()) result["labels"] = labelsJson(labels);
    if (!annotations.empty()) result["annotations"] = labelsJson(annotations);
    return result;
}

template<class Values>
Json texts(const Values &values) {
    Json result = Json::array();
    for (const auto &value : values)
        result.push_back(value.toString());
    return result;
}

Json names(const std::vector<std::string> &values) {
    Json result = Json::array();
    for (const auto &value : values)
        result.push_back({{"name", value}});
    return result;
}

Json targetPort(const ServicePort &port) {
    if (port.targetPort.empty()) return port.port;
    const bool numeric = port.targetPort.find_first_not_of("0123456789") == std::string::npos;
    return numeric && port.targetPort.size() <= 5 ? Json(std::stoi(port.targetPort)) : Json(port.targetPort);
}

Json portsJson(const Service &service) {
    Json ports = Json::array();
    for (const auto &port : service.ports) {
        Json entry = Json::object();
        if (!port.name.empty()) entry["name"] = port.name;
        entry["protocol"] = packet::toString(port.protocol);
        entry["port"] = port.port;
        if (!port.targetPort.empty()) entry["targetPort"] = targetPort(port);
        if (port.nodePort != 0) entry["nodePort"] = port.nodePort;
        ports.push_back(std::move(entry));
    }
    return ports;
}

Json specJson(const Service &service) {
    Json spec = {{"type", toString(service.type)}, {"ports", portsJson(service)}};
    if (!service.selector.empty()) spec["selector"] = labelsJson(service.selector);
    if (service.headless) {
        spec["clusterIP"] = "None";
        spec["clusterIPs"] = Json::array({"None"});
    } else if (!service.clusterIPs.empty()) {
        spec["clusterIP"] = service.clusterIPs.front().toString();
        spec["clusterIPs"] = texts(service.clusterIPs);
    }
    if (!service.externalIPs.empty()) spec["externalIPs"] = texts(service.externalIPs);
    if (service.externalTrafficPolicySource == PolicySource::field)
        spec["externalTrafficPolicy"] = toString(service.externalTrafficPolicy);
    spec["internalTrafficPolicy"] = toString(service.internalTrafficPolicy);
    spec["sessionAffinity"] = service.clientIpAffinity ? "ClientIP" : "None";
    if (service.clientIpAffinity)
        spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] = service.affinityTimeout.count();
    if (!service.loadBalancerSourceRanges.empty())
        spec["loadBalancerSourceRanges"] = texts(service.loadBalancerSourceRanges);
    if (!service.allocateLoadBalancerNodePorts) spec["allocateLoadBalancerNodePorts"] = false;
    const bool portInAnnotation = service.annotations.contains(std::string(kHealthCheckNodePortBeta)) ||
                                  service.annotations.contains(std::string(kHealthCheckNodePortAlpha));
    if (service.healthCheckNodePort != 0 && !portInAnnotation)
        spec["healthCheckNodePort"] = service.healthCheckNodePort;
    if (service.publishNotReadyAddresses) spec["publishNotReadyAddresses"] = true;
    if (!service.trafficDistribution.empty()) spec["trafficDistribution"] = service.trafficDistribution;
    return spec;
}

Json serviceJson(const Service &service) {
    Json result = {{"apiVersion", "v1"},
                   {"kind", "Service"},
                   {"metadata", metadata(service.name, service.labels, service.annotations)},
                   {"spec", specJson(service)}};
    Json ingress = Json::array();
    for (const auto &entry : service.ingress) {
        Json one = Json::object();
        if (!entry.ip.isNone()) {
            one["ip"] = entry.ip.toString();
            one["ipMode"] = entry.mode == IpMode::proxy ? "Proxy" : "VIP";
        }
        if (!entry.hostname.empty()) one["hostname"] = entry.hostname;
        ingress.push_back(std::move(one));
    }
    result["status"]["loadBalancer"] = Json::object();
    if (!ingress.empty()) result["status"]["loadBalancer"]["ingress"] = std::move(ingress);
    return result;
}

Json endpointJson(const Endpoint &endpoint) {
    Json result = {{"addresses", texts(endpoint.addresses)},
                   {"conditions",
                    {{"ready", endpoint.ready}, {"serving", endpoint.serving}, {"terminating", endpoint.terminating}}}};
    if (!endpoint.nodeName.empty()) result["nodeName"] = endpoint.nodeName;
    if (!endpoint.zone.empty()) result["zone"] = endpoint.zone;
    if (!endpoint.zoneHints.empty()) result["hints"]["forZones"] = names(endpoint.zoneHints);
    if (!endpoint.nodeHints.empty()) result["hints"]["forNodes"] = names(endpoint.nodeHints);
    if (!endpoint.pod.name.empty())
        result["targetRef"] = {{"kind", "Pod"}, {"namespace", endpoint.pod.nameSpace}, {"name", endpoint.pod.name}};
    return result;
}

Json sliceJson(const EndpointSlice &slice) {
    Labels labels = slice.labels;
    if (!slice.serviceName.empty()) labels[std::string(kServiceNameLabel)] = slice.serviceName;
    Json result = {{"apiVersion", "discovery.k8s.io/v1"},
                   {"kind", "EndpointSlice"},
                   {"metadata", metadata(slice.name, labels)},
                   {"addressType", toString(slice.addressType)},
                   {"ports", Json::array()},
                   {"endpoints", Json::array()}};
    for (const auto &port : slice.ports) {
        Json entry = Json::object();
        if (port.name) entry["name"] = *port.name;
        entry["protocol"] = packet::toString(port.protocol);
        if (port.port) entry["port"] = *port.port;
        result["ports"].push_back(std::move(entry));
    }
    for (const auto &endpoint : slice.endpoints)
        result["endpoints"].push_back(endpointJson(endpoint));
    return result;
}

Json nodeJson(const Node &node) {
    Json result = {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", metadata({"", node.name}, node.labels)}};
    // Only whether it is set matters; the moment of the deletion is not part of the model.
    if (node.beingDeleted) result["metadata"]["deletionTimestamp"] = "1970-01-01T00:00:00Z";
    result["spec"] = Json::object();
    if (!node.podCIDRs.empty()) {
        result["spec"]["podCIDR"] = node.podCIDRs.front().toString();
        result["spec"]["podCIDRs"] = texts(node.podCIDRs);
    }
    for (const auto &key : node.taintKeys)
        result["spec"]["taints"].push_back({{"key", key}, {"effect", "NoSchedule"}});
    result["status"]["addresses"] = Json::array();
    for (const auto &address : node.addresses)
        result["status"]["addresses"].push_back({{"type", address.type}, {"address", address.address}});
    result["status"]["conditions"] = Json::array({{{"type", "Ready"}, {"status", node.ready ? "True" : "False"}}});
    return result;
}

Json podJson(const Pod &pod) {
    Json result = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", metadata(pod.name, pod.labels)}};
    result["spec"] = Json::object();
    if (!pod.nodeName.empty()) result["spec"]["nodeName"] = pod.nodeName;
    if (pod.hostNetwork) result["spec"]["hostNetwork"] = true;
    result["status"] = Json::object();
    if (!pod.phase.empty()) result["status"]["phase"] = pod.phase;
    if (!pod.ips.empty()) result["status"]["podIP"] = pod.ips.front().toString();
    for (const auto &ip : pod.ips)
        result["status"]["podIPs"].push_back({{"ip", ip.toString()}});
    return result;
}

std::string printed(const Json &json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace

std::string toJson(const Node &node) {
    return printed(nodeJson(node));
}
std::string toJson(const Pod &pod) {
    return printed(podJson(pod));
}
std::string toJson(const Service &service) {
    return printed(serviceJson(service));
}
std::string toJson(const EndpointSlice &slice) {
    return printed(sliceJson(slice));
}

std::string toJson(const ClusterState &state) {
    Json items = Json::array();
    for (const auto &[name, node] : state.nodes)
        items.push_back(nodeJson(*node));
    for (const auto &[name, pod] : state.pods)
        items.push_back(podJson(*pod));
    for (const auto &[name, service] : state.services)
        items.push_back(serviceJson(*service));
    for (const auto &[name, slice] : state.endpointSlices)
        items.push_back(sliceJson(*slice));
    for (const auto &[name, ranges] : state.serviceCIDRs)
        items.push_back({{"apiVersion", "networking.k8s.io/v1"},
                         {"kind", "ServiceCIDR"},
                         {"metadata", metadata(name, {})},
                         {"spec", {{"cidrs", texts(ranges)}}}});
    return printed({{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}});
}

std::string watchEvent(WatchEventType type, std::string_view objectJson) {
    const char *name = type == WatchEventType::added      ? "ADDED"
                       : type == WatchEventType::modified ? "MODIFIED"
                                                          : "DELETED";
    return fmt::format(R"({{"type":"{}","object":{}}})", name, objectJson);
}

} // namespace natlens::proxycore
