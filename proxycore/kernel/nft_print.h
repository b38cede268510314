// nftables objects as nft text and as libnftables JSON.
#pragma once

#include "proxycore/kernel/nft_objects.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace natlens::proxycore::nft {

/// One rule as `nft` takes it, e.g. `ct state new jump services`; comment included.
[[nodiscard]] std::string ruleText(const Rule &rule, IpFamily family);
/// "172.30.0.41 . tcp . 80 comment \"ns/svc\" : goto external-..."; without comment and verdict when `keyOnly`.
[[nodiscard]] std::string elementText(const Element &element, bool keyOnly);
/// The type line and flags of a set or map, without elements, each statement ended by "; ".
[[nodiscard]] std::string setBodyText(const Set &set, IpFamily family);
/// "type filter hook input priority 0; policy accept; " for base chains; plus the comment; "" for plain chains.
[[nodiscard]] std::string chainBodyText(const Chain &chain);

/// The "expr" array of a rule.
[[nodiscard]] nlohmann::json ruleJson(const Rule &rule, IpFamily family);
[[nodiscard]] nlohmann::json elementJson(const Element &element, bool keyOnly);
/// {"set":{...}} or {"map":{...}} without elements. libnftables 1.0.6 refuses the flag `dynamic` in JSON, so sets that
/// rules fill carry their timeout only: the first `update` rule makes them dynamic. It ignores comments here.
[[nodiscard]] nlohmann::json setJson(const Set &set, IpFamily family);
[[nodiscard]] nlohmann::json chainJson(const Chain &chain, IpFamily family);

} // namespace natlens::proxycore::nft
