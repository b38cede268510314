// Source ports: what answers must find its way back, so no two connections may have the same reply tuple.
#pragma once

#include "proxycore/engine/connection_table.h"

#include <optional>

namespace natlens::proxycore {

enum class PortChoice : std::uint8_t {
    keepIfFree, ///< the port stays unless the reply tuple is taken
    random,     ///< masquerade fully-random
};

/// Makes the port (or ICMP identifier) that `reply` is sent to unique, as nf_nat does: drawn from the class of the
/// original port (below 512, below 1024, the rest), then the following ones, in up to four rounds that halve. False:
/// none was free, and the packet must be dropped. `drawn`: what drawPort() said of this tuple.
[[nodiscard]] bool allocatePort(const ConnectionTable &table, TupleKey &reply, PortChoice choice, RandomSource &random,
                                std::optional<std::uint32_t> drawn = {});

/// The first draw of that, ahead: puts the port into `reply` and returns its place in the class.
[[nodiscard]] std::uint32_t drawPort(TupleKey &reply, RandomSource &random);

} // namespace natlens::proxycore
