// What both readers of rules fill in: service ports in the making. For the .cpp files of this folder only.
#pragma once

#include "proxycore/rules/node_rules.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore::detail {

/// Collects Problems; after the first twenty it only counts.
class Problems final {
public:
    void add(std::string object, std::string place, std::string text);
    [[nodiscard]] std::vector<Problem> take();

private:
    std::vector<Problem> m_problems;
    std::size_t m_more = 0;
};

/// "ns/name:port", "ns/name" or, as kube-proxy wrote it up to 1.18, "ns/name:". Nothing for anything else.
[[nodiscard]] std::optional<ServicePortName> parseServicePort(std::string_view text, Protocol protocol);
/// "ns/name/tcp/port" as nftables mode has it in names.
[[nodiscard]] std::optional<ServicePortName> parseNftServicePort(std::string_view text);

/// The service ports of one family while its rules are read. Front ends may be met in any order and several times: in
/// the rule that captures packets, and in the one that turns away those for which there is nothing.
class ServiceDrafts final {
public:
    explicit ServiceDrafts(ProxyPlan frame) { m_rules.plan = std::move(frame); }

    struct Draft {
        ServicePortPlan plan;
        ServiceChains chains;
        Port healthCheckPort = 0;
        bool noLocal = false;         ///< a rule says that there are endpoints, but none on the node
        bool policyFromRules = false; ///< externalLocal was read from the chain of external packets
        /// Addresses that are external, of which no rule says how: external IP or load balancer IP.
        std::vector<FrontEnd> unclear;
    };

    [[nodiscard]] ProxyPlan &plan() { return m_rules.plan; }
    Draft &draft(const ServicePortName &name);
    /// The front end, made when it is new.
    static FrontEnd &frontEnd(Draft &draft, Via via, const IpAddress &ip, Port port);
    /// Packets to this external address are rejected or dropped; whose kind of address it is comes out at the end.
    static void turnAway(Draft &draft, const IpAddress &ip, Port port, Otherwise otherwise);
    /// An endpoint at this address runs on the node.
    void runsHere(const IpAddress &ip) { m_runHere.insert(ip); }

    /// What follows from everything together.
    [[nodiscard]] FamilyRules finish();

private:
    void finish(Draft &draft);

    FamilyRules m_rules;
    std::map<ServicePortName, Draft> m_drafts;
    std::set<IpAddress> m_runHere;
};

/// An empty plan with what a mode and generation of kube-proxy do by themselves.
[[nodiscard]] ProxyPlan emptyPlan(Mode mode, ProxyRelease release, IpFamily family);

/// Adds an endpoint unless it is there.
void addEndpoint(std::vector<PlannedEndpoint> &endpoints, const packet::SocketAddress &address);

} // namespace natlens::proxycore::detail
