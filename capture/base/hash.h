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

/// Hash of bytes, depending on their number too. Same result on every run of the same build.
[[nodiscard]] inline std::uint64_t hashBytes(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
    std::uint64_t hash = mix(seed, bytes.size());
    while (bytes.size() >= 8) {
        hash = mix(hash, loadNative<std::uint64_t>(bytes.data()));
        bytes = bytes.subspan(8);
    }
    if (!bytes.empty()) {
        std::uint64_t rest = 0;
        std::memcpy(&rest, bytes.data(), bytes.size());
        hash = mix(hash, rest);
    }
    return hash;
}

} // namespace natlens::base
