#include "app/lab/node_answers.h"

#include "app/lab/sockets.h"
#include "proxycore/kernel/iptables.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <utility>

namespace natlens::lab {
namespace {

HttpAnswer toAnswer(proxycore::HttpAnswer answer) {
    return {answer.status, std::move(answer.headers), std::move(answer.body)};
}

/// Answers by path; others are 404.
HttpHandler byPath(std::map<std::string, std::function<proxycore::HttpAnswer()>> handlers) {
    return [handlers = std::move(handlers)](const HttpRequest &request) {
        const auto found = handlers.find(request.path);
        return toAnswer(found == handlers.end() ? proxycore::notFoundAnswer() : found->second());
    };
}

/// RFC 3339 with nanoseconds, UTC.
std::string rfc3339(base::Timestamp time) {
    const auto seconds = static_cast<std::time_t>(time.nanoseconds / 1'000'000'000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, time.nanoseconds % 1'000'000'000);
}

// A change that waits longer than twice the sync period makes the node unhealthy. Years would overflow as nanoseconds.
std::chrono::milliseconds patienceOf(const proxycore::ProxyConfig &config) {
    constexpr std::chrono::milliseconds kLongest = std::chrono::years(10);
    return 2 * std::min(config.syncPeriod, kLongest);
}

} // namespace

NodeAnswers::NodeAnswers(const proxycore::ProxyConfig &config, proxycore::HealthProfile profile,
                         std::function<base::Timestamp()> clock)
    : m_mode(config.mode), m_profile(profile), m_patience(patienceOf(config)), m_clock(std::move(clock)),
      m_metrics(config.mode) {}

void NodeAnswers::queued(const proxycore::ClusterState &state, std::span<const packet::IpFamily> families) {
    const auto at = static_cast<double>(m_clock().nanoseconds) / 1e9;
    for (const auto family : families) {
        m_metrics.queued(family, at, m_state, state);
        auto &waiting = m_families[family].waiting;
        if (!waiting) waiting = m_clock();
    }
    m_state = state;
}

bool NodeAnswers::isWaiting() const {
    return std::ranges::any_of(m_families, [](const auto &entry) { return entry.second.waiting.has_value(); });
}

void NodeAnswers::synced(std::shared_ptr<const proxycore::ProxyPlan> plan,
                         std::shared_ptr<const proxycore::Node> node, std::chrono::nanoseconds duration) {
    using Sync = proxycore::ProxyMetrics::Sync;
    auto &family = m_families[plan->family];
    family.lastSync = m_clock();
    family.waiting.reset();
    m_metrics.synced(plan->family, family.plan ? Sync::partial : Sync::full, duration,
                     static_cast<double>(family.lastSync.nanoseconds) / 1e9);
    m_metrics.noLocalEndpoints(plan->family, *plan);
    family.before = std::exchange(family.plan, std::move(plan));
    m_node = std::move(node);
}

bool NodeAnswers::isHealthy(const Family &family) const {
    return !family.waiting || m_clock() - *family.waiting < m_patience;
}

/// Of the iptables rules: all of the plan, and those of service ports that the last sync changed.
void NodeAnswers::countRules() {
    for (const auto &[family, of] : m_families) {
        if (!of.plan) continue;
        std::map<std::string, std::pair<std::size_t, std::size_t>> counts; // by table: all, written
        const bool first = !of.before;
        for (const auto &chain : proxycore::iptablesChains(*of.plan)) {
            counts[chain.table].first += chain.rules.size();
            if (first) counts[chain.table].second += chain.rules.size();
        }
        for (const auto &service : of.plan->services) {
            const auto *old = first ? nullptr : of.before->find(service->name);
            if (first || (old != nullptr && *old == *service)) continue;
            for (const auto &chain : proxycore::iptablesChainsOf(*of.plan, *service))
                counts[chain.table].second += chain.rules.size();
        }
        for (const auto &[table, count] : counts) m_metrics.rules(family, table, count.first, count.second);
    }
}

proxycore::ProxyHealth NodeAnswers::health() const {
    proxycore::ProxyHealth health{rfc3339(m_clock()), {}, proxycore::isEligible(m_node.get()), {}};
    base::Timestamp newest;
    for (const auto &[family, of] : m_families) {
        newest = std::max(newest, of.lastSync);
        health.families.push_back({family, rfc3339(of.lastSync), isHealthy(of)});
    }
    health.lastUpdated = rfc3339(newest);
    return health;
}

HttpHandler NodeAnswers::healthHandler() {
    return byPath({{"/healthz",
                    [this] {
                        auto answer = proxycore::healthzAnswer(health());
                        m_metrics.answeredHealthz(answer.status);
                        return answer;
                    }},
                   {"/livez", [this] {
                        auto answer = proxycore::livezAnswer(health());
                        m_metrics.answeredLivez(answer.status);
                        return answer;
                    }}});
}

HttpHandler NodeAnswers::metricsHandler() {
    return byPath({{"/proxyMode", [mode = m_mode] { return proxycore::proxyModeAnswer(mode); }},
                   {"/metrics",
                    [this] {
                        if (m_mode == proxycore::Mode::iptables) {
                            countRules();
                            if (m_countPackets) m_metrics.packets(m_countPackets());
                        }
                        return proxycore::metricsAnswer(m_metrics);
                    }},
                   {"/healthz", [] { return proxycore::metricsHealthzAnswer(); }}});
}

std::vector<NodeAnswers::HealthCheckPort> NodeAnswers::healthCheckPorts() const {
    std::vector<HealthCheckPort> ports;
    for (const auto &[family, of] : m_families) {
        if (!of.plan) continue; // its rules were refused
        auto addresses = proxycore::healthCheckAddresses(*of.plan, m_profile);
        if (addresses.empty()) addresses.push_back(anyAddress(family));
        for (const auto &check : of.plan->healthChecks)
            for (const auto &address : addresses) ports.push_back({check.service.toString(), {address, check.port}});
    }
    return ports;
}

HttpHandler NodeAnswers::healthCheckHandler(const HealthCheckPort &port) const {
    return [this, service = port.service, family = port.address.ip.family](const HttpRequest &) {
        if (const auto of = m_families.find(family); of != m_families.end() && of->second.plan)
            for (const auto &check : of->second.plan->healthChecks)
                if (check.service.toString() == service)
                    return toAnswer(proxycore::healthCheckAnswer(m_profile, check, isHealthy(of->second)));
        return toAnswer(proxycore::notFoundAnswer());
    };
}

} // namespace natlens::lab
