// One packet without what it says: other addresses, no payload.
#pragma once

#include "app/session/address_mapper.h"

#include <cstddef>
#include <span>
#include <vector>

namespace natlens::session {

/// Rewrites captured packets. Kept: the headers that natlens understands, with lengths, ports, sequence numbers, flags,
/// the usual TCP options, time to live, identification. Replaced: MAC and IP addresses, also in tunnels (VXLAN, Geneve,
/// GRE, ERSPAN, IP in IP), in packets quoted by ICMP errors, in ARP and neighbour discovery. Of the payload at most 64
/// captured bytes remain, and they are a keyed hash of those that were there: equal payload stays equal, which is what
/// joins datagrams and proxied connections, and nobody without the key learns more than that. Everything that is not
/// understood is cut off, options and extension headers are blanked. Checksums of payload would let it be guessed: they
/// are zero; IPv4 header checksums are right where they were right. A packet's length on the wire is not changed; it
/// appears cut by a snap length. Lives on one thread.
class PacketAnonymizer final {
public:
    explicit PacketAnonymizer(KeyedHash::Key key)
        : m_hash(key)
        , m_addresses(key) {}

    /// The new captured bytes, valid until the next call; never more than there were. None of a link type that is not
    /// known.
    [[nodiscard]] std::span<const std::byte> operator()(packet::LinkType linkType, std::span<const std::byte> captured);

    [[nodiscard]] AddressMapper &addresses() { return m_addresses; }

private:
    // Each treats the header at `at` and what follows it, up to `end`, and returns where what may be kept ends.
    std::size_t link(packet::LinkType linkType, std::size_t end);
    std::size_t ethernet(std::size_t at, std::size_t end);
    std::size_t byEtherType(unsigned etherType, std::size_t at, std::size_t end);
    std::size_t arp(std::size_t at, std::size_t end);
    std::size_t ip(std::size_t at, std::size_t end);
    std::size_t ipv4(std::size_t at, std::size_t end);
    std::size_t ipv6(std::size_t at, std::size_t end);
    std::size_t transport(unsigned protocol, std::size_t at, std::size_t end);
    std::size_t tcp(std::size_t at, std::size_t end);
    std::size_t udp(std::size_t at, std::size_t end);
    std::size_t icmp(std::size_t at, std::size_t end);
    std::size_t icmpv6(std::size_t at, std::size_t end);
    std::size_t sctp(std::size_t at, std::size_t end);
    std::size_t gre(std::size_t at, std::size_t end);
    std::size_t payload(std::size_t at, std::size_t end);

    void mapMac(std::size_t at);
    void mapIp(packet::IpFamily family, std::size_t at);
    void zero(std::size_t from, std::size_t to, std::size_t end, std::byte value = std::byte(0));
    [[nodiscard]] unsigned u8(std::size_t at) const { return std::to_integer<unsigned>(m_bytes[at]); }
    [[nodiscard]] unsigned u16(std::size_t at) const { return u8(at) << 8 | u8(at + 1); }

    KeyedHash m_hash;
    AddressMapper m_addresses;
    std::vector<std::byte> m_bytes;
    int m_depth = 0; ///< of tunnels and quotations
};

} // namespace natlens::session
