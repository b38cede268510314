#include "proxycore/model/kubernetes_json.h"
#include "proxycore/model/object_loader.h"

#include <algorithm>

namespace natlens::proxycore {

using detail::JsonDocument;

bool concerns(const Service &service, const FlowEnds &ends) {
    const auto &[ip, port] = ends.destination;
    const auto has = [&ip = ip](const std::vector<IpAddress> &ips) {
        return std::find(ips.begin(), ips.end(), ip) != ips.end();
    };
    return has(service.clusterIPs) || has(service.externalIPs) || service.healthCheckNodePort == port ||
           std::any_of(service.ingress.begin(), service.ingress.end(),
                       [&ip = ip](const LoadBalancerIngress &ingress) { return ingress.ip == ip; }) ||
           std::any_of(service.ports.begin(), service.ports.end(),
                       [&port = port](const ServicePort &candidate) { return candidate.nodePort == port; });
}

bool hasEndpoint(const EndpointSlice &slice, const IpAddress &ip) {
    return std::any_of(slice.endpoints.begin(), slice.endpoints.end(), [&](const Endpoint &endpoint) {
        return !endpoint.addresses.empty() && endpoint.addresses.front() == ip;
    });
}

base::Result<ClusterState> readClusterState(std::string_view text, std::string_view fileName, const FlowEnds *ends,
                                            const base::ParallelFor &parallel) {
    const auto document = JsonDocument::parse(text, fileName, parallel);
    if (!document) return std::unexpected(document.error());
    ClusterState state;
    const auto items = detail::findObjects(*document, state.problems);
    if (ends == nullptr || !detail::loadPart(state, *document, items, *ends, parallel))
        detail::loadAll(state, *document, items);
    return state;
}

base::Status applyWatchEvent(ClusterState &state, std::string_view json) {
    const auto document = JsonDocument::parse(json, "watch event");
    if (!document) return std::unexpected(document.error());
    detail::loadAll(state, *document, detail::findObjects(*document, state.problems));
    return {};
}

} // namespace natlens::proxycore
