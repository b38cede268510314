#include "app/session/recording_sink.h"

#include <fcntl.h>

namespace natlens::session {

base::Result<base::UniqueFd> createRecording(const std::filesystem::path &path,
                                             std::span<const std::filesystem::path> beingRead) {
    std::error_code ignored;
    for (const auto &file : beingRead) {
        if (std::filesystem::equivalent(path, file, ignored) && !ignored)
            return base::fail(base::ErrorCode::invalidInput, "this is the recording being read; choose another name",
                              "record to", path.string());
    }
    base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (fd) return fd;
    auto failure = base::failErrno("record to", path.string());
    failure.error().code = base::ErrorCode::invalidInput;
    return failure;
}

void RecordingSink::onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) {
    file::CapturePoint named = point;
    // A host without an interface's name ("merged.pcap" is "merged") must not be read as an interface of another.
    const bool isEvidence = point.linkType == packet::LinkType::netlink || point.linkType == packet::LinkType::user0;
    if (!isEvidence && !named.name.empty() && named.name.find('/') == std::string::npos) named.name += '/';
    auto added = m_writer.addPoint(named);
    if (!added) return keep(added.error());
    if (m_ids.size() <= id.value) m_ids.resize(id.value + 1);
    m_ids[id.value] = *added;
}

base::CapturePointId RecordingSink::writersId(base::CapturePointId id) const {
    return id.value < m_ids.size() ? m_ids[id.value] : id;
}

void RecordingSink::onPacket(const file::PacketView &packet) {
    write(packet, {});
}

void RecordingSink::write(const file::PacketView &packet, std::string_view annotation) {
    if (!m_status) return;
    file::PacketView renumbered = packet;
    renumbered.point = writersId(packet.point);
    if (auto status = m_writer.writePacket(renumbered, annotation); !status) keep(status.error());
}

void RecordingSink::onStatistics(const file::PointStatistics &statistics) {
    file::PointStatistics renumbered = statistics;
    renumbered.point = writersId(statistics.point);
    if (auto status = m_writer.writeStatistics(renumbered); !status) keep(status.error());
}

base::Status RecordingSink::finish() {
    if (auto status = m_writer.flush(); !status) keep(status.error());
    return m_status;
}

void RecordingSink::keep(base::Error error) {
    if (!m_status) return;
    error.subject = m_subject;
    error.operation = "record to";
    m_status = std::unexpected(std::move(error));
}

} // namespace natlens::session
