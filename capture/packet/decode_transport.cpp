// TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260), ICMP (RFC 792), ICMPv6 (RFC 4443).
#include "capture/base/hash.h"
#include "capture/packet/decode_parts.h"
#include "capture/packet/sctp_chunk.h"

namespace natlens::packet::detail {

namespace {

void setPayload(DecodedPacket &packet, const Cursor &cursor, std::uint32_t headerLength) {
    packet.payloadOffset = cursor.offset + headerLength;
    packet.payloadLength = cursor.wireEnd > packet.payloadOffset ? cursor.wireEnd - packet.payloadOffset : 0;
}

/// Source and destination port, which stand first in TCP, UDP and SCTP alike.
bool decodePorts(DecodedPacket &packet, const Cursor &cursor, std::uint32_t fixedHeader) {
    if (cursor.has(4)) {
        packet.tuple.src.port = cursor.u16(0);
        packet.tuple.dst.port = cursor.u16(2);
    }
    if (!cursor.has(fixedHeader)) {
        packet.issue = DecodeIssue::truncatedTransport;
        return false;
    }
    packet.transportOffset = cursor.offset;
    return true;
}

/// RFC 9293 section 3.2, RFC 7323 (window scale, timestamps). A malformed list ends where it stops making sense.
void decodeTcpOptions(DecodedPacket &packet, const Cursor &cursor, std::uint32_t headerLength) {
    constexpr std::uint8_t kEnd = 0, kNop = 1, kMss = 2, kWindowScale = 3, kTimestamps = 8;
    if (headerLength == 20) return;
    // Nearly all segments have two NOPs and a timestamp, as RFC 7323 (appendix A) recommends.
    constexpr std::uint32_t kRecommended = 0x0101'080a;
    if (headerLength == 32 && cursor.u32(20) == kRecommended) {
        constexpr auto kHash = static_cast<std::uint32_t>([] {
            const std::uint64_t hash = base::mix(base::mix(base::mix(1, kNop), kNop), kTimestamps);
            return hash ^ hash >> 32;
        }());
        packet.hasTcpTimestamp = true;
        packet.tcpTsVal = cursor.u32(24);
        packet.tcpTsEcr = cursor.u32(28);
        packet.tcpOptionsHash = kHash;
        return;
    }

    std::uint64_t hash = 1;
    std::uint32_t at = 20;
    while (at < headerLength) {
        const std::uint8_t kind = cursor.u8(at);
        if (kind == kEnd) break;
        if (kind == kNop) {
            hash = base::mix(hash, kNop);
            ++at;
            continue;
        }
        if (at + 1 >= headerLength) break;
        const std::uint32_t length = cursor.u8(at + 1);
        if (length < 2 || at + length > headerLength) break;
        std::uint64_t value = 0;
        if (kind == kMss && length == 4) value = cursor.u16(at + 2);
        if (kind == kWindowScale && length == 3) value = cursor.u8(at + 2);
        if (kind == kTimestamps && length == 10) {
            packet.hasTcpTimestamp = true;
            packet.tcpTsVal = cursor.u32(at + 2);
            packet.tcpTsEcr = cursor.u32(at + 6);
        }
        hash = base::mix(hash, kind | value << 8);
        at += length;
    }
    packet.tcpOptionsHash = static_cast<std::uint32_t>(hash ^ hash >> 32);
}

void decodeTcp(DecodedPacket &packet, const Cursor &cursor) {
    if (!decodePorts(packet, cursor, 20)) return;
    packet.tcpSeq = cursor.u32(4);
    packet.tcpAck = cursor.u32(8);
    packet.tcpFlags = cursor.u8(13);
    packet.tcpWindow = cursor.u16(14);
    const std::uint32_t headerLength = (cursor.u8(12) >> 4) * 4U;
    if (headerLength < 20) {
        packet.issue = DecodeIssue::badHeaderLength;
        return;
    }
    setPayload(packet, cursor, headerLength);
    if (!cursor.has(headerLength)) {
        packet.issue = DecodeIssue::truncatedTransport;
        return;
    }
    decodeTcpOptions(packet, cursor, headerLength);
}

void decodeUdp(DecodedPacket &packet, const Cursor &cursor) {
    if (!decodePorts(packet, cursor, 8)) return;
    setPayload(packet, cursor, 8);
    // The UDP length can only shorten; 0 is a jumbogram or a super-packet. In a fragment it counts the whole datagram.
    const std::uint32_t stated = cursor.u16(4);
    if (stated >= 8 && stated - 8 < packet.payloadLength) packet.payloadLength = stated - 8;
}

/// RFC 9260 section 3: of the first chunk, which is the only one where there is an INIT.
void decodeSctp(DecodedPacket &packet, const Cursor &cursor) {
    constexpr std::uint32_t kHeader = 12, kChunkHeader = 4;
    if (!decodePorts(packet, cursor, kHeader)) return;
    packet.sctpTag = cursor.u32(4);
    setPayload(packet, cursor, kHeader);
    if (!cursor.has(kHeader + kChunkHeader)) return;
    packet.sctpChunk = cursor.u8(kHeader);
    if (packet.sctpChunk == SctpChunk::data && cursor.has(kHeader + 8)) packet.sctpTsn = cursor.u32(kHeader + 4);
    if ((packet.sctpChunk == SctpChunk::init || packet.sctpChunk == SctpChunk::initAck) && cursor.has(kHeader + 20)) {
        packet.sctpInitiateTag = cursor.u32(kHeader + 4);
        packet.sctpTsn = cursor.u32(kHeader + 16);
    }
}

bool isIcmpError(Protocol protocol, std::uint8_t type) {
    if (protocol == Protocol::icmpv6) return type >= 1 && type <= 4;
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/// Messages with an identifier, by which conntrack tells one exchange from another.
bool hasIcmpIdentifier(Protocol protocol, std::uint8_t type) {
    if (protocol == Protocol::icmpv6) return type == 128 || type == 129;
    return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

void decodeIcmp(DecodedPacket &packet, const Cursor &cursor) {
    if (!cursor.has(8)) {
        packet.issue = DecodeIssue::truncatedTransport;
        return;
    }
    packet.transportOffset = cursor.offset;
    packet.icmpType = cursor.u8(0);
    packet.icmpCode = cursor.u8(1);
    setPayload(packet, cursor, 8);
    if (hasIcmpIdentifier(packet.tuple.protocol, packet.icmpType)) {
        packet.tuple.src.port = packet.tuple.dst.port = cursor.u16(4);
    } else if (isIcmpError(packet.tuple.protocol, packet.icmpType)) {
        Cursor inner = cursor;
        inner.offset += 8;
        packet.hasQuoted = decodeQuoted(packet.quoted, inner);
    }
}

} // namespace

void decodeTransport(DecodedPacket &packet, const Cursor &cursor) {
    if (packet.fragmentOffset != 0) {
        setPayload(packet, cursor, 0);
        return;
    }
    switch (packet.tuple.protocol) {
    case Protocol::tcp: decodeTcp(packet, cursor); break;
    case Protocol::udp: decodeUdp(packet, cursor); break;
    case Protocol::sctp: decodeSctp(packet, cursor); break;
    case Protocol::icmp:
    case Protocol::icmpv6: decodeIcmp(packet, cursor); break;
    default: setPayload(packet, cursor, 0); break;
    }
}

} // namespace natlens::packet::detail
