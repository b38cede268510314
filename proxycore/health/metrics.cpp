#include "proxycore/health/metrics.h"

namespace natlens::proxycore {

namespace {

std::vector<double> syncBounds() {
    std::vector<double> bounds;
    for (unsigned i = 0; i < 15; ++i) bounds.push_back(0.001 * static_cast<double>(1U << i));
    return bounds;
}

std::vector<double> programmingBounds() {
    std::vector<double> bounds{0.25, 0.5};
    for (int seconds = 1; seconds < 60; seconds += 1) bounds.push_back(seconds);
    for (int seconds = 60; seconds < 120; seconds += 5) bounds.push_back(seconds);
    for (int seconds = 120; seconds <= 300; seconds += 30) bounds.push_back(seconds);
    return bounds;
}

double seconds(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Objects that came, went or changed; those that two states share are the same object.
template<class T>
std::uint64_t changes(const ClusterState::Objects<T> &before, const ClusterState::Objects<T> &after) {
    std::uint64_t count = 0;
    for (const auto &[name, object] : after) {
        const auto old = before.find(name);
        if (old == before.end() || old->second != object) ++count;
    }
    for (const auto &[name, object] : before)
        if (!after.contains(name)) ++count;
    return count;
}

std::string_view label(IpFamily family) {
    return family == IpFamily::v6 ? "IPv6" : "IPv4";
}

} // namespace

const std::vector<double> ProxyMetrics::kSyncBounds = syncBounds();
const std::vector<double> ProxyMetrics::kProgrammingBounds = programmingBounds();

void ProxyMetrics::Histogram::observe(double value) {
    for (std::size_t i = 0; i < buckets.size(); ++i)
        if (value <= (*bounds)[i]) ++buckets[i]; // buckets are cumulative
    ++count;
    sum += value;
}

void ProxyMetrics::synced(IpFamily family, Sync kind, std::chrono::nanoseconds duration, double end) {
    auto &of = m_families[family];
    of.all.observe(seconds(duration));
    (kind == Sync::full ? of.full : of.partial).observe(seconds(duration));
    // kube-proxy measures from the EndpointSlice controller's annotation on; where nobody writes that, from when we
    // heard.
    if (of.endpointsWait) of.programming.observe(end - of.lastQueued);
    of.endpointsWait = false;
    m_servicesPending = m_endpointsPending = 0;
    of.lastSync = end;
}

void ProxyMetrics::rules(IpFamily family, const std::string &table, std::size_t total, std::size_t written) {
    m_families[family].rules[table] = {total, written};
}

void ProxyMetrics::refused(IpFamily family, const Refused &count) {
    auto &all = m_families[family].refused;
    all.syncs += count.syncs;
    all.partial += count.partial;
    all.cleanUps += count.cleanUps;
}

void ProxyMetrics::queued(IpFamily family, double at, const ClusterState &before, const ClusterState &after) {
    auto &of = m_families[family];
    const auto services = changes(before.services, after.services);
    const auto endpoints = changes(before.endpointSlices, after.endpointSlices);
    of.lastQueued = at;
    of.endpointsWait = of.endpointsWait || (endpoints > 0 && of.all.count > 0);
    m_serviceChanges += services;
    m_endpointChanges += endpoints;
    m_servicesPending += services;
    m_endpointsPending += endpoints;
}

void ProxyMetrics::noLocalEndpoints(IpFamily family, const ProxyPlan &plan) {
    auto &of = m_families[family];
    of.noLocalInternal = of.noLocalExternal = 0;
    for (const auto &service : plan.services) {
        if (!service->hasAny || !service->local.empty()) continue;
        if (service->internalLocal) ++of.noLocalInternal;
        if (service->externalLocal) ++of.noLocalExternal;
    }
}

void ProxyMetrics::reconciled(IpFamily family, std::chrono::nanoseconds duration, std::uint64_t deleted) {
    auto &of = m_families[family];
    of.reconciler.observe(seconds(duration));
    of.deleted += deleted;
}

/// Writes one metric after the other; names without their common prefix.
class ProxyMetrics::Printer final {
public:
    explicit Printer(const std::map<IpFamily, Family> &families) : m_families(families) {}

    void head(std::string_view name, std::string_view type, std::string_view help) {
        m_name = fmt::format("kubeproxy_{}", name);
        m_text += fmt::format("# HELP {0} [ALPHA] {2}\n# TYPE {0} {1}\n", m_name, type, help);
    }
    void value(std::string_view labels, double number) {
        m_text += labels.empty() ? fmt::format("{} {}\n", m_name, number) : fmt::format("{}{{{}}} {}\n", m_name, labels, number);
    }
    template<class Get>
    void perFamily(std::string_view name, std::string_view type, std::string_view help, Get get) {
        head(name, type, help);
        for (const auto &[family, of] : m_families)
            value(fmt::format("ip_family=\"{}\"", label(family)), static_cast<double>(get(of)));
    }
    void histogram(std::string_view name, std::string_view help, Histogram Family::*which) {
        head(name, "histogram", help);
        for (const auto &[family, of] : m_families) {
            const auto &one = of.*which;
            const auto with = fmt::format("ip_family=\"{}\"", label(family));
            for (std::size_t i = 0; i < one.buckets.size(); ++i)
                m_text += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", m_name, with, (*one.bounds)[i], one.buckets[i]);
            m_text += fmt::format("{0}_bucket{{{1},le=\"+Inf\"}} {2}\n{0}_sum{{{1}}} {3}\n{0}_count{{{1}}} {2}\n", m_name, with,
                                  one.count, one.sum);
        }
    }
    /// One value for each table and family.
    template<class Get>
    void perTable(std::string_view name, std::string_view help, Get get) {
        head(name, "gauge", help);
        for (const auto &[family, of] : m_families)
            for (const auto &[table, rules] : of.rules)
                value(fmt::format("ip_family=\"{}\",table=\"{}\"", label(family), table),
                      static_cast<double>(get(rules)));
    }
    void codes(std::string_view name, std::string_view help, const std::map<int, std::uint64_t> &counts) {
        head(name, "counter", help);
        for (const auto &[code, count] : counts) value(fmt::format("code=\"{}\"", code), static_cast<double>(count));
    }
    [[nodiscard]] std::string finish() { return std::move(m_text); }

private:
    const std::map<IpFamily, Family> &m_families;
    std::string m_name, m_text;
};

std::string ProxyMetrics::text() const {
    Printer out(m_families);
    out.histogram("sync_proxy_rules_duration_seconds", "Time that syncing the rules took", &Family::all);
    out.histogram("sync_full_proxy_rules_duration_seconds", "Time that full syncs took", &Family::full);
    out.histogram("sync_partial_proxy_rules_duration_seconds", "Time that partial syncs took", &Family::partial);
    out.perFamily("sync_proxy_rules_last_timestamp_seconds", "gauge", "When the rules were synced last",
                  [](const Family &of) { return of.lastSync; });
    out.perFamily("sync_proxy_rules_last_queued_timestamp_seconds", "gauge", "When a sync was asked for last",
                  [](const Family &of) { return of.lastQueued; });
    out.histogram("network_programming_duration_seconds", "Time from a change of endpoints to the end of its sync",
                  &Family::programming);
    out.head("sync_proxy_rules_service_changes_pending", "gauge", "Changes of Services that wait for a sync");
    out.value({}, static_cast<double>(m_servicesPending));
    out.head("sync_proxy_rules_endpoint_changes_pending", "gauge", "Changes of endpoints that wait for a sync");
    out.value({}, static_cast<double>(m_endpointsPending));
    out.head("sync_proxy_rules_service_changes_total", "counter", "Changes of Services seen");
    out.value({}, static_cast<double>(m_serviceChanges));
    out.head("sync_proxy_rules_endpoint_changes_total", "counter", "Changes of endpoints seen");
    out.value({}, static_cast<double>(m_endpointChanges));
    const auto failed = [](const Family &of) { return of.refused.syncs; };
    if (m_mode == Mode::nftables) {
        out.perFamily("sync_proxy_rules_nftables_sync_failures_total", "counter", "Syncs that the kernel refused", failed);
        out.perFamily("sync_proxy_rules_nftables_cleanup_failures_total", "counter",
                      "Deletions of unused chains that the kernel refused",
                      [](const Family &of) { return of.refused.cleanUps; });
    } else {
        out.perFamily("sync_proxy_rules_iptables_restore_failures_total", "counter", "Restores that the kernel refused", failed);
        out.perFamily("sync_proxy_rules_iptables_partial_restore_failures_total", "counter",
                      "Restores of changes only that the kernel refused",
                      [](const Family &of) { return of.refused.partial; });
        if (m_packets.invalidDropped) {
            out.head("iptables_ct_state_invalid_dropped_packets_total", "counter",
                     "Packets dropped because connection tracking called them invalid");
            out.value({}, static_cast<double>(*m_packets.invalidDropped));
        }
        if (m_packets.localhostNodePorts) {
            out.head("iptables_localhost_nodeports_accepted_packets_total", "counter",
                     "Packets accepted at node ports of localhost");
            out.value({}, static_cast<double>(*m_packets.localhostNodePorts));
        }
        out.perTable("sync_proxy_rules_iptables_total", "Rules", [](const Rules &of) { return of.total; });
        out.perTable("sync_proxy_rules_iptables_last", "Rules that the last sync wrote",
                     [](const Rules &of) { return of.written; });
    }
    out.head("sync_proxy_rules_no_local_endpoints_total", "gauge", "Services with policy Local without an endpoint here");
    for (const auto &[family, of] : m_families) {
        out.value(fmt::format("ip_family=\"{}\",traffic_policy=\"external\"", label(family)), static_cast<double>(of.noLocalExternal));
        out.value(fmt::format("ip_family=\"{}\",traffic_policy=\"internal\"", label(family)), static_cast<double>(of.noLocalInternal));
    }
    out.histogram("conntrack_reconciler_sync_duration_seconds", "Time that looking for stale connections took",
                  &Family::reconciler);
    out.perFamily("conntrack_reconciler_deleted_entries_total", "counter", "Stale connections deleted",
                  [](const Family &of) { return of.deleted; });
    out.codes("proxy_healthz_total", "Answers of /healthz", m_healthz);
    out.codes("proxy_livez_total", "Answers of /livez", m_livez);
    return out.finish();
}

HttpAnswer metricsAnswer(const ProxyMetrics &metrics) {
    return {200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, metrics.text()};
}

} // namespace natlens::proxycore
