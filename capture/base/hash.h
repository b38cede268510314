// Fast 64-bit hashing for tables and fingerprints: multiply two words to 128 bits and fold the halves.
#pragma once

#include "capture/base/byte_order.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace natlens::base {

/// Folds two words into one. Not cryptographic; every input bit reaches every output bit with good probability.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15ULL) * (b ^ 0xd6e8feb86659fd93ULL);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

namespace detail {

/// Fewer than eight bytes as a number; of equal counts only equal bytes make equal numbers.
[[nodiscard]] inline std::uint64_t loadFew(const std::byte *bytes, std::size_t count) {
    if (count >= 4)
        return std::uint64_t{loadNative<std::uint32_t>(bytes)} << 32 | loadNative<std::uint32_t>(bytes + count - 4);
    if (count == 0) return 0;
    return std::uint64_t{loadByte(bytes)} << 16 | std::uint64_t{loadByte(bytes + count / 2)} << 8 |
           loadByte(bytes + count - 1);
}

} // namespace detail

/// Hash of bytes, depending on their number too. Same result on every run of the same build. Sixteen bytes for each
/// multiplication, since one waits for the other.
[[nodiscard]] inline std::uint64_t hashBytes(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
    std::uint64_t hash = mix(seed, bytes.size());
    const std::byte *at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 16; at += 16, left -= 16)
        hash = mix(hash ^ loadNative<std::uint64_t>(at), loadNative<std::uint64_t>(at + 8));
    if (left >= 8) {
        hash = mix(hash, loadNative<std::uint64_t>(at));
        at += 8;
        left -= 8;
    }
    return left == 0 ? hash : mix(hash, detail::loadFew(at, left));
}

} // namespace natlens::base
