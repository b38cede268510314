// A lab with no kernel and no privileges: the same cluster, steps and commands, in virtual time.
#pragma once

#include "app/lab/director.h"
#include "app/lab/node_answers.h"
#include "app/lab/sim/network.h"
#include "app/lab/sync_pace.h"

#include <list>
#include <map>
#include <memory>

namespace natlens::lab::sim {

/// While the scenario's steps are played, virtual time runs as fast as it can; before and after that it keeps pace with
/// the clock on the wall, so that a front end can watch and ask. Everything that happens is a function of the scenario,
/// the seed and (after the steps) of when commands arrive. One thread.
class SimulatedLab final : public Director {
public:
    SimulatedLab(Scenario scenario, base::UniqueFd stream, base::UniqueFd control, std::uint64_t seed);
    ~SimulatedLab();

    /// Builds, serves until told to stop or until the front end is gone. Returns the exit status.
    [[nodiscard]] int run();

private:
    /// One node's kube-proxy.
    struct Proxy {
        std::unique_ptr<NodeAnswers> answers;
        std::vector<packet::IpFamily> families;
        std::map<packet::IpFamily, std::shared_ptr<const proxycore::ProxyPlan>> plans;
        std::vector<packet::SocketAddress> healthChecks; ///< open now
    };

    [[nodiscard]] base::Status build();
    void startServers(const proxycore::Pod &pod);
    void routeServices();
    void startProxy(Host &node);
    void sync(const std::string &nodeName);
    void syncAll();
    [[nodiscard]] packet::IpAddress addressOf(const std::string &name,
                                              packet::IpFamily family); ///< none when it has none
    void loop();
    bool receiveCommands(int patienceMs); ///< true when there were any
    void playFast();
    void checkHealth();
    void programRotation(const Rotation::Target &target);

    // Director
    [[nodiscard]] base::Status apply(const ClusterChange &change) override;
    [[nodiscard]] const Rotation *rotation() const override { return m_rotation ? &*m_rotation : nullptr; }
    [[nodiscard]] std::string enterHint() const override { return {}; }
    [[nodiscard]] std::string hostOf(const proxycore::ObjectName &pod) override;
    void request(const std::string &from, const std::string &url, milliseconds connectTimeout,
                 std::function<void()> done) override;
    void act(const HostAction &action, std::function<void()> done) override;
    void stepsDone() override;

    /// Virtual time as StepPlayer and Rotation count it.
    [[nodiscard]] std::chrono::steady_clock::time_point virtualNow() const;

    EventQueue m_events;
    SeededRandom m_random;
    Recorder m_recorder;
    Network m_network;
    SyncPace m_pace{m_scenario.syncPeriod()};
    std::map<std::string, Proxy> m_proxies; ///< by node name
    std::optional<Rotation> m_rotation;
};

} // namespace natlens::lab::sim
