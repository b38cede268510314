#include "app/lab/datapath_kind.h"

namespace natlens::lab {

std::string_view toString(DatapathKind kind) {
    switch (kind) {
    case DatapathKind::nftables: return "nftables";
    case DatapathKind::iptables: return "iptables";
    case DatapathKind::engine: return "engine";
    }
    return "nftables";
}

std::optional<DatapathKind> parseDatapath(std::string_view name) {
    for (const auto kind : {DatapathKind::nftables, DatapathKind::iptables, DatapathKind::engine})
        if (name == toString(kind)) return kind;
    return std::nullopt;
}

proxycore::Mode modeOf(DatapathKind kind, proxycore::Mode asked) {
    if (kind == DatapathKind::engine) return asked;
    return kind == DatapathKind::iptables ? proxycore::Mode::iptables : proxycore::Mode::nftables;
}

} // namespace natlens::lab
