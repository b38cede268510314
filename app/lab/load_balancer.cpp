#include "app/lab/load_balancer.h"

namespace natlens::lab {

LoadBalancer::LoadBalancer(LoadBalancerSpec spec, HttpClient &client, LabHost &host,
                           std::function<void()> rotationChanged)
    : m_spec(std::move(spec)), m_rotation(m_spec), m_client(client), m_host(host),
      m_rotationChanged(std::move(rotationChanged)) {}

base::Status LoadBalancer::configure(const proxycore::ClusterState &state) {
    for (const auto &vip : m_rotation.configure(state))
        if (auto status = m_host.links.deleteRoute(hostPrefix(vip)); !status) return status;
    for (const auto &target : m_rotation.targets())
        if (auto status = program(target); !status) return status;
    return {};
}

LoadBalancer::Clock::time_point LoadBalancer::tick(Clock::time_point now) {
    for (const auto &check : m_rotation.due(now)) {
        const auto url = "http://" + packet::SocketAddress{check.address, check.port}.toString() + "/healthz";
        m_client.get(m_host.nameSpace, url, {m_spec.timeout, m_spec.timeout},
                     [this, check](const HttpOutcome &outcome) { onResult(check, outcome); });
    }
    return m_rotation.next(now);
}

void LoadBalancer::onResult(const Rotation::Check &check, const HttpOutcome &outcome) {
    if (!m_rotation.result(check, outcome.status)) return;
    // A route that cannot be set shows as packets that do not arrive; the picture will say so.
    for (const auto &target : m_rotation.targets(check.service)) (void)program(target);
    m_rotationChanged();
}

base::Status LoadBalancer::program(const Rotation::Target &target) {
    if (target.nodes.empty()) return m_host.links.deleteRoute(hostPrefix(target.vip));
    return m_host.links.replaceRoute(hostPrefix(target.vip), "eth0", target.nodes);
}

} // namespace natlens::lab
