#include "capture/packet/decode.h"

#include "capture/packet/decode_parts.h"

#include <algorithm>
#include <limits>

namespace natlens::packet {

namespace {

using detail::Cursor;

constexpr std::uint16_t kEtherIpv4 = 0x0800, kEtherIpv6 = 0x86dd;
constexpr int kMaxVlanTags = 8;

bool isVlanTag(std::uint16_t etherType) {
    return etherType == 0x8100 || etherType == 0x88a8 || etherType == 0x9100;
}

/// Steps over 802.1Q and 802.1ad tags; `cursor` stands after the EtherType held in `packet.etherType`.
bool skipVlanTags(DecodedPacket &packet, Cursor &cursor) {
    for (int depth = 0; isVlanTag(packet.etherType) && depth < kMaxVlanTags; ++depth) {
        if (!cursor.has(4)) return false;
        if (depth == 0) packet.vlan = cursor.u16(0) & 0x0fff;
        packet.etherType = cursor.u16(2);
        cursor.offset += 4;
    }
    return true;
}

bool decodeEthernet(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(14)) return false;
    packet.hasMac = true;
    std::memcpy(packet.dstMac.data(), cursor.at(0), 6);
    std::memcpy(packet.srcMac.data(), cursor.at(6), 6);
    packet.etherType = cursor.u16(12);
    cursor.offset += 14;
    return skipVlanTags(packet, cursor);
}

bool decodeSll(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(16)) return false;
    packet.sllPacketType = static_cast<std::uint8_t>(std::min<unsigned>(cursor.u16(0), 0xff));
    if (cursor.u16(4) == 6) std::memcpy(packet.srcMac.data(), cursor.at(6), 6);
    packet.etherType = cursor.u16(14);
    cursor.offset += 16;
    return skipVlanTags(packet, cursor);
}

bool decodeSll2(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(20)) return false;
    packet.etherType = cursor.u16(0);
    packet.sllPacketType = cursor.u8(10);
    if (cursor.u8(11) == 6) std::memcpy(packet.srcMac.data(), cursor.at(12), 6);
    cursor.offset += 20;
    return skipVlanTags(packet, cursor);
}

/// BSD loopback: the address family in four bytes, in the writer's order (null) or network order (loop). AF_INET6
/// differs between systems, so the IP version in the header itself decides; the family only says whether it is IP at
/// all.
bool decodeLoopback(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(4)) return false;
    const std::uint32_t big = cursor.u32(0);
    const std::uint32_t family = big < 0x10000 ? big : base::swapBytes(big);
    cursor.offset += 4;
    if (family == 2) packet.etherType = kEtherIpv4;
    if (family == 10 || family == 24 || family == 28 || family == 30) packet.etherType = kEtherIpv6;
    return true;
}

bool decodeRaw(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(1)) return false;
    const unsigned version = cursor.u8(0) >> 4;
    if (version == 4) packet.etherType = kEtherIpv4;
    if (version == 6) packet.etherType = kEtherIpv6;
    return true;
}

bool decodeLink(DecodedPacket &packet, Cursor &cursor) {
    switch (packet.linkType) {
    case LinkType::ethernet: return decodeEthernet(packet, cursor);
    case LinkType::linuxSll: return decodeSll(packet, cursor);
    case LinkType::linuxSll2: return decodeSll2(packet, cursor);
    case LinkType::null:
    case LinkType::loop: return decodeLoopback(packet, cursor);
    case LinkType::rawBsd:
    case LinkType::rawIp:
    case LinkType::ipv4:
    case LinkType::ipv6: return decodeRaw(packet, cursor);
    case LinkType::user0:
    case LinkType::netlink: break;
    }
    return true;
}

} // namespace

DecodedPacket decode(LinkType linkType, std::span<const std::byte> captured, std::uint32_t originalLength) {
    DecodedPacket packet;
    packet.linkType = linkType;

    Cursor cursor;
    cursor.data = captured.data();
    cursor.end = static_cast<std::uint32_t>(
        std::min<std::size_t>(captured.size(), std::numeric_limits<std::uint32_t>::max() / 2));
    cursor.wireEnd = std::clamp(originalLength, cursor.end, std::numeric_limits<std::uint32_t>::max() / 2);

    if (!decodeLink(packet, cursor)) {
        packet.issue = DecodeIssue::truncatedLink;
        return packet;
    }
    if (packet.etherType != kEtherIpv4 && packet.etherType != kEtherIpv6) {
        packet.issue = DecodeIssue::unsupported;
        return packet;
    }
    if (detail::decodeNetwork(packet, cursor)) detail::decodeTransport(packet, cursor);
    return packet;
}

DecodedPacket decode(LinkType linkType, std::span<const std::byte> captured) {
    return decode(linkType, captured, 0);
}

std::span<const std::byte> payload(const DecodedPacket &packet, std::span<const std::byte> captured) {
    if (packet.payloadOffset == 0 || packet.payloadOffset >= captured.size()) return {};
    const std::size_t available = captured.size() - packet.payloadOffset;
    return captured.subspan(packet.payloadOffset, std::min<std::size_t>(available, packet.payloadLength));
}

} // namespace natlens::packet
