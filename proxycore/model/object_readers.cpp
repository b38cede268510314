#include "proxycore/model/object_readers.h"

namespace natlens::proxycore::detail {

namespace {

std::vector<std::string> hintNames(const Fields &hints, const FieldKey &key) {
    std::vector<std::string> result;
    hints.eachObject(key, [&](const Fields &entry) {
        if (auto name = entry.text("name"); !name.empty()) result.push_back(std::move(name));
    });
    return result;
}

/// kube-proxy takes the first address and nothing else: an endpoint whose first address is wrong does not exist for it.
void readAddresses(const Fields &fields, IpFamily family, Endpoint &endpoint) {
    bool firstWrong = false, first = true;
    std::string scratch;
    fields.eachElement("addresses", [&](const Fields &entry) {
        const auto ip = entry.value().isString() ? parseSloppyAddress(entry.value().text(scratch)) : std::nullopt;
        if (ip && ip->family == family) {
            endpoint.addresses.push_back(*ip);
        } else {
            entry.report("", entry.value().shown() +
                                 (ip ? " is of the wrong family for this addressType" : " is not an IP address") +
                                 (first ? "; the endpoint is left out" : "; ignored"));
            firstWrong = firstWrong || first;
        }
        first = false;
    });
    if (firstWrong) endpoint.addresses.clear();
}

ObjectName readTarget(const Fields &endpoint) {
    const auto target = endpoint.inner("targetRef");
    std::string scratch;
    if (target.textView("kind", scratch) != "Pod") return {};
    return {target.text("namespace"), target.text("name")};
}

Endpoint readEndpoint(const Fields &fields, AddressType type) {
    Endpoint endpoint;
    if (type != AddressType::fqdn)
        readAddresses(fields, type == AddressType::ipv6 ? IpFamily::v6 : IpFamily::v4, endpoint);
    const auto conditions = fields.inner("conditions");
    endpoint.ready = conditions.flag("ready", true);
    endpoint.serving = conditions.flag("serving", true);
    endpoint.terminating = conditions.flag("terminating", false);
    endpoint.nodeName = fields.text("nodeName");
    endpoint.zone = fields.text("zone");
    const auto hints = fields.inner("hints");
    endpoint.zoneHints = hintNames(hints, "forZones");
    endpoint.nodeHints = hintNames(hints, "forNodes");
    endpoint.pod = readTarget(fields);
    return endpoint;
}

std::optional<AddressType> addressTypeOf(const Fields &object) {
    std::string scratch;
    const auto type = object.textView("addressType", scratch, "IPv4");
    if (type == "IPv4") return AddressType::ipv4;
    if (type == "IPv6") return AddressType::ipv6;
    if (type == "FQDN") return AddressType::fqdn;
    object.report("addressType", shownText(type) + " is not IPv4, IPv6 or FQDN; the EndpointSlice is left out");
    return std::nullopt;
}

} // namespace

std::optional<Protocol> readProtocol(const Fields &fields) {
    std::string scratch;
    const auto name = fields.textView("protocol", scratch);
    if (name == "TCP" || name.empty()) return Protocol::tcp;
    if (name == "UDP") return Protocol::udp;
    if (name == "SCTP") return Protocol::sctp;
    fields.report("protocol", shownText(name) + " is not TCP, UDP or SCTP; this port is left out");
    return std::nullopt;
}

namespace {

std::optional<EndpointPort> readEndpointPort(const Fields &fields) {
    const auto protocol = readProtocol(fields);
    if (!protocol) return std::nullopt;
    EndpointPort port;
    port.protocol = *protocol;
    port.name = fields.text("name"); // "" when absent, as an API server fills it in
    if (const auto number = fields.port("port")) port.port = number;
    return port;
}

} // namespace

std::optional<EndpointSlice> readEndpointSlice(const Fields &object, const Fields &metadata, ObjectName name) {
    EndpointSlice slice;
    slice.name = std::move(name);
    const auto labels = metadata.inner("labels");
    slice.labels = labels.labels();
    if (const auto service = labels.find(FieldKey(kServiceNameLabel)); service && service->isString())
        slice.serviceName = service->text();
    const auto type = addressTypeOf(object);
    if (!type) return std::nullopt;
    slice.addressType = *type;
    object.eachObject("ports", [&](const Fields &fields) {
        if (auto port = readEndpointPort(fields)) slice.ports.push_back(std::move(*port));
    });
    object.eachObject(
        "endpoints", [&](const Fields &fields) { slice.endpoints.push_back(readEndpoint(fields, slice.addressType)); });
    return slice;
}

std::vector<EndpointSlice> readEndpoints(const Fields &object, const Fields &metadata, const ObjectName &name) {
    std::vector<EndpointSlice> slices;
    const auto labels = metadata.inner("labels").labels();
    std::size_t number = 0;
    object.eachObject("subsets", [&](const Fields &subset) {
        EndpointSlice four, six;
        subset.eachObject("ports", [&](const Fields &fields) {
            if (auto port = readEndpointPort(fields)) four.ports.push_back(std::move(*port));
        });
        six.ports = four.ports;
        six.addressType = AddressType::ipv6;
        const auto read = [&](const FieldKey &key, bool ready) {
            subset.eachObject(key, [&](const Fields &fields) {
                const auto ip = fields.address("ip");
                if (!ip) return;
                Endpoint endpoint;
                endpoint.addresses = {*ip};
                endpoint.ready = endpoint.serving = ready;
                endpoint.nodeName = fields.text("nodeName");
                endpoint.pod = readTarget(fields);
                (ip->isV6() ? six : four).endpoints.push_back(std::move(endpoint));
            });
        };
        read("addresses", true);
        read("notReadyAddresses", false);
        for (auto *slice : {&four, &six}) {
            if (slice->endpoints.empty()) continue;
            slice->name = {name.nameSpace, fmt::format("{}{}/{}", EndpointSlice::kOfEndpoints, name.name, number++)};
            slice->labels = labels;
            slice->labels[std::string(kServiceNameLabel)] = slice->serviceName = name.name;
            slices.push_back(std::move(*slice));
        }
    });
    return slices;
}

Node readNode(const Fields &object, std::string name) {
    const auto metadata = object.inner("metadata"), spec = object.inner("spec"), status = object.inner("status");
    Node node;
    node.name = std::move(name);
    node.labels = metadata.inner("labels").labels();
    node.beingDeleted = metadata.has("deletionTimestamp");
    status.eachObject("addresses", [&](const Fields &entry) {
        NodeAddress address{entry.text("type"), entry.text("address")};
        if (address.type == "InternalIP" || address.type == "ExternalIP") {
            const auto ip = entry.address("address");
            if (!ip) return;
            address.address = ip->toString();
        }
        node.addresses.push_back(std::move(address));
    });
    node.podCIDRs = spec.prefixes("podCIDRs");
    if (const auto single = spec.text("podCIDR"); node.podCIDRs.empty() && !single.empty()) {
        if (const auto prefix = parseSloppyPrefix(single))
            node.podCIDRs.push_back(*prefix);
        else
            spec.report("podCIDR", shownText(single) + " is not an address range (CIDR); ignored");
    }
    spec.eachObject("taints", [&](const Fields &taint) { node.taintKeys.push_back(taint.text("key")); });
    status.eachObject("conditions", [&](const Fields &condition) {
        if (condition.text("type") == "Ready") node.ready = condition.text("status") == "True";
    });
    return node;
}

Pod readPod(const Fields &object, ObjectName name) {
    const auto spec = object.inner("spec"), status = object.inner("status");
    Pod pod;
    pod.name = std::move(name);
    pod.labels = object.inner("metadata").inner("labels").labels();
    pod.nodeName = spec.text("nodeName");
    pod.hostNetwork = spec.flag("hostNetwork", false);
    pod.phase = status.text("phase");
    status.eachObject("podIPs", [&](const Fields &entry) {
        if (const auto ip = entry.address("ip")) pod.ips.push_back(*ip);
    });
    if (pod.ips.empty())
        if (const auto ip = status.address("podIP")) pod.ips.push_back(*ip);
    return pod;
}

} // namespace natlens::proxycore::detail
