// Userdata: what nft keeps in the kernel for itself, as type-length-value bytes (libnftnl's udata.h). Comments live
// there, and for sets the byte orders that nft needs to print elements.
#pragma once

#include "proxycore/kernel/nft_objects.h"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace natlens::proxycore::nft {

using Userdata = std::vector<std::byte>;

/// A comment on a table, chain, rule or element; all four use type 0.
[[nodiscard]] Userdata commentData(std::string_view comment);
/// The comment in userdata, "" when there is none or the bytes are not what nft writes. `type` as in setData.
[[nodiscard]] std::string_view commentIn(std::span<const std::byte> data, std::uint8_t type = 0);
inline constexpr std::uint8_t kSetComment = 7;

/// What nft 1.0.6 writes for a named set.
[[nodiscard]] Userdata setData(const Set &set);
/// For anonymous sets: of address ranges, of addresses and ports by number, of verdicts by number.
enum class AnonymousKind : std::uint8_t { ranges, endpoints, verdicts };
[[nodiscard]] Userdata anonymousSetData(AnonymousKind kind);
/// On the last element of a set of ranges that has no end: the range reaches the highest address.
[[nodiscard]] Userdata openRangeData();

} // namespace natlens::proxycore::nft
