#include "app/lab/sim/recorder.h"

#include "capture/netlink/conntrack_message.h"
#include "capture/netlink/message.h"

namespace natlens::lab::sim {
namespace {

using netlink::ConntrackMessage;
using proxycore::ConnectionChange;
using proxycore::ConnectionState;

/// enum tcp_conntrack of the kernel; 0 for connections without TCP's states.
std::uint8_t tcpState(ConnectionState state) {
    switch (state) {
    case ConnectionState::synSent: return 1;
    case ConnectionState::synReceived: return 2;
    case ConnectionState::established: return 3;
    case ConnectionState::finWait: return 4;
    case ConnectionState::closeWait: return 5;
    case ConnectionState::lastAck: return 6;
    case ConnectionState::timeWait: return 7;
    case ConnectionState::close: return 8;
    default: return 0;
    }
}

ConntrackMessage::Kind kindOf(ConnectionChange change) {
    switch (change) {
    case ConnectionChange::added: return ConntrackMessage::Kind::created;
    case ConnectionChange::updated: return ConntrackMessage::Kind::updated;
    case ConnectionChange::destroyed: return ConntrackMessage::Kind::destroyed;
    }
    return ConntrackMessage::Kind::updated;
}

} // namespace

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

void Recorder::conntrack(base::CapturePointId point, ConnectionChange change,
                         const proxycore::ConnectionView &connection) {
    ConntrackMessage message;
    message.kind = kindOf(change);
    message.original = connection.original;
    message.reply = connection.reply;
    message.id = static_cast<std::uint32_t>(connection.id);
    message.status = ConntrackMessage::kConfirmed | (connection.seenReply ? ConntrackMessage::kSeenReply : 0) |
                     (connection.assured ? ConntrackMessage::kAssured : 0) |
                     (connection.sourceNat ? ConntrackMessage::kSnat : 0) |
                     (connection.destinationNat ? ConntrackMessage::kDnat : 0) |
                     (change == ConnectionChange::destroyed ? ConntrackMessage::kDying : 0);
    message.tcpState = tcpState(connection.state);
    write(point, netlink::wrap(netlink::Family::netfilter, netlink::encodeConntrack(message)),
          file::PacketDirection::unknown);
}

void Recorder::clusterState(std::string_view event) {
    write(m_clusterState, std::as_bytes(std::span(event)), file::PacketDirection::unknown);
}

void Recorder::flush() {
    if (!m_failed && !m_writer.flush()) m_failed = true;
}

} // namespace natlens::lab::sim
