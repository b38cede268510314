// The simulated lab's pcapng stream: the same points and kinds of packets as the captures of the namespace lab.
#pragma once

#include "app/lab/sim/event_queue.h"
#include "capture/file/pcapng_writer.h"
#include "proxycore/engine/packet_engine.h"

#include <string>

namespace natlens::lab::sim {

/// Everything is written at the time it happens, so the stream is in order. Lives on the lab's thread. After a failed
/// write (the reader has gone) nothing more is written; see failed().
class Recorder final {
public:
    Recorder(base::UniqueFd stream, const EventQueue &events);

    [[nodiscard]] base::CapturePointId addInterface(const std::string &host, const std::string &interface,
                                                    const packet::MacAddress &mac);
    [[nodiscard]] base::CapturePointId addConntrack(const std::string &host);
    void addClusterState();

    void frame(base::CapturePointId point, std::span<const std::byte> frame, file::PacketDirection direction);
    /// As `conntrack -E` would have it from a kernel.
    void conntrack(base::CapturePointId point, proxycore::ConnectionChange change,
                   const proxycore::ConnectionView &connection);
    void clusterState(std::string_view event);

    void flush();
    [[nodiscard]] bool failed() const { return m_failed; }

private:
    [[nodiscard]] base::CapturePointId add(const file::CapturePoint &point);
    void write(base::CapturePointId point, std::span<const std::byte> bytes, file::PacketDirection direction);

    file::PcapngWriter m_writer;
    const EventQueue &m_events;
    base::CapturePointId m_clusterState{};
    bool m_failed = false;
};

} // namespace natlens::lab::sim
