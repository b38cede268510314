// How kube-proxy was configured in a scenario of tests/data/conformance/flows.json.
#pragma once

#include "proxycore/model/proxy_config.h"

#include <nlohmann/json.hpp>

namespace natlens::test {

inline proxycore::ProxyConfig configOf(const nlohmann::json &scenario) {
    using packet::IpPrefix;
    const auto &given = scenario["config"];
    proxycore::ProxyConfig config;
    if (const auto range = IpPrefix::parse(given["clusterCIDR"].get<std::string>())) config.clusterCIDRs = {*range};
    config.masqueradeAll = given["masqueradeAll"];
    config.localhostNodePorts = given["localhostNodePorts"];
    config.nodePortAddresses = given["nodePortAddresses"].get<std::vector<std::string>>();
    for (const auto &range : given["serviceCIDRs"])
        config.serviceCIDRs.push_back(IpPrefix::parse(range.get<std::string>()).value());
    return config;
}

} // namespace natlens::test
