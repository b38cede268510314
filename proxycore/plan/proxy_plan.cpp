#include "proxycore/plan/proxy_plan.h"

namespace natlens::proxycore {

std::string_view toString(Via value) {
    switch (value) {
    case Via::none: return "";
    case Via::clusterIP: return "clusterIP";
    case Via::externalIP: return "externalIP";
    case Via::loadBalancerIP: return "loadBalancerIP";
    case Via::nodePort: return "nodePort";
    }
    return "";
}

bool ProxyPlan::isLocalAddress(const IpAddress &address) const {
    return address.isLoopback() || std::binary_search(localAddresses.begin(), localAddresses.end(), address);
}

const ServicePortPlan *ProxyPlan::find(const ServicePortName &name) const {
    const auto at = std::lower_bound(services.begin(), services.end(), name,
                                     [](const auto &entry, const ServicePortName &key) { return entry->name < key; });
    return at != services.end() && (*at)->name == name ? at->get() : nullptr;
}

bool ProxyPlan::operator==(const ProxyPlan &other) const {
    const auto common = [](const ProxyPlan &plan) {
        return std::tie(plan.nodeName, plan.family, plan.mode, plan.behaviour, plan.localAddresses, plan.detector,
                        plan.clusterIpMasquerade, plan.masqueradeMark, plan.nodePorts, plan.localhostNodePorts,
                        plan.serviceCIDRs, plan.healthChecks, plan.endpointComments);
    };
    return common(*this) == common(other) &&
           std::equal(services.begin(), services.end(), other.services.begin(), other.services.end(),
                      [](const auto &a, const auto &b) { return a == b || *a == *b; });
}

namespace {

std::string endpointText(const PlannedEndpoint &endpoint) {
    auto text = endpoint.address.toString();
    if (!endpoint.nodeName.empty()) text += " on " + endpoint.nodeName;
    if (endpoint.local) text += " (this node)";
    if (!endpoint.ready) text += " (terminating)";
    return text;
}

std::string listText(const std::vector<PlannedEndpoint> &endpoints) {
    std::string text;
    for (const auto &endpoint : endpoints)
        text += (text.empty() ? "" : ", ") + endpointText(endpoint);
    return text.empty() ? "none" : text;
}

template<class Values>
std::string joined(const Values &values) {
    std::string text;
    for (const auto &value : values)
        text += (text.empty() ? "" : ", ") + value.toString();
    return text;
}

std::string detectorText(const LocalDetector &detector) {
    switch (detector.kind) {
    case LocalDetector::Kind::none: return "not recognised";
    case LocalDetector::Kind::sourceRange: return "source in " + detector.range.toString();
    case LocalDetector::Kind::interface: return "arriving by interface " + detector.interface;
    case LocalDetector::Kind::interfacePrefix: return "arriving by an interface named " + detector.interface + "*";
    }
    return "";
}

std::string nodePortText(const NodePortMatch &match) {
    if (!match.allLocal) return match.addresses.empty() ? "no address" : joined(match.addresses);
    return match.loopback ? "every local address, loopback too" : "every local address but loopback";
}

std::string routeText(const FrontEnd &frontEnd, const ServicePortPlan &service) {
    switch (frontEnd.route) {
    case Route::none: return "";
    case Route::cluster: return "to a cluster endpoint";
    case Route::local: return "to a local endpoint";
    case Route::external:
        if (!service.externalLocal || !frontEnd.policyApplies) return "to a cluster endpoint, source replaced";
        return service.local.empty()
                   ? "to a cluster endpoint, for pods and the node itself only"
                   : "to a local endpoint, source kept; pods and the node itself: to a cluster endpoint";
    }
    return "";
}

std::string frontEndName(Via via, const IpAddress &ip, Port port) {
    return fmt::format("{} {}", toString(via),
                       via == Via::nodePort ? std::to_string(port) : packet::SocketAddress{ip, port}.toString());
}

std::string_view reasonText(PassedByReason reason) {
    switch (reason) {
    case PassedByReason::loadBalancerIsProxy: return "packets must pass through the load balancer (ipMode Proxy)";
    case PassedByReason::otherProxy: return "another proxy serves the Service (label service-proxy-name)";
    case PassedByReason::externalIPsOff: return "external IPs are off (feature gate AllowServiceExternalIPs)";
    }
    return "";
}

std::string frontEndText(const FrontEnd &frontEnd, const ServicePortPlan &service) {
    auto text = frontEndName(frontEnd.via, frontEnd.ip, frontEnd.port) + ": ";
    if (frontEnd.firewalled)
        text += "only from " + joined(service.allowedSources) +
                (service.allowedVips.empty() ? "" : " and " + joined(service.allowedVips)) + ", others dropped; ";
    const auto route = routeText(frontEnd, service);
    text += route;
    if (frontEnd.otherwise == Otherwise::pass) return text;
    if (!route.empty()) text += "; others ";
    text += frontEnd.otherwise == Otherwise::reject ? "rejected: no endpoints" : "dropped: no local endpoints";
    return text;
}

} // namespace

std::string toText(const ServicePortPlan &service, const ProxyPlan &plan) {
    std::string text = fmt::format("service {} ({}, {}):\n", service.name.toString(), toString(service.type),
                                   packet::toString(service.name.protocol));
    if (service.internalLocal) text += "  internalTrafficPolicy Local\n";
    if (service.externalLocal)
        text += service.externalPolicySource == PolicySource::annotation
                    ? "  externalTrafficPolicy Local (annotation OnlyLocal)\n"
                    : "  externalTrafficPolicy Local\n";
    for (const auto &frontEnd : service.frontEnds)
        text += "  " + frontEndText(frontEnd, service) + "\n";
    if (service.usesCluster) text += "  cluster endpoints: " + listText(service.cluster) + "\n";
    if (service.usesLocal) text += "  local endpoints: " + listText(service.local) + "\n";
    if (service.topology != TopologyMode::none)
        text += fmt::format("  endpoints chosen by hints: {}\n", toString(service.topology));
    for (const auto &excluded : service.excluded)
        text += fmt::format("  not used: {}: {}\n", excluded.address.toString(), toString(excluded.reason));
    if (service.affinity.count() > 0)
        text += fmt::format("  a client stays with its endpoint for {} s, up to {} clients an endpoint\n",
                            service.affinity.count(), plan.behaviour.affinityCapacity);
    return text;
}

std::string toText(const ProxyPlan &plan) {
    std::string text = fmt::format("node {}, {}, {} mode\n", plan.nodeName,
                                   plan.family == IpFamily::v6 ? "IPv6" : "IPv4", toString(plan.mode));
    if (plan.behaviour.layout == RuleLayout::v1_5)
        text += "rules and behaviour of kube-proxy 1.5: the node's own packets obey policy Local too; what is turned "
                "away is "
                "dropped only if it is for this node or from it\n";
    text += "local addresses: " + (plan.localAddresses.empty() ? "none" : joined(plan.localAddresses)) + "\n";
    text += "local pods: " + detectorText(plan.detector) + "\n";
    switch (plan.clusterIpMasquerade) {
    case ClusterIpMasquerade::never: text += "cluster IPs: source kept\n"; break;
    case ClusterIpMasquerade::fromOutside: text += "cluster IPs: source replaced unless from a local pod\n"; break;
    case ClusterIpMasquerade::always: text += "cluster IPs: source replaced always\n"; break;
    }
    text += "node ports: on " + nodePortText(plan.nodePorts) + "\n";
    text += fmt::format("masquerade mark: {:#x}{}\n", plan.masqueradeMark,
                        plan.behaviour.fullyRandomPorts ? ", random ports" : ", ports kept");
    text += fmt::format("a pod that reaches itself: source replaced {}\n",
                        plan.behaviour.hairpinLocalOnly ? "on the node it runs on" : "on any node");
    text +=
        fmt::format("other ports of a cluster IP: {}\n", plan.behaviour.rejectUnknownPort ? "rejected" : "not touched");
    if (!plan.serviceCIDRs.empty())
        text += fmt::format("other addresses of {}: {}\n", joined(plan.serviceCIDRs),
                            plan.behaviour.dropUnallocated ? "dropped" : "not touched");
    for (const auto &one : plan.passedBy)
        text += fmt::format("{} of service {}: not taken, {}\n", frontEndName(one.via, one.ip, one.port),
                            one.name.toString(), reasonText(one.reason));
    for (const auto &check : plan.healthChecks)
        text += fmt::format("health check {} on port {}: {} local endpoint(s)\n", check.service.toString(), check.port,
                            check.localEndpoints);
    for (const auto &service : plan.services)
        text += toText(*service, plan);
    for (const auto &problem : plan.problems)
        text += "note: " + problem.toString() + "\n";
    return text;
}

} // namespace natlens::proxycore
