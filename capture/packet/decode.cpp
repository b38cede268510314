#include "capture/packet/decode.h"

#include "capture/packet/decode_parts.h"

#include <algorithm>
#include <limits>

namespace natlens::packet {

namespace {

using detail::Cursor;

bool decodeEthernet(DecodedPacket &packet, Cursor &cursor) {
    if (!cursor.has(14)) return false;
    packet.hasMac = true;
    std::memcpy(packet.dstMac.data(), cursor.at(0), 6);
    std::memcpy(packet.srcMac.data(), cursor.at(6), 6);
    packet.etherType = cursor.u16(12);
    cursor.offset += 14;
    return detail::isIp(packet.etherType) || detail::skipTags(packet, cursor);
}

} // namespace

DecodedPacket decode(LinkType linkType, std::span<const std::byte> captured, std::uint32_t originalLength) {
    DecodedPacket packet = detail::kUndecoded;
    packet.linkType = linkType;

    Cursor cursor;
    cursor.data = captured.data();
    cursor.end = static_cast<std::uint32_t>(
        std::min<std::size_t>(captured.size(), std::numeric_limits<std::uint32_t>::max() / 2));
    cursor.wireEnd = std::clamp(originalLength, cursor.end, std::numeric_limits<std::uint32_t>::max() / 2);

    const bool complete =
        linkType == LinkType::ethernet ? decodeEthernet(packet, cursor) : detail::decodeLink(packet, cursor);
    if (!complete) {
        packet.issue = DecodeIssue::truncatedLink;
        return packet;
    }
    if (!detail::isIp(packet.etherType)) {
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
