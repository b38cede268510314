// The ICMP error of a rejected packet.
#pragma once

#include "proxycore/engine/packet_fields.h"

namespace natlens::proxycore {

/// "Port unreachable" (type 3 code 3; ICMPv6 type 1 code 4) to the sender of the packet, quoting what fits 576 bytes
/// (IPv6: 1280). Nothing where RFC 1122 section 3.2.2 and RFC 4443 section 2.4 forbid an answer: to a fragment other
/// than the first, to multicast and broadcast, to a sender without an address of its own. How many of them a host sends
/// in a second is its own matter and not limited here.
[[nodiscard]] std::optional<std::vector<std::byte>> portUnreachable(const PacketFields &rejected,
                                                                    const IpAddress &source);

} // namespace natlens::proxycore
