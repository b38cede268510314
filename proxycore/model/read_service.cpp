#include "proxycore/model/object_readers.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace natlens::proxycore::detail {

namespace {

TrafficPolicy policyOf(const Fields &spec, const FieldKey &key, std::string_view text) {
    if (text == "Local") return TrafficPolicy::local;
    if (!text.empty() && text != "Cluster")
        spec.report(key, shownText(text) + " is not Cluster or Local; Cluster is used");
    return TrafficPolicy::cluster;
}

/// The first of the two annotations that is there; "" when none is.
std::string annotation(const Fields &annotations, std::string_view beta, std::string_view alpha) {
    for (const FieldKey key : {FieldKey(beta), FieldKey(alpha)})
        if (const auto value = annotations.find(key); value && value->isString()) return value->text();
    return {};
}

void readExternalPolicy(const Fields &annotations, const Fields &spec, Service &service) {
    constexpr FieldKey key("externalTrafficPolicy");
    if (const auto text = spec.text(key); !text.empty()) {
        service.externalTrafficPolicy = policyOf(spec, key, text);
        service.externalTrafficPolicySource = PolicySource::field;
        return;
    }
    const auto value = annotation(annotations, kExternalTrafficBeta, kExternalTrafficAlpha);
    if (value.empty()) return;
    if (value != "OnlyLocal" && value != "Global") {
        annotations.report("", "external-traffic " + shownText(value) + " is not OnlyLocal or Global; ignored");
        return;
    }
    service.externalTrafficPolicy = value == "OnlyLocal" ? TrafficPolicy::local : TrafficPolicy::cluster;
    service.externalTrafficPolicySource = PolicySource::annotation;
}

void readHealthCheckPort(const Fields &annotations, const Fields &spec, Service &service) {
    service.healthCheckNodePort = spec.port("healthCheckNodePort");
    if (spec.has("healthCheckNodePort")) return;
    const auto value = annotation(annotations, kHealthCheckNodePortBeta, kHealthCheckNodePortAlpha);
    if (value.empty()) return;
    unsigned port = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), port);
    if (error == std::errc{} && end == value.data() + value.size() && port >= 1 && port <= 65535)
        service.healthCheckNodePort = static_cast<Port>(port);
    else
        annotations.report("", "healthcheck-nodeport " + shownText(value) + " is not a port; ignored");
}

/// kube-proxy 1.5's way to say it where there was no field yet: ranges with commas between them.
void readAnnotatedRanges(const Fields &annotations, Service &service) {
    const auto value = annotation(annotations, kSourceRangesBeta, kSourceRangesBeta);
    for (std::size_t at = 0; at < value.size();) {
        const auto end = std::min(value.find(',', at), value.size());
        const auto part = std::string_view(value).substr(at, end - at);
        at = end + 1;
        if (const auto range = parseSloppyPrefix(part))
            service.annotatedSourceRanges.push_back(*range);
        else
            annotations.report("", "load-balancer-source-ranges: " + shownText(part) +
                                       " is not an address range (CIDR); ignored");
    }
}

/// Whether the Service has a port of this name and protocol already. `seen` is only filled for the few Services with
/// several ports.
bool isSecond(const ServicePort &port, const Service &service, std::set<std::pair<std::string, Protocol>> &seen) {
    if (service.ports.empty()) return false;
    if (seen.empty()) seen.insert({service.ports.front().name, service.ports.front().protocol});
    return !seen.insert({port.name, port.protocol}).second;
}

void readPorts(const Fields &spec, Service &service) {
    std::set<std::pair<std::string, Protocol>> seen;
    spec.eachObject("ports", [&](const Fields &fields) {
        const auto protocol = readProtocol(fields);
        if (!protocol) return;
        ServicePort port;
        port.name = fields.text("name");
        port.protocol = *protocol;
        port.port = static_cast<Port>(fields.integer("port", 1, 65535).value_or(0));
        if (port.port == 0) {
            if (!fields.has("port")) fields.report("port", "missing; this port is left out");
            return;
        }
        port.nodePort = fields.port("nodePort");
        if (const auto target = fields.find("targetPort"))
            port.targetPort = target->isString() ? target->text() : target->shown();
        if (port.targetPort == "0") port.targetPort.clear();
        if (isSecond(port, service, seen))
            fields.report("", "a second port with the same name and protocol; left out");
        else
            service.ports.push_back(std::move(port));
    });
}

void addClusterIp(const Fields &spec, std::string_view text, Service &service) {
    if (text.empty()) return;
    if (text == "None") {
        service.headless = true;
        return;
    }
    const auto ip = parseSloppyAddress(text);
    if (!ip) {
        spec.report("clusterIP", shownText(text) + " is not an IP address; ignored");
        return;
    }
    const auto sameFamily = [&](const IpAddress &other) { return other.family == ip->family; };
    if (std::none_of(service.clusterIPs.begin(), service.clusterIPs.end(), sameFamily))
        service.clusterIPs.push_back(*ip);
}

/// `clusterIP` and the first of `clusterIPs` are the same thing; a bare object may have either.
void readClusterIps(const Fields &spec, Service &service) {
    std::string scratch;
    const auto first = spec.textView("clusterIP", scratch);
    bool begin = true;
    spec.eachElement("clusterIPs", [&](const Fields &entry) {
        if (!entry.value().isString()) {
            entry.report("", "expected text, found " + entry.value().shown() + "; ignored");
            return;
        }
        if (std::exchange(begin, false) && !entry.value().equals(first)) addClusterIp(spec, first, service);
        std::string text;
        addClusterIp(spec, entry.value().text(text), service);
    });
    if (begin) addClusterIp(spec, first, service);
}

void readAffinity(const Fields &spec, Service &service) {
    std::string scratch;
    const auto affinity = spec.textView("sessionAffinity", scratch);
    service.clientIpAffinity = affinity == "ClientIP";
    if (!affinity.empty() && affinity != "None" && affinity != "ClientIP")
        spec.report("sessionAffinity", shownText(affinity) + " is not None or ClientIP; None is used");
    const auto config = spec.inner("sessionAffinityConfig").inner("clientIP");
    if (const auto seconds = config.integer("timeoutSeconds", 1, 86400))
        service.affinityTimeout = std::chrono::seconds(*seconds);
}

void readIngress(const Fields &object, Service &service) {
    object.inner("status").inner("loadBalancer").eachObject("ingress", [&](const Fields &entry) {
        LoadBalancerIngress ingress;
        ingress.ip = entry.address("ip").value_or(IpAddress{});
        ingress.hostname = entry.text("hostname");
        const auto mode = entry.text("ipMode", "VIP");
        if (mode == "Proxy")
            ingress.mode = IpMode::proxy;
        else if (mode != "VIP")
            entry.report("ipMode", shownText(mode) + " is not VIP or Proxy; VIP is used");
        if (!ingress.ip.isNone() || !ingress.hostname.empty()) service.ingress.push_back(std::move(ingress));
    });
}

std::optional<ServiceType> typeOf(const Fields &spec) {
    std::string scratch;
    const auto type = spec.textView("type", scratch);
    if (type.empty() || type == "ClusterIP") return ServiceType::clusterIP;
    if (type == "NodePort") return ServiceType::nodePort;
    if (type == "LoadBalancer") return ServiceType::loadBalancer;
    if (type == "ExternalName") return ServiceType::externalName;
    spec.report("type", shownText(type) + " is not a type of Service; the Service is left out");
    return std::nullopt;
}

} // namespace

std::optional<Service> readService(const Fields &object, const Fields &metadata, ObjectName name) {
    const auto spec = object.inner("spec");
    const auto annotations = metadata.inner("annotations");
    Service service;
    service.name = std::move(name);
    service.labels = metadata.inner("labels").labels();
    service.annotations = annotations.labels();
    service.selector = spec.inner("selector").labels();
    const auto type = typeOf(spec);
    if (!type) return std::nullopt;
    service.type = *type;
    readClusterIps(spec, service);
    readPorts(spec, service);
    service.externalIPs = spec.addresses("externalIPs");
    readExternalPolicy(annotations, spec, service);
    service.internalTrafficPolicy = policyOf(spec, "internalTrafficPolicy", spec.text("internalTrafficPolicy"));
    readAffinity(spec, service);
    service.loadBalancerSourceRanges = spec.prefixes("loadBalancerSourceRanges");
    readAnnotatedRanges(annotations, service);
    service.allocateLoadBalancerNodePorts = spec.flag("allocateLoadBalancerNodePorts", true);
    readHealthCheckPort(annotations, spec, service);
    service.publishNotReadyAddresses = spec.flag(
        "publishNotReadyAddresses", annotation(annotations, kTolerateUnreadyAlpha, kTolerateUnreadyAlpha) == "true");
    service.trafficDistribution = spec.text("trafficDistribution");
    readIngress(object, service);
    return service;
}

} // namespace natlens::proxycore::detail
