// A recording for strangers: an anonymizing stage of a stream.
#pragma once

#include "app/session/anonymize_packet.h"
#include "capture/file/capture_stream.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace natlens::session {

/// Passes a stream on without addresses, names, payload and comments. Hosts become host1, host2 ... in order of their
/// capture points; names of interfaces are kept if they are of the usual kind ("eth0"). Conntrack evidence is kept with
/// its addresses mapped; rule traces and cluster state are left out, since their texts name Services, pods and
/// addresses. Times, lengths, directions and drop counters stay. Lives on the reader's thread.
class Anonymizer final : public file::StreamSink {
public:
    Anonymizer(KeyedHash::Key key, file::StreamSink &next)
        : m_packets(key)
        , m_next(next) {}

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override;
    void onPacket(const file::PacketView &packet) override;
    void onStatistics(const file::PointStatistics &statistics) override;

private:
    struct Point {
        std::optional<base::CapturePointId> id; ///< of the stream that goes on; nothing: left out
        packet::LinkType linkType = packet::LinkType::ethernet;
    };
    [[nodiscard]] std::string nameFor(const std::string &name);
    [[nodiscard]] std::span<const std::byte> evidence(const file::PacketView &packet);
    [[nodiscard]] packet::Tuple mapped(const packet::Tuple &tuple);

    PacketAnonymizer m_packets;
    file::StreamSink &m_next;
    std::vector<Point> m_points;
    std::uint32_t m_nextId = 0;
    std::map<std::string, unsigned> m_hosts, m_interfaces;
    std::vector<std::byte> m_evidence;
};

} // namespace natlens::session
