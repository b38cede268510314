// What the kernel says about a tracked connection (ctnetlink), from the bytes of its message.
#pragma once

#include "capture/base/timestamp.h"
#include "capture/packet/address.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace natlens::netlink {

/// One entry of the connection tracking table, new, changed or gone.
/// DNAT when original.dst != reply.src, SNAT when original.src != reply.dst.
struct ConntrackMessage {
    enum class Kind : std::uint8_t {
        created,   ///< IPCTNL_MSG_CT_NEW with NLM_F_CREATE
        updated,   ///< the same without; entries of a dump, too
        destroyed, ///< IPCTNL_MSG_CT_DELETE
    };
    /// Bits of `status` (enum ip_conntrack_status).
    static constexpr std::uint32_t kSeenReply = 1U << 1, kAssured = 1U << 2, kConfirmed = 1U << 3, kSnat = 1U << 4,
                                   kDnat = 1U << 5, kDying = 1U << 9;

    Kind kind = Kind::updated;
    /// Ports of ICMP as packet::decode() gives them: both are the echo identifier.
    packet::Tuple original, reply;
    std::uint32_t status = 0; ///< 0 when the message does not carry it
    std::uint32_t mark = 0;
    std::uint32_t id = 0; ///< CTA_ID: the same for all messages of one entry
    std::uint16_t zone = 0;
    std::uint8_t tcpState = 0; ///< enum tcp_conntrack, 0 none
    /// With net.netfilter.nf_conntrack_timestamp: when the entry began and ended.
    std::optional<base::Timestamp> started, stopped;
    /// When this event happened (CTA_TIMESTAMP_EVENT, Linux 6.14 and later, with nf_conntrack_timestamp).
    std::optional<base::Timestamp> happened;

    bool operator==(const ConntrackMessage &) const = default;

    [[nodiscard]] bool seenReply() const { return (status & kSeenReply) != 0; }
};

/// Reads one ctnetlink message (from its nlmsghdr on; see unwrap()). Nothing if it is another kind of message or has no
/// complete original tuple. Any bytes are safe; attributes that do not fit are left out. Does not ask the kernel.
[[nodiscard]] std::optional<ConntrackMessage> decodeConntrack(std::span<const std::byte> message);

/// The same facts as the kernel would send them: nlmsghdr, nfgenmsg, attributes, in this machine's byte order.
/// decodeConntrack() of it gives an equal message. For datapaths that track connections themselves.
[[nodiscard]] std::vector<std::byte> encodeConntrack(const ConntrackMessage &message);

} // namespace natlens::netlink
