// The kernel's settings (sysctl) of one host of the lab.
#pragma once

#include "capture/base/result.h"
#include "proxycore/model/proxy_config.h"

namespace natlens::lab {

struct KernelSettings {
    bool forwards = false; ///< nodes and the load balancer
    bool balances = false; ///< the load balancer: connections are spread over equal routes by addresses and ports
    bool ipv6 = false;     ///< has IPv6 addresses; otherwise IPv6 is switched off
};

/// For the calling thread's network namespace, before there are interfaces in it besides `lo`.
[[nodiscard]] base::Status configureKernel(KernelSettings settings);

/// How kube-proxy sets connection tracking up, in the calling thread's namespace. What the kernel does not let a
/// namespace set stays as it is.
[[nodiscard]] base::Status configureConntrack(const proxycore::ProxyConfig &config);

} // namespace natlens::lab
