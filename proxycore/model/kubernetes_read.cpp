#include "proxycore/model/json_fields.h"
#include "proxycore/model/kubernetes_json.h"

#include <charconv>
#include <set>

namespace natlens::proxycore {

using detail::Fields;
using detail::Json;

namespace {

std::optional<Protocol> protocolField(const Fields &fields) {
    const auto name = fields.text("protocol", "TCP");
    if (name == "TCP" || name.empty()) return Protocol::tcp;
    if (name == "UDP") return Protocol::udp;
    if (name == "SCTP") return Protocol::sctp;
    fields.report("protocol", "\"" + name + "\" is not TCP, UDP or SCTP; this port is left out");
    return std::nullopt;
}

TrafficPolicy policyField(const Fields &spec, std::string_view key) {
    const auto text = spec.text(key);
    if (text == "Local") return TrafficPolicy::local;
    if (!text.empty() && text != "Cluster")
        spec.report(key, "\"" + text + "\" is not Cluster or Local; Cluster is used");
    return TrafficPolicy::cluster;
}

const std::string *annotation(const Labels &annotations, std::string_view beta, std::string_view alpha) {
    for (const std::string_view key : {beta, alpha})
        if (const auto found = annotations.find(std::string(key)); found != annotations.end()) return &found->second;
    return nullptr;
}

void readExternalPolicy(const Fields &metadata, const Fields &spec, Service &service) {
    if (!spec.text("externalTrafficPolicy").empty()) {
        service.externalTrafficPolicy = policyField(spec, "externalTrafficPolicy");
        service.externalTrafficPolicySource = PolicySource::field;
        return;
    }
    const auto *value = annotation(service.annotations, kExternalTrafficBeta, kExternalTrafficAlpha);
    if (value == nullptr) return;
    if (*value != "OnlyLocal" && *value != "Global") {
        metadata.report("annotations", "external-traffic \"" + *value + "\" is not OnlyLocal or Global; ignored");
        return;
    }
    service.externalTrafficPolicy = *value == "OnlyLocal" ? TrafficPolicy::local : TrafficPolicy::cluster;
    service.externalTrafficPolicySource = PolicySource::annotation;
}

void readHealthCheckPort(const Fields &metadata, const Fields &spec, Service &service) {
    service.healthCheckNodePort = spec.port("healthCheckNodePort");
    const auto *value = annotation(service.annotations, kHealthCheckNodePortBeta, kHealthCheckNodePortAlpha);
    if (spec.has("healthCheckNodePort") || value == nullptr) return;
    unsigned port = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), port);
    if (error == std::errc{} && end == value->data() + value->size() && port >= 1 && port <= 65535)
        service.healthCheckNodePort = static_cast<Port>(port);
    else
        metadata.report("annotations", "healthcheck-nodeport \"" + *value + "\" is not a port; ignored");
}

void readServicePorts(const Fields &spec, Service &service) {
    std::set<std::pair<std::string, Protocol>> seen;
    for (const auto &fields : spec.objects("ports")) {
        const auto protocol = protocolField(fields);
        if (!protocol) continue;
        ServicePort port;
        port.name = fields.text("name");
        port.protocol = *protocol;
        port.port = static_cast<Port>(fields.integer("port", 1, 65535).value_or(0));
        if (port.port == 0) {
            if (!fields.has("port")) fields.report("port", "missing; this port is left out");
            continue;
        }
        port.nodePort = fields.port("nodePort");
        if (const Json *target = fields.find("targetPort"))
            port.targetPort = target->is_string() ? target->get<std::string>() : detail::shown(*target);
        if (port.targetPort == "0") port.targetPort.clear();
        if (!seen.insert({port.name, port.protocol}).second) {
            fields.report("", "a second port with the same name and protocol; left out");
            continue;
        }
        service.ports.push_back(std::move(port));
    }
}

void readClusterIps(const Fields &spec, Service &service) {
    auto written = spec.texts("clusterIPs");
    if (const auto first = spec.text("clusterIP"); !first.empty() && (written.empty() || written.front() != first))
        written.insert(written.begin(), first);
    for (const auto &text : written) {
        if (text.empty()) continue;
        if (text == "None") {
            service.headless = true;
            continue;
        }
        const auto ip = detail::parseSloppyAddress(text);
        if (!ip) {
            spec.report("clusterIP", "\"" + text + "\" is not an IP address; ignored");
            continue;
        }
        const auto sameFamily = [&](const IpAddress &other) { return other.family == ip->family; };
        if (std::none_of(service.clusterIPs.begin(), service.clusterIPs.end(), sameFamily))
            service.clusterIPs.push_back(*ip);
    }
}

void readAffinity(const Fields &spec, Service &service) {
    const auto affinity = spec.text("sessionAffinity");
    service.clientIpAffinity = affinity == "ClientIP";
    if (!affinity.empty() && affinity != "None" && affinity != "ClientIP")
        spec.report("sessionAffinity", "\"" + affinity + "\" is not None or ClientIP; None is used");
    const auto config = spec.inner("sessionAffinityConfig").inner("clientIP");
    if (const auto seconds = config.integer("timeoutSeconds", 1, 86400))
        service.affinityTimeout = std::chrono::seconds(*seconds);
}

std::optional<Service> readService(const Fields &object, ObjectName name) {
    const Fields metadata = object.inner("metadata"), spec = object.inner("spec");
    Service service;
    service.name = std::move(name);
    service.labels = metadata.labels("labels");
    service.annotations = metadata.labels("annotations");
    service.selector = spec.labels("selector");
    const auto type = spec.text("type", "ClusterIP");
    if (type == "NodePort")
        service.type = ServiceType::nodePort;
    else if (type == "LoadBalancer")
        service.type = ServiceType::loadBalancer;
    else if (type == "ExternalName")
        service.type = ServiceType::externalName;
    else if (!type.empty() && type != "ClusterIP") {
        spec.report("type", "\"" + type + "\" is not a type of Service; the Service is left out");
        return std::nullopt;
    }
    readClusterIps(spec, service);
    readServicePorts(spec, service);
    service.externalIPs = spec.addresses("externalIPs");
    readExternalPolicy(metadata, spec, service);
    service.internalTrafficPolicy = policyField(spec, "internalTrafficPolicy");
    readAffinity(spec, service);
    service.loadBalancerSourceRanges = spec.prefixes("loadBalancerSourceRanges");
    service.allocateLoadBalancerNodePorts = spec.flag("allocateLoadBalancerNodePorts", true);
    readHealthCheckPort(metadata, spec, service);
    service.publishNotReadyAddresses = spec.flag("publishNotReadyAddresses", false);
    service.trafficDistribution = spec.text("trafficDistribution");
    for (const auto &entry : object.inner("status").inner("loadBalancer").objects("ingress")) {
        LoadBalancerIngress ingress;
        ingress.ip = entry.address("ip").value_or(IpAddress{});
        ingress.hostname = entry.text("hostname");
        const auto mode = entry.text("ipMode", "VIP");
        if (mode == "Proxy")
            ingress.mode = IpMode::proxy;
        else if (mode != "VIP")
            entry.report("ipMode", "\"" + mode + "\" is not VIP or Proxy; VIP is used");
        if (!ingress.ip.isNone() || !ingress.hostname.empty()) service.ingress.push_back(std::move(ingress));
    }
    return service;
}

std::vector<std::string> hintNames(const Fields &hints, std::string_view key) {
    std::vector<std::string> result;
    for (const auto &entry : hints.objects(key))
        if (auto name = entry.text("name"); !name.empty()) result.push_back(std::move(name));
    return result;
}

Endpoint readEndpoint(const Fields &fields, AddressType type) {
    Endpoint endpoint;
    const auto family = type == AddressType::ipv6 ? IpFamily::v6 : IpFamily::v4;
    if (type != AddressType::fqdn) {
        endpoint.addresses = fields.addresses("addresses");
        const auto wrong = std::erase_if(endpoint.addresses, [&](const IpAddress &ip) { return ip.family != family; });
        if (wrong > 0) fields.report("addresses", "an address of the wrong family for this addressType; ignored");
    }
    const auto conditions = fields.inner("conditions");
    endpoint.ready = conditions.flag("ready", true);
    endpoint.serving = conditions.flag("serving", true);
    endpoint.terminating = conditions.flag("terminating", false);
    endpoint.nodeName = fields.text("nodeName");
    endpoint.zone = fields.text("zone");
    const auto hints = fields.inner("hints");
    endpoint.zoneHints = hintNames(hints, "forZones");
    endpoint.nodeHints = hintNames(hints, "forNodes");
    const auto target = fields.inner("targetRef");
    if (target.text("kind") == "Pod") endpoint.pod = {target.text("namespace"), target.text("name")};
    return endpoint;
}

std::optional<EndpointSlice> readEndpointSlice(const Fields &object, ObjectName name) {
    EndpointSlice slice;
    slice.name = std::move(name);
    slice.labels = object.inner("metadata").labels("labels");
    if (const auto label = slice.labels.find(std::string(kServiceNameLabel)); label != slice.labels.end())
        slice.serviceName = label->second;
    const auto type = object.text("addressType", "IPv4");
    if (type == "IPv6")
        slice.addressType = AddressType::ipv6;
    else if (type == "FQDN")
        slice.addressType = AddressType::fqdn;
    else if (type != "IPv4") {
        object.report("addressType", "\"" + type + "\" is not IPv4, IPv6 or FQDN; the EndpointSlice is left out");
        return std::nullopt;
    }
    for (const auto &fields : object.objects("ports")) {
        const auto protocol = protocolField(fields);
        if (!protocol) continue;
        EndpointPort port;
        port.protocol = *protocol;
        if (fields.has("name")) port.name = fields.text("name");
        if (const auto number = fields.port("port")) port.port = number;
        slice.ports.push_back(std::move(port));
    }
    for (const auto &fields : object.objects("endpoints"))
        slice.endpoints.push_back(readEndpoint(fields, slice.addressType));
    return slice;
}

Node readNode(const Fields &object, std::string name) {
    const Fields metadata = object.inner("metadata"), spec = object.inner("spec"), status = object.inner("status");
    Node node;
    node.name = std::move(name);
    node.labels = metadata.labels("labels");
    node.beingDeleted = metadata.has("deletionTimestamp");
    for (const auto &entry : status.objects("addresses")) {
        NodeAddress address{entry.text("type"), entry.text("address")};
        const bool numeric = address.type == "InternalIP" || address.type == "ExternalIP";
        if (numeric) {
            const auto ip = entry.address("address");
            if (!ip) continue;
            address.address = ip->toString();
        }
        node.addresses.push_back(std::move(address));
    }
    node.podCIDRs = spec.prefixes("podCIDRs");
    if (const auto single = spec.text("podCIDR"); node.podCIDRs.empty() && !single.empty()) {
        if (const auto prefix = detail::parseSloppyPrefix(single))
            node.podCIDRs.push_back(*prefix);
        else
            spec.report("podCIDR", "\"" + single + "\" is not an address range (CIDR); ignored");
    }
    for (const auto &taint : spec.objects("taints"))
        node.taintKeys.push_back(taint.text("key"));
    for (const auto &condition : status.objects("conditions"))
        if (condition.text("type") == "Ready") node.ready = condition.text("status") == "True";
    return node;
}

Pod readPod(const Fields &object, ObjectName name) {
    const Fields spec = object.inner("spec"), status = object.inner("status");
    Pod pod;
    pod.name = std::move(name);
    pod.labels = object.inner("metadata").labels("labels");
    pod.nodeName = spec.text("nodeName");
    pod.hostNetwork = spec.flag("hostNetwork", false);
    pod.phase = status.text("phase");
    for (const auto &entry : status.objects("podIPs"))
        if (const auto ip = entry.address("ip")) pod.ips.push_back(*ip);
    if (pod.ips.empty())
        if (const auto ip = status.address("podIP")) pod.ips.push_back(*ip);
    return pod;
}

/// Where read objects go, and what happens to one that is there already.
class Sink final {
public:
    Sink(ClusterState &state, bool reportDuplicates)
        : m_state(&state)
        , m_reportDuplicates(reportDuplicates) {}

    void remove(bool removing) { m_removing = removing; }

    /// Any of the objects or lists that readClusterState documents.
    void read(const Json &value, const std::string &pointer) {
        Fields object(value, pointer, "document", m_state->problems);
        if (!value.is_object()) {
            object.report("", "expected a Kubernetes object, found " + detail::shown(value) + "; ignored");
            return;
        }
        if (object.has("object") && object.has("type"))
            event(object, pointer);
        else
            objectOrList(object);
    }

private:
    void objectOrList(Fields &object) {
        const auto kind = object.text("kind");
        if (kind.ends_with("List") || (kind.empty() && object.has("items"))) {
            const auto itemKind = kind.size() > 4 ? kind.substr(0, kind.size() - 4) : std::string();
            for (const auto &item : object.list("items"))
                readItem(item, itemKind);
            return;
        }
        single(object, kind);
    }

    void readItem(const Fields &item, const std::string &itemKind) {
        Fields fields = item;
        if (!item.value().is_object()) {
            item.report("", "expected a Kubernetes object, found " + detail::shown(item.value()) + "; ignored");
            return;
        }
        single(fields, fields.text("kind", itemKind)); // the items of a typed list carry no kind of their own
    }

    void event(const Fields &fields, const std::string &pointer) {
        const auto type = fields.text("type");
        if (type == "BOOKMARK" || type == "ERROR") return;
        if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
            fields.report("type", "\"" + type + "\" is not ADDED, MODIFIED or DELETED; the event is ignored");
            return;
        }
        const bool before = m_removing, reported = m_reportDuplicates;
        m_removing = type == "DELETED";
        m_reportDuplicates = false;
        // Not read(): an event within an event would be read as deep as the input likes.
        Fields object(*fields.find("object"), pointer + "/object", "document", m_state->problems);
        if (object.value().is_object())
            objectOrList(object);
        else
            object.report("", "expected a Kubernetes object, found " + detail::shown(object.value()) + "; ignored");
        m_removing = before;
        m_reportDuplicates = reported;
    }

    void single(Fields &object, const std::string &kind) {
        if (kind.empty()) {
            object.report("kind", "missing; the object is ignored");
            return;
        }
        const bool used =
            kind == "Node" || kind == "Pod" || kind == "Service" || kind == "EndpointSlice" || kind == "ServiceCIDR";
        if (!used) return;
        object.nameObject(kind);
        const auto metadata = object.inner("metadata");
        if (object.has("metadata") && !object.find("metadata")->is_object()) return; // reported
        const bool hasNamespace = kind != "Node" && kind != "ServiceCIDR";
        ObjectName name{hasNamespace ? metadata.text("namespace", "default") : "", metadata.text("name")};
        if (name.name.empty()) {
            metadata.report("name", "missing; the " + kind + " is left out");
            return;
        }
        object.nameObject(kind + " " + name.toString());
        if (kind == "Node")
            store(m_state->nodes, object, name, [&] { return std::optional(readNode(object, name.name)); });
        else if (kind == "Pod")
            store(m_state->pods, object, name, [&] { return std::optional(readPod(object, name)); });
        else if (kind == "Service")
            store(m_state->services, object, name, [&] { return readService(object, name); });
        else if (kind == "EndpointSlice")
            store(m_state->endpointSlices, object, name, [&] { return readEndpointSlice(object, name); });
        else if (m_removing)
            m_state->serviceCIDRs.erase(name);
        else
            m_state->serviceCIDRs[name] = object.inner("spec").prefixes("cidrs");
    }

    template<class T, class Reader>
    void store(ClusterState::Objects<T> &objects, const Fields &object, const ObjectName &name, Reader reader) {
        if (m_removing) {
            objects.erase(name);
            return;
        }
        auto value = reader();
        if (!value) return;
        if (m_reportDuplicates && objects.contains(name))
            object.report("", "occurs more than once; the last one is used");
        objects.insert_or_assign(name, std::make_shared<const T>(std::move(*value)));
    }

    ClusterState *m_state;
    bool m_reportDuplicates;
    bool m_removing = false;
};

/// Reads one document, or one per line.
base::Status readInto(Sink &sink, std::string_view text, std::string_view fileName) {
    auto whole = detail::parseDocument(text, fileName);
    if (whole) {
        sink.read(*whole, "");
        return {};
    }
    // JSON Lines: only if the first line is a document of its own, so that the message about a broken List stays the
    // one above.
    std::size_t line = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto part = text.substr(at, end - at);
        at = end + 1;
        ++line;
        if (part.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        const auto document = detail::parseDocument(part, fileName);
        if (!document) return std::unexpected(whole.error());
        sink.read(*document, "");
    }
    return line > 1 ? base::Status{} : std::unexpected(whole.error());
}

} // namespace

base::Result<ClusterState> readClusterState(std::string_view text, std::string_view fileName) {
    ClusterState state;
    Sink sink(state, true);
    if (auto status = readInto(sink, text, fileName); !status) return std::unexpected(status.error());
    return state;
}

base::Status applyWatchEvent(ClusterState &state, std::string_view json) {
    Sink sink(state, false);
    auto document = detail::parseDocument(json, "watch event");
    if (!document) return std::unexpected(document.error());
    sink.read(*document, "");
    return {};
}

} // namespace natlens::proxycore
