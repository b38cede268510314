// Packets that carry packets: VXLAN, Geneve, GRE, ERSPAN, IP in IP.
#pragma once

#include "capture/packet/decode.h"

namespace natlens::packet {

enum class TunnelType : std::uint8_t { vxlan, geneve, gre, erspan, ipInIp };

/// The header around a packet: who sent it to whom, and how. A node's overlay (or a mirror of packets) puts it there.
struct Encapsulation {
    TunnelType type = TunnelType::vxlan;
    std::optional<std::uint32_t> id; ///< VXLAN and Geneve: the network (VNI); GRE: the key; ERSPAN: the session
    Tuple tuple; ///< of the outer packet; VXLAN's and Geneve's source port changes with the flow inside
    std::uint8_t ttl = 0;
    bool innerIsV6 = false;

    bool operator==(const Encapsulation &) const = default;
};

/// "VXLAN", "Geneve", "GRE", "ERSPAN"; IP in IP by its versions: "IPIP" (4 in 4), "6in4", "4in6", "6in6".
[[nodiscard]] std::string toString(const Encapsulation &around);

/// A carried packet, part of the captured bytes of the one that carries it: decode it with these.
struct Carried {
    Encapsulation around;
    LinkType linkType = LinkType::ethernet;
    std::span<const std::byte> bytes;
    std::uint32_t originalLength = 0; ///< on the wire
};

/// Whether carried() is worth asking: false for nearly all packets.
[[nodiscard]] inline bool mayCarry(const DecodedPacket &packet) {
    switch (packet.tuple.protocol) {
    case Protocol::ipip:
    case Protocol::ipv6:
    case Protocol::gre: return true;
    case Protocol::udp: // Linux' VXLAN port of old, still flannel's and Cilium's; the assigned one; Geneve's
        return packet.tuple.dst.port == 8472 || packet.tuple.dst.port == 4789 || packet.tuple.dst.port == 6081;
    default: return false;
    }
}

/// The packet inside `outer`, which was decoded from `captured`. Nothing if it carries none, or what it carries is cut
/// off or is no packet: then `outer` is a packet like any other. One step; repeat with what comes out for nested
/// tunnels. Never throws, never allocates, never reads outside `captured`. Sources: RFC 7348, 8926, 2784 and 2890
/// (GRE), 2637 (PPTP), draft-foschiano-erspan, 2003 and 2473.
[[nodiscard]] std::optional<Carried> carried(const DecodedPacket &outer, std::span<const std::byte> captured);

/// A packet without its tunnels.
struct Unwrapped {
    DecodedPacket packet;                ///< the innermost; the packet itself where there is no tunnel
    std::span<const std::byte> bytes;    ///< what `packet` was decoded from
    std::optional<Encapsulation> around; ///< of the innermost tunnel
    unsigned depth = 0;                  ///< number of tunnels
};

/// Opens up to four tunnels of a packet, from outside in.
[[nodiscard]] Unwrapped unwrap(const DecodedPacket &outer, std::span<const std::byte> captured);

} // namespace natlens::packet
