// Link headers other than Ethernet's, after https://www.tcpdump.org/linktypes.html.
#include "capture/packet/decode_parts.h"

#include <algorithm>

namespace natlens::packet::detail {

namespace {

/// The IP header itself says which version it is.
bool decodeRaw(DecodedPacket &packet, const Cursor &cursor) {
    if (!cursor.has(1)) return false;
    const unsigned version = cursor.u8(0) >> 4;
    if (version == 4) packet.etherType = kEtherIpv4;
    if (version == 6) packet.etherType = kEtherIpv6;
    return true;
}

bool skip(Cursor &cursor, std::uint32_t bytes) {
    if (!cursor.has(bytes)) return false;
    cursor.offset += bytes;
    return true;
}

bool decodeSll(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(16)) return false;
    packet.sllPacketType = static_cast<std::uint8_t>(std::min<unsigned>(cursor.u16(0), 0xff));
    if (cursor.u16(4) == 6) std::memcpy(packet.srcMac.data(), cursor.at(6), 6);
    packet.etherType = cursor.u16(14);
    cursor.offset += 16;
    return true;
}

bool decodeSll2(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(20)) return false;
    packet.etherType = cursor.u16(0);
    packet.sllPacketType = cursor.u8(10);
    if (cursor.u8(11) == 6) std::memcpy(packet.srcMac.data(), cursor.at(12), 6);
    cursor.offset += 20;
    return true;
}

/// Linux writes numbers of its own below 1536 into a cooked header: 4 is LLC, 1 a frame without it.
bool finishCooked(DecodedPacket &packet, Cursor &cursor) {
    constexpr std::uint16_t kLlc = 4, kSmallestType = 0x0600;
    if (packet.etherType == kLlc) return skipLlc(packet, cursor) && skipTags(packet, cursor);
    return packet.etherType < kSmallestType || skipTags(packet, cursor);
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

/// Point-to-point lines that speak either PPP or Cisco's HDLC.
bool decodeHdlc(DecodedPacket &packet, Cursor &cursor, bool isPpp) {
    if (!cursor.has(4)) return false;
    const std::uint8_t address = cursor.u8(0);
    if (isPpp && address != 0x0f && address != 0x8f) return skipPpp(packet, cursor) && skipTags(packet, cursor);
    packet.etherType = cursor.u16(2);
    cursor.offset += 4;
    return skipTags(packet, cursor);
}

bool decodePflog(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(1)) return false;
    return skip(cursor, (cursor.u8(0) + 3U) & ~3U) && decodeRaw(packet, cursor);
}

/// The attributes are in the writer's byte order: little endian unless that makes no sense.
bool decodeNflog(DecodedPacket &packet, Cursor &cursor) {
    constexpr std::uint16_t kPayload = 9, kTypes = 64;
    if (!skip(cursor, 4)) return false;
    while (cursor.has(4)) {
        std::uint32_t length = base::swapBytes(cursor.u16(0)), type = base::swapBytes(cursor.u16(2));
        if (length < 4 || type >= kTypes) {
            length = cursor.u16(0);
            type = cursor.u16(2);
        }
        if (length < 4) break;
        if (type == kPayload) {
            cursor.offset += 4;
            return decodeRaw(packet, cursor);
        }
        if (!skip(cursor, (length + 3) & ~3U)) return false;
    }
    return true;
}

/// Source-routed frames (the top bit of the source address) have a routing field of stated length.
bool decodeRing(DecodedPacket &packet, Cursor &cursor, std::uint32_t before) {
    const std::uint32_t header = before + 12;
    if (!cursor.has(header)) return false;
    const bool isRouted = (cursor.u8(before + 6) & 0x80) != 0;
    cursor.offset += header;
    if (isRouted && (!cursor.has(1) || !skip(cursor, cursor.u8(0) & 0x1fU))) return false;
    return skipLlc(packet, cursor) && skipTags(packet, cursor);
}

/// IEEE 802.11: data frames that are not encrypted. `padded`: the header fills whole words.
bool decodeWireless(DecodedPacket &packet, Cursor &cursor, bool padded) {
    if (!cursor.has(2)) return false;
    const unsigned control = cursor.u8(0), flags = cursor.u8(1);
    constexpr unsigned kToDs = 1, kFromDs = 2, kProtected = 0x40, kOrder = 0x80, kQos = 0x80, kNoData = 0x40;
    const bool isData = (control & 0x0c) == 0x08 && (control & kNoData) == 0;
    if (!isData || (flags & kProtected) != 0) return true;
    const bool isQos = (control & kQos) != 0, between = (flags & (kToDs | kFromDs)) == (kToDs | kFromDs);
    std::uint32_t header = 24 + (between ? 6U : 0U) + (isQos ? 2U : 0U) + (isQos && (flags & kOrder) ? 4U : 0U);
    if (padded) header = (header + 3) & ~3U;
    if (!cursor.has(header)) return false;
    packet.hasMac = true;
    std::memcpy(packet.dstMac.data(), cursor.at((flags & kToDs) ? 16 : 4), 6);
    std::memcpy(packet.srcMac.data(), cursor.at(between ? 24 : (flags & kFromDs) ? 16 : 10), 6);
    cursor.offset += header;
    return skipLlc(packet, cursor) && skipTags(packet, cursor);
}

/// radiotap.org: a bit for each field, 31 of a word: another word follows. Fields are aligned to their own size. Of
/// interest are only the flags (bit 1), which say whether the 802.11 header is padded.
bool decodeRadiotap(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(8)) return false;
    const auto little32 = [&](std::uint32_t at) { return base::swapBytes(cursor.u32(at)); };
    const std::uint32_t length = base::swapBytes(cursor.u16(2)), present = little32(4);
    if (length < 8 || !cursor.has(length)) return length < 8;
    std::uint32_t at = 8;
    for (std::uint32_t word = present; (word >> 31) != 0 && at + 4 <= length; at += 4)
        word = little32(at);
    if (present & 1) at = ((at + 7) & ~7U) + 8; // the time comes before the flags
    const bool padded = (present & 2) != 0 && at < length && (cursor.u8(at) & 0x20) != 0;
    cursor.offset += length;
    return decodeWireless(packet, cursor, padded);
}

/// A header of its own, then a packet of the link type that it names; one level, as nobody writes two.
bool decodePpi(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(8)) return false;
    const std::uint32_t length = base::swapBytes(cursor.u16(2)), link = base::swapBytes(cursor.u32(4));
    if (length < 8) return true;
    if (!skip(cursor, length)) return false;
    if (link == 105) return decodeWireless(packet, cursor, false);
    if (link != 1) return true;
    packet.etherType = 0x6558; // as if bridged
    return skipTags(packet, cursor);
}

/// `before` bytes, then what `etherType` says.
bool decodePrefixed(DecodedPacket &packet, Cursor &cursor, std::uint32_t before, std::uint16_t etherType) {
    packet.etherType = etherType;
    return skip(cursor, before) && skipTags(packet, cursor);
}

} // namespace

bool decodeLink(DecodedPacket &packet, Cursor &cursor) {
    constexpr std::uint16_t kBridgedEthernet = 0x6558, kPppoe = 0x8864, kMpls = 0x8847;
    switch (packet.linkType) {
    case LinkType::ethernet: return decodePrefixed(packet, cursor, 0, kBridgedEthernet);
    case LinkType::linuxSll: return decodeSll(packet, cursor) && finishCooked(packet, cursor);
    case LinkType::linuxSll2: return decodeSll2(packet, cursor) && finishCooked(packet, cursor);
    case LinkType::null:
    case LinkType::loop: return decodeLoopback(packet, cursor);
    case LinkType::rawBsd:
    case LinkType::rawOpenBsd:
    case LinkType::rawIp:
    case LinkType::ipv4:
    case LinkType::ipv6: return decodeRaw(packet, cursor);
    case LinkType::ppp: return skipPpp(packet, cursor) && skipTags(packet, cursor);
    case LinkType::pppWithDirection: return skip(cursor, 1) && skipPpp(packet, cursor) && skipTags(packet, cursor);
    case LinkType::pppPppd: return skip(cursor, 2) && skipPpp(packet, cursor) && skipTags(packet, cursor);
    case LinkType::pppHdlc: return decodeHdlc(packet, cursor, true);
    case LinkType::ciscoHdlc: return decodeHdlc(packet, cursor, false);
    case LinkType::pppEthernet: return decodePrefixed(packet, cursor, 0, kPppoe);
    case LinkType::mpls: return decodePrefixed(packet, cursor, 0, kMpls);
    case LinkType::netAnalyzer: return decodePrefixed(packet, cursor, 4, kBridgedEthernet);
    case LinkType::netAnalyzerTransparent: return decodePrefixed(packet, cursor, 12, kBridgedEthernet);
    case LinkType::atmRfc1483: return skipLlc(packet, cursor) && skipTags(packet, cursor);
    case LinkType::ipOverFibreChannel: return skip(cursor, 16) && skipLlc(packet, cursor) && skipTags(packet, cursor);
    case LinkType::tokenRing: return decodeRing(packet, cursor, 2);
    case LinkType::fddi: return decodeRing(packet, cursor, 1);
    case LinkType::enc: return skip(cursor, 12) && decodeRaw(packet, cursor);
    case LinkType::ipnet: return skip(cursor, 24) && decodeRaw(packet, cursor);
    case LinkType::pflog: return decodePflog(packet, cursor);
    case LinkType::nflog: return decodeNflog(packet, cursor);
    case LinkType::ieee80211: return decodeWireless(packet, cursor, false);
    case LinkType::ieee80211Radiotap: return decodeRadiotap(packet, cursor);
    case LinkType::ppi: return decodePpi(packet, cursor);
    case LinkType::user0:
    case LinkType::netlink: break;
    }
    return true;
}

} // namespace natlens::packet::detail
