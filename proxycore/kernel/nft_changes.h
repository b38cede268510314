// What to change in the kernel's table so that it carries out another plan, and the two ways of writing that down.
#pragma once

#include "proxycore/kernel/nft_objects.h"
#include "proxycore/plan/proxy_plan.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace natlens::proxycore::nft {

/// How many service ports need an element of a shared set ("cluster-ips", "hairpin-connections").
using References = std::unordered_map<std::string, std::uint32_t>;

/// One transaction, plus what can only be deleted some time after it: kernels before 6.2 count references of
/// just-deleted map elements for a moment longer and refuse to delete the chains they pointed to.
struct Changes {
    IpFamily family = IpFamily::v4;
    bool replaceTable = false;            ///< drop the whole table first (same transaction)
    bool newTable = false;                ///< with replaceTable: there is none yet; refused (EEXIST) when there is
    std::vector<Chain> chains;            ///< to exist with exactly these rules
    std::vector<Set> sets;                ///< to exist
    std::vector<Element> removed, added;  ///< removed before added
    std::vector<std::string> staleChains; ///< emptied now, to be deleted afterwards
    std::vector<std::string> staleSets;   ///< deleted now: the rules that used them are gone

    [[nodiscard]] bool empty() const {
        return !replaceTable && chains.empty() && sets.empty() && removed.empty() && added.empty() &&
               staleChains.empty() && staleSets.empty();
    }
};

/// Everything, from nothing. `references` is filled.
[[nodiscard]] Changes fullChanges(const ProxyPlan &plan, References &references);

/// From `before` to `after`; the cost is that of what changed plus a comparison of pointers. Differences outside the
/// service ports (mode, marks, detector, node port addresses) give a full replacement.
[[nodiscard]] Changes difference(const ProxyPlan &before, const ProxyPlan &after, References &references);

/// The same in several transactions of about `bytes` of netlink messages at most, each valid after the one before.
/// Needed without privileges in the initial user namespace: there a netlink message may not exceed net.core.wmem_max,
/// and the kernel says EMSGSIZE. The base chains of a full replacement come last, so that no packet meets half of it.
[[nodiscard]] std::vector<Changes> inParts(const Changes &changes, std::size_t bytes);

/// Elements by set, in the order in which the sets first occur: one command each.
[[nodiscard]] std::vector<std::pair<std::string_view, std::vector<const Element *>>>
bySet(const std::vector<Element> &elements);

/// As nft text. A full replacement reads like the output of `nft list table`.
[[nodiscard]] std::string toText(const Changes &changes);
/// As one libnftables JSON document.
[[nodiscard]] std::string toJson(const Changes &changes);
/// The deletion of chains that earlier changes have emptied, as nft text.
[[nodiscard]] std::string cleanUpText(IpFamily family, const std::vector<std::string> &chains);

} // namespace natlens::proxycore::nft
