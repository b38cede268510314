// Settings and counters that nodes told of themselves (docs/recording-facts.md), in time.
#pragma once

#include "capture/base/timestamp.h"
#include "proxycore/model/proxy_config.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace natlens::tracer {

using base::Timestamp;

/// Counters of connection tracking since the node's network began.
struct TrackingCounters {
    std::uint64_t count = 0; ///< entries now; not a counter
    std::uint64_t invalid = 0, insertFailed = 0, drop = 0, earlyDrop = 0;
};

struct NodeFacts {
    Timestamp time;
    std::optional<proxycore::ProxyConfig> proxy;              ///< what the node's kube-proxy was told
    std::map<std::string, std::int64_t, std::less<>> sysctls; ///< "net.netfilter.nf_conntrack_max"
    std::optional<TrackingCounters> tracking;
    std::optional<std::uint64_t> reversePathFiltered; ///< packets, since the node's network began

    [[nodiscard]] std::optional<std::int64_t> sysctl(std::string_view name) const;
};

/// By host. Empty for recordings that nobody put facts into: then nothing is concluded from them.
class FactsLog final {
public:
    /// False if nothing could be made of it. An empty host stands for all that told nothing themselves.
    bool add(std::string_view host, Timestamp time, std::string_view json);

    [[nodiscard]] bool empty() const { return m_hosts.empty(); }
    /// The newest at a moment, else the first later one; null when the host told nothing.
    [[nodiscard]] const NodeFacts *at(std::string_view host, Timestamp time) const;
    /// How far the counters rose from the last reading before `from` to the first one after `to`; `count` is that of
    /// the latter. Nothing without two readings.
    [[nodiscard]] std::optional<TrackingCounters> rise(std::string_view host, Timestamp from, Timestamp to) const;
    /// The same of packets that the reverse-path filter threw away.
    [[nodiscard]] std::optional<std::uint64_t> filteredBetween(std::string_view host, Timestamp from,
                                                               Timestamp to) const;

private:
    template<class Value>
    [[nodiscard]] std::pair<const Value *, const Value *> around(std::string_view host, Timestamp from, Timestamp to,
                                                                 std::optional<Value> NodeFacts::*which) const;

    std::map<std::string, std::vector<NodeFacts>, std::less<>> m_hosts; ///< by time
};

} // namespace natlens::tracer
