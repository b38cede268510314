// One step of a packet through nftables rules (NFT_MSG_TRACE), from the bytes of its message.
#pragma once

#include "capture/packet/address.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace natlens::netlink {

/// Interface names by index, of one network namespace.
using InterfaceNames = std::map<std::uint32_t, std::string>;

/// A trace message carries interface indexes; the names travel in the description of the capture point:
/// "interfaces: 1=lo 2=eth0". parse() returns what it can read, an empty map for other texts.
[[nodiscard]] std::string describeInterfaceNames(const InterfaceNames &names);
[[nodiscard]] InterfaceNames parseInterfaceNames(std::string_view description);

struct TraceMessage {
    enum class Type : std::uint8_t { unknown = 0, policy = 1, returned = 2, rule = 3 }; ///< enum nft_trace_types

    /// All steps of one packet through one hook's chains share it. Not unique: it is a hash of the kernel's packet
    /// buffer, and later packets in a reused buffer have it, too; on the way in and out of a host the same packet has
    /// two.
    std::uint32_t traceId = 0;
    Type type = Type::unknown;
    std::uint8_t family = 0; ///< of the table: NFPROTO_INET 1, NFPROTO_IPV4 2, NFPROTO_BRIDGE 7, NFPROTO_IPV6 10 ...
    std::string table, chain;
    std::uint64_t ruleHandle = 0;
    std::string verdict;    ///< "accept", "drop", "continue", "jump", "goto", "return", ...; "" when absent
    std::string jumpTarget; ///< chain of a jump or goto
    std::string policy;     ///< of a policy step: "accept" or "drop"
    std::uint32_t inIndex = 0, outIndex = 0; ///< interface indexes, 0 none
    std::string inInterface, outInterface;   ///< "" when the index is 0 or not in the caller's map
    std::uint32_t mark = 0;
    std::uint8_t protocolFamily = 0; ///< NFTA_TRACE_NFPROTO: NFPROTO_IPV4 2, NFPROTO_IPV6 10
    std::optional<std::uint32_t>
        conntrackId; ///< ConntrackMessage::id of the packet's connection (Linux 6.16 and later)
    /// Of the step that carries the headers: the first one of each base chain.
    std::optional<packet::Tuple> tuple;
};

/// Reads one message (from its nlmsghdr on; see unwrap()). Nothing if it is not NFT_MSG_TRACE or has no trace id.
/// Any bytes are safe; attributes that do not fit are left out. Does not ask the kernel.
[[nodiscard]] std::optional<TraceMessage> decodeTrace(std::span<const std::byte> message,
                                                      const InterfaceNames &names = {});

} // namespace natlens::netlink
