// TCP as connection tracking follows it: states, windows, and what time each state is given.
#pragma once

#include "proxycore/engine/packet_fields.h"

namespace natlens::proxycore {

struct TcpSettings {
    bool liberal = false;                                       ///< segments outside the windows are accepted
    bool loose = true;                                          ///< a connection may be picked up in the middle
    std::chrono::seconds established{86'400}, closeWait{3'600}; ///< as kube-proxy sets them
};

enum class TcpVerdict : std::uint8_t {
    accept,
    ignore, ///< passes translated, but says nothing reliable: neither state nor time changes
    invalid,
    reopen,  ///< a SYN that begins anew where an old connection is ending: forget that one
    abandon, ///< passes translated, and the connection ends at once: the first answer is a reset
};

/// The header of one segment.
struct TcpSegment {
    TcpEvent event = TcpEvent::none;
    bool hasAck = false;
    std::uint32_t seq = 0, ack = 0, end = 0, sack = 0;
    std::uint16_t window = 0;
    const std::byte *options = nullptr;
    std::uint32_t optionsLength = 0;
};
/// False when the header is cut, lies about its length or has flags that do not go together.
[[nodiscard]] bool readSegment(const PacketFields &fields, TcpSegment &segment);

/// The first segment of a connection; false: it cannot be one (invalid).
[[nodiscard]] bool startTcp(Connection &connection, const TcpSegment &segment, const TcpSettings &settings,
                            std::int64_t now);
/// Every later one. With `accept` the state and `expires` are brought up to date.
[[nodiscard]] TcpVerdict trackTcp(Connection &connection, unsigned direction, const TcpSegment &segment,
                                  const TcpSettings &settings, std::int64_t now);

[[nodiscard]] ConnectionState viewOf(TcpState state);

} // namespace natlens::proxycore
