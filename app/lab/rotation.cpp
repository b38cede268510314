#include "app/lab/rotation.h"

namespace natlens::lab {
namespace {

constexpr packet::Port kProxyHealthPort = 10256;

packet::Port checkPort(const proxycore::Service &service) {
    const bool local = service.externalTrafficPolicy == proxycore::TrafficPolicy::local;
    return local && service.healthCheckNodePort != 0 ? service.healthCheckNodePort : kProxyHealthPort;
}

} // namespace

std::vector<packet::IpAddress> Rotation::configure(const proxycore::ClusterState &state) {
    std::map<std::string, Frontend> wanted;
    for (const auto &[name, service] : state.services) {
        if (service->type != proxycore::ServiceType::loadBalancer) continue;
        Frontend frontend;
        for (const auto &ingress : service->ingress)
            if (!ingress.ip.isNone()) frontend.vips.push_back(ingress.ip);
        if (!frontend.vips.empty()) frontend.checkFamily = frontend.vips.front().family;
        frontend.checkPort = m_spec.checkPort != 0 ? m_spec.checkPort : checkPort(*service);
        // What is known of a node's health stays: a new check target has to fail before the node leaves.
        if (const auto old = m_frontends.find(name.toString()); old != m_frontends.end()) {
            frontend.nodes = old->second.nodes;
            if (old->second.checkPort != frontend.checkPort)
                for (auto &[nodeName, node] : frontend.nodes) node.passed = node.failed = 0;
        }
        std::erase_if(frontend.nodes, [&](const auto &node) { return !state.node(node.first); });
        for (const auto &[nodeName, node] : state.nodes)
            frontend.nodes[nodeName.name].addresses = nodeNetwork(*node, state);
        wanted.emplace(name.toString(), std::move(frontend));
    }
    std::vector<packet::IpAddress> gone;
    for (const auto &[name, frontend] : m_frontends)
        if (!wanted.contains(name)) gone.insert(gone.end(), frontend.vips.begin(), frontend.vips.end());
    m_frontends = std::move(wanted);
    return gone;
}

std::vector<Rotation::Check> Rotation::due(Clock::time_point now) {
    std::vector<Check> checks;
    for (auto &[service, frontend] : m_frontends)
        for (auto &[name, node] : frontend.nodes) {
            if (node.checking || node.due > now) continue;
            node.due = now + m_spec.interval;
            node.checking = true;
            checks.push_back({service, name, node.addresses.primary(frontend.checkFamily), frontend.checkPort});
        }
    return checks;
}

Rotation::Clock::time_point Rotation::next(Clock::time_point now) const {
    auto next = now + m_spec.interval;
    for (const auto &[service, frontend] : m_frontends)
        for (const auto &[name, node] : frontend.nodes)
            if (!node.checking) next = std::min(next, node.due);
    return next;
}

bool Rotation::result(const Check &check, int status) {
    const auto frontend = m_frontends.find(check.service);
    if (frontend == m_frontends.end()) return false;
    const auto found = frontend->second.nodes.find(check.node);
    if (found == frontend->second.nodes.end()) return false;
    Node &node = found->second;
    node.checking = false;
    if (check.port != frontend->second.checkPort) return false; // the answer to a question that is no longer asked
    const bool passed = status == 200;
    node.passed = passed ? node.passed + 1 : 0;
    node.failed = passed ? 0 : node.failed + 1;
    const bool healthy = node.healthy ? node.failed < m_spec.unhealthyAfter : node.passed >= m_spec.healthyAfter;
    if (healthy == node.healthy) return false;
    node.healthy = healthy;
    return true;
}

void Rotation::addTargets(const Frontend &frontend, std::vector<Target> &targets) {
    for (const auto &vip : frontend.vips) {
        auto &target = targets.emplace_back(Target{vip, {}});
        for (const auto &[name, node] : frontend.nodes)
            if (node.healthy && node.addresses.has(vip.family))
                target.nodes.push_back(node.addresses.primary(vip.family));
    }
}

std::vector<Rotation::Target> Rotation::targets() const {
    std::vector<Target> all;
    for (const auto &[service, frontend] : m_frontends) addTargets(frontend, all);
    return all;
}

std::vector<Rotation::Target> Rotation::targets(const std::string &service) const {
    std::vector<Target> its;
    if (const auto found = m_frontends.find(service); found != m_frontends.end()) addTargets(found->second, its);
    return its;
}

std::vector<std::string> Rotation::inRotation() const {
    std::vector<std::string> names;
    if (m_frontends.empty()) return names;
    for (const auto &[name, node] : m_frontends.begin()->second.nodes)
        if (node.healthy) names.push_back(name);
    return names;
}

bool Rotation::settled() const {
    for (const auto &[service, frontend] : m_frontends)
        for (const auto &[name, node] : frontend.nodes)
            if (node.healthy ? node.passed < m_spec.healthyAfter : node.failed < m_spec.unhealthyAfter) return false;
    return true;
}

std::vector<packet::IpAddress> Rotation::vips() const {
    std::vector<packet::IpAddress> all;
    for (const auto &[name, frontend] : m_frontends) all.insert(all.end(), frontend.vips.begin(), frontend.vips.end());
    return all;
}

} // namespace natlens::lab
