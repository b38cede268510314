// One running lab: hosts, workloads, kube-proxies, load balancer and captures, driven by commands and scenario steps.
#pragma once

#include "app/lab/cluster.h"
#include "app/lab/control.h"
#include "app/lab/entry_server.h"
#include "app/lab/http_client.h"
#include "app/lab/http_server.h"
#include "app/lab/load_balancer.h"
#include "app/lab/node_agent.h"
#include "app/lab/scenario.h"
#include "app/lab/step_player.h"
#include "app/lab/topology.h"
#include "app/probe/capture_service.h"

#include <list>
#include <map>
#include <memory>
#include <optional>

namespace natlens::lab {

/// Everything runs on one thread and one poll, except the captures, which have a thread of their own so that a busy lab
/// loses no packets. Must be made inside runIsolated().
class Lab final : private StepActions {
public:
    Lab(Scenario scenario, base::UniqueFd stream, base::UniqueFd control, EntryServer entry);
    ~Lab() override;

    /// Builds, serves until told to stop or until the front end is gone, drains the captures. Returns the exit status.
    [[nodiscard]] int run();

private:
    // building, in this order
    [[nodiscard]] base::Status build();
    [[nodiscard]] base::Status buildHosts();
    [[nodiscard]] base::Status startCaptures();
    [[nodiscard]] base::Status captureEvidence(LabHost &node);
    [[nodiscard]] base::Status startWorkloads();
    [[nodiscard]] base::Status startServer(const proxycore::Pod &pod);
    void announce();

    // living
    void loop();
    void handle(const Command &command);
    [[nodiscard]] base::Status apply(const ClusterChange &change);
    void report(const base::Result<ClusterChange> &change, const std::string &what);
    void sendState();
    [[nodiscard]] LabState currentState() const;
    [[nodiscard]] bool isClient(const proxycore::Pod &pod) const;
    [[nodiscard]] std::vector<std::string> requestTargets() const;
    [[nodiscard]] std::string expectations() const;

    // StepActions
    void log(const std::string &text) override;
    void request(const std::string &from, const std::string &url, milliseconds connectTimeout,
                 std::function<void()> done) override;
    void change(const Step &step) override;
    [[nodiscard]] std::optional<std::vector<std::string>> settledRotation() const override;
    void stepsDone() override;

    Scenario m_scenario;
    Control m_control;
    EntryServer m_entry;
    LabCluster m_cluster;
    HttpClient m_client;
    std::optional<Topology> m_topology;
    base::UniqueFd m_stream;
    std::unique_ptr<probe::CaptureService> m_capture;
    std::map<std::string, std::unique_ptr<NodeAgent>> m_nodes;              ///< by node name
    std::multimap<std::string, std::unique_ptr<HttpServer>> m_podServers;   ///< by pod name
    std::unique_ptr<LoadBalancer> m_loadBalancer;
    StepPlayer m_player;
    LabState m_lastState;
    bool m_stop = false;
};

} // namespace natlens::lab
