#include "app/lab/load_balancer.h"

#include <fmt/format.h>

namespace natlens::lab {
namespace {

constexpr packet::Port kProxyHealthPort = 10256;

packet::Port checkPort(const proxycore::Service &service) {
    const bool local = service.externalTrafficPolicy == proxycore::TrafficPolicy::local;
    return local && service.healthCheckNodePort != 0 ? service.healthCheckNodePort : kProxyHealthPort;
}

} // namespace

LoadBalancer::LoadBalancer(LoadBalancerSpec spec, HttpClient &client, LabHost &host,
                           std::function<void()> rotationChanged)
    : m_spec(std::move(spec)), m_client(client), m_host(host), m_rotationChanged(std::move(rotationChanged)) {}

base::Status LoadBalancer::configure(const proxycore::ClusterState &state) {
    std::map<std::string, Frontend> wanted;
    for (const auto &[name, service] : state.services) {
        if (service->type != proxycore::ServiceType::loadBalancer) continue;
        Frontend frontend;
        for (const auto &ingress : service->ingress)
            if (ingress.ip.isV4()) frontend.vips.push_back(ingress.ip);
        frontend.checkPort = checkPort(*service);
        // What is known of a node's health stays: a new check target has to fail before the node leaves.
        if (const auto old = m_frontends.find(name.toString()); old != m_frontends.end()) {
            frontend.targets = old->second.targets;
            if (old->second.checkPort != frontend.checkPort)
                for (auto &[node, target] : frontend.targets) target.passed = target.failed = 0;
        }
        std::erase_if(frontend.targets, [&](const auto &target) { return !state.node(target.first); });
        for (const auto &[nodeName, node] : state.nodes)
            frontend.targets[nodeName.name].address = node->primaryAddress(packet::IpFamily::v4);
        wanted.emplace(name.toString(), std::move(frontend));
    }
    for (const auto &[name, frontend] : m_frontends) {
        if (wanted.contains(name)) continue;
        for (const auto &vip : frontend.vips)
            if (auto status = m_host.links.deleteRoute({vip, 32}); !status) return status;
    }
    m_frontends = std::move(wanted);
    for (const auto &[name, frontend] : m_frontends)
        if (auto status = program(frontend); !status) return status;
    return {};
}

LoadBalancer::Clock::time_point LoadBalancer::tick(Clock::time_point now) {
    auto next = now + m_spec.interval;
    for (auto &[service, frontend] : m_frontends) {
        for (auto &[node, target] : frontend.targets) {
            if (!target.checking && target.due <= now) {
                target.due = now + m_spec.interval;
                target.checking = true;
                check(service, node);
            }
            if (!target.checking) next = std::min(next, target.due);
        }
    }
    return next;
}

void LoadBalancer::check(const std::string &service, const std::string &node) {
    const auto &frontend = m_frontends.at(service);
    const auto url = fmt::format("http://{}:{}/healthz", frontend.targets.at(node).address.toString(), frontend.checkPort);
    m_client.get(m_host.nameSpace, url, {m_spec.timeout, m_spec.timeout},
                 [this, service, node, port = frontend.checkPort](const HttpOutcome &outcome) {
                     onResult(service, node, port, outcome);
                 });
}

void LoadBalancer::onResult(const std::string &service, const std::string &node, packet::Port port,
                            const HttpOutcome &outcome) {
    const auto frontend = m_frontends.find(service);
    if (frontend == m_frontends.end()) return;
    const auto found = frontend->second.targets.find(node);
    if (found == frontend->second.targets.end()) return;
    Target &target = found->second;
    target.checking = false;
    if (port != frontend->second.checkPort) return; // the answer to a question that is no longer asked
    const bool passed = outcome.status == 200;
    target.passed = passed ? target.passed + 1 : 0;
    target.failed = passed ? 0 : target.failed + 1;
    const bool healthy = target.healthy ? target.failed < m_spec.unhealthyAfter : target.passed >= m_spec.healthyAfter;
    if (healthy == target.healthy) return;
    target.healthy = healthy;
    // A route that cannot be set shows as packets that do not arrive; the picture will say so.
    (void)program(frontend->second);
    m_rotationChanged();
}

base::Status LoadBalancer::program(const Frontend &frontend) {
    std::vector<packet::IpAddress> gateways;
    for (const auto &[node, target] : frontend.targets)
        if (target.healthy) gateways.push_back(target.address);
    for (const auto &vip : frontend.vips) {
        auto status = gateways.empty() ? m_host.links.deleteRoute({vip, 32})
                                       : m_host.links.replaceRoute({vip, 32}, "eth0", gateways);
        if (!status) return status;
    }
    return {};
}

std::vector<std::string> LoadBalancer::inRotation() const {
    std::vector<std::string> names;
    if (m_frontends.empty()) return names;
    for (const auto &[node, target] : m_frontends.begin()->second.targets)
        if (target.healthy) names.push_back(node);
    return names;
}

bool LoadBalancer::settled() const {
    for (const auto &[service, frontend] : m_frontends)
        for (const auto &[node, target] : frontend.targets)
            if (target.healthy ? target.passed < m_spec.healthyAfter : target.failed < m_spec.unhealthyAfter) return false;
    return true;
}

std::vector<packet::IpAddress> LoadBalancer::vips() const {
    std::vector<packet::IpAddress> all;
    for (const auto &[name, frontend] : m_frontends) all.insert(all.end(), frontend.vips.begin(), frontend.vips.end());
    return all;
}

} // namespace natlens::lab
