// Internet checksums: computed whole (RFC 1071) and adjusted for a change (RFC 1624), and SCTP's CRC-32C (RFC 9260).
#pragma once

#include "capture/packet/address.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace natlens::packet {

/// One's complement sum of big-endian 16-bit words, folded to 16 bits and not inverted. An odd last byte counts as the
/// high half of a word. `initial` continues an earlier sum whose length was even.
[[nodiscard]] std::uint16_t onesComplementSum(std::span<const std::byte> bytes, std::uint32_t initial = 0);

/// The checksum field for `bytes` (RFC 1071), whose own checksum field must be zero. Over bytes that already contain a
/// correct checksum the result is 0.
[[nodiscard]] std::uint16_t internetChecksum(std::span<const std::byte> bytes);

/// The checksum after one 16-bit word that it covers changed: RFC 1624 equation 3, HC' = ~(~HC + ~m + m').
[[nodiscard]] std::uint16_t updateChecksum(std::uint16_t checksum, std::uint16_t oldWord, std::uint16_t newWord);

/// TCP, UDP, ICMPv6: the checksum of `segment` with the pseudo header of RFC 9293 / RFC 8200 section 8.1. With the
/// checksum field zero it is the value to store (UDP: store 0xffff for 0); over a correct segment it is 0.
[[nodiscard]] std::uint16_t transportChecksum(const IpAddress &src, const IpAddress &dst, Protocol protocol,
                                              std::span<const std::byte> segment);

/// CRC-32C of an SCTP packet whose checksum field is zero; stored least significant byte first (RFC 9260 appendix A).
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes);

} // namespace natlens::packet
