#include "proxycore/engine/packet_fields.h"

#include "capture/packet/decode.h"

namespace natlens::proxycore {

namespace {

constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51, kDestination = 60;
constexpr int kMaxExtensions = 16;

std::uint8_t byteAt(const std::byte *bytes, std::uint32_t offset) {
    return base::loadByte(bytes + offset);
}

bool readV4(std::span<std::byte> packet, Completeness completeness, PacketFields &fields) {
    if (packet.size() < 20) return false;
    const std::byte *bytes = packet.data();
    const std::uint32_t header = (byteAt(bytes, 0) & 0x0fU) * 4;
    std::uint32_t length = base::loadBig16(bytes + 2);
    if (header < 20 || length < header) return false;
    if (length > packet.size()) {
        if (completeness == Completeness::whole || packet.size() < header) return false;
        length = static_cast<std::uint32_t>(packet.size());
    }
    fields.bytes = packet.data();
    fields.length = length;
    fields.transport = header;
    fields.family = IpFamily::v4;
    fields.protocol = static_cast<Protocol>(byteAt(bytes, 9));
    const std::uint16_t fragment = base::loadBig16(bytes + 6);
    fields.moreFragments = (fragment & 0x2000) != 0;
    fields.fragmentOffset = static_cast<std::uint16_t>((fragment & 0x1fff) * 8);
    fields.isFragment = fields.moreFragments || fields.fragmentOffset != 0;
    fields.fragmentId = base::loadBig16(bytes + 4);
    return true;
}

bool readV6(std::span<std::byte> packet, Completeness completeness, PacketFields &fields) {
    if (packet.size() < 40) return false;
    const std::byte *bytes = packet.data();
    std::size_t length = 40U + base::loadBig16(bytes + 4);
    if (length > packet.size()) {
        if (completeness == Completeness::whole) return false;
        length = packet.size();
    }
    fields = {
        .bytes = packet.data(), .length = static_cast<std::uint32_t>(length), .transport = 40, .family = IpFamily::v6};
    std::uint8_t next = byteAt(bytes, 6);
    for (int count = 0; count < kMaxExtensions && !fields.isLaterFragment(); ++count) {
        const bool isExtension = next == kHopByHop || next == kRouting || next == kFragment ||
                                 next == kAuthentication || next == kDestination;
        if (!isExtension) break;
        if (fields.transportLength() < 8) return false;
        const std::byte *header = bytes + fields.transport;
        std::uint32_t size = 8 * (byteAt(header, 1) + 1U);
        if (next == kAuthentication) size = 4 * (byteAt(header, 1) + 2U);
        if (next == kFragment) {
            size = 8;
            const std::uint16_t fragment = base::loadBig16(header + 2);
            fields.moreFragments = (fragment & 1) != 0;
            fields.fragmentOffset = fragment & 0xfff8;
            fields.isFragment = fields.moreFragments || fields.fragmentOffset != 0;
            fields.fragmentId = base::loadBig32(header + 4);
        }
        if (size > fields.transportLength()) return false;
        next = byteAt(header, 0);
        fields.transport += size;
    }
    fields.protocol = static_cast<Protocol>(next);
    return true;
}

TupleKind readIcmp(const PacketFields &fields, TupleKey &key) {
    if (fields.transportLength() < 8) return TupleKind::invalid;
    const std::uint8_t type = base::loadByte(fields.at(0));
    if (icmpAnswer(fields.protocol, type)) {
        key.srcPort = base::loadNative<std::uint16_t>(fields.at(4));
        key.dstPort = base::loadNative<std::uint16_t>(fields.at(0));
        return TupleKind::connection;
    }
    if (fields.protocol == Protocol::icmpv6) {
        if (type < 128) return TupleKind::icmpError;
        // Multicast listeners and neighbours talk on the link only; connection tracking leaves them alone.
        return (type >= 130 && type <= 137) || type == 143 ? TupleKind::untracked : TupleKind::invalid;
    }
    const bool isError = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
    return isError ? TupleKind::icmpError : TupleKind::invalid;
}

} // namespace

std::optional<std::uint8_t> icmpAnswer(Protocol protocol, std::uint8_t type) {
    if (protocol == Protocol::icmpv6) {
        if (type == 128 || type == 129) return static_cast<std::uint8_t>(type ^ 1);
        if (type == 139 || type == 140) return static_cast<std::uint8_t>(279 - type);
        return std::nullopt;
    }
    if (type == 0 || type == 8) return static_cast<std::uint8_t>(8 - type);
    if (type >= 13 && type <= 18) return static_cast<std::uint8_t>(((type - 1) ^ 1) + 1);
    return std::nullopt;
}

bool isIcmpQuery(Protocol protocol, std::uint8_t type) {
    if (protocol == Protocol::icmpv6) return type == 128 || type == 139;
    return type == 8 || type == 13 || type == 15 || type == 17;
}

bool readFields(std::span<std::byte> packet, Completeness completeness, PacketFields &fields) {
    if (packet.empty()) return false;
    const unsigned version = base::loadByte(packet.data()) >> 4;
    if (version == 4) return readV4(packet, completeness, fields);
    if (version == 6) return readV6(packet, completeness, fields);
    return false;
}

TupleKind readTuple(const PacketFields &fields, TupleKey &key) {
    const std::byte *bytes = fields.bytes;
    key.family = fields.family;
    key.protocol = fields.protocol;
    if (fields.family == IpFamily::v4) {
        key.src[0] = base::loadNative<std::uint32_t>(bytes + 12);
        key.dst[0] = base::loadNative<std::uint32_t>(bytes + 16);
    } else {
        std::memcpy(key.src, bytes + 8, 16);
        std::memcpy(key.dst, bytes + 24, 16);
    }
    switch (fields.protocol) {
    case Protocol::tcp:
    case Protocol::udp:
    case Protocol::sctp:
        if (fields.transportLength() < 8) return TupleKind::invalid;
        key.setRest(base::loadNative<std::uint32_t>(fields.at(0)), fields.protocol, fields.family);
        return TupleKind::connection;
    case Protocol::icmp: return fields.family == IpFamily::v4 ? readIcmp(fields, key) : TupleKind::connection;
    case Protocol::icmpv6: return fields.family == IpFamily::v6 ? readIcmp(fields, key) : TupleKind::connection;
    default: return TupleKind::connection;
    }
}

} // namespace natlens::proxycore
