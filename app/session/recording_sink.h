// Where a recording is written.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"
#include "capture/file/pcapng_writer.h"

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::session {

/// Opens a new, empty file. Fails with invalidInput (exit status 2) if it cannot be written, or if it is one of the
/// files being read.
[[nodiscard]] base::Result<base::UniqueFd> createRecording(const std::filesystem::path &path,
                                                           std::span<const std::filesystem::path> beingRead);

/// Copies a stream into a pcapng file. The first failure is kept and ends the copy, never the stream.
/// Lives on the reader's thread.
class RecordingSink final : public file::StreamSink {
public:
    /// `subject` names the file in errors.
    RecordingSink(base::UniqueFd fd, std::string subject)
        : m_writer(std::move(fd))
        , m_subject(std::move(subject)) {}

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override;
    void onPacket(const file::PacketView &packet) override;
    void onStatistics(const file::PointStatistics &statistics) override;
    /// A packet with a comment of ours behind its own.
    void write(const file::PacketView &packet, std::string_view annotation);
    /// Flushes. The first failure of all.
    [[nodiscard]] base::Status finish();

private:
    void keep(base::Error error);

    [[nodiscard]] base::CapturePointId writersId(base::CapturePointId id) const;

    file::PcapngWriter m_writer;
    std::vector<base::CapturePointId> m_ids; ///< the writer's, by the stream's: points may come in any order
    std::string m_subject;
    base::Status m_status;
};

} // namespace natlens::session
