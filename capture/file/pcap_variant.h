// Private to capture/file: which of several record headers a classic pcap uses, where its magic number does not tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace natlens::file::detail {

/// Record headers that patched libpcaps of 1999 and Nokia's appliances wrote: the usual 16 bytes and more behind them.
enum class PcapVariant : std::uint8_t {
    plain,     ///< 16 bytes
    nokia,     ///< 4 more of unknown meaning
    linux,     ///< 8 more: interface index, protocol, packet type, padding (patches ss990417 and ss991029)
    linuxLong, ///< 12 more: the same and debugging fields (patch ss990915, SuSE 6.3)
};

/// Bytes before the packet's own.
[[nodiscard]] std::size_t recordHeaderOf(PcapVariant variant);

/// The longest packet that a record of this link type may claim; more is a damaged length (wiretap has the same limits,
/// so that a damaged file ends at the same packet here and there).
[[nodiscard]] std::uint32_t maxPacket(std::uint32_t linkType);

/// What is known of a file before its first record.
struct PcapShape {
    bool modified = false; ///< magic 0xa1b2cd34
    bool swapped = false;  ///< the other byte order
    std::uint32_t snapLength = 0;
    std::uint32_t maxPacket = 0;
};

/// `needed` bytes are wanted to decide, or (0) it is `variant`.
struct VariantGuess {
    PcapVariant variant = PcapVariant::plain;
    std::size_t needed = 0;
};

/// Looks at the records at the beginning of `bytes`; of several readings the one with the fewest oddities wins. A file
/// whose first record makes sense and does not look patched is decided at once, so that a pipe is not kept waiting.
/// `ended`: nothing follows `bytes`.
[[nodiscard]] VariantGuess guessVariant(const PcapShape &shape, std::span<const std::byte> bytes, bool ended);

} // namespace natlens::file::detail
