// The kernel's settings (sysctl) of one host of the lab.
#pragma once

#include "capture/base/result.h"

namespace natlens::lab {

struct KernelSettings {
    bool forwards = false; ///< nodes and the load balancer
    bool balances = false; ///< the load balancer: connections are spread over equal routes by addresses and ports
    bool ipv6 = false;     ///< has IPv6 addresses; otherwise IPv6 is switched off
};

/// For the calling thread's network namespace, before there are interfaces in it besides `lo`.
[[nodiscard]] base::Status configureKernel(KernelSettings settings);

} // namespace natlens::lab
