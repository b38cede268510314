// What a plan was made of, so that the next one is made from what changed. Private to proxycore/plan.
#pragma once

#include "proxycore/plan/proxy_plan.h"

#include <optional>
#include <vector>

namespace natlens::proxycore {

/// A front end that a service port wants; one has it in the whole plan. Node ports have no address.
struct Claim {
    Protocol protocol = Protocol::none;
    IpAddress ip;
    Port port = 0;

    bool operator==(const Claim &) const = default;
};

struct ClaimHash {
    std::size_t operator()(const Claim &claim) const {
        return std::hash<IpAddress>{}(claim.ip) ^
               (static_cast<std::size_t>(claim.port) << 8 | static_cast<std::size_t>(claim.protocol));
    }
};

/// One Service and what came of it. Immutable; plans share it as long as the Service, its slices and the claims of
/// others stay the same.
struct PlannedService {
    std::shared_ptr<const Service> service;
    std::vector<Claim> wanted;                                 ///< in the order of ports and front ends
    std::vector<bool> granted;                                 ///< for each: no Service earlier by name has it
    std::vector<std::shared_ptr<const ServicePortPlan>> ports; ///< sorted by name
    std::optional<HealthCheckPlan> healthCheck;
    std::vector<PassedBy> passedBy;
    std::vector<Problem> problems;
};

/// The objects are kept alive here, so equal pointers mean equal objects.
struct PlanSources {
    std::string zone;
    IpAddress primary;
    std::vector<std::shared_ptr<const PlannedService>> services; ///< by name, as in the cluster state
    std::vector<std::shared_ptr<const EndpointSlice>> slices;    ///< by name, as in the cluster state
};

using Slices = std::vector<const EndpointSlice *>;

/// What planning a Service must know of the node and its proxy.
struct NodeView {
    const ProxyPlan &frame; ///< everything but the Services
    std::string_view zone;
    IpAddress primary; ///< of the plan's family; none when not known
};

/// Whether kube-proxy looks at this Service at all, for this family of addresses.
[[nodiscard]] bool isProxied(const Service &service, IpFamily family);
/// Whether it looks at this slice.
[[nodiscard]] bool isUsed(const EndpointSlice &slice, IpFamily family);
/// It would, but a label leaves the Service to another proxy.
[[nodiscard]] bool isOfOtherProxy(const Service &service, IpFamily family);
/// Everything that such a Service names.
void passBy(const Service &service, IpFamily family, const Behaviour &behaviour, std::vector<PassedBy> &all);
[[nodiscard]] std::vector<Claim> wantedClaims(const Service &service, IpFamily family, const Behaviour &behaviour);

/// Plans a Service that is proxied. `slices` are those in use that name it.
[[nodiscard]] PlannedService planService(const NodeView &node, std::shared_ptr<const Service> service,
                                         const Slices &slices, std::vector<bool> granted);

} // namespace natlens::proxycore
