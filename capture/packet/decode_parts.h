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

/// DecodedPacket(), in a place that the compiler does not see through: it copies in sixteens what it would clear by a
/// string instruction, and what such a one has written a load must wait for. (Measured: a fifth of the decoder's time.)
extern const DecodedPacket kUndecoded;

inline constexpr std::uint16_t kEtherIpv4 = 0x0800, kEtherIpv6 = 0x86dd;
[[nodiscard]] inline bool isIp(std::uint16_t etherType) {
    return etherType == kEtherIpv4 || etherType == kEtherIpv6;
}

/// Any link header but Ethernet's. Leaves the EtherType of what follows in `packet`, 0 where there is none, and
/// `cursor` behind the header and all tags. False if they are not complete.
bool decodeLink(DecodedPacket &packet, Cursor &cursor);

/// Steps over everything that may stand between an EtherType and the IP header: VLAN and other tags, MPLS labels,
/// PPPoE, LLC. `cursor` stands after the EtherType held in `packet.etherType`, which is replaced. False if they are
/// cut.
bool skipTags(DecodedPacket &packet, Cursor &cursor);

/// LLC and PPP headers at the cursor, in the same way.
bool skipLlc(DecodedPacket &packet, Cursor &cursor);
bool skipPpp(DecodedPacket &packet, Cursor &cursor);

/// The IP header and its extensions; leaves `cursor` at the transport header and limited to the packet's own length.
/// False when nothing more can be decoded (`packet.issue` may be set).
bool decodeNetwork(DecodedPacket &packet, Cursor &cursor);

/// TCP, UDP, SCTP, ICMP, ICMPv6, or just the payload bounds of anything else.
void decodeTransport(DecodedPacket &packet, const Cursor &cursor);

/// The tuple of a packet that an ICMP error quotes, as far as it is there. False if not even the addresses are.
bool decodeQuoted(Tuple &tuple, const Cursor &at);

} // namespace natlens::packet::detail
