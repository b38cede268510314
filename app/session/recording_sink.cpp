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

void RecordingSink::onCapturePoint(base::CapturePointId, const file::CapturePoint &point) {
    if (auto id = m_writer.addPoint(point); !id) keep(id.error());
}

void RecordingSink::onPacket(const file::PacketView &packet) {
    if (!m_status) return;
    if (auto status = m_writer.writePacket(packet); !status) keep(status.error());
}

void RecordingSink::onStatistics(const file::PointStatistics &statistics) {
    if (auto status = m_writer.writeStatistics(statistics); !status) keep(status.error());
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
