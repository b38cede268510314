// Whether a rule of the kernel is the one that was sent, expression by expression.
#pragma once

#include "proxycore/kernel/nft_table.h"

#include <functional>

namespace natlens::proxycore::nft {

/// Judges two sets by their names in the two tables (wanted, kernel).
using SameSet = std::function<bool(const std::string &, const std::string &)>;

/// The kernel may have added what follows from the rest (the end of a range of registers) and values that are zero.
[[nodiscard]] bool sameRule(const TableRule &wanted, const TableRule &kernel, const SameSet &sameSet);

} // namespace natlens::proxycore::nft
