#include "proxycore/plan/proxy_plan.h"

#include <set>
#include <unordered_set>

namespace natlens::proxycore {

namespace {

constexpr IpFamily familyOf(AddressType type) {
    return type == AddressType::ipv4 ? IpFamily::v4 : type == AddressType::ipv6 ? IpFamily::v6 : IpFamily::none;
}

Behaviour behaviourOf(Mode mode, bool serviceRangesKnown) {
    Behaviour behaviour;
    if (mode == Mode::nftables) {
        behaviour.rejectUnknownPort = true;
        behaviour.dropUnallocated = serviceRangesKnown;
        behaviour.hairpinLocalOnly = true;
    } else {
        behaviour.firewallNeedsEndpoints = true;
        behaviour.acceptHealthChecks = true;
        behaviour.checksOwnExternal = false;
        behaviour.dropInvalid = true;
        behaviour.affinityCapacity = 100; // xt_recent's ip_list_tot
        behaviour.affinityEvictsOldest = true;
    }
    return behaviour;
}

template<class T>
void sortUnique(std::vector<T> &values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// Builds one plan. Keeps what is common to all Services of the node.
class Planner final {
public:
    Planner(const ClusterState &state, const ProxyConfig &config, const PlanTarget &target, const ProxyPlan *previous)
        : m_state(state)
        , m_config(config)
        , m_target(target)
        , m_previous(previous) {}

    ProxyPlan make() {
        planNode();
        groupSlices();
        for (const auto &[name, service] : m_state.services)
            planService(*service);
        const auto byName = [](const auto &a, const auto &b) { return a->name < b->name; };
        std::sort(m_plan.services.begin(), m_plan.services.end(), byName);
        return std::move(m_plan);
    }

private:
    using Slices = std::vector<const EndpointSlice *>;
    using Claim = std::tuple<Protocol, IpAddress, Port>;
    struct ClaimHash {
        std::size_t operator()(const Claim &claim) const {
            return std::hash<IpAddress>{}(std::get<1>(claim)) ^
                   (static_cast<std::size_t>(std::get<2>(claim)) << 8 | static_cast<std::size_t>(std::get<0>(claim)));
        }
    };

    void planNode();
    void planDetector(const Node *node);
    void planNodePorts();
    void groupSlices();
    void planService(const Service &service);
    void planHealthCheck(const Service &service, const Slices &slices);
    ServicePortPlan planPort(const Service &service, const ServicePort &port, const Slices &slices);
    void planAccess(const Service &service, const ServicePort &port, ServicePortPlan &plan) const;
    void planFrontEnds(const Service &service, ServicePortPlan &plan);
    void addFrontEnd(ServicePortPlan &plan, Via via, const IpAddress &ip, Port port);
    std::vector<PlannedEndpoint> endpointsOf(const ServicePortName &name, const Slices &slices) const;

    const ClusterState &m_state;
    const ProxyConfig &m_config;
    const PlanTarget &m_target;
    const ProxyPlan *m_previous;
    ProxyPlan m_plan;
    std::string m_zone;
    IpAddress m_primary;
    std::map<ObjectName, Slices> m_slices; ///< by Service
    std::unordered_set<Claim, ClaimHash> m_claims;
};

void Planner::planNode() {
    const auto node = m_state.node(m_target.nodeName);
    m_plan.nodeName = m_target.nodeName;
    m_plan.family = m_target.family;
    m_plan.mode = m_target.mode;
    m_plan.masqueradeMark = 1U << (m_config.masqueradeBit & 31U);
    for (const auto &range : m_config.serviceCIDRs)
        m_plan.serviceCIDRs.push_back(range);
    for (const auto &[name, ranges] : m_state.serviceCIDRs)
        m_plan.serviceCIDRs.insert(m_plan.serviceCIDRs.end(), ranges.begin(), ranges.end());
    std::erase_if(m_plan.serviceCIDRs, [&](const IpPrefix &p) { return p.address.family != m_target.family; });
    sortUnique(m_plan.serviceCIDRs);
    m_plan.behaviour = behaviourOf(m_target.mode, !m_plan.serviceCIDRs.empty());
    m_plan.localAddresses = m_target.localAddresses;
    if (node == nullptr) {
        m_plan.problems.push_back({"Node " + m_target.nodeName, "",
                                   "not in the cluster state: no endpoint is local to it and its zone is unknown"});
    } else {
        for (const auto &ip : node->ipAddresses())
            m_plan.localAddresses.push_back(ip);
        m_primary = node->primaryAddress(m_target.family);
        if (const auto zone = node->labels.find(std::string(kZoneLabel)); zone != node->labels.end())
            m_zone = zone->second;
    }
    std::erase_if(m_plan.localAddresses,
                  [&](const IpAddress &ip) { return ip.family != m_target.family || ip.isLoopback(); });
    sortUnique(m_plan.localAddresses);
    m_plan.localhostNodePorts =
        m_target.mode == Mode::iptables && m_target.family == IpFamily::v4 && m_config.localhostNodePorts;
    planDetector(node.get());
    planNodePorts();
}

void Planner::planDetector(const Node *node) {
    using Kind = LocalDetector::Kind;
    const auto firstOf = [&](const std::vector<IpPrefix> &ranges) {
        for (const auto &range : ranges)
            if (range.address.family == m_target.family) {
                m_plan.detector = {Kind::sourceRange, range, ""};
                return;
            }
    };
    switch (m_config.detectLocalMode) {
    case DetectLocalMode::clusterCIDR: firstOf(m_config.clusterCIDRs); break;
    case DetectLocalMode::nodeCIDR:
        if (node != nullptr) firstOf(node->podCIDRs);
        break;
    case DetectLocalMode::bridgeInterface:
        if (!m_config.bridgeInterface.empty()) m_plan.detector = {Kind::interface, {}, m_config.bridgeInterface};
        break;
    case DetectLocalMode::interfaceNamePrefix:
        if (!m_config.interfaceNamePrefix.empty())
            m_plan.detector = {Kind::interfacePrefix, {}, m_config.interfaceNamePrefix};
        break;
    }
    if (m_config.masqueradeAll)
        m_plan.clusterIpMasquerade = ClusterIpMasquerade::always;
    else if (m_plan.detector.kind != Kind::none)
        m_plan.clusterIpMasquerade = ClusterIpMasquerade::fromOutside;
}

void Planner::planNodePorts() {
    const bool nftables = m_target.mode == Mode::nftables;
    auto written = m_config.nodePortAddresses;
    if (written.empty() && nftables) written.emplace_back("primary");
    std::vector<IpPrefix> ranges;
    for (const auto &text : written) {
        if (text == "primary") {
            const auto length = static_cast<std::uint8_t>(m_target.family == IpFamily::v4 ? 32 : 128);
            if (!m_primary.isNone()) ranges.push_back({m_primary, length});
        } else if (const auto range = IpPrefix::parse(text); range && range->address.family == m_target.family) {
            ranges.push_back(*range);
        }
    }
    auto &match = m_plan.nodePorts;
    const bool everything = std::any_of(ranges.begin(), ranges.end(), [](const IpPrefix &r) { return r.length == 0; });
    match.allLocal = ranges.empty() || everything;
    match.loopback = match.allLocal && m_plan.localhostNodePorts;
    if (match.allLocal) return;
    auto candidates = m_plan.localAddresses;
    if (m_plan.localhostNodePorts) candidates.push_back(IpAddress::v4(127, 0, 0, 1));
    for (const auto &ip : candidates)
        if (std::any_of(ranges.begin(), ranges.end(), [&](const IpPrefix &r) { return r.contains(ip); }))
            match.addresses.push_back(ip);
    sortUnique(match.addresses);
}

void Planner::groupSlices() {
    for (const auto &[name, slice] : m_state.endpointSlices) {
        const bool skipped = slice->serviceName.empty() || familyOf(slice->addressType) != m_target.family ||
                             slice->labels.contains(std::string(kHeadlessLabel));
        if (!skipped) m_slices[{name.nameSpace, slice->serviceName}].push_back(slice.get());
    }
}

void Planner::planService(const Service &service) {
    if (service.headless || service.type == ServiceType::externalName) return;
    if (service.labels.contains(std::string(kServiceProxyNameLabel))) return;
    const auto ofFamily = [&](const IpAddress &ip) { return ip.family == m_target.family; };
    if (std::none_of(service.clusterIPs.begin(), service.clusterIPs.end(), ofFamily)) return;
    const auto found = m_slices.find(service.name);
    const Slices &slices = found == m_slices.end() ? m_slices[service.name] : found->second;
    for (const auto &port : service.ports) {
        auto plan = planPort(service, port, slices);
        const auto *before = m_previous == nullptr ? nullptr : m_previous->find(plan.name);
        if (before != nullptr && *before == plan) {
            const auto at = std::lower_bound(m_previous->services.begin(), m_previous->services.end(), plan.name,
                                             [](const auto &entry, const auto &name) { return entry->name < name; });
            m_plan.services.push_back(*at);
        } else {
            m_plan.services.push_back(std::make_shared<const ServicePortPlan>(std::move(plan)));
        }
    }
    planHealthCheck(service, slices);
}

void Planner::planHealthCheck(const Service &service, const Slices &slices) {
    if (service.type != ServiceType::loadBalancer || service.externalTrafficPolicy != TrafficPolicy::local) return;
    if (service.healthCheckNodePort == 0) {
        m_plan.problems.push_back({"Service " + service.name.toString(), "/spec/healthCheckNodePort",
                                   "missing: no health check is answered, so a load balancer cannot find the nodes "
                                   "that have endpoints"});
        return;
    }
    std::set<IpAddress> addresses;
    for (const auto &port : service.ports)
        for (const auto &endpoint : endpointsOf({service.name, port.name, port.protocol}, slices))
            if (endpoint.local && endpoint.ready) addresses.insert(endpoint.address.ip);
    m_plan.healthChecks.push_back({service.name, service.healthCheckNodePort, static_cast<unsigned>(addresses.size())});
}

/// Sorted by "ip:port" as text, each once: the first one stays unless a later one is not terminating
/// (an address that a new pod has taken over from a terminating one).
std::vector<PlannedEndpoint> Planner::endpointsOf(const ServicePortName &name, const Slices &slices) const {
    std::vector<std::pair<std::string, PlannedEndpoint>> found;
    for (const auto *slice : slices)
        for (const auto &port : slice->ports) {
            if (!port.name || !port.port || *port.name != name.port || port.protocol != name.protocol) continue;
            for (const auto &endpoint : slice->endpoints) {
                if (endpoint.addresses.empty()) continue;
                PlannedEndpoint planned;
                planned.address = {endpoint.addresses.front(), *port.port};
                planned.local = !endpoint.nodeName.empty() && endpoint.nodeName == m_target.nodeName;
                planned.ready = endpoint.ready;
                planned.serving = endpoint.serving;
                planned.terminating = endpoint.terminating;
                planned.nodeName = endpoint.nodeName;
                planned.zoneHints = endpoint.zoneHints;
                planned.nodeHints = endpoint.nodeHints;
                planned.pod = endpoint.pod;
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
void Planner::planAccess(const Service &service, const ServicePort &port, ServicePortPlan &plan) const {
    const auto ofFamily = [&](const IpAddress &ip) { return ip.family == m_target.family; };
    plan.clusterIP = *std::find_if(service.clusterIPs.begin(), service.clusterIPs.end(), ofFamily);
    plan.type = service.type;
    plan.port = port.port;
    plan.nodePort = port.nodePort;
    plan.internalLocal = service.internalTrafficPolicy == TrafficPolicy::local;
    const bool reachableFromOutside = service.type != ServiceType::clusterIP || !service.externalIPs.empty();
    plan.externalLocal = service.externalTrafficPolicy == TrafficPolicy::local && reachableFromOutside;
    plan.externalPolicySource = service.externalTrafficPolicySource;
    std::vector<IpAddress> vips;
    for (const auto &ingress : service.ingress)
        if (ingress.mode == IpMode::vip && ofFamily(ingress.ip)) vips.push_back(ingress.ip);
    plan.externallyAccessible = port.nodePort != 0 || !vips.empty() ||
                                std::any_of(service.externalIPs.begin(), service.externalIPs.end(), ofFamily);
    plan.usesCluster = !plan.internalLocal || plan.externallyAccessible;
    plan.usesLocal = plan.internalLocal || (plan.externalLocal && plan.externallyAccessible);
    if (service.clientIpAffinity) plan.affinity = service.affinityTimeout;
    for (const auto &range : service.loadBalancerSourceRanges)
        if (range.address.family == m_target.family) plan.allowedSources.push_back(range);
    const auto &ranges = plan.allowedSources;
    if (std::any_of(ranges.begin(), ranges.end(), [](const IpPrefix &r) { return r.length == 0; }))
        plan.allowedSources.clear(); // a /0 allows everyone
    if (!m_primary.isNone() &&
        std::any_of(ranges.begin(), ranges.end(), [&](const IpPrefix &r) { return r.contains(m_primary); }))
        plan.allowedVips = std::move(vips);
}

ServicePortPlan Planner::planPort(const Service &service, const ServicePort &port, const Slices &slices) {
    ServicePortPlan plan;
    plan.name = {service.name, port.name, port.protocol};
    planAccess(service, port, plan);
    const auto endpoints = endpointsOf(plan.name, slices);
    auto selection = selectEndpoints(
        endpoints,
        {.usesCluster = plan.usesCluster, .usesLocal = plan.usesLocal, .nodeName = m_target.nodeName, .zone = m_zone});
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
    plan.topology = selection.topology;
    plan.excluded = std::move(selection.excluded);
    plan.hasInternal = plan.internalLocal ? !plan.local.empty() : plan.hasAny;
    plan.hasExternal = plan.externalLocal ? !plan.local.empty() : plan.hasAny;
    planFrontEnds(service, plan);
    return plan;
}

void Planner::planFrontEnds(const Service &service, ServicePortPlan &plan) {
    addFrontEnd(plan, Via::clusterIP, plan.clusterIP, plan.port);
    for (const auto &ip : service.externalIPs)
        if (ip.family == m_target.family) addFrontEnd(plan, Via::externalIP, ip, plan.port);
    for (const auto &ingress : service.ingress)
        if (ingress.mode == IpMode::vip && ingress.ip.family == m_target.family)
            addFrontEnd(plan, Via::loadBalancerIP, ingress.ip, plan.port);
    if (plan.nodePort != 0) addFrontEnd(plan, Via::nodePort, {}, plan.nodePort);
}

void Planner::addFrontEnd(ServicePortPlan &plan, Via via, const IpAddress &ip, Port port) {
    for (const auto &own : plan.frontEnds)
        if (own.ip == ip && own.port == port) return; // the same address listed twice
    if (!m_claims.insert({plan.name.protocol, ip, port}).second) {
        const auto what =
            via == Via::nodePort ? "node port " + std::to_string(port) : packet::SocketAddress{ip, port}.toString();
        m_plan.problems.push_back({"Service " + plan.name.service.toString(), "",
                                   what + " belongs to another Service too; the first by name has it"});
        return;
    }
    FrontEnd frontEnd{.via = via, .ip = ip, .port = port};
    const bool internal = via == Via::clusterIP;
    if (internal && plan.hasInternal) frontEnd.route = plan.internalLocal ? Route::local : Route::cluster;
    if (!internal && plan.hasAny) frontEnd.route = Route::external;
    if (!(internal ? plan.hasInternal : plan.hasExternal))
        frontEnd.otherwise = plan.hasAny ? Otherwise::drop : Otherwise::reject;
    frontEnd.firewalled = via == Via::loadBalancerIP && !plan.allowedSources.empty() &&
                          (plan.hasAny || !m_plan.behaviour.firewallNeedsEndpoints);
    plan.frontEnds.push_back(frontEnd);
}

} // namespace

ProxyPlan makePlan(const ClusterState &state, const ProxyConfig &config, const PlanTarget &target,
                   const ProxyPlan *previous) {
    return Planner(state, config, target, previous).make();
}

} // namespace natlens::proxycore
