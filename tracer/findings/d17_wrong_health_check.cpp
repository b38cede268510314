// D17: the load balancer takes the wrong nodes for healthy or unhealthy.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

constexpr packet::Port kProxyHealthPort = 10256;

} // namespace

const Diagnosis kD17{
    .code = "D17",
    .title = "Health checks ask the wrong question, or get an answer that cluster state contradicts",
    .severity = Severity::warning,
    .what = "A node without an endpoint passes the health check, or one with an endpoint fails it.",
    .why = "With policy Local only the Service's healthCheckNodePort tells which nodes have endpoints; kube-proxy's "
           "own port 10256 "
           "answers for the node as a whole. A node that fails in spite of a ready endpoint calls itself by another "
           "name than the "
           "EndpointSlice does.",
    .field = "spec.healthCheckNodePort",
    .fix = "Point the load balancer's check at the Service's healthCheckNodePort (HTTP, any path).",
    .cost = "Nodes without an endpoint leave the rotation.",
    .evidence = "the check and its answer, and cluster state that counts the node's endpoints",
    .reference = "https://github.com/kubernetes/kubernetes/issues/80579",
    .find = find,
};

namespace {

/// Load balancer Services with policy Local of which the node has (or has not) a ready endpoint.
std::vector<FrontEndMatch> localServices(const ClusterView &view, bool &others) {
    std::vector<FrontEndMatch> found;
    for (const auto &service : view.services()) {
        if (service->type != proxycore::ServiceType::loadBalancer || service->ports.empty()) continue;
        if (service->externalTrafficPolicy == proxycore::TrafficPolicy::local && service->healthCheckNodePort != 0)
            found.push_back({service, service->ports.front(), Via::loadBalancerIP});
        else
            others = true;
    }
    return found;
}

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind != PathKind::healthCheck || !input.cluster || !path.http || path.http->status == 0)
        return std::nullopt;
    const auto node = path.endpoint ? nodeName(input, path.endpoint->host) : std::string();
    if (node.empty() || path.client.node == path.endpoint->host) return std::nullopt;
    const Hop *hop = requestHop(path, path.endpoint->host);
    std::shared_ptr<const proxycore::Service> checked;
    (void)input.cluster->isHealthCheck(path.requested, &checked);
    std::optional<Finding> result;
    if (checked && !checked->ports.empty() && checked->externalTrafficPolicy == proxycore::TrafficPolicy::local) {
        // Answers follow the rules, and rules follow the cluster state: what changed just now is not judged.
        if (path.firstSeen - input.history->changedBefore(path.firstSeen) < std::chrono::seconds(1))
            return std::nullopt;
        const auto count = input.cluster->endpoints({checked, checked->ports.front(), Via::loadBalancerIP}, node);
        if (count.unplaced != 0 || (path.http->status == 200) == (count.readyOnNode != 0)) return std::nullopt;
        result = finding(
            kD17, fmt::format("{} answered the health check of Service {} with {}, but cluster state counts {} ready "
                              "endpoints on it.",
                              node, checked->name.toString(), path.http->status, count.readyOnNode));
    } else if (path.requested.port == kProxyHealthPort && path.http->status == 200) {
        bool others = false;
        for (const auto &match : localServices(*input.cluster, others)) {
            const auto count = input.cluster->endpoints(match, node);
            if (count.readyOnNode != 0 || count.unplaced != 0 || count.ready == 0) continue;
            result = finding(
                kD17, fmt::format(
                          "The check asked {} on port {}, where kube-proxy answers for the node as a whole, and "
                          "got 200; but Service {} has policy Local and no endpoint there. Its check port is {}.",
                          node, kProxyHealthPort, match.service->name.toString(), match.service->healthCheckNodePort));
        }
        if (others) return std::nullopt; // it may be meant for a Service that any node serves
    }
    if (result && hop != nullptr) addEvidence(*result, hop->in);
    return result;
}

} // namespace

} // namespace natlens::tracer
