#include "proxycore/rules/rules_state.h"

#include <algorithm>
#include <bit>
#include <set>

namespace natlens::proxycore {

namespace {

struct EndpointFacts {
    std::string node;
    bool usedByAll = false; ///< some node sends Cluster traffic to it
};

using PortEndpoints = std::map<packet::SocketAddress, EndpointFacts>;

class Builder final {
public:
    explicit Builder(std::span<const RulesOfNode> nodes)
        : m_nodes(nodes.begin(), nodes.end()) {
        std::ranges::stable_sort(m_nodes, {}, &RulesOfNode::node);
    }

    ClusterState build() {
        for (const auto &node : m_nodes)
            for (const auto family : {IpFamily::v4, IpFamily::v6})
                if (const auto *rules = node.rules->of(family)) add(node.node, rules->plan);
        for (auto &[name, service] : m_services)
            m_state.put(std::move(service));
        for (const auto &[name, endpoints] : m_endpoints)
            putSlices(name, endpoints);
        for (auto &[name, node] : m_nodeObjects)
            m_state.put(std::move(node));
        return std::move(m_state);
    }

private:
    void add(const std::string &nodeName, const ProxyPlan &plan) {
        if (!nodeName.empty()) {
            auto &node = m_nodeObjects[nodeName];
            node.name = nodeName;
            for (const auto &ip : plan.localAddresses)
                node.addresses.push_back({"InternalIP", ip.toString()});
        }
        for (const auto &service : plan.services) {
            addService(nodeName, *service);
            addEndpoints(nodeName, *service);
        }
        for (const auto &check : plan.healthChecks)
            m_services[check.service].healthCheckNodePort = check.port;
        if (!plan.serviceCIDRs.empty()) {
            auto &ranges = m_state.serviceCIDRs[{"", "from-rules"}];
            for (const auto &range : plan.serviceCIDRs)
                if (std::ranges::find(ranges, range) == ranges.end()) ranges.push_back(range);
        }
    }

    void contradiction(const std::string &nodeName, const ObjectName &service, std::string text) {
        m_state.problems.push_back(
            {"Service " + service.toString(), "",
             fmt::format("the rules of {} {}; left out",
                         nodeName.empty() ? std::string("one file") : "node " + nodeName, text)});
    }

    void addService(const std::string &nodeName, const ServicePortPlan &plan) {
        auto &service = m_services[plan.name.service];
        service.name = plan.name.service;
        service.type = std::max(service.type, plan.type); // in this order each has what the one before has
        addClusterIp(nodeName, service, plan);
        addPort(nodeName, service, plan);
        for (const auto &front : plan.frontEnds) {
            if (front.via == Via::externalIP &&
                std::ranges::find(service.externalIPs, front.ip) == service.externalIPs.end())
                service.externalIPs.push_back(front.ip);
            if (front.via == Via::loadBalancerIP &&
                std::ranges::find(service.ingress, front.ip, &LoadBalancerIngress::ip) == service.ingress.end())
                service.ingress.push_back({front.ip, {}, IpMode::vip});
        }
        if (plan.externalLocal) {
            service.externalTrafficPolicy = TrafficPolicy::local;
            service.externalTrafficPolicySource = PolicySource::field;
        }
        if (plan.internalLocal) service.internalTrafficPolicy = TrafficPolicy::local;
        if (plan.affinity.count() > 0) {
            service.clientIpAffinity = true;
            service.affinityTimeout = plan.affinity;
        }
        for (const auto &range : plan.allowedSources)
            if (std::ranges::find(service.loadBalancerSourceRanges, range) == service.loadBalancerSourceRanges.end())
                service.loadBalancerSourceRanges.push_back(range);
    }

    void addClusterIp(const std::string &nodeName, Service &service, const ServicePortPlan &plan) {
        if (plan.clusterIP.isNone()) return;
        for (const auto &known : service.clusterIPs) {
            if (known == plan.clusterIP) return;
            if (known.family == plan.clusterIP.family)
                return contradiction(
                    nodeName, plan.name.service,
                    fmt::format("say its cluster IP is {}, others {}", plan.clusterIP.toString(), known.toString()));
        }
        service.clusterIPs.push_back(plan.clusterIP);
    }

    void addPort(const std::string &nodeName, Service &service, const ServicePortPlan &plan) {
        const auto found = std::ranges::find_if(service.ports, [&](const ServicePort &one) {
            return one.name == plan.name.port && one.protocol == plan.name.protocol;
        });
        if (found == service.ports.end()) {
            if (plan.port != 0)
                service.ports.push_back({.name = plan.name.port,
                                         .protocol = plan.name.protocol,
                                         .port = plan.port,
                                         .targetPort = {},
                                         .nodePort = plan.nodePort});
            return;
        }
        if (plan.port != 0 && found->port != plan.port)
            contradiction(nodeName, plan.name.service, fmt::format("say port {}, others {}", plan.port, found->port));
        if (found->nodePort == 0) found->nodePort = plan.nodePort;
        if (plan.nodePort != 0 && found->nodePort != plan.nodePort)
            contradiction(nodeName, plan.name.service,
                          fmt::format("say node port {}, others {}", plan.nodePort, found->nodePort));
    }

    void addEndpoints(const std::string &nodeName, const ServicePortPlan &plan) {
        auto &endpoints = m_endpoints[plan.name];
        for (const auto &endpoint : plan.reachable) {
            auto &facts = endpoints[endpoint.address];
            if (endpoint.local && facts.node.empty()) facts.node = nodeName;
        }
        const bool all = plan.cluster.empty() || !plan.usesCluster;
        for (const auto &endpoint : all ? plan.reachable : plan.cluster)
            endpoints[endpoint.address].usedByAll = true;
    }

    void putSlices(const ServicePortName &name, const PortEndpoints &endpoints) {
        std::map<std::pair<IpFamily, Port>, EndpointSlice> slices;
        for (const auto &[address, facts] : endpoints) {
            auto &slice = slices[{address.ip.family, address.port}];
            Endpoint endpoint;
            endpoint.addresses = {address.ip};
            endpoint.nodeName = facts.node;
            endpoint.ready = facts.usedByAll;
            endpoint.terminating = !facts.usedByAll;
            slice.endpoints.push_back(std::move(endpoint));
        }
        for (auto &[key, slice] : slices) {
            const bool six = key.first == IpFamily::v6;
            slice.name = {name.service.nameSpace,
                          fmt::format("{}-{}{}-{}-{}", name.service.name, name.port.empty() ? "" : name.port + "-",
                                      lowerName(name.protocol), key.second, six ? "ipv6" : "ipv4")};
            slice.serviceName = name.service.name;
            slice.labels[std::string(kServiceNameLabel)] = name.service.name;
            slice.addressType = six ? AddressType::ipv6 : AddressType::ipv4;
            slice.ports = {{.name = name.port, .protocol = name.protocol, .port = key.second}};
            m_state.put(std::move(slice));
        }
    }

    std::vector<RulesOfNode> m_nodes;
    ClusterState m_state;
    std::map<ObjectName, Service> m_services;
    std::map<ServicePortName, PortEndpoints> m_endpoints;
    std::map<std::string, Node> m_nodeObjects;
};

} // namespace

ClusterState clusterStateOf(std::span<const RulesOfNode> nodes) {
    return Builder(nodes).build();
}

namespace {

/// What rules say of a Service and its object does not; "" when they agree. Rules may lack what the object has: a node
/// without endpoints has no rules for all of its addresses.
std::string contradiction(const Service &object, const Service &rules) {
    for (const auto &ip : rules.clusterIPs)
        if (std::ranges::find(object.clusterIPs, ip) == object.clusterIPs.end())
            return fmt::format("cluster IP {}", ip.toString());
    for (const auto &port : rules.ports) {
        const auto same = std::ranges::find_if(object.ports, [&](const ServicePort &one) {
            return one.name == port.name && one.protocol == port.protocol;
        });
        if (same == object.ports.end())
            return fmt::format("a port {} {}", port.name.empty() ? "without name" : "\"" + port.name + "\"", port.port);
        if (same->port != port.port) return fmt::format("port {}", port.port);
        if (port.nodePort != 0 && same->nodePort != port.nodePort) return fmt::format("node port {}", port.nodePort);
    }
    return {};
}

} // namespace

std::set<ObjectName> addMissing(ClusterState &state, const ClusterState &fromRules,
                                std::vector<Problem> *contradictions) {
    std::set<ObjectName> added;
    for (const auto &[name, service] : fromRules.services) {
        if (state.services.try_emplace(name, service).second) {
            added.insert(name);
            continue;
        }
        if (contradictions == nullptr) continue;
        const auto what = contradiction(*state.services.at(name), *service);
        if (!what.empty())
            contradictions->push_back(
                {"Service " + name.toString(), "",
                 fmt::format("rules of a node say {}, the object does not; the object is used for "
                             "names, the rules for what that node does",
                             what)});
    }
    for (const auto &[name, slice] : fromRules.endpointSlices)
        if (added.contains({name.nameSpace, slice->serviceName})) state.endpointSlices.try_emplace(name, slice);
    for (const auto &[name, node] : fromRules.nodes)
        state.nodes.try_emplace(name, node);
    if (state.serviceCIDRs.empty()) state.serviceCIDRs = fromRules.serviceCIDRs;
    return added;
}

ProxyConfig proxyConfigOf(const NodeRules &rules) {
    ProxyConfig config;
    bool first = true;
    for (const auto family : {IpFamily::v4, IpFamily::v6}) {
        const auto *known = rules.of(family);
        if (known == nullptr) continue;
        const auto &plan = known->plan;
        const auto &detector = plan.detector;
        if (detector.kind == LocalDetector::Kind::sourceRange) config.clusterCIDRs.push_back(detector.range);
        config.serviceCIDRs.insert(config.serviceCIDRs.end(), plan.serviceCIDRs.begin(), plan.serviceCIDRs.end());
        const unsigned length = family == IpFamily::v4 ? 32 : 128;
        for (const auto &ip : plan.nodePorts.addresses)
            config.nodePortAddresses.push_back(fmt::format("{}/{}", ip.toString(), length));
        if (plan.nodePorts.allLocal && plan.mode == Mode::nftables)
            config.nodePortAddresses.emplace_back(family == IpFamily::v4 ? "0.0.0.0/0" : "::/0");
        if (family == IpFamily::v4) config.localhostNodePorts = plan.localhostNodePorts;
        if (!first) continue;
        first = false;
        config.mode = plan.mode;
        config.masqueradeAll = plan.clusterIpMasquerade == ClusterIpMasquerade::always;
        if (plan.masqueradeMark != 0)
            config.masqueradeBit = static_cast<unsigned>(std::countr_zero(plan.masqueradeMark));
        if (plan.behaviour.layout == RuleLayout::v1_5) config.release = ProxyRelease::v1_5;
        if (detector.kind == LocalDetector::Kind::interface) {
            config.detectLocalMode = DetectLocalMode::bridgeInterface;
            config.bridgeInterface = detector.interface;
        } else if (detector.kind == LocalDetector::Kind::interfacePrefix) {
            config.detectLocalMode = DetectLocalMode::interfaceNamePrefix;
            config.interfaceNamePrefix = detector.interface;
        }
    }
    return config;
}

} // namespace natlens::proxycore
