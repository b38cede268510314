// The nftables datapath: a plan as a rule set, and the object that keeps a kernel in step with plans.
#pragma once

#include "capture/base/result.h"
#include "proxycore/kernel/drift.h"
#include "proxycore/plan/proxy_plan.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace natlens::proxycore {

/// The whole rule set in kube-proxy's layout (table kube-proxy, family ip or ip6). The text loads with `nft -f` and
/// replaces the table; the JSON is one libnftables document that does the same. libnftables 1.0.6 ignores comments on
/// tables, chains and sets in JSON, so the text is the faithful form.
[[nodiscard]] std::string toNftText(const ProxyPlan &plan);
[[nodiscard]] std::string toNftJson(const ProxyPlan &plan);

/// Keeps the tables `kube-proxy` (ip and ip6) of one network namespace equal to the plans applied last.
/// Belongs to the network namespace of the thread that constructs it: enter the namespace, construct, leave; every
/// later call works there from any thread. Not to be used from two threads at once. Needs CAP_NET_ADMIN in that
/// namespace.
class NftablesApplier final {
public:
    /// How transactions are written: as netlink messages of our own, or as text or JSON for libnftables, which takes
    /// ten times as long (ADR 11). The rules that result are the same, but for comments that JSON loses (see
    /// toNftText).
    enum class Encoding { netlink, text, json };

    using TimePoint = std::chrono::steady_clock::time_point;

    /// `now` says when chains were emptied and when they may be deleted.
    explicit NftablesApplier(Encoding encoding = Encoding::netlink,
                             std::function<TimePoint()> now = std::chrono::steady_clock::now);
    ~NftablesApplier();
    NftablesApplier(NftablesApplier &&) noexcept;
    NftablesApplier &operator=(NftablesApplier &&) noexcept;

    /// The first plan of a family makes the table; one that is there already (of another run, or kube-proxy's own) is
    /// mended, and replaced when that fails. Later plans change only what differs from the plan before, in one
    /// atomic transaction. When that fails (someone else changed the table) the table is replaced. On failure the
    /// kernel's rules are as they were, and the next apply() is full. One exception: without privileges in the initial
    /// user namespace a change of more than twice net.core.wmem_max is sent in several transactions.
    /// Chains that a change leaves without use are emptied by it, and deleted in a transaction of their own before a
    /// later one, a second afterwards at the earliest, as kube-proxy does; when that fails the table is gone through as
    /// a whole.
    [[nodiscard]] base::Status apply(const ProxyPlan &plan);

    /// What in the kernel is not as the plan says, in words; nothing is changed. Sets that rules fill are not looked
    /// into. Other programs may change the table while it is read.
    [[nodiscard]] base::Result<std::vector<Drift>> drift(const ProxyPlan &plan);
    /// The same, and puts it right in one transaction: only what differs is written. After it the plan is the one
    /// applied last.
    [[nodiscard]] base::Result<std::vector<Drift>> mend(const ProxyPlan &plan);

    /// A table `natlens` (inet) that marks the first packet of every connection for tracing (meta nftrace), at
    /// priority -190: right after connection tracking, before every rule of kube-proxy.
    [[nodiscard]] base::Status installTrace();

    /// Removes the tables kube-proxy and natlens; not an error when they do not exist.
    [[nodiscard]] base::Status removeAll();

    enum class Listing { text, json };
    /// What the kernel has: the listing of the whole rule set of the namespace, as text or libnftables JSON.
    [[nodiscard]] base::Result<std::string> listRuleset(Listing listing = Listing::text);

    struct Statistics {
        std::uint64_t full = 0;          ///< applied as a full replacement
        std::uint64_t incremental = 0;   ///< applied as a change
        std::uint64_t unchanged = 0;     ///< nothing to do
        std::uint64_t failed = 0;        ///< transactions that the kernel refused
        std::uint64_t split = 0;         ///< sent in several transactions because one was too large
        std::uint64_t cleanUpFailed = 0; ///< deletions of unused chains that the kernel refused
    };
    [[nodiscard]] const Statistics &statistics() const;

private:
    class Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace natlens::proxycore
