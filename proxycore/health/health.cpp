#include "proxycore/health/health.h"

#include <nlohmann/json.hpp>

namespace natlens::proxycore {

std::string_view toString(HealthProfile value) {
    switch (value) {
    case HealthProfile::picture: return "picture";
    case HealthProfile::document: return "document";
    case HealthProfile::today: return "today";
    }
    return "today";
}

namespace {

using Json = nlohmann::ordered_json; // kube-proxy's keys have an order

constexpr int kOk = 200, kNotFound = 404, kInternalServerError = 500, kServiceUnavailable = 503;

HttpAnswer text(int status, std::string body) {
    return {status,
            {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}},
            std::move(body)};
}

HttpAnswer json(int status, std::string body) {
    return {status, {{"Content-Type", "application/json"}, {"X-Content-Type-Options", "nosniff"}}, std::move(body)};
}

/// kube-proxy 1.4 and 1.5 counted Services where endpoints were meant, so the number was never more than 1.
HttpAnswer answerOf15(int failure, unsigned localEndpoints) {
    if (localEndpoints > 0) return {kOk, {{"Content-Type", "text/plain"}}, "1 Service Endpoints found"};
    return {failure, {{"Content-Type", "text/plain"}}, "No Service Endpoints Found"};
}

std::string quoted(const std::string &value) {
    return Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

HttpAnswer proxyHealthAnswer(const ProxyHealth &health, bool withNode) {
    bool healthy = true;
    for (const auto &family : health.families)
        healthy = healthy && family.healthy;
    const int status = healthy && (!withNode || health.nodeEligible) ? kOk : kServiceUnavailable;
    Json body = {{"lastUpdated", status == kOk ? health.currentTime : health.lastUpdated},
                 {"currentTime", health.currentTime}};
    if (withNode) body["nodeEligible"] = health.nodeEligible;
    body["healthy"] = healthy;
    body["status"] = Json::object();
    for (const auto &family : health.families)
        body["status"][family.family == IpFamily::v6 ? "IPv6" : "IPv4"] = {{"lastUpdated", family.lastUpdated},
                                                                           {"healthy", family.healthy}};
    return json(status, body.dump());
}

} // namespace

HttpAnswer healthCheckAnswer(HealthProfile profile, const ObjectName &service, unsigned localEndpoints,
                             bool proxyHealthy) {
    if (profile == HealthProfile::picture) return answerOf15(kInternalServerError, localEndpoints);
    if (profile == HealthProfile::document) return answerOf15(kServiceUnavailable, localEndpoints);
    auto answer = json(localEndpoints > 0 && proxyHealthy ? kOk : kServiceUnavailable,
                       fmt::format("{{\n\t\"service\": {{\n\t\t\"namespace\": {},\n\t\t\"name\": {}\n\t}},\n"
                                   "\t\"localEndpoints\": {},\n\t\"serviceProxyHealthy\": {}\n}}",
                                   quoted(service.nameSpace), quoted(service.name), localEndpoints, proxyHealthy));
    answer.headers.emplace_back("X-Load-Balancing-Endpoint-Weight", std::to_string(localEndpoints));
    return answer;
}

HttpAnswer healthCheckAnswer(HealthProfile profile, const HealthCheckPlan &check, bool proxyHealthy) {
    return healthCheckAnswer(profile, check.service, check.localEndpoints, proxyHealthy);
}

std::vector<IpAddress> healthCheckAddresses(const ProxyPlan &plan, HealthProfile profile) {
    if (profile != HealthProfile::today || plan.nodePorts.allLocal) return {};
    return plan.nodePorts.addresses;
}

bool isEligible(const Node *node) {
    if (node == nullptr || node->beingDeleted) return false;
    return std::find(node->taintKeys.begin(), node->taintKeys.end(), "ToBeDeletedByClusterAutoscaler") ==
           node->taintKeys.end();
}

HttpAnswer healthzAnswer(const ProxyHealth &health) {
    return proxyHealthAnswer(health, true);
}
HttpAnswer livezAnswer(const ProxyHealth &health) {
    return proxyHealthAnswer(health, false);
}

HttpAnswer proxyModeAnswer(Mode mode) {
    return text(kOk, std::string(toString(mode)));
}
HttpAnswer metricsHealthzAnswer() {
    return text(kOk, "ok");
}
HttpAnswer notFoundAnswer() {
    return text(kNotFound, "404 page not found\n");
}

} // namespace natlens::proxycore
