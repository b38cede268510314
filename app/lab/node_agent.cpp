#include "app/lab/node_agent.h"

#include "capture/netlink/event_socket.h"
#include "proxycore/kernel/stale_connections.h"

namespace natlens::lab {

NodeAgent::NodeAgent(LabHost &node, std::unique_ptr<Datapath> datapath, proxycore::HealthProfile profile,
                     proxycore::ProxyConfig config)
    : m_node(node), m_config(std::move(config)), m_datapath(std::move(datapath)),
      m_answers(m_config.mode, profile, [] { return base::Timestamp::now(); }) {}

base::Result<std::unique_ptr<NodeAgent>> NodeAgent::start(const DatapathPlace &place, DatapathKind kind,
                                                          proxycore::HealthProfile profile,
                                                          const proxycore::ProxyConfig &config) {
    InNamespace inside(place.node.nameSpace); // where the rules will go, too: a datapath stays in the namespace it was made in
    auto datapath = makeDatapath(kind, place);
    if (!datapath) return std::unexpected(datapath.error());
    std::unique_ptr<NodeAgent> agent(new NodeAgent(place.node, std::move(*datapath), profile, config));
    if (auto status = agent->startServers(); !status) return std::unexpected(status.error());
    return agent;
}

base::Status NodeAgent::startServers() {
    auto checks = HttpServer::listen(m_node.nameSpace, {packet::IpAddress::v4(0), kProxyHealthPort},
                                     m_answers.healthHandler());
    if (!checks) return std::unexpected(checks.error());
    m_servers.push_back(std::move(*checks));
    auto metrics = HttpServer::listen(m_node.nameSpace, {packet::IpAddress::v4(127, 0, 0, 1), kMetricsPort},
                                      m_answers.metricsHandler());
    if (!metrics) return std::unexpected(metrics.error());
    m_servers.push_back(std::move(*metrics));
    return {};
}

base::Status NodeAgent::sync(const proxycore::ClusterState &state) {
    const proxycore::PlanTarget target{m_node.name, nodeAddresses(m_node.address, m_node.podRange), m_config.mode,
                                       packet::IpFamily::v4};
    m_answers.queued(state);
    const auto begin = std::chrono::steady_clock::now();
    auto plan = std::make_shared<proxycore::ProxyPlan>(proxycore::makePlan(state, m_config, target, m_plan.get()));
    if (auto status = m_datapath->apply(*plan); !status) {
        m_answers.metrics().syncFailed(plan->family);
        return status;
    }
    // As kube-proxy: after the rules, so that a client's next packet meets the new ones.
    if (m_datapath->kernelTracks() && m_plan && proxycore::servingChanged(*m_plan, *plan))
        if (auto status = deleteStaleConnections(*plan); !status) return status;
    m_plan = std::move(plan);
    m_answers.synced(m_plan, state.node(m_node.name), std::chrono::steady_clock::now() - begin);
    return updateHealthCheckServers();
}

base::Status NodeAgent::deleteStaleConnections(const proxycore::ProxyPlan &plan) {
    const auto begin = std::chrono::steady_clock::now();
    std::uint64_t count = 0;
    InNamespace inside(m_node.nameSpace);
    const auto connections = netlink::dumpConntrack();
    if (!connections) return std::unexpected(connections.error());
    const proxycore::StaleConnections stale(plan);
    for (const auto &connection : *connections) {
        if (!stale.contains(connection.original, connection.reply)) continue;
        // One that has ended meanwhile is gone as well.
        if (auto deleted = netlink::deleteConntrack(connection.original, connection.zone); !deleted)
            return std::unexpected(deleted.error());
        ++count;
    }
    m_answers.metrics().reconciled(plan.family, std::chrono::steady_clock::now() - begin, count);
    return {};
}

base::Status NodeAgent::installTrace() { return m_datapath->installTrace(); }

// As kube-proxy: listeners follow a successful sync of the rules.
base::Status NodeAgent::updateHealthCheckServers() {
    const auto wanted = m_answers.healthCheckPorts();
    std::erase_if(m_healthChecks, [&](const auto &entry) {
        const auto found = wanted.find(entry.first);
        return found == wanted.end() || found->second != entry.second.port;
    });
    for (const auto &[service, port] : wanted) {
        if (m_healthChecks.contains(service)) continue;
        HealthCheckServer check{port, {}};
        for (const auto &address : m_answers.healthCheckAddresses()) {
            auto server = HttpServer::listen(m_node.nameSpace, {address, port}, m_answers.healthCheckHandler(service));
            if (!server) return std::unexpected(server.error());
            check.servers.push_back(std::move(*server));
        }
        m_healthChecks.emplace(service, std::move(check));
    }
    return {};
}

void NodeAgent::addServers(std::vector<HttpServer *> &servers) const {
    for (const auto &server : m_servers) servers.push_back(server.get());
    for (const auto &[service, check] : m_healthChecks)
        for (const auto &server : check.servers) servers.push_back(server.get());
}

} // namespace natlens::lab
