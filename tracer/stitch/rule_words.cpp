#include "tracer/stitch/rule_words.h"

#include <algorithm>
#include <array>
#include <vector>

namespace natlens::tracer {

namespace {

constexpr std::array<std::string_view, 5> kRoles = {"service", "local", "external", "firewall", "endpoint"};
constexpr std::size_t kHashLength = 8;

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const auto at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

} // namespace

std::string ChainName::servicePort() const {
    return portName.empty() ? nameSpace + "/" + service : nameSpace + "/" + service + ":" + portName;
}

std::optional<ChainName> parseChainName(std::string_view chain) {
    const auto role = std::ranges::find_if(
        kRoles, [&](std::string_view r) { return chain.starts_with(r) && chain.substr(r.size()).starts_with('-'); });
    if (role == kRoles.end()) return std::nullopt;
    std::string_view rest = chain.substr(role->size() + 1);
    if (rest.size() < kHashLength + 1 || rest[kHashLength] != '-') return std::nullopt;
    rest.remove_prefix(kHashLength + 1);
    const auto parts = split(rest, '/');
    if (parts.size() < 4 || parts[0].empty() || parts[1].empty()) return std::nullopt;
    ChainName name{.role = std::string(*role), .nameSpace = std::string(parts[0]), .service = std::string(parts[1])};
    const auto endpoint = parts[3].find("__");
    name.portName = parts[3].substr(0, endpoint);
    if (endpoint != std::string_view::npos && parts.size() >= 5)
        name.endpoint = std::string(parts[3].substr(endpoint + 2)) + ":" + std::string(parts[4]);
    return name;
}

std::string_view inWords(Via via) {
    switch (via) {
    case Via::none: return "";
    case Via::clusterIP: return "cluster IP";
    case Via::externalIP: return "external IP";
    case Via::loadBalancerIP: return "load balancer IP";
    case Via::nodePort: return "node port";
    }
    return "";
}

RuleDecision explain(const RuleTrace &trace, Via via, bool masqueraded) {
    RuleDecision decision;
    bool local = false, service = false, firewall = false, endpointsCheck = false, clusterIpsCheck = false;
    for (const RuleTraceEvent &step : trace.steps) {
        for (const std::string &chain : {step.chain, step.target}) {
            if (auto name = parseChainName(chain)) {
                decision.external = decision.external || name->role == "external" || name->role == "firewall";
                local = local || name->role == "local";
                service = service || name->role == "service";
                firewall = firewall || name->role == "firewall";
                if (!decision.service) decision.service = std::move(name);
            }
            if (chain == kRejectChain) decision.rejected = true;
        }
        endpointsCheck =
            endpointsCheck || step.chain == "service-endpoints-check" || step.chain == "nodeport-endpoints-check";
        clusterIpsCheck = clusterIpsCheck || step.chain == "cluster-ips-check";
        if (step.verdict == "drop" && step.chain != kRejectChain) {
            decision.dropped = true;
            decision.localOnly = step.chain.ends_with("endpoints-check");
            if (clusterIpsCheck && !decision.localOnly) decision.rule = "unallocated cluster IP, drop";
        }
    }
    if (!decision.service && !decision.dropped && !decision.rejected) return decision;
    const std::string name = decision.service ? decision.service->servicePort() : std::string();
    const auto say = [&](std::string_view what) {
        const std::string_view address = via != Via::none    ? inWords(via)
                                         : decision.external ? std::string_view("external address")
                                         : name.empty()      ? std::string_view()
                                                             : std::string_view("cluster IP");
        std::string text = name;
        if (!address.empty()) text += (text.empty() ? "" : " ") + std::string(address);
        if (!what.empty()) text += (text.empty() ? "" : ", ") + std::string(what);
        decision.rule = std::move(text);
    };
    const bool internalVia = via == Via::clusterIP || (via == Via::none && !decision.external);
    if (decision.dropped && firewall && !endpointsCheck) {
        say("source not allowed, drop");
        decision.field = "spec.loadBalancerSourceRanges";
    } else if (decision.dropped && decision.localOnly) {
        say("no local endpoint, drop");
        decision.field = internalVia && !decision.external ? "spec.internalTrafficPolicy: Local"
                                                           : "spec.externalTrafficPolicy: Local";
    } else if (decision.dropped) {
        if (decision.rule.empty()) say("drop");
    } else if (decision.rejected) {
        say("no endpoint, reject");
        decision.field = "EndpointSlice: no ready endpoint";
    } else if (decision.external && local) {
        decision.localOnly = true;
        say("local endpoints only");
        decision.field = "spec.externalTrafficPolicy: Local";
    } else if (decision.external && service) {
        say(masqueraded ? "masquerade" : "short-circuit inside the cluster");
        if (masqueraded) decision.field = "spec.externalTrafficPolicy: Cluster";
    } else if (local) {
        decision.localOnly = true;
        say("local endpoints only");
        decision.field = "spec.internalTrafficPolicy: Local";
    } else {
        say(masqueraded ? "masquerade" : "");
    }
    return decision;
}

} // namespace natlens::tracer
