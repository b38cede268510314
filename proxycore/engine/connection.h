// One tracked connection as it lies in memory: three cache lines, what every packet needs first.
#pragma once

#include "capture/base/hash.h"
#include "capture/packet/address.h"
#include "proxycore/engine/packet_engine.h"

#include <bit>
#include <cstring>

namespace natlens::proxycore {

inline constexpr std::int64_t kSecond = 1'000'000'000; ///< in the engine's unit of time
/// How long conntrack keeps protocols without states of their own.
inline constexpr std::int64_t kIcmp = 30 * kSecond, kOther = 600 * kSecond;

/// A tuple for hashing and comparing. Addresses as they lie in the packet; ports in network order. ICMP queries: the
/// identifier stands in srcPort of both directions, type and code in dstPort.
struct TupleKey {
    std::uint64_t src[2]{}, dst[2]{};
    std::uint16_t srcPort = 0, dstPort = 0;
    Protocol protocol = Protocol::none;
    IpFamily family = IpFamily::none;
    std::uint16_t unused = 0;

    [[nodiscard]] bool isIcmp() const {
        return protocol == (family == IpFamily::v6 ? Protocol::icmpv6 : Protocol::icmp);
    }

    friend bool operator==(const TupleKey &a, const TupleKey &b) {
        return a.rest() == b.rest() &&
               ((a.src[0] ^ b.src[0]) | (a.dst[0] ^ b.dst[0]) | (a.src[1] ^ b.src[1]) | (a.dst[1] ^ b.dst[1])) == 0;
    }
    [[nodiscard]] std::uint64_t rest() const { return base::loadNative<std::uint64_t>(&srcPort); }
    /// Both ports as they stand in the packet, protocol and family in one store: rest() is read at once, and would wait
    /// for smaller ones.
    void setRest(std::uint32_t ports, Protocol newProtocol, IpFamily newFamily) {
        const auto high = static_cast<std::uint32_t>(newProtocol), low = static_cast<std::uint32_t>(newFamily);
        const std::uint64_t rest = std::endian::native == std::endian::little
                                       ? ports | std::uint64_t{high | low << 8} << 32
                                       : std::uint64_t{ports} << 32 | high << 24 | low << 16;
        std::memcpy(&srcPort, &rest, sizeof rest);
    }
};
static_assert(sizeof(TupleKey) == 40);

/// The tuple of the packets that answer.
[[nodiscard]] TupleKey reversed(const TupleKey &key);
[[nodiscard]] packet::Tuple toTuple(const TupleKey &key);
[[nodiscard]] IpAddress addressOf(IpFamily family, const std::uint64_t (&words)[2]);
void storeAddress(const IpAddress &address, std::uint64_t (&words)[2]);

[[nodiscard]] inline std::uint32_t hashOf(const TupleKey &key, std::uint64_t seed) {
    std::uint64_t hash = base::mix(seed ^ key.src[0] ^ key.dst[0] << 32 ^ key.dst[0] >> 32, key.rest());
    if (key.family == IpFamily::v6) hash = base::mix(hash ^ key.src[1], key.dst[1] ^ key.dst[0]);
    return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

enum class TcpState : std::uint8_t {
    none,
    synSent,
    synReceived,
    established,
    finWait,
    closeWait,
    lastAck,
    timeWait,
    close,
    synSent2, ///< both sides have sent a SYN: simultaneous open
};
constexpr std::size_t kTcpStates = 10;

enum class TcpEvent : std::uint8_t { syn, synAck, fin, ack, rst, none };

/// What one side of a TCP connection has sent and may send (the model of "Real Stateful TCP Packet Filtering in IP
/// Filter", which netfilter follows too).
struct TcpSide {
    std::uint32_t end = 0;       ///< highest sequence number sent, plus one
    std::uint32_t maxEnd = 0;    ///< highest the other side's window allows
    std::uint32_t maxWindow = 0; ///< largest window this side has offered; 0: nothing seen of it
    std::uint32_t maxAck = 0;
    std::uint8_t scale = 0;
    std::uint8_t flags = 0; ///< TcpSideFlag
};
namespace TcpSideFlag {
constexpr std::uint8_t windowScale = 1, sackPermitted = 2, closeInit = 4, liberal = 8, maxAckSet = 16,
                       unacknowledged = 32, challengeAck = 64;
}

struct TcpTracking {
    TcpSide sides[2];
    std::uint32_t lastSeq = 0, lastAck = 0, lastEnd = 0;
    std::uint16_t lastWindow = 0;
    TcpEvent lastEvent = TcpEvent::none;
    std::uint8_t lastDirection = 0, retransmissions = 0;
    std::uint8_t lastScale = 0, lastFlags = 0; ///< of a SYN that was let pass though it did not fit
};

struct alignas(64) Connection {
    TupleKey original;
    std::int64_t expires = 0;  ///< ns; the connection is gone from then on
    std::uint32_t dueTick = 0; ///< the wheel looks at it then, or later finds it again
    std::uint8_t state = 0;    ///< TcpState, SctpState
    bool seenReply = false, assured = false, isUsed = false;
    // second line
    TupleKey reply;
    std::uint64_t id = 0;
    /// What translating adds to the checksums in the original direction (one's complement, native order); the reply
    /// direction takes it away.
    std::uint16_t headerDelta = 0, transportDelta = 0;
    bool sourceNat = false, destinationNat = false;
    std::uint32_t index = 0;
    // third line
    union {
        TcpTracking tcp;
        std::int64_t streamSince; ///< UDP: from then on it counts as a stream, ns
    };
    std::uint32_t next = 0, previous = 0; ///< in the wheel

    Connection()
        : tcp() {}
    [[nodiscard]] const TupleKey &tuple(unsigned direction) const { return direction == 0 ? original : reply; }
    [[nodiscard]] bool isTranslated() const { return sourceNat || destinationNat; }
};
static_assert(sizeof(Connection) == 192);

} // namespace natlens::proxycore
