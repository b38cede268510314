#include "proxycore/engine/nat_rewrite.h"

#include "capture/packet/checksum.h"

namespace natlens::proxycore {

namespace {

std::uint16_t fold(std::uint64_t sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

std::uint16_t sumOf(const std::uint64_t (&words)[2]) {
    return fold(fold(words[0]) + std::uint64_t{fold(words[1])});
}

/// new - old in one's complement.
std::uint16_t difference(std::uint16_t newSum, std::uint16_t oldSum) {
    return fold(std::uint64_t{newSum} + static_cast<std::uint16_t>(~oldSum));
}

/// Adds a difference to what the checksum at `field` covers. One's complement sums do not mind the byte order.
void adjust(std::byte *field, std::uint16_t delta, bool isUdp = false) {
    const auto checksum = base::loadNative<std::uint16_t>(field);
    if (isUdp && checksum == 0) return; // none: RFC 768
    auto changed = static_cast<std::uint16_t>(~fold(std::uint64_t{static_cast<std::uint16_t>(~checksum)} + delta));
    if (isUdp && changed == 0) changed = 0xffff;
    std::memcpy(field, &changed, 2);
}

/// Offset of the checksum in the transport header; 0: none that can be adjusted.
std::uint32_t checksumOffset(Protocol protocol, IpFamily family) {
    switch (protocol) {
    case Protocol::tcp: return 16;
    case Protocol::udp: return 6;
    case Protocol::icmp: return family == IpFamily::v4 ? 2 : 0;
    case Protocol::icmpv6: return family == IpFamily::v6 ? 2 : 0;
    default: return 0;
    }
}

void storeAddresses(const PacketFields &fields, const std::uint64_t (&src)[2], const std::uint64_t (&dst)[2]) {
    const bool isV4 = fields.family == IpFamily::v4;
    const std::size_t size = isV4 ? 4 : 16;
    std::byte *at = fields.bytes + (isV4 ? 12 : 8);
    std::memcpy(at, src, size);
    std::memcpy(at + size, dst, size);
}

/// Ports or identifier, where the protocol has them and the bytes are there.
void storePorts(const PacketFields &fields, std::uint16_t src, std::uint16_t dst) {
    switch (fields.protocol) {
    case Protocol::tcp:
    case Protocol::udp:
    case Protocol::sctp:
        if (fields.transportLength() < 4) return;
        std::memcpy(fields.at(0), &src, 2);
        std::memcpy(fields.at(2), &dst, 2);
        return;
    case Protocol::icmp:
    case Protocol::icmpv6:
        if (checksumOffset(fields.protocol, fields.family) != 0 && fields.transportLength() >= 8)
            std::memcpy(fields.at(4), &src, 2);
        return;
    default: return;
    }
}

void renewSctpChecksum(const PacketFields &fields) {
    if (fields.transportLength() < 12) return;
    std::memset(fields.at(8), 0, 4);
    const std::uint32_t crc = packet::crc32c({fields.at(0), fields.transportLength()});
    base::storeBig32(fields.at(8), base::swapBytes(crc)); // least significant byte first
}

std::uint16_t signedFor(unsigned direction, std::uint16_t delta) {
    return direction == 0 ? delta : static_cast<std::uint16_t>(~delta);
}

/// What the packet of `direction` must become: the answer to the other direction's tuple.
struct Target {
    const std::uint64_t (&src)[2];
    const std::uint64_t (&dst)[2];
    std::uint16_t srcPort, dstPort;
};
Target targetOf(const Connection &connection, unsigned direction) {
    const TupleKey &other = connection.tuple(1 - direction);
    if (other.isIcmp()) return {other.dst, other.src, other.srcPort, other.srcPort};
    return {other.dst, other.src, other.dstPort, other.srcPort};
}

} // namespace

void prepareTranslation(Connection &connection) {
    const TupleKey &from = connection.original, &reply = connection.reply;
    // What the packet becomes is the reply the other way round.
    const auto &toSrc = reply.dst, &toDst = reply.src;
    const std::uint16_t toSrcPort = from.isIcmp() ? reply.srcPort : reply.dstPort;
    const std::uint16_t toDstPort = from.isIcmp() ? from.dstPort : reply.srcPort; // type and code
    const auto differ = [](const std::uint64_t(&a)[2], const std::uint64_t(&b)[2]) {
        return ((a[0] ^ b[0]) | (a[1] ^ b[1])) != 0;
    };
    connection.sourceNat = differ(from.src, toSrc) || from.srcPort != toSrcPort;
    connection.destinationNat = differ(from.dst, toDst) || from.dstPort != toDstPort;
    const auto addresses = difference(fold(std::uint64_t{sumOf(toSrc)} + sumOf(toDst)),
                                      fold(std::uint64_t{sumOf(from.src)} + sumOf(from.dst)));
    const auto ports =
        difference(fold(std::uint64_t{toSrcPort} + toDstPort), fold(std::uint64_t{from.srcPort} + from.dstPort));
    connection.headerDelta = addresses;
    connection.transportDelta = from.protocol == Protocol::icmp ? ports : fold(std::uint64_t{addresses} + ports);
}

void translateFragment(const Connection &connection, unsigned direction, const PacketFields &fields) {
    const Target target = targetOf(connection, direction);
    storeAddresses(fields, target.src, target.dst);
    if (fields.family == IpFamily::v4) adjust(fields.bytes + 10, signedFor(direction, connection.headerDelta));
}

void translate(const Connection &connection, unsigned direction, const PacketFields &fields) {
    translateFragment(connection, direction, fields);
    const Target target = targetOf(connection, direction);
    storePorts(fields, target.srcPort, target.dstPort);
    const std::uint32_t offset = checksumOffset(fields.protocol, fields.family);
    if (offset != 0 && fields.transportLength() >= offset + 2)
        adjust(fields.at(offset), signedFor(direction, connection.transportDelta), fields.protocol == Protocol::udp);
    else if (fields.protocol == Protocol::sctp && connection.original.srcPort + connection.original.dstPort != 0)
        renewSctpChecksum(fields);
}

void translateError(const Connection &connection, unsigned direction, const PacketFields &outer,
                    const PacketFields &quoted) {
    // The quoted packet went the other way and had been translated: it becomes what its sender sent.
    constexpr std::uint32_t kChanged = 20; // of its transport header, at most
    const auto end = std::min<std::size_t>(quoted.length, quoted.transport + kChanged);
    const std::span<const std::byte> touched(quoted.bytes, end);
    const std::uint16_t before = packet::onesComplementSum(touched);
    const TupleKey &sent = connection.tuple(1 - direction);
    storeAddresses(quoted, sent.src, sent.dst);
    if (quoted.family == IpFamily::v4) adjust(quoted.bytes + 10, signedFor(direction, connection.headerDelta));
    if (!quoted.isLaterFragment()) {
        storePorts(quoted, sent.srcPort, sent.dstPort);
        const std::uint32_t offset = checksumOffset(quoted.protocol, quoted.family);
        if (offset != 0 && quoted.transportLength() >= offset + 2)
            adjust(quoted.at(offset), signedFor(direction, connection.transportDelta),
                   quoted.protocol == Protocol::udp);
    }
    const std::uint16_t inside =
        difference(base::bigToNative(packet::onesComplementSum(touched)), base::bigToNative(before));

    // Around it, what of the addresses is translated in this direction.
    std::uint64_t src[2]{}, dst[2]{};
    const std::size_t size = outer.family == IpFamily::v4 ? 4 : 16;
    const std::byte *addresses = outer.bytes + (size == 4 ? 12 : 8);
    std::memcpy(src, addresses, size);
    std::memcpy(dst, addresses + size, size);
    const std::uint16_t old = fold(std::uint64_t{sumOf(src)} + sumOf(dst));
    const Target target = targetOf(connection, direction);
    if (direction == 0 ? connection.sourceNat : connection.destinationNat) std::memcpy(src, target.src, 16);
    if (direction == 0 ? connection.destinationNat : connection.sourceNat) std::memcpy(dst, target.dst, 16);
    storeAddresses(outer, src, dst);
    const std::uint16_t outside = difference(fold(std::uint64_t{sumOf(src)} + sumOf(dst)), old);
    if (size == 4) adjust(outer.bytes + 10, outside);
    adjust(outer.at(2), size == 4 ? inside : fold(std::uint64_t{inside} + outside));
}

} // namespace natlens::proxycore
