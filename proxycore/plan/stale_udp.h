// Which UDP connections to a Service must end. UDP has no end of its own: as long as a client goes on sending,
// connection tracking sends its packets to the endpoint of the first one.
#pragma once

#include "proxycore/plan/proxy_plan.h"

#include <set>

namespace natlens::proxycore {

/// Whether a connection that was made through this front end of the service port is answered by somebody who does not
/// serve it (kube-proxy's conntrack reconciler, since 1.32): an endpoint that is gone, or, from a time without
/// endpoints, the asked address itself. A Service without any serving endpoint keeps its connections. 1.5 deleted those
/// of a cluster IP that had been translated to the address of an endpoint that is gone, and no others.
[[nodiscard]] bool isStaleUdp(const Behaviour &behaviour, const ServicePortPlan &service, Via via,
                              const packet::SocketAddress &asked, const packet::SocketAddress &answers);

/// 1.5 also ended every UDP connection to the cluster IP of a UDP service port that is gone: the addresses of those
/// that `before` has and `after` lacks. Today's kube-proxy does not look at addresses that no Service has: none.
[[nodiscard]] std::set<IpAddress> goneUdpAddresses(const ProxyPlan &before, const ProxyPlan &after);

} // namespace natlens::proxycore
