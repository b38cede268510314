// Private to capture/packet: the decoder in three layers, each in a file of its own.
#pragma once

#include "capture/base/byte_order.h"
#include "capture/packet/decode.h"

namespace natlens::packet::detail {

/// The bytes that a layer may read, and where it stands. `end` never passes the captured bytes.
struct Cursor {
    const std::byte *data = nullptr; ///< first captured byte of the packet
    std::uint32_t offset = 0;        ///< where the layer begins
    std::uint32_t end = 0;           ///< first byte that must not be read
    std::uint32_t wireEnd = 0;       ///< where the packet ends on the wire; >= end when the snap length cut it

    [[nodiscard]] bool has(std::uint32_t bytes) const { return end >= offset && end - offset >= bytes; }
    [[nodiscard]] const std::byte *at(std::uint32_t more = 0) const { return data + offset + more; }
    [[nodiscard]] std::uint8_t u8(std::uint32_t more) const { return base::loadByte(at(more)); }
    [[nodiscard]] std::uint16_t u16(std::uint32_t more) const { return base::loadBig16(at(more)); }
    [[nodiscard]] std::uint32_t u32(std::uint32_t more) const { return base::loadBig32(at(more)); }
};

/// The IP header and its extensions; leaves `cursor` at the transport header and limited to the packet's own length.
/// False when nothing more can be decoded (`packet.issue` may be set).
bool decodeNetwork(DecodedPacket &packet, Cursor &cursor);

/// TCP, UDP, SCTP, ICMP, ICMPv6, or just the payload bounds of anything else.
void decodeTransport(DecodedPacket &packet, Cursor cursor);

/// The tuple of a packet that an ICMP error quotes, as far as it is there. False if not even the addresses are.
bool decodeQuoted(Tuple &tuple, Cursor cursor);

} // namespace natlens::packet::detail
