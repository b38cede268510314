// The few fields of a packet that NAT needs, read once and checked against the bytes that are there.
#pragma once

#include "proxycore/engine/connection.h"

#include <optional>
#include <span>

namespace natlens::proxycore {

/// Offsets are from the IP header; everything up to `length` is inside the buffer.
struct PacketFields {
    std::byte *bytes = nullptr;
    std::uint32_t length = 0;    ///< of the IP packet
    std::uint32_t transport = 0; ///< where the transport header begins; for a later fragment its data
    IpFamily family = IpFamily::none;
    Protocol protocol = Protocol::none;
    bool isFragment = false, moreFragments = false;
    std::uint16_t fragmentOffset = 0; ///< bytes
    std::uint32_t fragmentId = 0;

    [[nodiscard]] bool isLaterFragment() const { return fragmentOffset != 0; }
    [[nodiscard]] std::uint32_t transportLength() const { return length - transport; }
    [[nodiscard]] std::byte *at(std::uint32_t offset) const { return bytes + transport + offset; }
};

enum class Completeness : std::uint8_t {
    whole,  ///< the lengths of the headers must fit the bytes
    quoted, ///< in an ICMP error: only the beginning need be there
};

/// False when it is no IP packet, or one that the kernel would throw away on receipt for its lengths. Checksums are not
/// verified: a host with checksum offload leaves them to the hardware. (Written where they are wanted, field by field:
/// a copy of what has just been written in smaller pieces waits until all of it has reached the cache.)
[[nodiscard]] bool readFields(std::span<std::byte> packet, Completeness completeness, PacketFields &fields);

enum class TupleKind : std::uint8_t { connection, icmpError, untracked, invalid };
/// The tuple of a packet that is no later fragment. `invalid` is what connection tracking calls so: a transport header
/// that is cut or contradicts itself, an ICMP message that is neither query nor error.
[[nodiscard]] TupleKind readTuple(const PacketFields &fields, TupleKey &key);

/// The type of the answer to (or the query of) an ICMP query message; nothing for other messages.
[[nodiscard]] std::optional<std::uint8_t> icmpAnswer(Protocol protocol, std::uint8_t type);
/// A message that starts an exchange.
[[nodiscard]] bool isIcmpQuery(Protocol protocol, std::uint8_t type);

} // namespace natlens::proxycore
