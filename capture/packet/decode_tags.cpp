// What may stand between a link header and IP: IEEE 802.1Q and 802.1ad, 802.1BR, Cisco's VN-tag and metadata, provider
// backbone bridges (802.1ah), PPPoE (RFC 2516), MPLS (RFC 3032) with Ethernet inside (RFC 4448), LLC with SNAP
// (RFC 1042), NSH (RFC 8300).
#include "capture/packet/decode_parts.h"

namespace natlens::packet::detail {

namespace {

constexpr int kMaxTags = 8, kMaxLabels = 16;
constexpr std::uint16_t kBridgedEthernet = 0x6558, kLargestLength = 1500;

/// Tags whose only interest is the EtherType behind them: `type` stands `at` bytes into the tag.
struct Tag {
    std::uint16_t type, at;
};
constexpr Tag kTags[] = {{0x8100, 2}, {0x88a8, 2}, {0x9100, 2}, {0x9200, 2}, {0x9300, 2}, {0x8926, 4}, // VN-tag
                         {0x893f, 6},                                                                  // 802.1BR
                         {0x8909, 6}};                                                                 // Cisco metadata

bool isVlan(std::uint16_t type) {
    return type == 0x8100 || type == 0x88a8 || (type >= 0x9100 && type <= 0x9300);
}

/// Protocol numbers of PPP (IANA) that lead to IP.
std::uint16_t etherTypeOfPpp(std::uint16_t protocol) {
    switch (protocol) {
    case 0x0021: return kEtherIpv4;
    case 0x0057: return kEtherIpv6;
    case 0x0281: return 0x8847;
    case 0x0283: return 0x8848;
    default: return 0;
    }
}

bool innerEthernet(DecodedPacket &packet, Cursor &cursor, std::uint32_t before) {
    if (!cursor.has(before + 14)) return false;
    packet.hasMac = true;
    std::memcpy(packet.dstMac.data(), cursor.at(before), 6);
    std::memcpy(packet.srcMac.data(), cursor.at(before + 6), 6);
    packet.etherType = cursor.u16(before + 12);
    cursor.offset += before + 14;
    return true;
}

/// Labels say nothing of what they carry: the first half-byte of it does. 0 is the control word of a pseudowire.
bool skipLabels(DecodedPacket &packet, Cursor &cursor) {
    for (int count = 0; count < kMaxLabels; ++count) {
        if (!cursor.has(4)) return false;
        const bool bottom = (cursor.u8(2) & 1) != 0;
        cursor.offset += 4;
        if (!bottom) continue;
        if (!cursor.has(1)) return false;
        const unsigned version = cursor.u8(0) >> 4;
        packet.etherType = version == 4 ? kEtherIpv4 : version == 6 ? kEtherIpv6 : std::uint16_t{0};
        return packet.etherType != 0 || innerEthernet(packet, cursor, version == 0 ? 4 : 0);
    }
    packet.etherType = 0;
    return true;
}

bool skipPppoe(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(8)) return false;
    const bool isSession = cursor.u8(0) == 0x11 && cursor.u8(1) == 0;
    packet.etherType = isSession ? etherTypeOfPpp(cursor.u16(6)) : std::uint16_t{0};
    cursor.offset += 8;
    return true;
}

bool skipServiceHeader(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(8)) return false;
    const std::uint32_t length = (cursor.u8(1) & 0x3fU) * 4;
    const std::uint8_t next = cursor.u8(3);
    packet.etherType = next == 1   ? kEtherIpv4
                       : next == 2 ? kEtherIpv6
                       : next == 3 ? kBridgedEthernet
                                   : std::uint16_t{0};
    if (length < 8) packet.etherType = 0;
    if (!cursor.has(length)) return false;
    cursor.offset += length;
    return true;
}

} // namespace

bool skipLlc(DecodedPacket &packet, Cursor &cursor) {
    packet.etherType = 0;
    if (!cursor.has(3)) return false;
    const std::uint32_t header = std::uint32_t{cursor.u16(0)} << 8 | cursor.u8(2);
    if (header == 0x060603) { // IP without SNAP
        packet.etherType = kEtherIpv4;
        cursor.offset += 3;
    } else if (header == 0xaaaa03) {
        if (!cursor.has(8)) return false;
        const std::uint32_t organisation = cursor.u32(2) & 0xffffff;
        if (organisation == 0 || organisation == 0x0000f8) packet.etherType = cursor.u16(6);
        cursor.offset += 8;
        if (packet.etherType <= kLargestLength) packet.etherType = 0;
    }
    return true;
}

bool skipPpp(DecodedPacket &packet, Cursor &cursor) {
    packet.etherType = 0;
    if (!cursor.has(2)) return false;
    if (cursor.u16(0) == 0xff03) cursor.offset += 2; // address and control, where they are not left out
    if (!cursor.has(2)) return false;
    const bool isShort = (cursor.u8(0) & 1) != 0; // protocol field compression: the low byte alone
    packet.etherType = etherTypeOfPpp(isShort ? cursor.u8(0) : cursor.u16(0));
    cursor.offset += isShort ? 1 : 2;
    return true;
}

bool skipTags(DecodedPacket &packet, Cursor &cursor) {
    for (int depth = 0; depth < kMaxTags && !isIp(packet.etherType); ++depth) {
        const std::uint16_t type = packet.etherType;
        const Tag *tag = nullptr;
        for (const Tag &known : kTags)
            if (known.type == type) tag = &known;
        if (tag) {
            if (!cursor.has(tag->at + 2U)) return false;
            if (isVlan(type) && packet.vlan == 0) packet.vlan = cursor.u16(0) & 0x0fff;
            packet.etherType = cursor.u16(tag->at);
            cursor.offset += tag->at + 2U;
            continue;
        }
        bool complete = true;
        if (type <= kLargestLength && type != 0)
            complete = skipLlc(packet, cursor);
        else if (type == 0x8864)
            complete = skipPppoe(packet, cursor);
        else if (type == 0x8847 || type == 0x8848)
            complete = skipLabels(packet, cursor);
        else if (type == kBridgedEthernet)
            complete = innerEthernet(packet, cursor, 0);
        else if (type == 0x88e7)
            complete = innerEthernet(packet, cursor, 4);
        else if (type == 0x894f)
            complete = skipServiceHeader(packet, cursor);
        else
            return true;
        if (!complete) return false;
    }
    return true;
}

} // namespace natlens::packet::detail
