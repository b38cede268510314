// Rules that somebody else wrote: nftables text, loaded as `nft -f` loads it.
#pragma once

#include "capture/base/result.h"

#include <string>

namespace natlens::proxycore {

/// Runs the commands as one transaction in the calling thread's network namespace. The error quotes libnftables' first
/// line. Needs CAP_NET_ADMIN there.
[[nodiscard]] base::Status loadNftText(const std::string &commands, const std::string &subject);

} // namespace natlens::proxycore
