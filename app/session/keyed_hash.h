// A hash that nobody without the key can compute.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace natlens::session {

/// SipHash-2-4 (Aumasson and Bernstein, 2012): a pseudo-random function of short inputs under a 128-bit key.
/// docs/adr/0012 says why it is here and not in a library.
class KeyedHash final {
public:
    using Key = std::array<std::uint64_t, 2>;
    explicit KeyedHash(Key key)
        : m_key(key) {}

    [[nodiscard]] std::uint64_t operator()(std::span<const std::byte> bytes) const;

    /// From the kernel's random numbers.
    [[nodiscard]] static Key randomKey();
    /// From a text of any length. A text that can be guessed makes a key that can be guessed.
    [[nodiscard]] static Key keyOf(std::string_view text);

private:
    Key m_key;
};

} // namespace natlens::session
