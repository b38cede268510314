#include "app/lab/node_agent.h"

#include "app/lab/kernel_settings.h"
#include "app/lab/sockets.h"
#include "capture/netlink/event_socket.h"
#include "proxycore/kernel/stale_connections.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace natlens::lab {

NodeAgent::NodeAgent(LabHost &node, std::unique_ptr<Datapath> datapath, proxycore::HealthProfile profile,
                     proxycore::ProxyConfig config)
    : m_node(node), m_config(std::move(config)), m_datapath(std::move(datapath)),
      m_answers(m_config, profile, [] { return base::Timestamp::now(); }) {
    m_answers.countPackets([this] { return m_datapath->packets(); });
    std::ranges::copy_if(kFamilies, std::back_inserter(m_families),
                         [&](auto family) { return node.addresses.has(family); });
}

base::Result<std::unique_ptr<NodeAgent>> NodeAgent::start(LabHost &node, std::unique_ptr<Datapath> datapath,
                                                          proxycore::HealthProfile profile,
                                                          const proxycore::ProxyConfig &config) {
    std::unique_ptr<NodeAgent> agent(new NodeAgent(node, std::move(datapath), profile, config));
    if (agent->m_datapath->kernelTracks()) {
        InNamespace inside(node.nameSpace);
        if (auto status = configureConntrack(config); !status) return std::unexpected(status.error());
    }
    if (auto status = agent->startServers(); !status) return std::unexpected(status.error());
    return agent;
}

base::Status NodeAgent::startServers() {
    const auto start = [&](const packet::SocketAddress &address, HttpHandler handler) -> base::Status {
        auto server = HttpServer::listen(m_node.nameSpace, address, std::move(handler));
        if (!server) return std::unexpected(server.error());
        m_servers.push_back(std::move(*server));
        return {};
    };
    // kube-proxy listens on 0.0.0.0, which Go's library takes for every address of both families.
    for (const auto family : m_families)
        if (auto status = start({anyAddress(family), kProxyHealthPort}, m_answers.healthHandler()); !status)
            return status;
    return start({packet::IpAddress::v4(127, 0, 0, 1), kMetricsPort}, m_answers.metricsHandler());
}

base::Status NodeAgent::sync(const proxycore::ClusterState &state) {
    if (!m_answers.isWaiting()) queued(state);
    for (const auto family : m_families)
        if (auto status = syncFamily(state, family); !status) return status;
    updateHealthCheckServers();
    return {};
}

base::Status NodeAgent::syncFamily(const proxycore::ClusterState &state, packet::IpFamily family) {
    auto &current = m_plans[family];
    const proxycore::PlanTarget target{m_node.name, nodeAddresses(m_node.addresses), m_config.mode, family};
    const auto begin = std::chrono::steady_clock::now();
    auto plan = std::make_shared<proxycore::ProxyPlan>(proxycore::makePlan(state, m_config, target, current.get()));
    const auto before = m_datapath->refused();
    const auto applied = m_datapath->apply(*plan);
    const auto after = m_datapath->refused();
    m_answers.metrics().refused(family, {.syncs = after.syncs - before.syncs,
                                         .partial = after.partial - before.partial,
                                         .cleanUps = after.cleanUps - before.cleanUps});
    if (!applied) return applied;
    // As kube-proxy: after the rules, so that a client's next packet meets the new ones.
    if (m_deletesStale && m_datapath->kernelTracks() && current && proxycore::servingChanged(*current, *plan))
        if (auto status = deleteStaleConnections(*plan, *current); !status) return status;
    current = std::move(plan);
    m_answers.synced(current, state.node(m_node.name), std::chrono::steady_clock::now() - begin);
    return {};
}

base::Status NodeAgent::deleteStaleConnections(const proxycore::ProxyPlan &plan, const proxycore::ProxyPlan &before) {
    const auto begin = std::chrono::steady_clock::now();
    std::uint64_t count = 0;
    InNamespace inside(m_node.nameSpace);
    const auto connections = netlink::dumpConntrack();
    if (!connections) return std::unexpected(connections.error());
    const proxycore::StaleConnections stale(plan, &before);
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

std::vector<std::string> NodeAgent::newDrift() {
    std::vector<std::string> news;
    std::set<std::string> present;
    for (const auto &[family, plan] : m_plans) {
        const auto found = m_datapath->drift(*plan);
        if (!found) continue; // looked for again soon
        for (const auto &drift : *found) {
            auto sentence = drift.sentence();
            if (!m_toldDrift.contains(sentence)) news.push_back(sentence);
            present.insert(std::move(sentence));
        }
    }
    m_toldDrift = std::move(present);
    return news;
}

base::Result<std::vector<std::string>> NodeAgent::resync() {
    std::vector<std::string> mended;
    for (const auto &[family, plan] : m_plans) {
        const auto found = m_datapath->mend(*plan);
        if (!found) return std::unexpected(found.error());
        for (const auto &drift : *found) mended.push_back(drift.sentence());
    }
    m_toldDrift.clear();
    return mended;
}

base::Status NodeAgent::installTrace() { return m_datapath->installTrace(); }

// As kube-proxy: listeners follow a successful sync of the rules.
void NodeAgent::updateHealthCheckServers() {
    const auto wanted = m_answers.healthCheckPorts();
    std::erase_if(m_healthChecks,
                  [&](const auto &entry) { return std::ranges::find(wanted, entry.first) == wanted.end(); });
    for (const auto &port : wanted) {
        if (m_healthChecks.contains(port)) continue;
        auto server = HttpServer::listen(m_node.nameSpace, port.address, m_answers.healthCheckHandler(port));
        if (server)
            m_healthChecks.emplace(port, std::move(*server));
        else
            m_warnings.push_back(fmt::format("Service {}: FailedToStartServiceHealthcheck: {}", port.service,
                                             server.error().sentence()));
    }
}

void NodeAgent::addServers(std::vector<HttpServer *> &servers) const {
    for (const auto &server : m_servers) servers.push_back(server.get());
    for (const auto &[port, server] : m_healthChecks) servers.push_back(server.get());
}

} // namespace natlens::lab
