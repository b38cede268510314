// Which datapath a lab's nodes have.
#pragma once

#include "proxycore/model/proxy_config.h"

#include <optional>
#include <string_view>

namespace natlens::lab {

/// What carries kube-proxy's plan out: `natlens lab run --datapath`.
enum class DatapathKind : std::uint8_t { nftables, iptables };
[[nodiscard]] std::string_view toString(DatapathKind kind);
/// Nothing for an unknown name.
[[nodiscard]] std::optional<DatapathKind> parseDatapath(std::string_view name);
/// kube-proxy's mode whose behaviour the datapath has.
[[nodiscard]] proxycore::Mode modeOf(DatapathKind kind);

} // namespace natlens::lab
