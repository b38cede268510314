#include "capture/packet/rewrite.h"

#include "capture/packet/checksum.h"
#include "capture/packet/decode_parts.h"

#include <algorithm>
#include <cstring>

namespace natlens::packet {

namespace {

using base::ErrorCode;

/// Offsets of the fields of one IP packet, whether it stands by itself or is quoted. 0: not there.
struct Layout {
    IpFamily family = IpFamily::none;
    Protocol protocol = Protocol::none;
    std::uint32_t network = 0;
    std::uint32_t ports = 0;          ///< source port; for ICMP echo 0
    std::uint32_t identifier = 0;     ///< ICMP echo
    std::uint32_t headerChecksum = 0; ///< IPv4 only
    std::uint32_t transportChecksum = 0;
    bool coversAddresses = false; ///< the transport checksum includes the pseudo header
    std::uint32_t enclosing = 0;  ///< checksum of the ICMP message around a quoted packet
};

/// Stores words and keeps every checksum that covers them right.
class Patch {
public:
    Patch(std::span<std::byte> bytes, const Layout &layout)
        : m_bytes(bytes)
        , m_layout(layout) {}

    void word(std::uint32_t at, std::uint16_t value, bool inHeader, bool inTransport) {
        const std::uint16_t old = load(at);
        store(at, value);
        if (inHeader && m_layout.headerChecksum != 0) follow(m_layout.headerChecksum, old, value);
        if (inTransport && m_layout.transportChecksum != 0) followTransport(old, value);
        if (m_layout.enclosing != 0) adjust(m_layout.enclosing, old, value);
    }

    void address(std::uint32_t at, const IpAddress &address) {
        for (std::uint32_t i = 0; i < address.size(); i += 2)
            word(at + i, base::loadBig16(address.bytes.data() + i), true, m_layout.coversAddresses);
    }

private:
    [[nodiscard]] std::uint16_t load(std::uint32_t at) const { return base::loadBig16(m_bytes.data() + at); }
    void store(std::uint32_t at, std::uint16_t value) { base::storeBig16(m_bytes.data() + at, value); }
    void adjust(std::uint32_t at, std::uint16_t old, std::uint16_t value) {
        store(at, updateChecksum(load(at), old, value));
    }
    /// A checksum inside a quoted packet is itself covered by the ICMP checksum around it.
    void follow(std::uint32_t at, std::uint16_t old, std::uint16_t value) {
        const std::uint16_t before = load(at);
        adjust(at, old, value);
        if (m_layout.enclosing != 0) adjust(m_layout.enclosing, before, load(at));
    }
    void followTransport(std::uint16_t old, std::uint16_t value) {
        const std::uint32_t at = m_layout.transportChecksum;
        if (m_layout.protocol != Protocol::udp) return follow(at, old, value);
        const std::uint16_t before = load(at);
        if (before == 0) return; // no checksum: RFC 768
        const std::uint16_t after = updateChecksum(before, old, value);
        store(at, after == 0 ? std::uint16_t{0xffff} : after);
        if (m_layout.enclosing != 0) adjust(m_layout.enclosing, before, load(at));
    }

    std::span<std::byte> m_bytes;
    const Layout &m_layout;
};

bool isEcho(Protocol protocol, std::uint8_t type) {
    return protocol == Protocol::icmp ? type == 0 || type == 8 : type == 128 || type == 129;
}

/// The fields at the transport header, as far as the bytes reach.
void locateTransport(Layout &layout, const detail::Cursor &cursor) {
    std::uint32_t checksum = 0;
    switch (layout.protocol) {
    case Protocol::tcp: checksum = 16; break;
    case Protocol::udp: checksum = 6; break;
    case Protocol::sctp: break;
    case Protocol::icmp:
    case Protocol::icmpv6:
        if (cursor.has(6) && isEcho(layout.protocol, cursor.u8(0))) layout.identifier = cursor.offset + 4;
        checksum = 2;
        break;
    default: return;
    }
    const bool isIcmp = layout.protocol == Protocol::icmp || layout.protocol == Protocol::icmpv6;
    if (!isIcmp && cursor.has(4)) layout.ports = cursor.offset;
    if (checksum != 0 && cursor.has(checksum + 2)) layout.transportChecksum = cursor.offset + checksum;
    layout.coversAddresses = layout.protocol != Protocol::icmp && layout.protocol != Protocol::sctp;
}

std::optional<Layout> locate(std::span<const std::byte> bytes, std::uint32_t network, bool isV6) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    detail::Cursor cursor{bytes.data(), network, size, size};
    DecodedPacket packet;
    packet.etherType = isV6 ? 0x86dd : 0x0800;
    const bool reachesTransport = detail::decodeNetwork(packet, cursor);
    if (packet.family == IpFamily::none) return std::nullopt;

    Layout layout;
    layout.family = packet.family;
    layout.protocol = packet.tuple.protocol;
    layout.network = network;
    if (!isV6) layout.headerChecksum = network + 10;
    if (reachesTransport && packet.fragmentOffset == 0) locateTransport(layout, cursor);
    return layout;
}

void apply(std::span<std::byte> bytes, const Layout &layout, const Translation &translation) {
    Patch patch(bytes, layout);
    const bool isV6 = layout.family == IpFamily::v6;
    const std::uint32_t addressSize = isV6 ? 16 : 4;
    const std::uint32_t addresses = layout.network + (isV6 ? 8 : 12);
    if (translation.srcIp) patch.address(addresses, *translation.srcIp);
    if (translation.dstIp) patch.address(addresses + addressSize, *translation.dstIp);
    if (translation.ttl) { // a checksum covers words: TTL shares one with the protocol, hop limit with next header
        const std::uint32_t at = layout.network + (isV6 ? 6 : 8);
        const auto other = base::loadByte(bytes.data() + at + (isV6 ? 0 : 1));
        const unsigned value = isV6 ? other << 8 | *translation.ttl : *translation.ttl << 8 | other;
        patch.word(at, static_cast<std::uint16_t>(value), true, false);
    }
    if (layout.ports != 0) {
        if (translation.srcPort) patch.word(layout.ports, *translation.srcPort, false, true);
        if (translation.dstPort) patch.word(layout.ports + 2, *translation.dstPort, false, true);
    }
    if (layout.identifier != 0) {
        const auto identifier = translation.dstPort ? translation.dstPort : translation.srcPort;
        if (identifier) patch.word(layout.identifier, *identifier, false, true);
    }
}

base::Status checkFamilies(const Layout &layout, const Translation &translation) {
    for (const auto &address : {translation.srcIp, translation.dstIp})
        if (address && address->family != layout.family)
            return base::fail(ErrorCode::invalidInput, "the new address is of the other IP family", "rewrite packet",
                              address->toString());
    return {};
}

void renewSctpChecksum(const DecodedPacket &decoded, std::span<std::byte> packet) {
    const std::size_t end = std::size_t{decoded.networkOffset} + decoded.networkLength;
    if (decoded.tuple.protocol != Protocol::sctp || decoded.transportOffset == 0 || decoded.isFragment ||
        end > packet.size())
        return;
    const auto segment = packet.subspan(decoded.transportOffset, end - decoded.transportOffset);
    std::memset(segment.data() + 8, 0, 4);
    const std::uint32_t crc = crc32c(segment);
    base::storeBig32(segment.data() + 8, base::swapBytes(crc));
}

base::Status noHeader() {
    return base::fail(ErrorCode::invalidInput, "the packet has no IP header to change", "rewrite packet");
}

} // namespace

base::Status rewrite(LinkType linkType, std::span<std::byte> packet, const Translation &translation) {
    const DecodedPacket decoded = decode(linkType, packet);
    if (decoded.family == IpFamily::none) return noHeader();
    const auto layout = locate(packet, decoded.networkOffset, decoded.family == IpFamily::v6);
    if (!layout) return noHeader();
    if (auto status = checkFamilies(*layout, translation); !status) return status;
    apply(packet, *layout, translation);
    renewSctpChecksum(decoded, packet);
    return {};
}

base::Status rewriteQuoted(LinkType linkType, std::span<std::byte> packet, const Translation &translation) {
    const DecodedPacket decoded = decode(linkType, packet);
    // Only what the outer packet contains is covered by its checksum; padding of the frame is not.
    const std::size_t end = std::min(packet.size(), std::size_t{decoded.networkOffset} + decoded.networkLength);
    auto layout = decoded.hasQuoted ? locate(packet.first(end), decoded.payloadOffset, decoded.quoted.src.ip.isV6())
                                    : std::nullopt;
    if (!layout)
        return base::fail(ErrorCode::invalidInput, "the packet is no ICMP error that quotes another", "rewrite packet");
    layout->enclosing = decoded.transportOffset + 2;
    if (auto status = checkFamilies(*layout, translation); !status) return status;
    apply(packet, *layout, translation);
    return {};
}

} // namespace natlens::packet
