// Recordings of recordings: what a replay of files writes once it knows what happened.
#pragma once

#include "app/session/clock_plan.h"
#include "app/session/file_merge.h"
#include "app/session/recording_sink.h"
#include "app/session/session.h"

namespace natlens::session {

/// What to write.
struct FileRecording {
    const Options &options;
    const ClockPlan &clocks;
    std::shared_ptr<const tracer::Snapshot> traced;
    std::function<base::Result<CaptureInput>()> again; ///< opens the only input once more
    std::uint64_t packets = 0;                      ///< so many were traced; the replay may have been stopped
};

/// Reads the inputs again and writes them to `fd`: one pcapng section, capture points as interfaces, packets in order
/// of corrected time with a comment about their path behind their own, drop counters; or, with Options::anonymize, the
/// same without addresses and comments. Where a time was corrected, if_description says by how much. Faults of the
/// inputs are not repeated here. `subject` names the file in errors. On the caller's thread.
[[nodiscard]] base::Status writeFileRecording(std::vector<CaptureInput> &inputs, base::UniqueFd fd, std::string subject,
                                              const FileRecording &what);

/// Copies so many packets of the inputs as they are.
[[nodiscard]] base::Status copyFiles(std::vector<CaptureInput> &inputs, base::UniqueFd fd, std::string subject,
                                     std::uint64_t packets);

} // namespace natlens::session
