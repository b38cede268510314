// What carries a node's proxy plan out: the kernel, by the rules of one of kube-proxy's modes.
#pragma once

#include "app/lab/topology.h"
#include "capture/base/result.h"
#include "proxycore/plan/proxy_plan.h"

#include <memory>
#include <string_view>

namespace natlens::lab {

/// DESIGN's word for it; `natlens lab run --datapath`.
enum class DatapathKind : std::uint8_t { nftables, iptables };
[[nodiscard]] std::string_view toString(DatapathKind kind);
/// Nothing for an unknown name.
[[nodiscard]] std::optional<DatapathKind> parseDatapath(std::string_view name);
/// kube-proxy's mode whose behaviour the datapath has.
[[nodiscard]] proxycore::Mode modeOf(DatapathKind kind);

/// One node's datapath. Lives on the lab's thread.
class Datapath {
public:
    virtual ~Datapath() = default;
    /// Makes the node do what the plan says; connections that exist live on.
    [[nodiscard]] virtual base::Status apply(const proxycore::ProxyPlan &plan) = 0;
    /// Lets the kernel tell which rules the first packets of connections meet.
    [[nodiscard]] virtual base::Status installTrace() = 0;
};

/// For a node, whose namespace the calling thread is in. unsupported when the machine lacks what the kind needs.
[[nodiscard]] base::Result<std::unique_ptr<Datapath>> makeDatapath(DatapathKind kind, LabHost &node);

} // namespace natlens::lab
