// Evidence that comes beside the packets: what the kernel itself said about translations and rules.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "capture/packet/address.h"

#include <cstdint>
#include <optional>
#include <string>

namespace natlens::tracer {

/// One conntrack event of one host: the original tuple, and the reply tuple as the other side sees it.
/// DNAT when original.dst != reply.src, SNAT when original.src != reply.dst.
struct TranslationEvent {
    enum class Kind : std::uint8_t { created, updated, destroyed };
    base::Timestamp time;
    base::PacketNumber packet;
    std::string host;
    Kind kind = Kind::created;
    packet::Tuple original; ///< as first seen by this host
    packet::Tuple reply;    ///< of packets coming back, before they are translated back
    bool seenReply = false; ///< IPS_SEEN_REPLY
};

/// One step of a packet through the host's nftables rules (NFT_MSG_TRACE).
struct RuleTraceEvent {
    enum class Kind : std::uint8_t { unknown, policy, rule, returned };
    base::Timestamp time;
    base::PacketNumber packet;
    std::string host;
    std::uint32_t traceId = 0; ///< one packet's steps share it within one host
    Kind kind = Kind::unknown;
    std::string table, chain; ///< e.g. "kube-proxy", "external-RMQUIEU7-default/nodeport/tcp/"
    std::uint64_t ruleHandle = 0;
    std::string verdict; ///< "accept", "drop", "continue", "jump", "goto", "return", ...
    std::string target;  ///< chain of a jump or goto
    std::string inInterface, outInterface;
    std::optional<packet::Tuple> tuple; ///< present on the event that carries the headers
};

} // namespace natlens::tracer
