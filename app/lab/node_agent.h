// The lab's kube-proxy: keeps one node's rules and health answers up to date with the cluster state.
#pragma once

#include "app/lab/datapath.h"
#include "app/lab/node_answers.h"
#include "app/lab/topology.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace natlens::lab {

/// One node: kube-proxy's instances for both families, as far as the node has them. Answers on the addresses that
/// kube-proxy uses: 127.0.0.1:10249 (/proxyMode, /metrics, /healthz), port 10256 of every address (/healthz, /livez)
/// and every healthCheckNodePort (nftables mode: on the primary address). Lives on the lab's thread.
class NodeAgent final {
public:
    /// Starts the servers. Rules come with the first sync().
    [[nodiscard]] static base::Result<std::unique_ptr<NodeAgent>> start(LabHost &node,
                                                                        std::unique_ptr<Datapath> datapath,
                                                                        proxycore::HealthProfile profile,
                                                                        const proxycore::ProxyConfig &config);

    /// Hears of a change that a later sync() will carry out: from then on its health checks and metrics know of it.
    void queued(const proxycore::ClusterState &state) { m_answers.queued(state, m_families); }
    /// Has the datapath carry out what changed, then opens and closes health check ports. A port that cannot be opened
    /// is a warning, as kube-proxy makes an event of it, and is tried again at the next sync.
    [[nodiscard]] base::Status sync(const proxycore::ClusterState &state);
    /// Those of the last sync, in words.
    [[nodiscard]] std::vector<std::string> takeWarnings() { return std::exchange(m_warnings, {}); }
    /// What someone else has changed in the kernel's rules and was not told yet, in words; nothing is put right.
    [[nodiscard]] std::vector<std::string> newDrift();
    /// Puts it right; in words what it was.
    [[nodiscard]] base::Result<std::vector<std::string>> resync();
    /// From now on stale UDP connections stay, as they did with proxies of old (finding D25).
    void keepStaleConnections() { m_deletesStale = false; }
    /// Lets the kernel tell which rules the first packets of connections meet (a small table of its own, "natlens").
    [[nodiscard]] base::Status installTrace();

    [[nodiscard]] Datapath &datapath() { return *m_datapath; }
    /// Appends the servers that the owner must poll.
    void addServers(std::vector<HttpServer *> &servers) const;

private:
    NodeAgent(LabHost &node, std::unique_ptr<Datapath> datapath, proxycore::HealthProfile profile,
              proxycore::ProxyConfig config);
    [[nodiscard]] base::Status startServers();
    [[nodiscard]] base::Status syncFamily(const proxycore::ClusterState &state, packet::IpFamily family);
    [[nodiscard]] base::Status deleteStaleConnections(const proxycore::ProxyPlan &plan,
                                                      const proxycore::ProxyPlan &before);
    void updateHealthCheckServers();

    LabHost &m_node;
    proxycore::ProxyConfig m_config;
    std::unique_ptr<Datapath> m_datapath;
    std::vector<packet::IpFamily> m_families;
    std::map<packet::IpFamily, std::shared_ptr<const proxycore::ProxyPlan>> m_plans;
    std::set<std::string> m_toldDrift;
    NodeAnswers m_answers;
    std::vector<std::unique_ptr<HttpServer>> m_servers;
    std::map<NodeAnswers::HealthCheckPort, std::unique_ptr<HttpServer>> m_healthChecks;
    std::vector<std::string> m_warnings;
    bool m_deletesStale = true;
};

} // namespace natlens::lab
