// Carries out what a scenario does to hosts (host_action.h).
#pragma once

#include "app/lab/packet_queue.h"
#include "app/lab/scenario.h"
#include "app/lab/topology.h"
#include "app/lab/workloads.h"
#include "app/probe/capture_service.h"

#include <functional>
#include <list>
#include <map>
#include <string>

namespace natlens::lab {

/// The kernel's side: needs the topology and the captures, which outlive it. Lives on the lab's thread.
class HostActions final {
public:
    struct Place {
        Topology &topology;
        probe::CaptureService &capture;
        const Scenario &scenario;
        Reactor &reactor;
    };
    explicit HostActions(const Place &place)
        : m_place(place)
        , m_workloads(place.reactor) {}

    /// What must be there before the first packet: listeners for segments that are sent again later.
    [[nodiscard]] base::Status prepare();
    /// `done` is called when the action is over, also after an error; at once where there is nothing to wait for.
    [[nodiscard]] base::Status perform(const HostAction &action, std::function<void()> done);
    /// The facts of every node, as they stand now.
    [[nodiscard]] base::Status recordFacts();
    /// unsupported when the kernel lacks something that the scenario names.
    [[nodiscard]] static base::Status checkNeeds(const Scenario &scenario);

private:
    struct Performer;
    [[nodiscard]] base::Status listenIn(const LabHost &host);
    [[nodiscard]] base::Status resend(const LabHost &host, const ResendAction &action);
    [[nodiscard]] base::Status hold(const LabHost &host, const HoldAction &action);

    Place m_place;
    Workloads m_workloads;
    std::map<std::string, base::UniqueFd> m_listeners; ///< packet sockets on eth0, by host
    std::list<std::unique_ptr<PacketQueue>> m_queues;
};

} // namespace natlens::lab
