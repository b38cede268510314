#include "app/lab/node_answers.h"

#include <ctime>
#include <fmt/format.h>

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

} // namespace

NodeAnswers::NodeAnswers(proxycore::Mode mode, proxycore::HealthProfile profile,
                         std::function<base::Timestamp()> clock)
    : m_mode(mode), m_profile(profile), m_clock(std::move(clock)), m_metrics(mode) {}

void NodeAnswers::queued(const proxycore::ClusterState &state) {
    m_metrics.queued(packet::IpFamily::v4, static_cast<double>(m_clock().nanoseconds) / 1e9, m_state, state);
    m_state = state;
}

void NodeAnswers::synced(std::shared_ptr<const proxycore::ProxyPlan> plan,
                         std::shared_ptr<const proxycore::Node> node, std::chrono::nanoseconds duration) {
    using Sync = proxycore::ProxyMetrics::Sync;
    m_lastSync = m_clock();
    m_metrics.synced(plan->family, m_plan ? Sync::partial : Sync::full, duration,
                     static_cast<double>(m_lastSync.nanoseconds) / 1e9);
    m_metrics.noLocalEndpoints(plan->family, *plan);
    m_plan = std::move(plan);
    m_node = std::move(node);
}

proxycore::ProxyHealth NodeAnswers::health() const {
    const auto last = rfc3339(m_lastSync);
    return {rfc3339(m_clock()), last, proxycore::isEligible(m_node.get()), {{packet::IpFamily::v4, last, true}}};
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

HttpHandler NodeAnswers::metricsHandler() const {
    return byPath({{"/proxyMode", [mode = m_mode] { return proxycore::proxyModeAnswer(mode); }},
                   {"/metrics", [this] { return proxycore::metricsAnswer(m_metrics); }},
                   {"/healthz", [] { return proxycore::metricsHealthzAnswer(); }}});
}

HttpHandler NodeAnswers::healthCheckHandler(const std::string &service) const {
    return [this, service](const HttpRequest &) {
        if (m_plan)
            for (const auto &check : m_plan->healthChecks)
                if (check.service.toString() == service)
                    return toAnswer(proxycore::healthCheckAnswer(m_profile, check));
        return toAnswer(proxycore::notFoundAnswer());
    };
}

std::map<std::string, packet::Port> NodeAnswers::healthCheckPorts() const {
    std::map<std::string, packet::Port> ports;
    if (!m_plan) return ports;
    for (const auto &check : m_plan->healthChecks) ports.emplace(check.service.toString(), check.port);
    return ports;
}

std::vector<packet::IpAddress> NodeAnswers::healthCheckAddresses() const {
    auto addresses = m_plan ? proxycore::healthCheckAddresses(*m_plan, m_profile) : std::vector<packet::IpAddress>{};
    if (addresses.empty()) addresses.push_back(packet::IpAddress::v4(0));
    return addresses;
}

} // namespace natlens::lab
