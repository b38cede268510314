#include "capture/packet/tunnel.h"

#include "capture/packet/decode_parts.h"

#include <algorithm>

namespace natlens::packet {

namespace {

using detail::Cursor;

constexpr std::uint16_t kBridgedEthernet = 0x6558, kMpls = 0x8847, kMplsMulticast = 0x8848, kErspan2 = 0x88be,
                        kErspan3 = 0x22eb, kPpp = 0x880b;
constexpr unsigned kMaxDepth = 4;

/// What a tunnel header says: its length, and what follows.
struct Header {
    TunnelType type;
    std::uint32_t length = 0;
    LinkType follows = LinkType::ethernet;
    std::optional<std::uint32_t> id = {};
};

std::optional<LinkType> linkOf(std::uint16_t etherType) {
    switch (etherType) {
    case detail::kEtherIpv4:
    case detail::kEtherIpv6: return LinkType::rawIp;
    case kBridgedEthernet: return LinkType::ethernet;
    case kMpls:
    case kMplsMulticast: return LinkType::mpls;
    default: return std::nullopt;
    }
}

std::optional<Header> vxlan(const Cursor &cursor) {
    // All other bits are reserved and zero, but for that of group policies (0x80) and what belongs to it. Receivers should
    // not mind them; who looks from outside has little else to tell a tunnel from any datagram to that port.
    constexpr std::uint8_t kHasNetwork = 0x08, kGroupPolicy = 0x80;
    if (!cursor.has(8) || (cursor.u8(0) & ~kGroupPolicy) != kHasNetwork || cursor.u8(7) != 0) return std::nullopt;
    return Header{TunnelType::vxlan, 8, LinkType::ethernet, cursor.u32(4) >> 8};
}

std::optional<Header> geneve(const Cursor &cursor) {
    if (!cursor.has(8) || cursor.u8(0) >> 6 != 0) return std::nullopt;
    const auto follows = linkOf(cursor.u16(2));
    const std::uint32_t options = (cursor.u8(0) & 0x3fU) * 4;
    if (!follows) return std::nullopt;
    return Header{TunnelType::geneve, 8 + options, *follows, cursor.u32(4) >> 8};
}

/// PPTP's version 1: key and the numbers that the flags announce, then PPP. A mere acknowledgement carries nothing.
std::optional<Header> pptp(const Cursor &cursor) {
    constexpr std::uint16_t kSequence = 0x1000, kAcknowledgement = 0x0080;
    const std::uint16_t flags = cursor.u16(0);
    if (cursor.u16(2) != kPpp || !cursor.has(8) || (flags & kSequence) == 0) return std::nullopt;
    const std::uint32_t length = 12 + ((flags & kAcknowledgement) ? 4U : 0U);
    return Header{TunnelType::gre, length, LinkType::ppp, cursor.u16(6)};
}

/// ERSPAN's own header behind GRE's, `length` bytes long: type I has none, II and III one of 8 and of 12 or 20 bytes.
std::optional<Header> erspan(const Cursor &cursor, std::uint32_t length, std::uint16_t protocol, bool hasSequence) {
    if (protocol == kErspan2 && !hasSequence) return Header{TunnelType::erspan, length, LinkType::ethernet};
    const std::uint32_t own = protocol == kErspan2 ? 8 : 12;
    if (!cursor.has(length + own)) return std::nullopt;
    const std::uint32_t session = cursor.u16(length + 2) & 0x3ffU;
    const bool hasPlatform = protocol == kErspan3 && (cursor.u8(length + 11) & 1) != 0;
    return Header{TunnelType::erspan, length + own + (hasPlatform ? 8U : 0U), LinkType::ethernet, session};
}

std::optional<Header> gre(const Cursor &cursor) {
    constexpr std::uint16_t kChecksum = 0x8000, kRouting = 0x4000, kKey = 0x2000, kSequence = 0x1000, kVersion = 7;
    if (!cursor.has(4)) return std::nullopt;
    const std::uint16_t flags = cursor.u16(0), protocol = cursor.u16(2);
    if ((flags & kVersion) == 1) return pptp(cursor);
    if ((flags & (kVersion | kRouting)) != 0) return std::nullopt;

    Header header{TunnelType::gre, 4};
    if (flags & kChecksum) header.length += 4;
    if (flags & kKey) {
        if (!cursor.has(header.length + 4)) return std::nullopt;
        header.id = cursor.u32(header.length);
        header.length += 4;
    }
    if (flags & kSequence) header.length += 4;
    if (protocol == kErspan2 || protocol == kErspan3)
        return erspan(cursor, header.length, protocol, (flags & kSequence) != 0);
    const auto follows = linkOf(protocol);
    if (!follows) return std::nullopt;
    header.follows = *follows;
    return header;
}

std::optional<Header> headerOf(const DecodedPacket &outer, const Cursor &cursor) {
    switch (outer.tuple.protocol) {
    case Protocol::ipip:
    case Protocol::ipv6: return Header{TunnelType::ipInIp, 0, LinkType::rawIp};
    case Protocol::gre: return gre(cursor);
    case Protocol::udp: return outer.tuple.dst.port == 6081 ? geneve(cursor) : vxlan(cursor);
    default: return std::nullopt;
    }
}

} // namespace

std::string toString(const Encapsulation &around) {
    switch (around.type) {
    case TunnelType::vxlan: return "VXLAN";
    case TunnelType::geneve: return "Geneve";
    case TunnelType::gre: return "GRE";
    case TunnelType::erspan: return "ERSPAN";
    case TunnelType::ipInIp: break;
    }
    const bool outerIsV6 = around.tuple.src.ip.isV6();
    if (around.innerIsV6) return outerIsV6 ? "6in6" : "6in4";
    return outerIsV6 ? "4in6" : "IPIP";
}

std::optional<Carried> carried(const DecodedPacket &outer, std::span<const std::byte> captured) {
    if (!mayCarry(outer) || outer.fragmentOffset != 0) return std::nullopt;
    const std::span<const std::byte> inside = payload(outer, captured);
    const auto size = static_cast<std::uint32_t>(inside.size());
    const Cursor cursor{inside.data(), 0, size, std::max(size, outer.payloadLength)};
    const auto header = headerOf(outer, cursor);
    if (!header || header->length >= size) return std::nullopt;

    Carried result;
    result.around = {header->type, header->id, outer.tuple, outer.ttl, false};
    result.linkType = header->follows;
    result.bytes = inside.subspan(header->length);
    result.originalLength = outer.payloadLength - header->length;
    return result;
}

Unwrapped unwrap(const DecodedPacket &outer, std::span<const std::byte> captured) {
    Unwrapped result{outer, captured, std::nullopt, 0};
    while (result.depth < kMaxDepth) {
        auto next = carried(result.packet, result.bytes);
        if (!next) break;
        const DecodedPacket inner = decode(next->linkType, next->bytes, next->originalLength);
        // Any datagram to these ports may look like a tunnel: what is inside has to be a packet. Without IP (ARP) it is
        // one only where a whole Ethernet header says so, and then there is nothing to follow.
        const bool isPacket = inner.family != IpFamily::none ||
                              (next->linkType == LinkType::ethernet && inner.issue == DecodeIssue::unsupported);
        if (!isPacket) break;
        next->around.innerIsV6 = inner.family == IpFamily::v6;
        result = {inner, next->bytes, next->around, result.depth + 1};
    }
    return result;
}

} // namespace natlens::packet
