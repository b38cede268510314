// The kernel's rule traces, one record for each traced packet and host.
#pragma once

#include "tracer/stitch/evidence.h"

#include <chrono>
#include <unordered_map>
#include <vector>

namespace natlens::tracer {

/// kube-proxy's chain whose only rule rejects.
inline constexpr std::string_view kRejectChain = "reject-chain";

/// The rules one packet met on one host, in order.
struct RuleTrace {
    std::string host;
    base::Timestamp time;
    base::PacketNumber packet;
    packet::Tuple tuple; ///< as the packet came in (of the first event that carried headers)
    std::vector<RuleTraceEvent> steps;

    [[nodiscard]] bool dropped() const;  ///< ended with the verdict "drop", without an answer
    [[nodiscard]] bool rejected() const; ///< the rule answered with an error; the kernel traces that as "drop", too
};

/// Groups trace events. A trace id means something only within one host and for a moment: ids are reused.
class RuleTraceLog final {
public:
    /// The tuple of the record that the event belongs to; `none` protocol while it is not known yet.
    packet::Tuple add(const RuleTraceEvent &event);

    [[nodiscard]] bool empty() const { return m_records.empty(); }
    /// The newest record of a host about a tuple that began within [from, to]; null if there is none.
    [[nodiscard]] const RuleTrace *find(std::string_view host, const packet::Tuple &tuple, base::Timestamp from,
                                        base::Timestamp to) const;

private:
    static constexpr std::chrono::seconds kIdLifetime{1};
    std::vector<RuleTrace> m_records;
    std::unordered_map<std::string, std::unordered_map<std::uint32_t, std::size_t>> m_current;
    std::unordered_map<packet::Tuple, std::vector<std::size_t>> m_byTuple;
};

} // namespace natlens::tracer
