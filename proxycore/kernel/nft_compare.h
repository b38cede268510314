// The kernel's table beside the one that a plan asks for: what differs in words, and the changes that mend it.
#pragma once

#include "proxycore/kernel/drift.h"
#include "proxycore/kernel/nft_changes.h"
#include "proxycore/kernel/nft_table.h"

#include <unordered_map>

namespace natlens::proxycore::nft {

/// Anonymous sets that were found to have the elements they should. Nobody can change such a set, so its elements need
/// not be read again.
struct VerifiedSets {
    std::uint64_t table = 0;                               ///< handle of the table that they are in
    std::unordered_map<std::uint64_t, std::size_t> hashes; ///< handle of the set -> hash of its elements

    [[nodiscard]] bool contains(const Table &of, const TableSet &set) const {
        return table == of.handle && hashes.contains(set.handle);
    }
};

struct Comparison {
    std::vector<Drift> drift;
    /// Puts right what `drift` says. What is foreign is stale in it.
    Changes mending;
    /// Rules that only nft can put into words: the index in `drift`, the chain and the handle.
    struct Unnamed {
        std::size_t drift;
        std::string chain;
        std::uint64_t handle;
    };
    std::vector<Unnamed> unnamed;
    VerifiedSets verified;
};

/// `wanted` is a full set of changes for the plan.
[[nodiscard]] Comparison compare(const Changes &wanted, const Table &kernel, const VerifiedSets &known);

} // namespace natlens::proxycore::nft
