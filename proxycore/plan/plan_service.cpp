#include "proxycore/plan/plan_sources.h"

#include <set>

namespace natlens::proxycore {

namespace {

constexpr IpFamily familyOf(AddressType type) {
    return type == AddressType::ipv4 ? IpFamily::v4 : type == AddressType::ipv6 ? IpFamily::v6 : IpFamily::none;
}

using Era = RuleLayout;

/// ipMode: Proxy says that packets to the address must pass through the load balancer. 1.5 knew no such mode.
bool isTaken(const LoadBalancerIngress &ingress, Era era) {
    return ingress.mode == IpMode::vip || era == Era::v1_5;
}

/// The front ends of one port, each address and port once: whether it has them is another question.
std::vector<FrontEnd> frontEndsOf(const Service &service, const ServicePort &port, IpFamily family,
                                  const Behaviour &behaviour) {
    std::vector<FrontEnd> result;
    const auto add = [&](Via via, const IpAddress &ip, Port number) {
        if (via != Via::nodePort && ip.family != family) return;
        for (const auto &own : result)
            if (own.ip == ip && own.port == number) return; // the same address listed twice
        result.push_back({.via = via, .ip = ip, .port = number});
    };
    const auto clusterIP = std::find_if(service.clusterIPs.begin(), service.clusterIPs.end(),
                                        [&](const IpAddress &ip) { return ip.family == family; });
    if (clusterIP != service.clusterIPs.end()) add(Via::clusterIP, *clusterIP, port.port);
    if (behaviour.externalIPs)
        for (const auto &ip : service.externalIPs)
            add(Via::externalIP, ip, port.port);
    for (const auto &ingress : service.ingress)
        if (isTaken(ingress, behaviour.layout)) add(Via::loadBalancerIP, ingress.ip, port.port);
    if (port.nodePort != 0) add(Via::nodePort, {}, port.nodePort);
    return result;
}

/// Plans one Service.
class ServicePlanner final {
public:
    ServicePlanner(const NodeView &node, PlannedService &result, const Slices &slices)
        : m_node(node)
        , m_plan(node.frame)
        , m_result(result)
        , m_era(node.frame.behaviour.layout)
        , m_service(*result.service)
        , m_slices(slices) {}

    void plan() {
        for (const auto &port : m_service.ports)
            m_result.ports.push_back(std::make_shared<const ServicePortPlan>(planPort(port)));
        std::stable_sort(m_result.ports.begin(), m_result.ports.end(),
                         [](const auto &a, const auto &b) { return a->name < b->name; });
        planHealthCheck();
    }

private:
    ServicePortPlan planPort(const ServicePort &port);
    void planAccess(const ServicePort &port, ServicePortPlan &plan) const;
    void planFrontEnd(ServicePortPlan &plan, FrontEnd frontEnd) const;
    void planFrontEnds(const ServicePort &port, ServicePortPlan &plan);
    void planHealthCheck();
    void passBy(const ServicePort &port, const ServicePortPlan &plan);
    [[nodiscard]] std::vector<PlannedEndpoint> endpointsOf(const ServicePortName &name) const;

    const NodeView &m_node;
    const ProxyPlan &m_plan;
    PlannedService &m_result;
    Era m_era;
    const Service &m_service;
    const Slices &m_slices;
    std::size_t m_nextClaim = 0;
};

template<class T>
void sortUnique(std::vector<T> &values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// Sorted by "ip:port" as text, each once: the first one stays unless a later one is not terminating
/// (an address that a new pod has taken over from a terminating one).
std::vector<PlannedEndpoint> ServicePlanner::endpointsOf(const ServicePortName &name) const {
    std::vector<std::pair<std::string, PlannedEndpoint>> found;
    for (const auto *slice : m_slices)
        for (const auto &port : slice->ports) {
            if (!port.name || port.port.value_or(0) == 0 || *port.name != name.port || port.protocol != name.protocol) continue;
            for (const auto &endpoint : slice->endpoints) {
                if (endpoint.addresses.empty()) continue;
                PlannedEndpoint planned;
                planned.address = {endpoint.addresses.front(), *port.port};
                planned.local = !endpoint.nodeName.empty() && endpoint.nodeName == m_plan.nodeName;
                planned.ready = endpoint.ready;
                planned.serving = endpoint.serving;
                planned.terminating = endpoint.terminating;
                planned.nodeName = endpoint.nodeName;
                planned.zoneHints = endpoint.zoneHints;
                planned.nodeHints = endpoint.nodeHints;
                planned.pod = endpoint.pod;
                if (m_era == Era::v1_5) { // it knew addresses that are ready, and nothing else
                    planned.serving = planned.ready;
                    planned.terminating = false;
                    planned.zoneHints.clear();
                    planned.nodeHints.clear();
                }
                found.emplace_back(planned.address.toString(), std::move(planned));
            }
        }
    std::stable_sort(found.begin(), found.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
    std::vector<PlannedEndpoint> result;
    for (auto &[text, endpoint] : found) {
        if (result.empty() || result.back().address != endpoint.address)
            result.push_back(std::move(endpoint));
        else if (!endpoint.terminating)
            result.back() = std::move(endpoint);
    }
    return result;
}

/// Fills in what follows from the Service alone (KUBE-PROXY's "derived fields").
void ServicePlanner::planAccess(const ServicePort &port, ServicePortPlan &plan) const {
    const auto &service = m_service;
    const auto ofFamily = [&](const IpAddress &ip) { return ip.family == m_plan.family; };
    plan.clusterIP = *std::find_if(service.clusterIPs.begin(), service.clusterIPs.end(), ofFamily);
    plan.type = service.type;
    plan.port = port.port;
    plan.nodePort = port.nodePort;
    plan.internalLocal = service.internalTrafficPolicy == TrafficPolicy::local;
    const bool hasExternalIPs =
        m_plan.behaviour.externalIPs && std::any_of(service.externalIPs.begin(), service.externalIPs.end(), ofFamily);
    // A question to the object, whatever the family and the proxy's feature gates.
    const bool reachableFromOutside = service.type != ServiceType::clusterIP || !service.externalIPs.empty();
    plan.externalLocal = service.externalTrafficPolicy == TrafficPolicy::local && reachableFromOutside;
    plan.externalPolicySource = service.externalTrafficPolicySource;
    if (m_era == Era::v1_5) {
        plan.internalLocal = false;
        plan.externalLocal = plan.externalLocal && service.type != ServiceType::clusterIP &&
                             service.externalTrafficPolicySource == PolicySource::annotation;
    }
    std::vector<IpAddress> vips;
    for (const auto &ingress : service.ingress)
        if (isTaken(ingress, m_era) && ofFamily(ingress.ip)) vips.push_back(ingress.ip);
    plan.externallyAccessible = port.nodePort != 0 || !vips.empty() || hasExternalIPs;
    plan.usesCluster = !plan.internalLocal || plan.externallyAccessible;
    plan.usesLocal = plan.internalLocal || (plan.externalLocal && plan.externallyAccessible);
    // 1.5 meant 180 minutes and wrote seconds.
    if (service.clientIpAffinity)
        plan.affinity = m_era == Era::v1_5 ? std::chrono::seconds(180) : service.affinityTimeout;
    const bool annotated = m_era == Era::v1_5 && service.loadBalancerSourceRanges.empty();
    for (const auto &range : annotated ? service.annotatedSourceRanges : service.loadBalancerSourceRanges)
        if (range.address.family == m_plan.family) plan.allowedSources.push_back(range);
    const auto &ranges = plan.allowedSources;
    if (std::any_of(ranges.begin(), ranges.end(), [](const IpPrefix &r) { return r.length == 0; }))
        plan.allowedSources.clear(); // a /0 allows everyone
    if (!m_node.primary.isNone() &&
        std::any_of(ranges.begin(), ranges.end(), [&](const IpPrefix &r) { return r.contains(m_node.primary); }))
        plan.allowedVips = std::move(vips);
}

ServicePortPlan ServicePlanner::planPort(const ServicePort &port) {
    ServicePortPlan plan;
    plan.name = {m_service.name, port.name, port.protocol};
    planAccess(port, plan);
    const auto endpoints = endpointsOf(plan.name);
    auto selection = selectEndpoints(endpoints, {.usesCluster = plan.usesCluster,
                                                 .usesLocal = plan.usesLocal,
                                                 .nodeName = m_plan.nodeName,
                                                 .zone = m_node.zone,
                                                 .nodeHints = m_plan.behaviour.nodeHints});
    const auto pick = [&](const std::vector<std::size_t> &indices) {
        std::vector<PlannedEndpoint> result;
        result.reserve(indices.size());
        for (const auto index : indices)
            result.push_back(endpoints[index]);
        return result;
    };
    if (port.protocol == Protocol::udp) {
        for (const auto &endpoint : endpoints)
            if (endpoint.serving) plan.serving.push_back(endpoint.address);
        sortUnique(plan.serving);
    }
    plan.cluster = pick(selection.cluster);
    plan.local = pick(selection.local);
    plan.reachable = pick(selection.reachable);
    plan.hasAny = selection.hasAny;
    plan.endpointCount = endpoints.size();
    plan.topology = selection.topology;
    plan.excluded = std::move(selection.excluded);
    plan.ofEndpointsObject = std::ranges::any_of(m_slices, &EndpointSlice::isOfEndpoints);
    plan.hasInternal = plan.internalLocal ? !plan.local.empty() : plan.hasAny;
    plan.hasExternal = plan.externalLocal ? !plan.local.empty() : plan.hasAny;
    planFrontEnds(port, plan);
    passBy(port, plan);
    if (m_era == Era::v1_5 && m_service.externalTrafficPolicy == TrafficPolicy::local && !plan.externalLocal)
        m_result.problems.push_back({"Service " + m_service.name.toString(), "/spec/externalTrafficPolicy",
                                     "kube-proxy 1.5 does not know the field; it obeys the annotation " +
                                         std::string(kExternalTrafficBeta) + ": OnlyLocal"});
    return plan;
}

void ServicePlanner::planFrontEnds(const ServicePort &port, ServicePortPlan &plan) {
    for (const auto &frontEnd : frontEndsOf(m_service, port, m_plan.family, m_plan.behaviour)) {
        if (m_result.granted[m_nextClaim++]) {
            planFrontEnd(plan, frontEnd);
            continue;
        }
        const auto what = frontEnd.via == Via::nodePort ? "node port " + std::to_string(frontEnd.port)
                                                        : packet::SocketAddress{frontEnd.ip, frontEnd.port}.toString();
        m_result.problems.push_back({"Service " + plan.name.service.toString(), "",
                                     what + " belongs to another Service too; the first by name has it"});
    }
}

void ServicePlanner::planFrontEnd(ServicePortPlan &plan, FrontEnd frontEnd) const {
    const bool internal = frontEnd.via == Via::clusterIP;
    if (internal && plan.hasInternal) frontEnd.route = plan.internalLocal ? Route::local : Route::cluster;
    if (!internal && plan.hasAny) frontEnd.route = Route::external;
    if (!(internal ? plan.hasInternal : plan.hasExternal))
        frontEnd.otherwise = plan.hasAny ? Otherwise::drop : Otherwise::reject;
    if (m_era == Era::v1_5) {
        frontEnd.policyApplies = frontEnd.via != Via::externalIP;
        const bool turnedAway = plan.hasAny && frontEnd.policyApplies;
        // Without endpoints there are no rules for external front ends: packets go where they would go anyway.
        if (!internal && !turnedAway) frontEnd.otherwise = Otherwise::pass;
    }
    frontEnd.firewalled = frontEnd.via == Via::loadBalancerIP && !plan.allowedSources.empty() &&
                          (plan.hasAny || !m_plan.behaviour.firewallNeedsEndpoints);
    plan.frontEnds.push_back(frontEnd);
}

void ServicePlanner::passBy(const ServicePort &port, const ServicePortPlan &plan) {
    const auto add = [&](Via via, const IpAddress &ip, PassedByReason reason) {
        if (ip.family == m_plan.family) m_result.passedBy.push_back({plan.name, via, ip, port.port, reason});
    };
    for (const auto &ingress : m_service.ingress)
        if (!isTaken(ingress, m_era)) add(Via::loadBalancerIP, ingress.ip, PassedByReason::loadBalancerIsProxy);
    if (m_plan.behaviour.externalIPs) return;
    for (const auto &ip : m_service.externalIPs)
        add(Via::externalIP, ip, PassedByReason::externalIPsOff);
}

void ServicePlanner::planHealthCheck() {
    if (m_service.type != ServiceType::loadBalancer || m_service.externalTrafficPolicy != TrafficPolicy::local) return;
    if (m_era == Era::v1_5 && m_service.externalTrafficPolicySource != PolicySource::annotation) return;
    if (m_service.healthCheckNodePort == 0) {
        m_result.problems.push_back({"Service " + m_service.name.toString(), "/spec/healthCheckNodePort",
                                     "missing: no health check is answered, so a load balancer cannot find the nodes "
                                     "that have endpoints"});
        return;
    }
    std::set<IpAddress> addresses;
    for (const auto &port : m_service.ports)
        for (const auto &endpoint : endpointsOf({m_service.name, port.name, port.protocol}))
            if (endpoint.local && endpoint.ready) addresses.insert(endpoint.address.ip);
    m_result.healthCheck = {m_service.name, m_service.healthCheckNodePort, static_cast<unsigned>(addresses.size())};
}

/// It has a cluster IP of the family, and is of a type that proxies serve.
bool hasAddress(const Service &service, IpFamily family) {
    if (service.headless || service.type == ServiceType::externalName) return false;
    return std::any_of(service.clusterIPs.begin(), service.clusterIPs.end(),
                       [&](const IpAddress &ip) { return ip.family == family; });
}

} // namespace

bool isOfOtherProxy(const Service &service, IpFamily family) {
    return service.labels.contains(std::string(kServiceProxyNameLabel)) && hasAddress(service, family);
}

bool isProxied(const Service &service, IpFamily family) {
    return hasAddress(service, family) && !service.labels.contains(std::string(kServiceProxyNameLabel));
}

void passBy(const Service &service, IpFamily family, const Behaviour &behaviour, std::vector<PassedBy> &all) {
    for (const auto &port : service.ports)
        for (const auto &frontEnd : frontEndsOf(service, port, family, behaviour))
            all.push_back({{service.name, port.name, port.protocol},
                           frontEnd.via,
                           frontEnd.ip,
                           frontEnd.port,
                           PassedByReason::otherProxy});
}

bool isUsed(const EndpointSlice &slice, IpFamily family) {
    return !slice.serviceName.empty() && familyOf(slice.addressType) == family &&
           !slice.labels.contains(std::string(kHeadlessLabel));
}

std::vector<Claim> wantedClaims(const Service &service, IpFamily family, const Behaviour &behaviour) {
    std::vector<Claim> claims;
    for (const auto &port : service.ports)
        for (const auto &frontEnd : frontEndsOf(service, port, family, behaviour))
            claims.push_back({port.protocol, frontEnd.ip, frontEnd.port});
    return claims;
}

PlannedService planService(const NodeView &node, std::shared_ptr<const Service> service, const Slices &slices,
                           std::vector<bool> granted) {
    PlannedService result;
    result.service = std::move(service);
    result.wanted = wantedClaims(*result.service, node.frame.family, node.frame.behaviour);
    result.granted = std::move(granted);
    ServicePlanner(node, result, slices).plan();
    return result;
}

} // namespace natlens::proxycore
