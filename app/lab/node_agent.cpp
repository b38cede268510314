#include "app/lab/node_agent.h"

#include <ctime>
#include <fmt/format.h>

namespace natlens::lab {
namespace {

constexpr packet::Port kProxyHealthPort = 10256; ///< kube-proxy --healthz-bind-address
constexpr packet::Port kMetricsPort = 10249;     ///< kube-proxy --metrics-bind-address

HttpAnswer toAnswer(proxycore::HttpAnswer answer) {
    return {answer.status, std::move(answer.headers), std::move(answer.body)};
}

/// Answers by path; others are 404.
HttpHandler byPath(std::map<std::string, std::function<proxycore::HttpAnswer()>> handlers) {
    return [handlers = std::move(handlers)](const HttpRequest &request) {
        const auto found = handlers.find(request.path);
        return toAnswer(found == handlers.end() ? proxycore::notFoundAnswer() : found->second());
    };
}

/// RFC 3339 with nanoseconds, UTC.
std::string rfc3339(base::Timestamp time) {
    const auto seconds = static_cast<std::time_t>(time.nanoseconds / 1'000'000'000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, time.nanoseconds % 1'000'000'000);
}

} // namespace

NodeAgent::NodeAgent(LabHost &node, std::unique_ptr<Datapath> datapath, proxycore::HealthProfile profile,
                     proxycore::ProxyConfig config)
    : m_node(node), m_profile(profile), m_config(std::move(config)), m_datapath(std::move(datapath)) {}

base::Result<std::unique_ptr<NodeAgent>> NodeAgent::start(LabHost &node, DatapathKind kind,
                                                          proxycore::HealthProfile profile,
                                                          const proxycore::ProxyConfig &config) {
    InNamespace inside(node.nameSpace); // where the rules will go, too: a datapath stays in the namespace it was made in
    auto datapath = makeDatapath(kind, node);
    if (!datapath) return std::unexpected(datapath.error());
    std::unique_ptr<NodeAgent> agent(new NodeAgent(node, std::move(*datapath), profile, config));
    if (auto status = agent->startServers(); !status) return std::unexpected(status.error());
    return agent;
}

base::Status NodeAgent::startServers() {
    const auto health = [this] {
        const auto last = rfc3339(m_lastSync);
        return proxycore::ProxyHealth{rfc3339(base::Timestamp::now()), last, proxycore::isEligible(m_nodeObject.get()),
                                      {{packet::IpFamily::v4, last, true}}};
    };
    auto checks = HttpServer::listen(m_node.nameSpace, {packet::IpAddress::v4(0), kProxyHealthPort},
                                     byPath({{"/healthz", [health] { return proxycore::healthzAnswer(health()); }},
                                             {"/livez", [health] { return proxycore::livezAnswer(health()); }}}));
    if (!checks) return std::unexpected(checks.error());
    m_servers.push_back(std::move(*checks));
    auto metrics = HttpServer::listen(
        m_node.nameSpace, {packet::IpAddress::v4(127, 0, 0, 1), kMetricsPort},
        byPath({{"/proxyMode", [mode = m_config.mode] { return proxycore::proxyModeAnswer(mode); }},
                {"/healthz", [] { return proxycore::metricsHealthzAnswer(); }}}));
    if (!metrics) return std::unexpected(metrics.error());
    m_servers.push_back(std::move(*metrics));
    return {};
}

base::Status NodeAgent::sync(const proxycore::ClusterState &state) {
    std::vector<packet::IpAddress> local{m_node.address};
    if (!m_node.podRange.address.isNone()) local.push_back(Topology::bridgeAddress(m_node.podRange));
    const proxycore::PlanTarget target{m_node.name, std::move(local), m_config.mode, packet::IpFamily::v4};
    auto plan = std::make_shared<proxycore::ProxyPlan>(proxycore::makePlan(state, m_config, target, m_plan.get()));
    if (auto status = m_datapath->apply(*plan); !status) return status;
    m_plan = std::move(plan);
    m_nodeObject = state.node(m_node.name);
    m_lastSync = base::Timestamp::now();
    return updateHealthCheckServers();
}

base::Status NodeAgent::installTrace() { return m_datapath->installTrace(); }

// As kube-proxy: listeners follow a successful sync of the rules.
base::Status NodeAgent::updateHealthCheckServers() {
    std::map<std::string, packet::Port> wanted;
    for (const auto &check : m_plan->healthChecks) wanted.emplace(check.service.toString(), check.port);
    std::erase_if(m_healthChecks, [&](const auto &entry) {
        const auto found = wanted.find(entry.first);
        return found == wanted.end() || found->second != entry.second.port;
    });
    auto addresses = proxycore::healthCheckAddresses(*m_plan, m_profile);
    if (addresses.empty()) addresses.push_back(packet::IpAddress::v4(0));
    for (const auto &[service, port] : wanted) {
        if (m_healthChecks.contains(service)) continue;
        HealthCheckServer check{port, {}};
        for (const auto &address : addresses) {
            auto server = HttpServer::listen(m_node.nameSpace, {address, port}, [this, service = service](const HttpRequest &) {
                return answerHealthCheck(service);
            });
            if (!server) return std::unexpected(server.error());
            check.servers.push_back(std::move(*server));
        }
        m_healthChecks.emplace(service, std::move(check));
    }
    return {};
}

HttpAnswer NodeAgent::answerHealthCheck(const std::string &service) const {
    for (const auto &check : m_plan->healthChecks)
        if (check.service.toString() == service) return toAnswer(proxycore::healthCheckAnswer(m_profile, check));
    return toAnswer(proxycore::notFoundAnswer());
}

void NodeAgent::addServers(std::vector<HttpServer *> &servers) const {
    for (const auto &server : m_servers) servers.push_back(server.get());
    for (const auto &[service, check] : m_healthChecks)
        for (const auto &server : check.servers) servers.push_back(server.get());
}

} // namespace natlens::lab
