// The beginning of a large source, to look at while the rest is only compared yet.
#pragma once

#include "app/session/clock_plan.h"
#include "app/session/cluster_input.h"
#include "app/session/ingest.h"
#include "app/session/session.h"

#include <memory>
#include <string>

namespace natlens::session {

/// Clocks of several files are compared over all that was captured before their packets can be put in order, which
/// takes seconds for gigabytes. Meanwhile the first megabytes are traced on their own, by what they show of the clocks
/// themselves: so there is something to see at once, and something to keep if nobody waits for the rest. All is made
/// anew afterwards. Lives on the runner's thread.
class Beginning final : private file::StreamSink {
public:
    /// `facts` and `cluster`: as a person gave them; "" for no facts.
    Beginning(const Options &options, const std::string &facts, const ClusterInput &cluster, ClockPlan clocks);

    /// Reads the first megabytes. Faults are ignored here: whoever reads in earnest will say so.
    void read(std::vector<CaptureInput> inputs, const std::function<base::Result<CaptureInput>()> &again,
              const std::function<bool()> &goOn);
    /// Nothing more will come.
    void finish() { m_tracer.finish(); }
    [[nodiscard]] std::shared_ptr<const tracer::Snapshot> snapshot() { return m_tracer.snapshot(); }
    [[nodiscard]] std::uint64_t bytes() const { return m_bytes; }
    [[nodiscard]] std::uint64_t packets() const { return m_packets; } ///< evidence included

private:
    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override;
    void onPacket(const file::PacketView &packet) override {
        ++m_packets;
        m_ingest.onPacket(packet);
    }
    void onStatistics(const file::PointStatistics &statistics) override { m_ingest.onStatistics(statistics); }

    ClockPlan m_clocks;
    tracer::Tracer m_tracer;
    DirectInput m_input{m_tracer};
    Ingest m_ingest;
    std::uint64_t m_bytes = 0, m_packets = 0;
};

} // namespace natlens::session
