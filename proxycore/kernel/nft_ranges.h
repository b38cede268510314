// Address ranges as nf_tables keeps them: boundaries in rising order.
#pragma once

#include "proxycore/model/cluster_state.h"

#include <vector>

namespace natlens::proxycore::nft {

/// Where a range begins, or (isEnd) the first address behind one.
struct Bound {
    IpAddress address;
    bool isEnd = false;
    bool isOpen = false; ///< begins a range that reaches the highest address, so nothing ends it

    bool operator==(const Bound &) const = default;
};

/// A union of CIDR blocks of one family, overlapping and neighbouring ones joined, as nft joins them.
class AddressSpans final {
public:
    explicit AddressSpans(const std::vector<IpPrefix> &ranges);

    /// Only single addresses: such a set is no set of intervals.
    [[nodiscard]] bool singles() const { return m_singles; }
    /// For intervals, the kernel wants the space from zero on accounted for, so an end at 0 comes first if nothing
    /// begins there. For single addresses, just those.
    [[nodiscard]] std::vector<Bound> bounds() const;

private:
    struct Span {
        IpAddress first, last;
    };
    std::vector<Span> m_spans; ///< rising, apart from each other
    bool m_singles = true;
};

} // namespace natlens::proxycore::nft
