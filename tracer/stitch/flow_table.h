// Every packet goes through here: capture point and tuple to flow, counters up.
#pragma once

#include "tracer/stitch/flow.h"
#include "tracer/stitch/index_table.h"
#include "tracer/stitch/leg_table.h"

namespace natlens::tracer {

/// Flows of all capture points. The usual packet costs one hash look-up and a few counters and allocates nothing;
/// memory grows with flows, not with packets. Lives on the tracer's thread.
class FlowTable final {
public:
    explicit FlowTable(LegTable &legs)
        : m_legs(&legs) {}

    /// Packets without IP addresses are ignored (false).
    bool add(const Observation &seen);

    [[nodiscard]] const Flow &operator[](FlowIndex index) const { return m_flows[index]; }
    [[nodiscard]] const Pass &pass(std::uint32_t index) const { return m_passes[index]; }
    [[nodiscard]] std::uint32_t size() const { return m_flows.size(); }

private:
    [[nodiscard]] bool belongsToNewest(const Flow &flow, const Observation &seen) const;
    [[nodiscard]] FlowIndex find(std::uint32_t &head, const packet::Tuple &tuple, const Observation &seen,
                                 Flow::Kind kind);
    void count(Flow &flow, const Observation &seen);
    [[nodiscard]] Pass &passFor(Flow &flow, const Observation &seen);
    void mark(Flow &flow, const Observation &seen);
    static void peek(Flow &flow, const Observation &seen);

    Pool<Flow> m_flows;
    Pool<Pass> m_passes;
    IndexTable m_index;
    LegTable *m_legs;
};

} // namespace natlens::tracer
