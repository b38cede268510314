// What every lab has in common, wherever its hosts live: the cluster, the scenario's steps, and the front end's commands.
#pragma once

#include "app/lab/cluster.h"
#include "app/lab/control.h"
#include "app/lab/rotation.h"
#include "app/lab/scenario.h"
#include "app/lab/step_player.h"
#include "proxycore/health/health.h"

#include <functional>
#include <string>

namespace natlens::lab {

/// Speaks docs/lab-protocol.md. What it cannot do itself (packets, rules, captures) a lab of one kind does for it. Lives
/// on the lab's thread.
class Director : protected StepActions {
public:
    Director(Scenario scenario, base::UniqueFd control);

protected:
    /// What came of a request.
    struct Reply {
        int status = 0;
        std::string body, error;
    };

    /// Carries a change of the cluster out: told to the recording first, then done.
    [[nodiscard]] virtual base::Status apply(const ClusterChange &change) = 0;
    /// Puts right what someone else changed in the nodes' rules; where there are none, there is nothing to do.
    virtual void resync() {}
    /// The load balancer's rotation; null when the scenario has none.
    [[nodiscard]] virtual const Rotation *rotation() const = 0;
    /// Where `natlens lab exec` leads; "" when there is nothing to enter.
    [[nodiscard]] virtual std::string enterHint() const = 0;
    /// The name of the host that is this pod; "" when it has none of its own.
    [[nodiscard]] virtual std::string hostOf(const proxycore::ObjectName &pod) = 0;

    void announce();
    void handle(const Command &command);
    void sendState();
    /// Reports a request's end to the front end.
    void answer(const std::string &from, const std::string &url, const Reply &reply);
    void rotationChanged();
    [[nodiscard]] bool isClient(const proxycore::Pod &pod) const { return m_cluster.serverPorts(pod).empty(); }
    [[nodiscard]] proxycore::HealthProfile healthProfile() const;

    Scenario m_scenario;
    Control m_control;
    LabCluster m_cluster;
    StepPlayer m_player;
    bool m_stop = false;

    // StepActions that are the same in every lab
    void log(const std::string &text) override { m_control.log(text); }
    void change(const Step &step) override;
    void act(const HostAction &action, std::function<void()> done) override; ///< cannot, unless overridden
    [[nodiscard]] std::optional<std::vector<std::string>> settledRotation() const override;
    [[nodiscard]] milliseconds rotationPatience() const override;

private:
    void report(const base::Result<ClusterChange> &change, const std::string &what);
    [[nodiscard]] LabState currentState() const;
    [[nodiscard]] std::vector<std::string> requestTargets() const;
    [[nodiscard]] std::string expectations() const;

    LabState m_lastState;
};

} // namespace natlens::lab
