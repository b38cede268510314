#include "tracer/findings/cluster_context.h"

#include "proxycore/model/kubernetes_json.h"

#include <algorithm>
#include <mutex>
#include <set>

namespace natlens::tracer {

using proxycore::TrafficPolicy;

namespace {

constexpr packet::Port kProxyHealthPort = 10256; // kube-proxy --healthz-bind-address

} // namespace

ServiceRef FrontEndMatch::reference() const {
    return ServiceRef{.nameSpace = service->name.nameSpace,
                      .name = service->name.name,
                      .type = std::string(proxycore::toString(service->type)),
                      .port = port.port,
                      .portName = port.name,
                      .via = via};
}

std::string FrontEndMatch::servicePort() const {
    return port.name.empty() ? service->name.toString() : service->name.toString() + ":" + port.name;
}

bool FrontEndMatch::localOnly() const {
    return (via == Via::clusterIP ? service->internalTrafficPolicy : service->externalTrafficPolicy) ==
           TrafficPolicy::local;
}

ClusterView::ClusterView(proxycore::ClusterState state, std::shared_ptr<const NetworkPolicies> policies,
                         const RuledNodes *rules)
    : m_state(std::move(state))
    , m_policies(std::move(policies))
    , m_rules(rules) {
    if (rules != nullptr && !rules->empty()) m_onlyInRules = proxycore::addMissing(m_state, rules->state());
    for (const auto &[name, slice] : m_state.endpointSlices)
        for (const auto &endpoint : slice->endpoints)
            if (!endpoint.nodeName.empty() && !endpoint.addresses.empty())
                m_endpointNodes.try_emplace(endpoint.addresses.front(), endpoint.nodeName);
    for (const auto &[name, node] : m_state.nodes)
        for (const auto &address : node->ipAddresses())
            m_nodes.emplace(address, node->name);
    for (const auto &[name, pod] : m_state.pods)
        if (!pod->hostNetwork)
            for (const auto &address : pod->ips)
                m_pods.emplace(address, pod);
    for (const auto &[name, service] : m_state.services)
        addFrontEnds(service);
}

void ClusterView::addFrontEnds(const std::shared_ptr<const proxycore::Service> &service) {
    for (const auto &port : service->ports) {
        const auto add = [&](const IpAddress &ip, Via via) {
            if (!ip.isNone())
                m_frontEnds.try_emplace({port.protocol, SocketAddress{ip, port.port}},
                                        FrontEndMatch{service, port, via});
        };
        if (!service->headless)
            for (const auto &ip : service->clusterIPs)
                add(ip, Via::clusterIP);
        for (const auto &ip : service->externalIPs)
            add(ip, Via::externalIP);
        for (const auto &ingress : service->ingress)
            if (ingress.mode == proxycore::IpMode::vip) add(ingress.ip, Via::loadBalancerIP);
        if (port.nodePort != 0)
            m_nodePorts.try_emplace({port.protocol, port.nodePort}, FrontEndMatch{service, port, Via::nodePort});
    }
    if (service->healthCheckNodePort != 0) m_healthChecks.try_emplace(service->healthCheckNodePort, service);
}

std::optional<FrontEndMatch> ClusterView::service(Protocol protocol, const SocketAddress &address) const {
    if (const auto found = m_frontEnds.find({protocol, address}); found != m_frontEnds.end()) return found->second;
    if (const auto found = m_nodePorts.find({protocol, address.port});
        found != m_nodePorts.end() && !m_pods.contains(address.ip)) {
        // Any address of a node may accept node ports (iptables mode), also ones that its Node object does not list.
        const bool isVip =
            std::ranges::any_of(m_frontEnds, [&](const auto &f) { return f.first.second.ip == address.ip; });
        if (!isVip || m_nodes.contains(address.ip)) return found->second;
    }
    return std::nullopt;
}

bool ClusterView::isHealthCheck(const SocketAddress &address,
                                std::shared_ptr<const proxycore::Service> *service) const {
    if (m_pods.contains(address.ip)) return false;
    const auto found = m_healthChecks.find(address.port);
    if (service) *service = found == m_healthChecks.end() ? nullptr : found->second;
    return found != m_healthChecks.end() || (address.port == kProxyHealthPort && m_nodes.contains(address.ip));
}

std::string ClusterView::nodeWith(const IpAddress &address) const {
    const auto found = m_nodes.find(address);
    return found == m_nodes.end() ? std::string() : found->second;
}

std::shared_ptr<const proxycore::Pod> ClusterView::podWith(const IpAddress &address) const {
    const auto found = m_pods.find(address);
    return found == m_pods.end() ? nullptr : found->second;
}

std::vector<IpAddress> ClusterView::addressesOf(std::string_view name) const {
    const auto node = m_state.node(name);
    return node ? node->ipAddresses() : std::vector<IpAddress>{};
}

bool ClusterView::hasNode(std::string_view name) const {
    return m_state.node(name) != nullptr;
}

std::shared_ptr<const proxycore::Pod> ClusterView::podNamed(std::string_view name) const {
    for (const auto &[key, pod] : m_state.pods)
        if (key.name == name && !pod->hostNetwork) return pod;
    return nullptr;
}

EndpointCount ClusterView::endpoints(const FrontEndMatch &match, std::string_view node) const {
    EndpointCount count;
    std::set<std::string> nodes;
    // A node's own rules name all of its endpoints wherever that matters; those of other nodes do not.
    const auto family =
        match.service->clusterIPs.empty() ? packet::IpFamily::v4 : match.service->clusterIPs.front().family;
    const bool ruled = m_rules != nullptr && m_rules->of(node, family) != nullptr;
    const bool open = !ruled && onlyInRules(match.service->name);
    for (const auto &[key, slice] : m_state.endpointSlices) {
        if (key.nameSpace != match.service->name.nameSpace || slice->serviceName != match.service->name.name) continue;
        const bool hasPort = std::ranges::any_of(slice->ports, [&](const auto &port) {
            return port.protocol == match.port.protocol && port.name.value_or("") == match.port.name;
        });
        if (!hasPort) continue;
        for (const auto &endpoint : slice->endpoints) {
            if (!endpoint.ready) continue;
            ++count.ready;
            if (!endpoint.nodeName.empty()) nodes.insert(endpoint.nodeName);
            if (endpoint.nodeName == node) ++count.readyOnNode;
            if (endpoint.nodeName.empty() && open) ++count.unplaced;
        }
    }
    count.nodes.assign(nodes.begin(), nodes.end());
    return count;
}

std::string ClusterView::nodeOfEndpoint(const IpAddress &address) const {
    const auto found = m_endpointNodes.find(address);
    return found == m_endpointNodes.end() ? std::string() : found->second;
}

std::vector<std::shared_ptr<const proxycore::Service>> ClusterView::services() const {
    std::vector<std::shared_ptr<const proxycore::Service>> all;
    for (const auto &[name, service] : m_state.services)
        all.push_back(service);
    return all;
}

bool ClusterView::serves(const FrontEndMatch &match, const SocketAddress &endpoint) const {
    for (const auto &[key, slice] : m_state.endpointSlices) {
        if (key.nameSpace != match.service->name.nameSpace || slice->serviceName != match.service->name.name) continue;
        const bool hasPort = std::ranges::any_of(slice->ports, [&](const auto &port) {
            return port.protocol == match.port.protocol && port.name.value_or("") == match.port.name &&
                   port.port.value_or(0) == endpoint.port;
        });
        if (!hasPort) continue;
        for (const auto &one : slice->endpoints)
            if (one.serving && std::ranges::find(one.addresses, endpoint.ip) != one.addresses.end()) return true;
    }
    return false;
}

std::shared_ptr<const proxycore::FrontEndIndex>
ClusterView::planFor(const std::string &node, const proxycore::ProxyConfig &config, packet::IpFamily family) const {
    const std::lock_guard lock(m_planning);
    auto &planned = m_plans[std::pair(node, family)];
    if (planned.index && planned.config == config) return planned.index;
    const proxycore::PlanTarget target{.nodeName = node, .localAddresses = {}, .mode = config.mode, .family = family};
    planned.config = config;
    planned.index = std::make_shared<const proxycore::FrontEndIndex>(proxycore::makePlan(m_state, config, target));
    return planned.index;
}

bool ClusterContext::apply(Timestamp time, std::string_view json) {
    // A listing of thousands of objects is of one moment: it must not be copied for each of them.
    const bool sameMoment = m_hasObjects && m_versions.back().time >= time;
    Version next{time, {}, std::make_shared<const NetworkPolicies>(), nullptr};
    if (m_hasObjects && !sameMoment) {
        next.state = m_versions.back().state;
        next.policies = m_versions.back().policies;
    }
    Version &version = sameMoment ? m_versions.back() : next;
    if (!proxycore::applyWatchEvent(version.state, json)) {
        ++m_unreadable;
        return false;
    }
    version.state.problems.clear(); // a long-lived watch must not collect them without end
    if (auto changed = applyPolicies(*version.policies, json))
        version.policies = std::make_shared<const NetworkPolicies>(std::move(*changed));
    version.view.reset();
    if (!m_hasObjects) m_versions.clear(); // what was known of rules alone is no state that came before
    m_hasObjects = true;
    if (!sameMoment) m_versions.push_back(std::move(next));
    return true;
}

void ClusterContext::addRules(std::string_view node, const proxycore::NodeRules &rules) {
    m_rules->add(node, rules);
    for (auto &version : m_versions)
        version.view.reset();
    if (m_versions.empty())
        m_versions.push_back(Version{Timestamp(), {}, std::make_shared<const NetworkPolicies>(), nullptr});
}

const ClusterView *ClusterContext::viewOf(const Version &version) const {
    static std::mutex making; // paths may be judged in several threads
    const std::lock_guard lock(making);
    if (!version.view)
        version.view = std::make_unique<const ClusterView>(version.state, version.policies, m_rules.get());
    return version.view.get();
}

const ClusterView *ClusterContext::at(Timestamp time) const {
    if (m_versions.empty()) return nullptr;
    const auto after = std::ranges::upper_bound(m_versions, time, {}, &Version::time);
    return viewOf(after == m_versions.begin() ? *after : *std::prev(after));
}

std::vector<const ClusterView *> ClusterContext::during(Timestamp from, Timestamp to) const {
    std::vector<const ClusterView *> views;
    if (m_versions.empty()) return views;
    auto first = std::ranges::upper_bound(m_versions, from, {}, &Version::time);
    if (first != m_versions.begin()) --first;
    const auto last = std::ranges::upper_bound(m_versions, to, {}, &Version::time);
    for (auto i = first; i != m_versions.end() && (i < last || i == first); ++i)
        views.push_back(viewOf(*i));
    return views;
}

Timestamp ClusterContext::changedBefore(Timestamp time) const {
    const auto after = std::ranges::upper_bound(m_versions, time, {}, &Version::time);
    return after == m_versions.begin() ? Timestamp() : std::prev(after)->time;
}

const ClusterView *ClusterContext::latest() const {
    return m_versions.empty() ? nullptr : viewOf(m_versions.back());
}

} // namespace natlens::tracer
