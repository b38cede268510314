#include "app/lab/node_agent.h"

namespace natlens::lab {
namespace {

constexpr packet::Port kProxyHealthPort = 10256; ///< kube-proxy --healthz-bind-address
constexpr packet::Port kMetricsPort = 10249;     ///< kube-proxy --metrics-bind-address

HttpAnswer toAnswer(proxycore::HealthAnswer answer) {
    return {answer.status, std::move(answer.headers), std::move(answer.body)};
}

/// Answers by path; others are 404.
HttpHandler byPath(std::map<std::string, std::function<HttpAnswer()>> handlers) {
    return [handlers = std::move(handlers)](const HttpRequest &request) {
        const auto found = handlers.find(request.path);
        return found == handlers.end() ? HttpAnswer{404, {{"Content-Type", "text/plain; charset=utf-8"}}, "404 page not found\n"}
                                       : found->second();
    };
}

} // namespace

NodeAgent::NodeAgent(LabHost &node, proxycore::HealthProfile profile, proxycore::ProxyConfig config)
    : m_node(node), m_profile(profile), m_config(std::move(config)) {}

base::Result<std::unique_ptr<NodeAgent>> NodeAgent::start(LabHost &node, proxycore::HealthProfile profile,
                                                          const proxycore::ProxyConfig &config) {
    InNamespace inside(node.nameSpace); // where the rules will go, too: the applier stays in the namespace it was made in
    std::unique_ptr<NodeAgent> agent(new NodeAgent(node, profile, config));
    if (auto status = agent->startServers(); !status) return std::unexpected(status.error());
    return agent;
}

base::Status NodeAgent::startServers() {
    const auto healthy = [this](bool livez) {
        proxycore::ProxyHealth health;
        health.node = m_nodeObject.get();
        health.lastUpdated = m_lastSync;
        health.now = base::Timestamp::now();
        return toAnswer(livez ? proxycore::answerLivez(health) : proxycore::answerHealthz(health));
    };
    auto health = HttpServer::listen(m_node.nameSpace, {packet::IpAddress::v4(0), kProxyHealthPort},
                                     byPath({{"/healthz", [healthy] { return healthy(false); }},
                                             {"/livez", [healthy] { return healthy(true); }}}));
    if (!health) return std::unexpected(health.error());
    m_servers.push_back(std::move(*health));
    const auto mode = m_config.mode;
    auto metrics = HttpServer::listen(
        m_node.nameSpace, {packet::IpAddress::v4(127, 0, 0, 1), kMetricsPort},
        byPath({{"/proxyMode", [mode] { return toAnswer(proxycore::answerProxyMode(mode)); }},
                {"/healthz", [] { return HttpAnswer{200, {{"Content-Type", "text/plain; charset=utf-8"}}, "ok"}; }}}));
    if (!metrics) return std::unexpected(metrics.error());
    m_servers.push_back(std::move(*metrics));
    return {};
}

base::Status NodeAgent::sync(const proxycore::ClusterState &state) {
    std::vector<packet::IpAddress> local{m_node.address};
    if (!m_node.podRange.address.isNone()) local.push_back(Topology::bridgeAddress(m_node.podRange));
    const proxycore::PlanTarget target{m_node.name, std::move(local), m_config.mode, packet::IpFamily::v4};
    auto plan = std::make_shared<proxycore::ProxyPlan>(proxycore::makePlan(state, m_config, target, m_plan.get()));
    if (auto status = m_applier.apply(*plan); !status) return status;
    m_plan = std::move(plan);
    m_nodeObject = state.node(m_node.name);
    m_lastSync = base::Timestamp::now();
    return updateHealthCheckServers();
}

base::Status NodeAgent::installTrace() { return m_applier.installTrace(); }

// As kube-proxy: listeners follow a successful sync of the rules.
base::Status NodeAgent::updateHealthCheckServers() {
    std::map<std::string, packet::Port> wanted;
    for (const auto &check : m_plan->healthChecks) wanted.emplace(check.service.toString(), check.port);
    std::erase_if(m_healthChecks, [&](const auto &entry) {
        const auto found = wanted.find(entry.first);
        return found == wanted.end() || found->second != entry.second.port;
    });
    for (const auto &[service, port] : wanted) {
        if (m_healthChecks.contains(service)) continue;
        auto server = HttpServer::listen(m_node.nameSpace, {packet::IpAddress::v4(0), port},
                                         [this, service = service](const HttpRequest &) { return answerHealthCheck(service); });
        if (!server) return std::unexpected(server.error());
        m_healthChecks.emplace(service, HealthCheckServer{port, std::move(*server)});
    }
    return {};
}

HttpAnswer NodeAgent::answerHealthCheck(const std::string &service) const {
    for (const auto &check : m_plan->healthChecks)
        if (check.service.toString() == service) return toAnswer(proxycore::answerHealthCheck(check, m_profile));
    return {503, {}, {}};
}

void NodeAgent::addServers(std::vector<HttpServer *> &servers) const {
    for (const auto &server : m_servers) servers.push_back(server.get());
    for (const auto &[service, check] : m_healthChecks) servers.push_back(check.server.get());
}

} // namespace natlens::lab
