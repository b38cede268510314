#include "app/lab/sim/recorder.h"

#include "app/lab/connection_events.h"

namespace natlens::lab::sim {

Recorder::Recorder(base::UniqueFd stream, const EventQueue &events)
    : m_writer(std::move(stream), "natlens simulated lab"), m_events(events) {}

base::CapturePointId Recorder::add(const file::CapturePoint &point) {
    const auto id = m_writer.addPoint(point);
    if (!id) m_failed = true;
    return id.value_or(base::CapturePointId{});
}

base::CapturePointId Recorder::addInterface(const std::string &host, const std::string &interface,
                                            const packet::MacAddress &mac) {
    return add({.name = host + "/" + interface, .description = "", .linkType = packet::LinkType::ethernet, .mac = mac});
}

base::CapturePointId Recorder::addConntrack(const std::string &host) {
    return add({.name = host + "/conntrack",
                .description = "connection tracking events of the engine",
                .linkType = packet::LinkType::netlink,
                .mac = std::nullopt});
}

void Recorder::addClusterState() {
    m_clusterState = add({.name = "cluster-state",
                          .description = "Kubernetes watch events (JSON)",
                          .linkType = packet::LinkType::user0,
                          .mac = std::nullopt});
}

void Recorder::write(base::CapturePointId point, std::span<const std::byte> bytes, file::PacketDirection direction) {
    if (m_failed) return;
    const auto status = m_writer.writePacket({.point = point,
                                              .number = {},
                                              .time = m_events.now(),
                                              .originalLength = static_cast<std::uint32_t>(bytes.size()),
                                              .data = bytes,
                                              .direction = direction});
    if (!status) m_failed = true;
}

void Recorder::frame(base::CapturePointId point, std::span<const std::byte> frame, file::PacketDirection direction) {
    write(point, frame, direction);
}

void Recorder::conntrack(base::CapturePointId point, proxycore::ConnectionChange change,
                         const proxycore::ConnectionView &connection) {
    write(point, conntrackPacket(change, connection), file::PacketDirection::unknown);
}

void Recorder::clusterState(std::string_view event) {
    write(m_clusterState, std::as_bytes(std::span(event)), file::PacketDirection::unknown);
}

void Recorder::flush() {
    if (!m_failed && !m_writer.flush()) m_failed = true;
}

} // namespace natlens::lab::sim
