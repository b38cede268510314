// IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200), jumbograms (RFC 2675).
#include "capture/packet/decode_parts.h"

#include <algorithm>
#include <cstring>

namespace natlens::packet::detail {

namespace {

constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51, kNoNext = 59,
                       kDestination = 60, kMobility = 135, kHostIdentity = 139, kShim6 = 140;
constexpr int kMaxExtensions = 16;

bool failed(DecodedPacket &packet, DecodeIssue issue) {
    packet.issue = issue;
    return false;
}

/// IpAddress::fromBytes() in place, into an address that is none yet.
template<IpFamily family>
void setAddress(IpAddress &address, const std::byte *bytes) {
    address.family = family;
    std::memcpy(address.bytes.data(), bytes, family == IpFamily::v4 ? 4 : 16);
}

/// Limits the cursor to the length the IP header states. A stated length beyond the captured bytes is a cut packet; a
/// stated length of 0 is a super-packet (TSO, BIG TCP: more than 16 bits can say) that reaches to the end of the frame.
void limitTo(DecodedPacket &packet, Cursor &cursor, std::uint32_t stated) {
    packet.networkLength = stated != 0 ? stated : cursor.wireEnd - packet.networkOffset;
    cursor.wireEnd = packet.networkOffset + packet.networkLength;
    cursor.end = std::min(cursor.end, cursor.wireEnd);
}

bool decodeIpv4(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(20)) return failed(packet, DecodeIssue::truncatedNetwork);
    if (cursor.u8(0) >> 4 != 4) return failed(packet, DecodeIssue::unsupported);
    packet.family = IpFamily::v4;
    packet.trafficClass = cursor.u8(1);
    packet.ipId = cursor.u16(4);
    packet.ttl = cursor.u8(8);
    packet.tuple.protocol = static_cast<Protocol>(cursor.u8(9));
    setAddress<IpFamily::v4>(packet.tuple.src.ip, cursor.at(12));
    setAddress<IpFamily::v4>(packet.tuple.dst.ip, cursor.at(16));
    const std::uint16_t fragment = cursor.u16(6);
    packet.dontFragment = (fragment & 0x4000) != 0;
    packet.fragmentOffset = static_cast<std::uint16_t>((fragment & 0x1fff) * 8);
    packet.isFragment = packet.fragmentOffset != 0 || (fragment & 0x2000) != 0;

    const std::uint32_t headerLength = (cursor.u8(0) & 0x0fU) * 4;
    const std::uint32_t totalLength = cursor.u16(2);
    limitTo(packet, cursor, totalLength);
    if (headerLength < 20 || packet.networkLength < headerLength) return failed(packet, DecodeIssue::badHeaderLength);
    if (!cursor.has(headerLength)) return failed(packet, DecodeIssue::truncatedNetwork);
    cursor.offset += headerLength;
    return true;
}

/// The length in the jumbo payload option of a hop-by-hop header of `length` bytes at the cursor; 0 without one.
std::uint32_t jumboLength(const Cursor &cursor, std::uint32_t length) {
    std::uint32_t at = 2;
    while (at + 1 < length) {
        const std::uint8_t type = cursor.u8(at);
        if (type == 0) { // Pad1 has no length byte
            ++at;
            continue;
        }
        const std::uint32_t optionLength = cursor.u8(at + 1);
        if (at + 2 + optionLength > length) return 0;
        if (type == 0xc2 && optionLength == 4) return cursor.u32(at + 2);
        at += 2 + optionLength;
    }
    return 0;
}

/// False at a fragment header with a non-zero offset too: what follows is not a header.
bool skipExtensions(DecodedPacket &packet, Cursor &cursor, std::uint8_t next, bool lengthUnknown) {
    for (int count = 0; count <= kMaxExtensions; ++count) {
        packet.tuple.protocol = static_cast<Protocol>(next);
        std::uint32_t length = 8;
        switch (next) {
        case kHopByHop:
        case kRouting:
        case kDestination:
        case kMobility:
        case kHostIdentity:
        case kShim6:
        case kAuthentication:
            if (!cursor.has(2)) return failed(packet, DecodeIssue::truncatedNetwork);
            length = next == kAuthentication ? (cursor.u8(1) + 2U) * 4 : (cursor.u8(1) + 1U) * 8;
            break;
        case kFragment: break;
        default: return true;
        }
        if (!cursor.has(length)) return failed(packet, DecodeIssue::truncatedNetwork);
        if (next == kHopByHop && lengthUnknown) {
            const std::uint32_t jumbo = jumboLength(cursor, length);
            if (jumbo > 0 && jumbo < 0x10000000) limitTo(packet, cursor, jumbo + 40);
            lengthUnknown = false;
            if (!cursor.has(length)) return failed(packet, DecodeIssue::badHeaderLength);
        }
        if (next == kFragment) {
            const std::uint16_t offset = cursor.u16(2);
            packet.ipId = cursor.u16(6);
            packet.fragmentOffset = offset & 0xfff8;
            packet.isFragment = packet.fragmentOffset != 0 || (offset & 1) != 0;
        }
        const std::uint8_t following = cursor.u8(0);
        cursor.offset += length;
        if (next == kFragment && packet.fragmentOffset != 0) {
            packet.tuple.protocol = static_cast<Protocol>(following);
            return true;
        }
        next = following;
    }
    return failed(packet, DecodeIssue::badHeaderLength);
}

bool decodeIpv6(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(40)) return failed(packet, DecodeIssue::truncatedNetwork);
    if (cursor.u8(0) >> 4 != 6) return failed(packet, DecodeIssue::unsupported);
    packet.family = IpFamily::v6;
    packet.trafficClass = static_cast<std::uint8_t>(cursor.u16(0) >> 4);
    packet.ttl = cursor.u8(7);
    setAddress<IpFamily::v6>(packet.tuple.src.ip, cursor.at(8));
    setAddress<IpFamily::v6>(packet.tuple.dst.ip, cursor.at(24));

    const std::uint32_t payloadLength = cursor.u16(4);
    const std::uint8_t next = cursor.u8(6);
    const bool lengthUnknown = payloadLength == 0 && next != kNoNext;
    limitTo(packet, cursor, lengthUnknown ? 0 : payloadLength + 40);
    cursor.offset += 40;
    return skipExtensions(packet, cursor, next, lengthUnknown);
}

} // namespace

const DecodedPacket kUndecoded{};

bool decodeNetwork(DecodedPacket &packet, Cursor &cursor) {
    packet.networkOffset = cursor.offset;
    return packet.etherType == 0x0800 ? decodeIpv4(packet, cursor) : decodeIpv6(packet, cursor);
}

bool decodeQuoted(Tuple &tuple, const Cursor &at) {
    Cursor cursor = at;
    if (!cursor.has(1)) return false;
    DecodedPacket inner;
    inner.etherType = cursor.u8(0) >> 4 == 6 ? 0x86dd : 0x0800;
    const bool whole = decodeNetwork(inner, cursor);
    if (inner.tuple.dst.ip.isNone()) return false;
    tuple = inner.tuple;
    if (!whole || inner.fragmentOffset != 0) return true;

    switch (tuple.protocol) {
    case Protocol::tcp:
    case Protocol::udp:
    case Protocol::sctp:
        if (!cursor.has(4)) break;
        tuple.src.port = cursor.u16(0);
        tuple.dst.port = cursor.u16(2);
        break;
    case Protocol::icmp:
    case Protocol::icmpv6: {
        if (!cursor.has(6)) break;
        const unsigned type = cursor.u8(0);
        const bool echo = tuple.protocol == Protocol::icmp ? type == 8 || type == 0 : type == 128 || type == 129;
        if (echo) tuple.src.port = tuple.dst.port = cursor.u16(4);
        break;
    }
    default: break;
    }
    return true;
}

} // namespace natlens::packet::detail
