#include "tracer/findings/node_facts.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace natlens::tracer {

namespace {

using nlohmann::json;

std::uint64_t counter(const json &object, const char *key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

} // namespace

std::optional<std::int64_t> NodeFacts::sysctl(std::string_view name) const {
    const auto found = sysctls.find(name);
    return found == sysctls.end() ? std::nullopt : std::optional(found->second);
}

bool FactsLog::add(std::string_view host, Timestamp time, std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return false;
    NodeFacts facts;
    facts.time = time;
    if (const auto proxy = object.find("kubeProxy"); proxy != object.end() && proxy->is_object())
        if (auto config = proxycore::readProxyConfig(proxy->dump(), "facts")) facts.proxy = std::move(*config);
    if (const auto values = object.find("sysctls"); values != object.end() && values->is_object())
        for (const auto &[name, value] : values->items())
            if (value.is_number_integer()) facts.sysctls[name] = value.get<std::int64_t>();
    if (const auto counters = object.find("conntrack"); counters != object.end() && counters->is_object())
        facts.tracking = TrackingCounters{.count = counter(*counters, "count"),
                                          .invalid = counter(*counters, "invalid"),
                                          .insertFailed = counter(*counters, "insertFailed"),
                                          .drop = counter(*counters, "drop"),
                                          .earlyDrop = counter(*counters, "earlyDrop")};
    if (const auto counters = object.find("network"); counters != object.end() && counters->is_object())
        if (counters->contains("reversePathFiltered"))
            facts.reversePathFiltered = counter(*counters, "reversePathFiltered");
    auto &known = m_hosts[std::string(host)];
    known.insert(std::ranges::upper_bound(known, time, {}, &NodeFacts::time), std::move(facts));
    return true;
}

const NodeFacts *FactsLog::at(std::string_view host, Timestamp time) const {
    auto found = m_hosts.find(host);
    if (found == m_hosts.end()) found = m_hosts.find(std::string_view());
    if (found == m_hosts.end() || found->second.empty()) return nullptr;
    const auto after = std::ranges::upper_bound(found->second, time, {}, &NodeFacts::time);
    return after == found->second.begin() ? &*after : &*std::prev(after);
}

/// The last reading of one kind before a time span and the first one after it; null where there is none.
template<class Value>
std::pair<const Value *, const Value *> FactsLog::around(std::string_view host, Timestamp from, Timestamp to,
                                                         std::optional<Value> NodeFacts::*which) const {
    const Value *before = nullptr, *after = nullptr;
    const auto found = m_hosts.find(host);
    if (found == m_hosts.end()) return {before, after};
    for (const NodeFacts &facts : found->second) {
        const auto &value = facts.*which;
        if (!value) continue;
        if (facts.time <= from) before = &*value;
        if (facts.time >= to && after == nullptr) after = &*value;
    }
    return {before, after};
}

std::optional<std::uint64_t> FactsLog::filteredBetween(std::string_view host, Timestamp from, Timestamp to) const {
    const auto [before, after] = around(host, from, to, &NodeFacts::reversePathFiltered);
    if (before == nullptr || after == nullptr) return std::nullopt;
    return *after > *before ? *after - *before : 0;
}

std::optional<TrackingCounters> FactsLog::rise(std::string_view host, Timestamp from, Timestamp to) const {
    const auto [before, after] = around(host, from, to, &NodeFacts::tracking);
    if (before == nullptr || after == nullptr) return std::nullopt;
    const auto risen = [](std::uint64_t a, std::uint64_t b) { return b > a ? b - a : 0; };
    return TrackingCounters{.count = after->count,
                            .invalid = risen(before->invalid, after->invalid),
                            .insertFailed = risen(before->insertFailed, after->insertFailed),
                            .drop = risen(before->drop, after->drop),
                            .earlyDrop = risen(before->earlyDrop, after->earlyDrop)};
}

} // namespace natlens::tracer
