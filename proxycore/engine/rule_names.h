// How the rules behind a decision are called in the rule set of a mode. For the explanation only.
#pragma once

#include "proxycore/plan/proxy_plan.h"

#include <string>

namespace natlens::proxycore {

/// Names for one plan's mode, as an operator finds them with `nft list` or `iptables-save`.
class RuleNames final {
public:
    explicit RuleNames(const ProxyPlan &plan)
        : m_nftables(plan.mode == Mode::nftables)
        , m_is15(plan.behaviour.layout == RuleLayout::v1_5)
        , m_naming(portNaming(plan.behaviour))
        , m_family(plan.family) {}

    [[nodiscard]] std::string capture(const ServicePortPlan &service, const FrontEnd &frontEnd) const;
    [[nodiscard]] std::string firewall(const ServicePortPlan &service) const;
    [[nodiscard]] std::string clusterIpMasquerade(const ServicePortPlan &service) const;
    [[nodiscard]] std::string external(const ServicePortPlan &service) const;
    [[nodiscard]] std::string endpoints(const ServicePortPlan &service, bool local) const;
    [[nodiscard]] std::string noEndpoints(const FrontEnd &frontEnd) const;
    [[nodiscard]] std::string masquerade() const;
    [[nodiscard]] std::string hairpin(const ServicePortPlan &service, const packet::SocketAddress &endpoint) const;
    [[nodiscard]] std::string unusedClusterIp() const;
    [[nodiscard]] std::string healthCheck() const;
    [[nodiscard]] std::string none() const;

private:
    bool m_nftables, m_is15;
    PortNaming m_naming;
    IpFamily m_family;
};

} // namespace natlens::proxycore
