// From captured bytes to header fields, without allocation and without trust.
#pragma once

#include "capture/packet/address.h"
#include "capture/packet/link_type.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace natlens::packet {

using MacAddress = std::array<std::uint8_t, 6>;

/// What was wrong with a packet. A malformed packet is a value, not an error: fields decoded before the fault are set.
enum class DecodeIssue : std::uint8_t {
    none,
    truncatedLink, ///< fewer bytes than the link header
    truncatedNetwork,
    truncatedTransport, ///< snap length cut the transport header, or the packet lies about its length
    badHeaderLength,    ///< IHL < 5, TCP data offset < 5, IPv6 extension chain too long
    unsupported,        ///< not IP (ARP, LLDP, ...): `family` is none
};

struct TcpFlags {
    static constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10, urg = 0x20;
};

/// One packet's fields. Lengths and offsets in bytes. Fields that do not apply are zero.
struct DecodedPacket {
    Tuple tuple; ///< ports are 0 where there are none (or a later fragment)
    IpFamily family = IpFamily::none;
    DecodeIssue issue = DecodeIssue::none;
    std::uint8_t ttl = 0; ///< IPv4 TTL or IPv6 hop limit
    std::uint8_t tcpFlags = 0;
    bool hasTcpTimestamp = false;
    bool hasQuoted = false; ///< see `quoted`
    std::uint32_t tcpSeq = 0, tcpAck = 0;
    std::uint32_t tcpTsVal = 0;
    std::uint32_t tcpOptionsHash = 0;  ///< kinds in order with MSS, window scale, SACK-permitted; not timestamps
    std::uint32_t payloadLength = 0;   ///< on the wire, even where the snap length cut it
    std::uint32_t transportOffset = 0; ///< 0 unless the fixed transport header is complete (never in later fragments)
    std::uint16_t ipId = 0;            ///< IPv4 identification, or the low half of the IPv6 fragment id
    bool isFragment = false;           ///< offset != 0 or more fragments follow
    bool dontFragment = false;
    std::uint16_t fragmentOffset = 0; ///< bytes
    std::uint8_t trafficClass = 0;
    // link
    std::uint8_t sllPacketType = 0xff; ///< SLL/SLL2: 0 to us, 4 sent by us; 0xff unknown
    LinkType linkType = LinkType::ethernet;
    bool hasMac = false;
    MacAddress srcMac{}, dstMac{};
    std::uint16_t etherType = 0;
    std::uint16_t vlan = 0; ///< outermost 802.1Q VLAN id, 0 when untagged
    // network
    std::uint32_t networkOffset = 0; ///< where the IP header begins in the captured bytes
    std::uint32_t networkLength = 0; ///< total length of the IP packet as its header says
    // transport
    std::uint32_t payloadOffset = 0; ///< first byte after the transport header
    std::uint32_t tcpTsEcr = 0;
    std::uint16_t tcpWindow = 0;
    std::uint8_t icmpType = 0, icmpCode = 0;
    /// SCTP: verification tag, type of the first chunk (0 DATA, 1 INIT, 2 INIT ACK ...; 0xff none captured), and of
    /// these three the initiate tag and the initial or first TSN. NAT changes none of them.
    std::uint8_t sctpChunk = 0xff;
    std::uint32_t sctpTag = 0, sctpInitiateTag = 0, sctpTsn = 0;
    Tuple quoted; ///< ICMP and ICMPv6 errors: the tuple of the quoted packet

    [[nodiscard]] bool isTcp() const { return tuple.protocol == Protocol::tcp && transportOffset != 0; }
    [[nodiscard]] bool isSctp() const { return tuple.protocol == Protocol::sctp && transportOffset != 0; }
    [[nodiscard]] bool isSyn() const { return (tcpFlags & (TcpFlags::syn | TcpFlags::ack)) == TcpFlags::syn; }
    [[nodiscard]] bool isSynAck() const {
        return (tcpFlags & (TcpFlags::syn | TcpFlags::ack)) == (TcpFlags::syn | TcpFlags::ack);
    }
};

/// Decodes one captured packet. Never throws, never reads outside `captured`, never allocates.
/// `captured` may be shorter than the packet (snap length).
[[nodiscard]] DecodedPacket decode(LinkType linkType, std::span<const std::byte> captured);

/// The same, knowing how long the packet was on the wire. Only this tells the payload length of a super-packet (an IP
/// length of 0: TSO, BIG TCP) that the snap length cut; for all others the IP header says it.
[[nodiscard]] DecodedPacket decode(LinkType linkType, std::span<const std::byte> captured,
                                   std::uint32_t originalLength);

/// The captured part of the transport payload (may be shorter than payloadLength).
[[nodiscard]] std::span<const std::byte> payload(const DecodedPacket &packet, std::span<const std::byte> captured);

/// Hash of everything that SNAT, DNAT and routing leave alone (STITCHING: IP id, TCP sequence numbers, flags, options,
/// timestamps, lengths, the first payload bytes): equal for one packet at two capture points, whatever its addresses.
/// Range: 64 bits; collisions are possible, so never the only evidence.
[[nodiscard]] std::uint64_t natInvariantFingerprint(const DecodedPacket &packet, std::span<const std::byte> captured);

} // namespace natlens::packet
