#include "proxycore/kernel/nft_ranges.h"

#include <algorithm>

namespace natlens::proxycore::nft {

namespace {

IpAddress lastOf(const IpPrefix &range) {
    auto last = range.address;
    for (std::size_t bit = range.length; bit < last.size() * 8; ++bit)
        last.bytes[bit / 8] = static_cast<std::uint8_t>(last.bytes[bit / 8] | 0x80U >> (bit % 8));
    return last;
}

/// Nothing behind the highest address.
std::optional<IpAddress> next(IpAddress address) {
    for (std::size_t i = address.size(); i-- > 0;)
        if (++address.bytes[i] != 0) return address;
    return std::nullopt;
}

} // namespace

AddressSpans::AddressSpans(const std::vector<IpPrefix> &ranges) {
    std::vector<Span> all;
    for (const auto &range : ranges) {
        all.push_back({range.address, lastOf(range)});
        m_singles = m_singles && all.back().first == all.back().last;
    }
    std::sort(all.begin(), all.end(), [](const Span &a, const Span &b) { return a.first < b.first; });
    for (const auto &span : all) {
        // Single addresses stay apart, as elements of their own.
        const auto touches = m_spans.empty() ? std::nullopt : next(m_spans.back().last);
        const bool joins =
            !m_spans.empty() && (!touches || (m_singles ? span.first < *touches : span.first <= *touches));
        if (joins)
            m_spans.back().last = std::max(m_spans.back().last, span.last);
        else
            m_spans.push_back(span);
    }
}

std::vector<Bound> AddressSpans::bounds() const {
    std::vector<Bound> bounds;
    if (m_singles) {
        for (const auto &span : m_spans)
            bounds.push_back({span.first, false, false});
        return bounds;
    }
    IpAddress zero = m_spans.front().first;
    zero.bytes = {};
    if (m_spans.front().first != zero) bounds.push_back({zero, true, false});
    for (const auto &span : m_spans) {
        const auto behind = next(span.last);
        bounds.push_back({span.first, false, !behind});
        if (behind) bounds.push_back({*behind, true, false});
    }
    return bounds;
}

} // namespace natlens::proxycore::nft
