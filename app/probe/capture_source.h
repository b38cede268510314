// Private to app/probe: what one capture point is read from.
#pragma once

#include "capture/base/result.h"
#include "capture/base/timestamp.h"
#include "capture/file/capture_stream.h"
#include "capture/live/live_capture.h"
#include "capture/netlink/event_socket.h"

#include <functional>
#include <memory>
#include <span>

namespace natlens::probe {

/// A packet on its way into the stream; `data` is valid during the call.
struct Arrival {
    base::Timestamp time;
    std::uint32_t originalLength = 0;
    std::span<const std::byte> data;
    file::PacketDirection direction = file::PacketDirection::unknown;
};

struct SourceCounters {
    std::uint64_t received = 0, dropped = 0;
    auto operator<=>(const SourceCounters &) const = default;
};

/// Served by the capture thread alone.
class CaptureSource {
public:
    using Deliver = std::function<void(const Arrival &)>;

    virtual ~CaptureSource() = default;
    [[nodiscard]] virtual int fd() const = 0;
    /// Hands over what waits, at most about `limit`, without blocking. An error means that the source has ended.
    [[nodiscard]] virtual base::Status collect(const Deliver &deliver, std::size_t limit) = 0;
    [[nodiscard]] virtual SourceCounters counters() = 0;
};

/// The direction follows from the MAC addresses: libpcap does not tell it on Ethernet.
[[nodiscard]] std::unique_ptr<CaptureSource> makeInterfaceSource(live::LiveCapture capture,
                                                                 std::optional<packet::MacAddress> mac);
[[nodiscard]] std::unique_ptr<CaptureSource> makeEventSource(netlink::EventSocket socket);

/// Outbound if the source is the interface's own address, inbound if the destination is its own or a group address,
/// otherwise (a bridge passes it on, no Ethernet) unknown.
[[nodiscard]] file::PacketDirection directionOf(std::span<const std::byte> frame, const packet::MacAddress &own);

} // namespace natlens::probe
