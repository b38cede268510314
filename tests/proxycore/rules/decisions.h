// What two plans decide about the same packets, in words that can be compared.
#pragma once

#include "proxycore/engine/decision.h"
#include "proxycore/rules/node_rules.h"

#include <set>
#include <string>
#include <vector>

namespace natlens::proxycore::test {

/// "forwarded default/nodeport:http masquerade 10.1.1.5:8080* 10.1.2.5:8080": the star is a masquerade of its own.
inline std::string decisionText(const ProxyPlan &plan, const FlowQuery &query) {
    const auto decision = decide(plan, query);
    std::string text(toString(decision.verdict));
    // A Service may be known whose packets no rule takes.
    if (decision.service && decision.verdict != Verdict::notAService) text += " " + decision.service->name.toString();
    if (decision.masquerade) text += " masquerade";
    std::set<std::string> endpoints;
    for (const auto &endpoint : decision.endpoints)
        endpoints.insert(endpoint.address.toString() + (endpoint.masquerade ? "*" : ""));
    for (const auto &endpoint : endpoints)
        text += " " + endpoint;
    return text;
}

/// Packets to every front end of a plan, and a little beside them, from all kinds of places.
inline std::vector<FlowQuery> queriesOf(const ProxyPlan &plan) {
    std::vector<IpAddress> sources, nodeAddresses = plan.localAddresses;
    const bool six = plan.family == IpFamily::v6;
    for (const auto *text : six ? std::vector<const char *>{"fd00:10::77", "fd00:20::1", "2001:db8::7"}
                                : std::vector<const char *>{"10.1.1.5", "10.1.2.77", "203.0.113.7", "203.0.113.200"})
        sources.push_back(IpAddress::parse(text).value());
    sources.insert(sources.end(), nodeAddresses.begin(), nodeAddresses.end());
    std::vector<FlowQuery> queries;
    const auto ask = [&](Protocol protocol, const IpAddress &ip, Port port) {
        for (const auto &source : sources)
            queries.push_back({.protocol = protocol, .source = {source, 40'000}, .destination = {ip, port}});
    };
    for (const auto &service : plan.services)
        for (const auto &front : service->frontEnds) {
            if (front.via == Via::nodePort) {
                for (const auto &ip : nodeAddresses)
                    ask(service->name.protocol, ip, front.port);
                continue;
            }
            ask(service->name.protocol, front.ip, front.port);
            ask(service->name.protocol, front.ip, static_cast<Port>(front.port + 1)); // a port that nobody has
            for (const auto &vip : service->frontEnds) // the load balancer's address as a source
                if (vip.via == Via::loadBalancerIP)
                    queries.push_back({.protocol = service->name.protocol,
                                       .source = {vip.ip, 40'000},
                                       .destination = {front.ip, front.port}});
        }
    return queries;
}

} // namespace natlens::proxycore::test
