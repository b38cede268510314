// SCTP as connection tracking follows it: the state that the last chunk leads to.
#pragma once

#include "proxycore/engine/packet_fields.h"

namespace natlens::proxycore {

enum class SctpState : std::uint8_t {
    none,
    closed,
    cookieWait,
    cookieEchoed,
    established,
    shutdownSent,
    shutdownReceived,
    shutdownAckSent,
    heartbeatSent,
};

/// Follows one packet, `isFirst` for the one that begins the connection; brings state and `expires` up to date. False:
/// it does not belong to a connection in this state (invalid), and nothing has changed.
[[nodiscard]] bool trackSctp(Connection &connection, unsigned direction, const PacketFields &fields, bool isFirst,
                             std::int64_t now);

[[nodiscard]] ConnectionState viewOf(SctpState state);

} // namespace natlens::proxycore
