// Small builders for cluster states, so that a test shows only what it is about.
#pragma once

#include "proxycore/model/cluster_state.h"
#include "proxycore/plan/proxy_plan.h"

#include <string>
#include <vector>

namespace natlens::proxycore::test {

inline IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

/// Three nodes as in the document: node1 (10.240.0.4, pods 10.180.1.0/24), node2, node3.
inline ClusterState documentNodes() {
    ClusterState state;
    for (int i = 1; i <= 3; ++i) {
        Node node;
        node.name = "node" + std::to_string(i);
        const char *addresses[] = {"10.240.0.4", "10.240.0.5", "10.240.0.3"};
        node.addresses = {{"InternalIP", addresses[i - 1]}};
        node.podCIDRs = {*IpPrefix::parse("10.180." + std::to_string(i) + ".0/24")};
        state.put(node);
    }
    return state;
}

struct TestEndpoint {
    std::string ip;
    std::string node;
    bool ready = true, serving = true, terminating = false;
};

/// A Service with one TCP port 80 and its EndpointSlice with port 8080.
inline Service service(std::string name, std::string clusterIP, ServiceType type = ServiceType::clusterIP,
                       Port nodePort = 0) {
    Service result;
    result.name = {"default", std::move(name)};
    result.type = type;
    result.clusterIPs = {ip(clusterIP)};
    result.ports = {{.name = "", .protocol = Protocol::tcp, .port = 80, .targetPort = "8080", .nodePort = nodePort}};
    return result;
}

inline EndpointSlice slice(const Service &service, const std::vector<TestEndpoint> &endpoints) {
    EndpointSlice result;
    result.name = {service.name.nameSpace, service.name.name + "-slice"};
    result.serviceName = service.name.name;
    result.labels[std::string(kServiceNameLabel)] = service.name.name;
    for (const auto &port : service.ports)
        result.ports.push_back({.name = port.name, .protocol = port.protocol, .port = Port{8080}});
    for (const auto &from : endpoints) {
        Endpoint endpoint;
        endpoint.addresses = {ip(from.ip)};
        endpoint.nodeName = from.node;
        endpoint.ready = from.ready;
        endpoint.serving = from.serving;
        endpoint.terminating = from.terminating;
        result.endpoints.push_back(std::move(endpoint));
    }
    if (!result.endpoints.empty() && result.endpoints.front().addresses.front().isV6())
        result.addressType = AddressType::ipv6;
    return result;
}

inline ProxyConfig podRange(std::string_view range) {
    ProxyConfig config;
    config.clusterCIDRs = {*IpPrefix::parse(range)};
    return config;
}

} // namespace natlens::proxycore::test
