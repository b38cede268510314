// One running lab: hosts, workloads, kube-proxies, load balancer and captures, driven by commands and scenario steps.
#pragma once

#include "app/lab/director.h"
#include "app/lab/entry_server.h"
#include "app/lab/host_actions.h"
#include "app/lab/http_client.h"
#include "app/lab/http_server.h"
#include "app/lab/load_balancer.h"
#include "app/lab/node_agent.h"
#include "app/lab/sctp_server.h"
#include "app/lab/sync_pace.h"
#include "app/lab/topology.h"
#include "app/lab/udp_server.h"
#include "app/probe/capture_service.h"

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace natlens::lab {

/// Everything runs on one thread and one poll, except the captures, which have a thread of their own so that a busy lab
/// loses no packets. Must be made inside runIsolated().
class Lab final : public Director {
public:
    Lab(Scenario scenario, base::UniqueFd stream, base::UniqueFd control, EntryServer entry);
    ~Lab();

    /// Builds, serves until told to stop or until the front end is gone, drains the captures. Returns the exit status.
    [[nodiscard]] int run();

private:
    // building, in this order
    [[nodiscard]] base::Status build();
    [[nodiscard]] base::Status buildHosts();
    [[nodiscard]] base::Status makeDatapaths();
    [[nodiscard]] base::Status sync(const std::string &node, NodeAgent &agent);
    [[nodiscard]] base::Status syncAll();
    [[nodiscard]] base::Status startCaptures();
    [[nodiscard]] live::CaptureOptions captureOptions() const;
    [[nodiscard]] base::Status captureEvidence(LabHost &node);
    [[nodiscard]] base::Status startWorkloads();
    [[nodiscard]] base::Status startServer(const proxycore::Pod &pod);
    [[nodiscard]] base::Status listenOn(const LabHost &host, const std::vector<packet::Port> (&ports)[3]);
    /// Without a load balancer hosts outside send to the first node what is for a Service.
    [[nodiscard]] base::Status routeServices();
    [[nodiscard]] std::string hostOf(const proxycore::ObjectName &pod) override;
    [[nodiscard]] base::Status tellOfLinks(const base::Result<Topology::HostNames> &missing);
    [[nodiscard]] base::Status setUp();

    // living
    void loop();
    [[nodiscard]] base::Status apply(const ClusterChange &change) override;
    void resync() override;
    /// Looks at one node's rules now and then, between steps; what someone else changed is logged.
    void lookForDrift(std::chrono::steady_clock::time_point now);
    [[nodiscard]] const Rotation *rotation() const override {
        return m_loadBalancer ? &m_loadBalancer->rotation() : nullptr;
    }
    [[nodiscard]] std::string enterHint() const override;

    // StepActions
    void act(const HostAction &action, std::function<void()> done) override;
    void request(const std::string &from, const std::string &url, milliseconds connectTimeout,
                 std::function<void()> done) override;
    void stepsDone() override;

    EntryServer m_entry;
    std::optional<HttpClient> m_client; ///< from build() on
    std::optional<Topology> m_topology;
    base::UniqueFd m_stream;
    std::unique_ptr<probe::CaptureService> m_capture;
    std::map<std::string, std::unique_ptr<NodeAgent>> m_nodes;              ///< by node name
    std::multimap<std::string, std::unique_ptr<HttpServer>> m_podServers;   ///< by host
    std::multimap<std::string, std::unique_ptr<UdpServer>> m_udpServers;     ///< by host
    SyncPace m_pace{m_scenario.syncPeriod()};
    std::multimap<std::string, std::unique_ptr<SctpServer>> m_sctpServers;   ///< by host
    std::map<std::string, std::unique_ptr<Datapath>> m_datapaths;            ///< by node name, until its agent takes it
    const bool m_hasSctp = kernelHasSctp();
    std::unique_ptr<LoadBalancer> m_loadBalancer;
    std::chrono::steady_clock::time_point m_nextLook;
    std::string m_lastLooked; ///< name of the node
    std::set<packet::IpAddress> m_routed;        ///< addresses of Services that hosts outside know the way to
    std::unique_ptr<Reactor> m_reactor;          ///< of what the scenario starts
    std::unique_ptr<HostActions> m_actions;
};

} // namespace natlens::lab
