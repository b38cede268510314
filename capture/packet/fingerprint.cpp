// What NAT leaves alone: addresses, ports (and the ICMP echo identifier), TTL, traffic class and checksums are left
// out.
#include "capture/base/hash.h"
#include "capture/packet/decode_parts.h"

#include <algorithm>

namespace natlens::packet {

namespace {

using base::mix;

/// Few enough to be inside every usual snap length behind any link header, so that two points see the same bytes.
constexpr std::size_t kPayloadBytes = 32;

/// An ICMP error quotes a packet whose addresses and ports are translated too; what survives is the rest of its header.
std::uint64_t foldQuoted(std::uint64_t hash, const DecodedPacket &packet, std::span<const std::byte> captured) {
    const std::span<const std::byte> quoted = payload(packet, captured);
    hash = mix(hash, static_cast<std::uint64_t>(packet.quoted.protocol));
    DecodedPacket inner;
    inner.etherType = packet.quoted.src.ip.isV6() ? 0x86dd : 0x0800;
    const auto size = static_cast<std::uint32_t>(quoted.size());
    detail::Cursor cursor{quoted.data(), 0, size, size};
    const bool reachesTransport = detail::decodeNetwork(inner, cursor);
    hash = mix(hash, static_cast<std::uint64_t>(inner.networkLength) << 32 | std::uint64_t{inner.fragmentOffset} << 16 |
                         inner.ipId);
    if (reachesTransport && inner.tuple.protocol == Protocol::tcp && cursor.has(8)) hash = mix(hash, cursor.u32(4));
    return hash;
}

} // namespace

std::uint64_t natInvariantFingerprint(const DecodedPacket &packet, std::span<const std::byte> captured) {
    if (packet.family == IpFamily::none) return 0;

    std::uint64_t hash =
        mix(static_cast<std::uint64_t>(packet.family) << 8 | static_cast<std::uint64_t>(packet.tuple.protocol),
            static_cast<std::uint64_t>(packet.networkLength) << 32 | std::uint64_t{packet.fragmentOffset} << 16 |
                packet.ipId);
    const std::uint64_t flags = (packet.dontFragment ? 1U : 0U) | (packet.isFragment ? 2U : 0U);
    hash = mix(hash, flags << 32 | packet.payloadLength);

    const bool hasTransport = packet.transportOffset != 0;
    if (packet.isTcp()) {
        hash = mix(hash, static_cast<std::uint64_t>(packet.tcpSeq) << 32 | packet.tcpAck);
        hash = mix(hash, static_cast<std::uint64_t>(packet.tcpOptionsHash) << 32 |
                             static_cast<std::uint64_t>(packet.tcpWindow) << 8 | packet.tcpFlags);
        hash = mix(hash, static_cast<std::uint64_t>(packet.tcpTsVal) << 32 | packet.tcpTsEcr);
    } else if (packet.isSctp()) {
        hash = mix(hash, packet.sctpTag); // the rest of interest is in its chunks
    } else if (hasTransport && (packet.tuple.protocol == Protocol::icmp || packet.tuple.protocol == Protocol::icmpv6)) {
        // Bytes 6-7 of the header: the echo sequence number, or the next hop's MTU.
        const std::uint16_t rest = base::loadBig16(captured.data() + packet.transportOffset + 6);
        hash =
            mix(hash, static_cast<std::uint64_t>(rest) << 16 | std::uint64_t{packet.icmpType} << 8 | packet.icmpCode);
    }
    if (packet.hasQuoted) return foldQuoted(hash, packet, captured);

    const std::span<const std::byte> bytes = payload(packet, captured);
    return base::hashBytes(bytes.first(std::min(bytes.size(), kPayloadBytes)), hash);
}

} // namespace natlens::packet
