// What kube-proxy's iptables rules say. For the .cpp files of this folder only.
#pragma once

#include "proxycore/rules/iptables_save.h"

namespace natlens::proxycore::detail {

/// The tables nat and filter of one family; either may be missing (null). Nothing when there is no rule of
/// kube-proxy's.
[[nodiscard]] std::optional<FamilyRules> readIptablesServices(const IptablesTable *nat, const IptablesTable *filter,
                                                              IpFamily family, Problems &problems);

} // namespace natlens::proxycore::detail
