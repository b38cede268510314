// Private to capture/file: numbers of the pcapng format (draft-ietf-opsawg-pcapng), named once for reader and writer.
#pragma once

#include <cstdint>

namespace natlens::file::pcapng {

inline constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
inline constexpr std::uint32_t kInterface = 1, kObsoletePacket = 2, kSimplePacket = 3, kNameResolution = 4,
                               kInterfaceStatistics = 5, kEnhancedPacket = 6;
inline constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;

inline constexpr std::uint16_t kEndOfOptions = 0, kComment = 1;
inline constexpr std::uint16_t kSectionApplication = 4;
inline constexpr std::uint16_t kInterfaceName = 2, kInterfaceDescription = 3, kInterfaceMac = 6,
                               kInterfaceResolution = 9, kInterfaceTimeOffset = 14;
inline constexpr std::uint16_t kPacketFlags = 2;
inline constexpr std::uint16_t kStatisticsReceived = 4, kStatisticsDropped = 5, kStatisticsOsDropped = 7;

/// No capture tool writes longer blocks (the longest packets, of D-Bus and USB, have 128 MiB); a longer one is a damaged
/// length. wiretap's limit.
inline constexpr std::uint32_t kMaxBlock = (128U << 20) + (128U << 10) + 32;

} // namespace natlens::file::pcapng
