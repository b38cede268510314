// Writes one pcapng section: nanosecond timestamps, one interface per capture point.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"
#include "capture/file/capture_stream.h"

#include <memory>

namespace natlens::file {

/// Buffered pcapng writer to a file descriptor. The section header is written first; interfaces may be added at any
/// time. Lives on one thread. After a failed write (disk full, reader gone) every later call returns the same error;
/// what was flushed before remains a readable file.
class PcapngWriter final {
public:
    /// Takes the descriptor. `application` goes into shb_userappl.
    explicit PcapngWriter(base::UniqueFd fd, std::string application = "natlens");
    ~PcapngWriter(); ///< flushes; errors at this point are lost, so call flush() first

    PcapngWriter(PcapngWriter &&) noexcept;
    PcapngWriter &operator=(PcapngWriter &&) noexcept;

    /// Ids are counted from 0 in the order of the calls.
    [[nodiscard]] base::Result<base::CapturePointId> addPoint(const CapturePoint &point);
    /// `number` is ignored. `annotation` becomes a second comment, behind the packet's own; "" none.
    [[nodiscard]] base::Status writePacket(const PacketView &packet, std::string_view annotation = {});
    [[nodiscard]] base::Status writeStatistics(const PointStatistics &statistics);
    [[nodiscard]] base::Status flush();

    [[nodiscard]] std::uint64_t bytesWritten() const;

private:
    struct State;
    std::unique_ptr<State> m_state;
};

} // namespace natlens::file
