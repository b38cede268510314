// kube-proxy's table layout for a plan (nftables mode, 1.36): which chains, sets, maps and elements there are.
#pragma once

#include "proxycore/kernel/nft_objects.h"
#include "proxycore/plan/proxy_plan.h"

namespace natlens::proxycore::nft {

/// Base chains, their jumps, the fixed chains, the empty sets and maps, and the elements of nodeport-ips.
[[nodiscard]] Objects fixedObjects(const ProxyPlan &plan);

/// Chains, affinity sets and elements of one service port. Elements of "cluster-ips" and "hairpin-connections" may
/// occur for several service ports.
[[nodiscard]] Objects serviceObjects(const ProxyPlan &plan, const ServicePortPlan &service);

} // namespace natlens::proxycore::nft
