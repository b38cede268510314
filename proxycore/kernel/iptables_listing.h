// One table as iptables-save lists it, and what differs from the chains that a plan asks for.
#pragma once

#include "proxycore/kernel/drift.h"
#include "proxycore/kernel/iptables.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// Chains by name with their rules ("-A CHAIN " taken off).
using IptablesListing = std::map<std::string, std::vector<std::string>>;

[[nodiscard]] IptablesListing parseIptablesListing(std::string_view text);

/// What a listing with counters says of the first rule of this text ("-A CHAIN ..."); nothing when there is none.
[[nodiscard]] std::optional<std::uint64_t> packetsOf(std::string_view listing, std::string_view rule);

/// "KUBE-...": kube-proxy's and kubelet's.
[[nodiscard]] bool isKubernetesChain(std::string_view chain);
[[nodiscard]] bool isBuiltInChain(std::string_view chain);

struct IptablesComparison {
    std::vector<Drift> drift;
    std::vector<IptablesChain> rewrite;                              ///< chains of ours that differ, as they should be
    std::vector<std::pair<std::string, std::string>> insert, remove; ///< built-in chain, rule
    std::vector<std::string> foreignChains;
};

/// `wanted` are the chains of that table. The order of rules counts in the chains of service ports; in the chains that
/// all share it has no meaning, but for the jump to node ports, which must be last. Rules and chains of others are
/// nobody's drift, except a jump to one of our chains that we did not make.
[[nodiscard]] IptablesComparison compareIptables(const std::vector<IptablesChain> &wanted, std::string_view table,
                                                 const IptablesListing &listing);

} // namespace natlens::proxycore
