// Unaligned loads and stores in a stated byte order: every wire and file format goes through these.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace natlens::base {

template<class T>
[[nodiscard]] inline T loadNative(const void *from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template<class T>
[[nodiscard]] constexpr T swapBytes(T value) {
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template<class T>
[[nodiscard]] constexpr T bigToNative(T value) {
    return std::endian::native == std::endian::big ? value : swapBytes(value);
}

[[nodiscard]] inline std::uint8_t loadByte(const std::byte *from) {
    return std::to_integer<std::uint8_t>(*from);
}
[[nodiscard]] inline std::uint16_t loadBig16(const void *from) {
    return bigToNative(loadNative<std::uint16_t>(from));
}
[[nodiscard]] inline std::uint32_t loadBig32(const void *from) {
    return bigToNative(loadNative<std::uint32_t>(from));
}
[[nodiscard]] inline std::uint64_t loadBig64(const void *from) {
    return bigToNative(loadNative<std::uint64_t>(from));
}

inline void storeBig16(void *to, std::uint16_t value) {
    value = bigToNative(value);
    std::memcpy(to, &value, sizeof value);
}
inline void storeBig32(void *to, std::uint32_t value) {
    value = bigToNative(value);
    std::memcpy(to, &value, sizeof value);
}

} // namespace natlens::base
