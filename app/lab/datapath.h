// What carries a node's proxy plan out: the kernel, by the rules of one of kube-proxy's modes, or our engine.
#pragma once

#include "app/lab/datapath_kind.h"
#include "app/lab/topology.h"
#include "app/probe/capture_service.h"
#include "capture/base/result.h"
#include "proxycore/health/metrics.h"
#include "proxycore/kernel/drift.h"
#include "proxycore/plan/proxy_plan.h"

#include <memory>

namespace natlens::lab {

/// What a datapath is made for and from.
struct DatapathPlace {
    LabHost &node;
    probe::CaptureService &capture; ///< outlives the datapath
    const proxycore::ProxyConfig &config;
    std::uint64_t seed = 0; ///< of random choices, where the datapath draws them itself
};

/// What the kernel has refused since the beginning (ProxyMetrics::Refused).
using Refused = proxycore::ProxyMetrics::Refused;

/// One node's datapath. Lives on the lab's thread.
class Datapath {
public:
    virtual ~Datapath() = default;
    /// Makes the node do what the plan says; connections that exist live on.
    [[nodiscard]] virtual base::Status apply(const proxycore::ProxyPlan &plan) = 0;
    /// Lets the kernel tell which rules the first packets of connections meet.
    [[nodiscard]] virtual base::Status installTrace() = 0;
    /// What the kernel has that the plan has not, and the other way round, because someone else changed it. Only looks.
    [[nodiscard]] virtual base::Result<std::vector<proxycore::Drift>> drift(const proxycore::ProxyPlan &) {
        return std::vector<proxycore::Drift>{};
    }
    /// The same, and puts it right.
    [[nodiscard]] virtual base::Result<std::vector<proxycore::Drift>> mend(const proxycore::ProxyPlan &) {
        return std::vector<proxycore::Drift>{};
    }
    [[nodiscard]] virtual Refused refused() const { return {}; }
    /// Packets that kube-proxy in iptables mode counts, as far as the datapath can tell.
    [[nodiscard]] virtual proxycore::ProxyMetrics::Packets packets() { return {}; }
    /// The kernel tracks the node's connections, so stale ones must be deleted there after a sync.
    [[nodiscard]] virtual bool kernelTracks() const { return true; }
    /// Where packets wait for serve(); -1 when the kernel does it all.
    [[nodiscard]] virtual int fd() const { return -1; }
    virtual void serve() {}
};

/// For a node, whose namespace the calling thread is in. unsupported when the machine lacks what the kind needs.
[[nodiscard]] base::Result<std::unique_ptr<Datapath>> makeDatapath(DatapathKind kind, const DatapathPlace &place);

} // namespace natlens::lab
