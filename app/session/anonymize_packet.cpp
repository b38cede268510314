#include "app/session/anonymize_packet.h"

#include "capture/packet/checksum.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace natlens::session {

using packet::IpAddress;
using packet::IpFamily;
using packet::LinkType;

namespace {

constexpr std::size_t kKeptPayload = 64;
/// Tunnels in tunnels, quotations in them: more than this nobody builds.
constexpr int kMaxDepth = 6;
constexpr unsigned kIpv4 = 0x0800, kArp = 0x0806, kIpv6 = 0x86dd, kBridged = 0x6558, kErspan2 = 0x88be,
                   kErspan3 = 0x22eb;
constexpr std::byte kNoOperation{1}; // of IPv4 and TCP options

bool isVlan(unsigned etherType) {
    return etherType == 0x8100 || etherType == 0x88a8 || etherType == 0x9100;
}

} // namespace

std::span<const std::byte> PacketAnonymizer::operator()(LinkType linkType, std::span<const std::byte> captured) {
    m_bytes.assign(captured.begin(), captured.end());
    m_depth = 0;
    m_bytes.resize(std::min(link(linkType, m_bytes.size()), m_bytes.size()));
    return m_bytes;
}

void PacketAnonymizer::zero(std::size_t from, std::size_t to, std::size_t end, std::byte value) {
    for (std::size_t i = from; i < std::min(to, end); ++i)
        m_bytes[i] = value;
}

void PacketAnonymizer::mapMac(std::size_t at) {
    packet::MacAddress mac{};
    std::memcpy(mac.data(), m_bytes.data() + at, mac.size());
    mac = std::as_const(m_addresses)(mac);
    std::memcpy(m_bytes.data() + at, mac.data(), mac.size());
}

void PacketAnonymizer::mapIp(IpFamily family, std::size_t at) {
    const IpAddress mapped = m_addresses(IpAddress::fromBytes(family, m_bytes.data() + at));
    std::memcpy(m_bytes.data() + at, mapped.bytes.data(), mapped.size());
}

std::size_t PacketAnonymizer::link(LinkType linkType, std::size_t end) {
    switch (linkType) {
    case LinkType::ethernet: return ethernet(0, end);
    case LinkType::null:
    case LinkType::loop: return end < 4 ? 0 : ip(4, end);
    case LinkType::rawBsd:
    case LinkType::rawIp:
    case LinkType::ipv4:
    case LinkType::ipv6: return ip(0, end);
    case LinkType::linuxSll:
        if (end < 16) return 0;
        mapMac(6);
        zero(12, 14, end);
        return byEtherType(u16(14), 16, end);
    case LinkType::linuxSll2:
        if (end < 20) return 0;
        mapMac(12);
        zero(18, 20, end);
        return byEtherType(u16(0), 20, end);
    default: return 0;
    }
}

std::size_t PacketAnonymizer::ethernet(std::size_t at, std::size_t end) {
    if (end < at + 14) return at;
    mapMac(at);
    mapMac(at + 6);
    return byEtherType(u16(at + 12), at + 14, end);
}

std::size_t PacketAnonymizer::byEtherType(unsigned etherType, std::size_t at, std::size_t end) {
    while (isVlan(etherType) && at + 4 <= end) {
        etherType = u16(at + 2);
        at += 4;
    }
    switch (etherType) {
    case kIpv4:
    case kIpv6: return ip(at, end);
    case kArp: return arp(at, end);
    default: return at;
    }
}

std::size_t PacketAnonymizer::arp(std::size_t at, std::size_t end) {
    constexpr std::size_t kSize = 28;
    if (end < at + kSize || u16(at) != 1 || u16(at + 2) != kIpv4 || u16(at + 4) != 0x0604) return at;
    mapMac(at + 8);
    mapIp(IpFamily::v4, at + 14);
    mapMac(at + 18);
    mapIp(IpFamily::v4, at + 24);
    return at + kSize;
}

std::size_t PacketAnonymizer::ip(std::size_t at, std::size_t end) {
    if (at >= end || ++m_depth > kMaxDepth) return at;
    const unsigned version = u8(at) >> 4;
    return version == 4 ? ipv4(at, end) : version == 6 ? ipv6(at, end) : at;
}

std::size_t PacketAnonymizer::ipv4(std::size_t at, std::size_t end) {
    const std::size_t header = (u8(at) & 0xf) * 4u;
    if (header < 20 || end < at + header) return at;
    const std::span<std::byte> bytes = std::span(m_bytes).subspan(at, header);
    const bool wasRight = packet::internetChecksum(bytes) == 0;
    mapIp(IpFamily::v4, at + 12);
    mapIp(IpFamily::v4, at + 16);
    zero(at + 20, at + header, end, kNoOperation);
    zero(at + 10, at + 12, end);
    if (wasRight) {
        const std::uint16_t checksum = packet::internetChecksum(bytes);
        m_bytes[at + 10] = std::byte(checksum >> 8);
        m_bytes[at + 11] = std::byte(checksum & 0xff);
    }
    // What lies behind the packet is padding; a length of 0 is a super-packet's.
    const std::size_t total = u16(at + 2);
    if (total >= header) end = std::min(end, at + total);
    if ((u16(at + 6) & 0x1fff) != 0) return payload(at + header, end);
    return transport(u8(at + 9), at + header, end);
}

std::size_t PacketAnonymizer::ipv6(std::size_t at, std::size_t end) {
    if (end < at + 40) return at;
    mapIp(IpFamily::v6, at + 8);
    mapIp(IpFamily::v6, at + 24);
    if (const std::size_t length = u16(at + 4); length != 0) end = std::min(end, at + 40 + length);
    unsigned next = u8(at + 6);
    at += 40;
    for (;;) {
        switch (next) {
        case 0:    // hop by hop
        case 43:   // routing
        case 60: { // destination: their options may hold addresses; zeros are padding
            if (end < at + 8) return at;
            const std::size_t size = 8 + u8(at + 1) * 8u;
            if (end < at + size) return at;
            zero(at + 2, at + size, end);
            next = u8(at);
            at += size;
            break;
        }
        case 44: { // fragment
            if (end < at + 8) return at;
            next = u8(at);
            const bool later = (u16(at + 2) & 0xfff8) != 0;
            at += 8;
            if (later) return payload(at, end);
            break;
        }
        default: return transport(next, at, end);
        }
    }
}

std::size_t PacketAnonymizer::transport(unsigned protocol, std::size_t at, std::size_t end) {
    switch (protocol) {
    case 1: return icmp(at, end);
    case 4:
    case 41: return ip(at, end);
    case 6: return tcp(at, end);
    case 17: return udp(at, end);
    case 47: return gre(at, end);
    case 58: return icmpv6(at, end);
    case 132: return sctp(at, end);
    default: return payload(at, end);
    }
}

std::size_t PacketAnonymizer::tcp(std::size_t at, std::size_t end) {
    zero(at + 16, at + 18, end);
    if (end < at + 20) return end; // quoted by an ICMP error, or cut: ports and sequence numbers
    const std::size_t header = (u8(at + 12) >> 4) * 4u;
    if (header < 20) return at + 20;
    const std::size_t options = std::min(end, at + header);
    for (std::size_t i = at + 20; i < options;) {
        const unsigned kind = u8(i);
        if (kind == 0) {
            zero(i, options, end);
            break;
        }
        if (kind == 1) {
            ++i;
            continue;
        }
        const std::size_t size = i + 1 < options ? u8(i + 1) : 0;
        // Maximum segment size, window scale, selective acknowledgements, time stamps; others may name addresses or
        // keys.
        const bool harmless = kind == 2 || kind == 3 || kind == 4 || kind == 5 || kind == 8;
        const bool whole = size >= 2 && i + size <= options;
        if (!harmless || !whole) zero(i, whole ? i + size : options, end, kNoOperation);
        i = whole ? i + size : options;
    }
    return options < at + header ? options : payload(options, end);
}

std::size_t PacketAnonymizer::udp(std::size_t at, std::size_t end) {
    constexpr unsigned kVxlan = 4789, kVxlanOfOld = 8472, kGeneve = 6081;
    if (end < at + 8) return end;
    zero(at + 6, at + 8, end);
    const unsigned port = u16(at + 2);
    const std::size_t inner = at + 8;
    if ((port == kVxlan || port == kVxlanOfOld) && end >= inner + 8) {
        zero(inner + 1, inner + 4, end); // group policy
        zero(inner + 7, inner + 8, end);
        return ++m_depth > kMaxDepth ? inner + 8 : ethernet(inner + 8, end);
    }
    if (port == kGeneve && end >= inner + 8) {
        const std::size_t header = 8 + (u8(inner) & 0x3f) * 4u;
        if (end < inner + header) return inner;
        zero(inner + 8, inner + header, end);
        const unsigned type = u16(inner + 2);
        if (type != kBridged) return byEtherType(type, inner + header, end);
        return ++m_depth > kMaxDepth ? inner + header : ethernet(inner + header, end);
    }
    return payload(inner, end);
}

std::size_t PacketAnonymizer::icmp(std::size_t at, std::size_t end) {
    zero(at + 2, at + 4, end);
    if (end < at + 8) return std::min(end, at + 4);
    const unsigned type = u8(at);
    if (type == 5) mapIp(IpFamily::v4, at + 4);
    const bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
    return error ? ip(at + 8, end) : payload(at + 8, end);
}

std::size_t PacketAnonymizer::icmpv6(std::size_t at, std::size_t end) {
    zero(at + 2, at + 4, end);
    if (end < at + 8) return std::min(end, at + 4);
    const unsigned type = u8(at);
    if (type < 128) return ip(at + 8, end);
    if (type == 128 || type == 129) return payload(at + 8, end);
    constexpr unsigned kSolicitation = 135, kAdvertisement = 136;
    if ((type == kSolicitation || type == kAdvertisement) && end >= at + 24) {
        mapIp(IpFamily::v6, at + 8);
        return at + 24;
    }
    return at + 8;
}

std::size_t PacketAnonymizer::sctp(std::size_t at, std::size_t end) {
    zero(at + 8, at + 12, end);
    if (end < at + 16) return std::min(end, at + 12);
    const unsigned chunk = u8(at + 12);
    constexpr unsigned kData = 0, kInit = 1, kInitAck = 2;
    if (chunk == kData) return end < at + 28 ? end : payload(at + 28, end);
    // Its parameters name the addresses of both ends.
    if (chunk == kInit || chunk == kInitAck) return std::min(end, at + 32);
    return at + 16;
}

std::size_t PacketAnonymizer::gre(std::size_t at, std::size_t end) {
    if (end < at + 4) return at;
    const unsigned flags = u16(at), type = u16(at + 2);
    if ((flags & 7) != 0) return at + 4; // version 1 carries PPP
    std::size_t header = 4;
    if (flags & 0x8000) {
        zero(at + 4, at + 8, end);
        header += 4;
    }
    header += (flags & 0x2000 ? 4u : 0u) + (flags & 0x1000 ? 4u : 0u);
    if (end < at + header) return at + 4;
    std::size_t frame = at + header;
    if (type == kErspan2 && (flags & 0x1000)) frame += 8;
    if (type == kErspan3 && end >= frame + 12) frame += 12 + (u8(frame + 11) & 1 ? 8u : 0u);
    if (type == kBridged || type == kErspan2 || type == kErspan3)
        return frame > end || ++m_depth > kMaxDepth ? at + header : ethernet(frame, end);
    return byEtherType(type, frame, end);
}

/// Each eight bytes become a hash of all up to there: what began alike begins alike.
std::size_t PacketAnonymizer::payload(std::size_t at, std::size_t end) {
    if (at >= end) return std::min(at, end);
    const std::size_t kept = std::min(end - at, kKeptPayload);
    std::array<std::byte, kKeptPayload> original;
    std::memcpy(original.data(), m_bytes.data() + at, kept);
    for (std::size_t done = 0; done < kept;) {
        const std::size_t size = std::min<std::size_t>(8, kept - done);
        const std::uint64_t hash = m_hash(std::span(original).first(done + size));
        std::memcpy(m_bytes.data() + at + done, &hash, size);
        done += size;
    }
    return at + kept;
}

} // namespace natlens::session
