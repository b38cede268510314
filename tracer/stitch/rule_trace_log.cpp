#include "tracer/stitch/rule_trace_log.h"

#include <algorithm>

namespace natlens::tracer {

bool RuleTrace::dropped() const {
    return std::ranges::any_of(
        steps, [](const RuleTraceEvent &step) { return step.verdict == "drop" && step.chain != kRejectChain; });
}

bool RuleTrace::rejected() const {
    return std::ranges::any_of(
        steps, [](const RuleTraceEvent &step) { return step.chain == kRejectChain || step.target == kRejectChain; });
}

packet::Tuple RuleTraceLog::add(const RuleTraceEvent &event) {
    auto &current = m_current[event.host];
    auto found = current.find(event.traceId);
    if (found == current.end() || event.time - m_records[found->second].time > kIdLifetime) {
        RuleTrace record;
        record.host = event.host;
        record.time = event.time;
        record.packet = event.packet;
        m_records.push_back(std::move(record));
        found = current.insert_or_assign(event.traceId, m_records.size() - 1).first;
    }
    RuleTrace &record = m_records[found->second];
    if (event.tuple && record.tuple.protocol == packet::Protocol::none) {
        record.tuple = *event.tuple;
        m_byTuple[record.tuple].push_back(found->second);
    }
    record.steps.push_back(event);
    return record.tuple;
}

const RuleTrace *RuleTraceLog::find(std::string_view host, const packet::Tuple &tuple, base::Timestamp from,
                                    base::Timestamp to) const {
    const auto found = m_byTuple.find(tuple);
    if (found == m_byTuple.end()) return nullptr;
    const RuleTrace *newest = nullptr;
    for (const std::size_t i : found->second) {
        const RuleTrace &record = m_records[i];
        if (record.host != host || record.time < from || record.time > to) continue;
        if (!newest || record.time > newest->time) newest = &record;
    }
    return newest;
}

} // namespace natlens::tracer
