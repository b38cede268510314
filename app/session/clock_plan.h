// Clocks of several machines put right before anything else looks at the packets.
#pragma once

#include "app/session/file_merge.h"
#include "app/session/tracer_input.h"
#include "tracer/stitch/clock_alignment.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace natlens::session {

/// How much is looked at when.
struct ClockLooks {
    /// Read at first of one file, at most: hundreds of thousands of packets, in less than a tenth of a second. Less, if
    /// that shows a thousand packets of every host; of several files together a quarter.
    std::uint64_t first = 16U << 20;
    /// Several files that are no larger than this together are read to their ends at once.
    std::uint64_t small = 48U << 20;
};

/// What is known of the clocks behind a set of files. Immutable once made; sinks refer to it.
class ClockPlan final {
public:
    /// Compares the clocks of all hosts in the inputs, which are read to their ends (a single input only as far as it
    /// takes to see that its hosts agree, since one machine usually wrote it). `goOn` is asked now and then, from
    /// several threads at once: false ends the comparison, and nothing is corrected. Faults in files are ignored here:
    /// whoever reads them in earnest will say so.
    /// Where that takes long, `early` is first given what the beginnings of all files show.
    [[nodiscard]] static ClockPlan make(const std::function<std::vector<CaptureInput>()> &open,
                                        const std::function<bool()> &goOn,
                                        const std::function<void(const ClockPlan &)> &early = {},
                                        const ClockLooks &looks = {});

    /// True if some host's times are changed.
    [[nodiscard]] bool corrects() const;
    /// By host. Empty when there is nothing to compare.
    [[nodiscard]] const std::map<std::string, tracer::HostClock> &clocks() const { return m_clocks; }
    /// readMerged() with the times corrected. One file of hosts whose clocks differ is read once for each of them
    /// (`again` opens it anew), because its packets are not in order of corrected time; their numbers stay those of the
    /// file. `hooks.stage` must be empty.
    [[nodiscard]] base::Status read(std::vector<CaptureInput> &inputs,
                                    const std::function<base::Result<CaptureInput>()> &again, file::StreamSink &sink,
                                    MergeHooks hooks) const;

private:
    [[nodiscard]] std::unique_ptr<file::StreamSink> correcting(std::size_t input, file::StreamSink &next) const;

    std::map<std::string, tracer::HostClock> m_clocks;
    std::map<std::string, tracer::ClockCorrection> m_corrections;
};

/// Tells a tracer what is known of the clock behind a point, unless the recording says it itself.
void tellClock(const ClockPlan &plan, const file::CapturePoint &point, TracerInput &input);

/// "node2" of "node2/eth0".
[[nodiscard]] std::string hostOfPoint(const std::string &pointName);

} // namespace natlens::session
