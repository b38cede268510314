// What findings may ask about one connection beyond its path: single flows, the kernels' entries, hosts.
#pragma once

#include "tracer/path/path.h"

#include <string_view>
#include <vector>

namespace natlens::tracer {

/// One flow of the connection as it passed one capture point with one time to live.
struct Sight {
    std::string host, interface;
    Direction direction = Direction::request;
    unsigned leg = 0;     ///< 0: with the addresses that the client uses; one more with each translation
    bool attempt = false; ///< of an earlier translation of the same opening that came to nothing
    bool icmp = false;    ///< an ICMP error about the connection
    bool cooked = false;  ///< the point sees several interfaces at once (Linux cooked capture)
    enum class Facing : std::uint8_t { unknown, in, out } facing = Facing::unknown;
    SocketAddress src, dst;
    std::uint64_t packets = 0;
    Timestamp first, last;
    PacketNumber firstPacket;

    // Of the flow at this point, whatever the time to live:
    std::uint8_t tcpFlags = 0; ///< all that were seen
    std::uint32_t isn = 0;     ///< meaningful with `syn`
    bool syn = false;          ///< TCP: a SYN or SYN-ACK was seen
    std::uint64_t payloadBytes = 0;
    Timestamp reset; ///< first RST; zero: none
    PacketNumber resetPacket;
    /// The packets that open it (SYNs, the first datagrams), repetitions included; at most eight.
    struct Opening {
        Timestamp time;
        std::uint16_t ipId = 0;
    };
    std::vector<Opening> openings;

    std::uint32_t duplicates = 0; ///< packets that came twice at once
    PacketNumber duplicatePacket;
};

/// An entry of a host's connection tracking.
struct TrackedConnection {
    std::string host;
    packet::Tuple original, translated; ///< packets of `original` leave as `translated`
    Timestamp time;                     ///< of the first event about it
    PacketNumber packet;
    bool seenReply = false;
    bool late = false; ///< heard of only when it ended: it was made at any time before
};

/// Computed when asked; valid while findings are made.
class ConnectionEvidence {
public:
    virtual ~ConnectionEvidence() = default;
    /// Ordered by direction, leg, time.
    [[nodiscard]] virtual const std::vector<Sight> &sights() const = 0;
    /// Entries whose original tuple is this one.
    [[nodiscard]] virtual std::vector<TrackedConnection> tracked(const packet::Tuple &original) const = 0;
    /// Null when it is not known.
    [[nodiscard]] virtual const Host *host(std::string_view name) const = 0;
    /// The capture goes on until then, or ended then.
    [[nodiscard]] virtual Timestamp now() const = 0;
};

} // namespace natlens::tracer
