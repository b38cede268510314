// Makes packets from nothing: for tests, and for packets that natlens sends or simulates.
#pragma once

#include "capture/packet/decode.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace natlens::packet {

/// Describes one packet field by field and writes it out with all lengths and checksums right. Defaults: Ethernet, TTL
/// 64, DF set, IP id 0, TCP window 64240. IPv4 or IPv6 follows from the addresses, which must be of one family. A value
/// type: keep one half-described builder and derive packets from copies of it.
class PacketBuilder final {
public:
    // link
    PacketBuilder &link(LinkType type); ///< ethernet, linuxSll, linuxSll2, null, loop, or the raw types
    PacketBuilder &mac(const MacAddress &src, const MacAddress &dst);
    PacketBuilder &vlan(std::uint16_t id);           ///< adds one 802.1Q tag; the first call is the outermost
    PacketBuilder &sllPacketType(std::uint8_t type); ///< 0 to us, 4 sent by us
    // network
    PacketBuilder &ip(const IpAddress &src, const IpAddress &dst);
    PacketBuilder &ttl(std::uint8_t value);
    PacketBuilder &trafficClass(std::uint8_t value);
    PacketBuilder &ipId(std::uint16_t value);
    PacketBuilder &dontFragment(bool value);
    /// This packet is the fragment at `offset` bytes (a multiple of 8). At offset 0 the transport header is written, at
    /// others only the payload. IPv6 gets a fragment header with ipId as identification.
    PacketBuilder &fragment(std::uint16_t offset, bool moreFollow);
    // transport: the last of these calls decides
    PacketBuilder &tcp(Port src, Port dst, std::uint8_t flags);
    PacketBuilder &udp(Port src, Port dst);
    PacketBuilder &sctp(Port src, Port dst, std::uint32_t verificationTag = 0);
    PacketBuilder &icmpEchoRequest(std::uint16_t id, std::uint16_t sequence);
    PacketBuilder &icmpEchoReply(std::uint16_t id, std::uint16_t sequence);
    /// ICMP or ICMPv6 error; `ipPacket` is what is quoted (from its IP header on), `mtu` for "fragmentation needed".
    PacketBuilder &icmpError(std::uint8_t type, std::uint8_t code, std::span<const std::byte> ipPacket,
                             std::uint16_t mtu = 0);
    // TCP fields and options (written in the order of a Linux SYN: MSS, SACK, timestamps, window scale)
    PacketBuilder &seq(std::uint32_t value);
    PacketBuilder &ack(std::uint32_t value);
    PacketBuilder &window(std::uint16_t value);
    PacketBuilder &mss(std::uint16_t value);
    PacketBuilder &sackPermitted();
    PacketBuilder &timestamps(std::uint32_t value, std::uint32_t echoed);
    PacketBuilder &windowScale(std::uint8_t shift);

    PacketBuilder &payload(std::span<const std::byte> bytes);
    PacketBuilder &payload(std::string_view text);

    /// The packet from its link header on.
    [[nodiscard]] std::vector<std::byte> build() const;
    /// The packet from its IP header on, as an ICMP error quotes it.
    [[nodiscard]] std::vector<std::byte> buildIp() const;

private:
    enum class Icmp : std::uint8_t { echoRequest, echoReply, error };

    [[nodiscard]] std::vector<std::byte> transport() const;
    [[nodiscard]] std::vector<std::byte> tcpOptions() const;

    LinkType m_link = LinkType::ethernet;
    MacAddress m_srcMac{0x02, 0, 0, 0, 0, 0x01}, m_dstMac{0x02, 0, 0, 0, 0, 0x02};
    std::vector<std::uint16_t> m_vlans;
    std::uint8_t m_sllPacketType = 0;

    IpAddress m_src, m_dst;
    std::uint8_t m_ttl = 64;
    std::uint8_t m_trafficClass = 0;
    std::uint16_t m_ipId = 0;
    bool m_dontFragment = true;
    bool m_isFragment = false, m_moreFragments = false;
    std::uint16_t m_fragmentOffset = 0;

    Protocol m_protocol = Protocol::none; ///< icmp stands for icmpv6 too
    Port m_srcPort = 0, m_dstPort = 0;
    std::uint8_t m_tcpFlags = 0;
    std::uint32_t m_seq = 0, m_ack = 0, m_tag = 0;
    std::uint16_t m_window = 64240;
    std::optional<std::uint16_t> m_mss;
    bool m_sackPermitted = false;
    std::optional<std::uint8_t> m_windowScale;
    std::optional<std::pair<std::uint32_t, std::uint32_t>> m_timestamps;
    Icmp m_icmp = Icmp::echoRequest;
    std::uint8_t m_icmpType = 0, m_icmpCode = 0;
    std::uint16_t m_icmpId = 0, m_icmpSequence = 0; ///< an error's MTU stands where the sequence number does

    std::vector<std::byte> m_payload;
};

} // namespace natlens::packet
