// Which datapath a lab's nodes have.
#pragma once

#include "proxycore/model/proxy_config.h"

#include <optional>
#include <string_view>

namespace natlens::lab {

/// What carries kube-proxy's plan out: `natlens lab run --datapath`.
enum class DatapathKind : std::uint8_t { nftables, iptables, engine };
[[nodiscard]] std::string_view toString(DatapathKind kind);
/// Nothing for an unknown name.
[[nodiscard]] std::optional<DatapathKind> parseDatapath(std::string_view name);
/// kube-proxy's mode whose behaviour the datapath has.
/// The engine can have that of both; `asked` decides.
[[nodiscard]] proxycore::Mode modeOf(DatapathKind kind, proxycore::Mode asked);

} // namespace natlens::lab
