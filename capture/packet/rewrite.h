// Changes a packet as NAT and routing do: addresses, ports, TTL, with the checksums carried along.
#pragma once

#include "capture/base/result.h"
#include "capture/packet/decode.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace natlens::packet {

/// What to replace; what is not set stays. Addresses must be of the packet's family.
struct Translation {
    std::optional<IpAddress> srcIp, dstIp;
    std::optional<Port> srcPort, dstPort; ///< ICMP echo: the identifier (dstPort wins where both are set)
    std::optional<std::uint8_t> ttl;      ///< IPv4 TTL, IPv6 hop limit
};

/// Rewrites in place. Checksums are adjusted by difference (RFC 1624), so a packet cut by the snap length and one whose
/// checksum was left to the hardware keep exactly the state they had; an absent UDP checksum stays absent. A later
/// fragment has no ports: they are left alone. SCTP's CRC covers everything and is recomputed, which needs the whole
/// packet (otherwise it is left as it was). Fails with invalidInput, and changes nothing, if the packet has no IP
/// header or an address is of the other family.
[[nodiscard]] base::Status rewrite(LinkType linkType, std::span<std::byte> packet, const Translation &translation);

/// The same for the packet that an ICMP error quotes; the ICMP checksum follows. The outer header stays as it is.
/// Fails with invalidInput if nothing is quoted.
[[nodiscard]] base::Status rewriteQuoted(LinkType linkType, std::span<std::byte> packet,
                                         const Translation &translation);

} // namespace natlens::packet
