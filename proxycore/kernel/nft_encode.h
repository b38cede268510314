// nftables objects as netlink messages: the same tables, chains, sets, maps and rules that `nft -f` makes of our text,
// in the form in which nft 1.0.6 sends them (registers, byte orders and userdata included), so that nft lists them
// alike.
#pragma once

#include "proxycore/kernel/nft_batch.h"
#include "proxycore/kernel/nft_changes.h"

namespace natlens::proxycore::nft {

/// Appends the changes to a batch. `anonymous` numbers the anonymous sets of the table and goes up: named by us, they
/// spare the kernel a walk over all sets for each (its own "__map%d" took half of the time at 5,000 Services).
void encode(const Changes &changes, std::uint32_t &anonymous, Batch &batch);

/// The deletion of the table; refused (ENOENT) when there is none.
void encodeTableRemoval(IpFamily family, Batch &batch);

/// The deletion of chains that earlier changes have emptied.
void encodeCleanUp(IpFamily family, const std::vector<std::string> &chains, Batch &batch);

} // namespace natlens::proxycore::nft
