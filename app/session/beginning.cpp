#include "app/session/beginning.h"

#include "app/session/clock_note.h"
#include "app/session/threads.h"

namespace natlens::session {
namespace {

/// Tens of thousands of packets: read and traced in a tenth of a second.
constexpr std::uint64_t kBeginning = 4U << 20;

} // namespace

Beginning::Beginning(const Options &options, const std::string &facts, const ClusterInput &cluster, ClockPlan clocks)
    : m_clocks(std::move(clocks))
    , m_tracer({.keepLegs = options.keepLegs, .parallel = inThreads})
    , m_ingest(m_input, {options.filter, !cluster.objects.empty()}) {
    if (!facts.empty()) m_tracer.addFacts({}, {}, facts);
    cluster.tell(m_tracer);
}

void Beginning::read(std::vector<CaptureInput> inputs, const std::function<base::Result<CaptureInput>()> &again,
                     const std::function<bool()> &goOn) {
    MergeHooks hooks;
    hooks.goOn = [&](std::uint64_t bytes) {
        m_bytes = bytes;
        return bytes < kBeginning && goOn();
    };
    (void)m_clocks.read(inputs, again, *this, std::move(hooks));
}

void Beginning::onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) {
    m_ingest.onCapturePoint(id, point);
    tellClock(m_clocks, point, m_input);
}

} // namespace natlens::session
