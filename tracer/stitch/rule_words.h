// Chain names and verdicts of kube-proxy's nftables rules in words (KUBE-PROXY sections 7 and 8).
#pragma once

#include "tracer/path/path.h"
#include "tracer/stitch/rule_trace_log.h"

#include <optional>
#include <string>
#include <string_view>

namespace natlens::tracer {

/// What a chain of kube-proxy is for: "external-RMQUIEU7-default/nodeport/tcp/http".
struct ChainName {
    std::string role; ///< "service", "local", "external", "firewall", "endpoint"
    std::string nameSpace = {}, service = {}, portName = {};
    std::string endpoint = {}; ///< "10.180.1.136:8080" of an endpoint chain

    /// "default/nodeport:http", without the colon for a port without a name.
    [[nodiscard]] std::string servicePort() const;
};

/// Nothing if the chain is not one of a Service.
[[nodiscard]] std::optional<ChainName> parseChainName(std::string_view chain);

/// "cluster IP", "external IP", "load balancer IP", "node port"; "" for none.
[[nodiscard]] std::string_view inWords(Via via);

/// What the rules decided for one packet.
struct RuleDecision {
    std::string rule;  ///< "default/nodeport:http node port, masquerade"
    std::string field; ///< "spec.externalTrafficPolicy: Cluster"
    std::optional<ChainName> service;
    bool external = false;  ///< it went through the Service's chain for traffic from outside
    bool localOnly = false; ///< only endpoints of the same node were considered
    bool dropped = false, rejected = false;
};

/// `via` decides how the address is called; with Via::none an external one is "external address".
[[nodiscard]] RuleDecision explain(const RuleTrace &trace, Via via, bool masqueraded);

} // namespace natlens::tracer
