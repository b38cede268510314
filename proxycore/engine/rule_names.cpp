#include "proxycore/engine/rule_names.h"

namespace natlens::proxycore {

std::string RuleNames::capture(const ServicePortPlan &service, const FrontEnd &frontEnd) const {
    const bool nodePort = frontEnd.via == Via::nodePort;
    if (m_nftables) return nodePort ? "services: map service-nodeports" : "services: map service-ips";
    if (nodePort) return "nat KUBE-NODEPORTS: " + service.name.toString(m_naming);
    switch (frontEnd.via) {
    case Via::externalIP: return "nat KUBE-SERVICES: " + service.name.toString(m_naming) + " external IP";
    case Via::loadBalancerIP: return "nat KUBE-SERVICES: " + service.name.toString(m_naming) + " loadbalancer IP";
    default: return "nat KUBE-SERVICES: " + service.name.toString(m_naming) + " cluster IP";
    }
}

std::string RuleNames::firewall(const ServicePortPlan &service) const {
    if (m_nftables) return "firewall-check: firewall-" + nftServiceName(service.name);
    if (m_is15) return "nat KUBE-FW-" + iptablesServiceHash(service.name, m_naming) + ", KUBE-MARK-DROP";
    return "nat KUBE-FW-" + iptablesServiceHash(service.name, m_naming) + ", filter KUBE-PROXY-FIREWALL";
}

std::string RuleNames::clusterIpMasquerade(const ServicePortPlan &service) const {
    if (m_nftables) return "services: set cluster-ips";
    if (m_is15) return "nat KUBE-SERVICES: KUBE-MARK-MASQ";
    return (service.internalLocal ? "nat KUBE-SVL-" : "nat KUBE-SVC-") + iptablesServiceHash(service.name, m_naming) +
           ": KUBE-MARK-MASQ";
}

std::string RuleNames::external(const ServicePortPlan &service) const {
    if (m_nftables) return "external-" + nftServiceName(service.name);
    if (m_is15)
        return service.externalLocal ? "nat KUBE-XLB-" + iptablesServiceHash(service.name, m_naming)
                                     : "nat KUBE-MARK-MASQ";
    return "nat KUBE-EXT-" + iptablesServiceHash(service.name, m_naming);
}

std::string RuleNames::endpoints(const ServicePortPlan &service, bool local) const {
    if (m_nftables) return (local ? "local-" : "service-") + nftServiceName(service.name);
    if (m_is15 && local) return "nat KUBE-XLB-" + iptablesServiceHash(service.name, m_naming);
    return (local ? "nat KUBE-SVL-" : "nat KUBE-SVC-") + iptablesServiceHash(service.name, m_naming);
}

std::string RuleNames::noEndpoints(const FrontEnd &frontEnd) const {
    const bool nodePort = frontEnd.via == Via::nodePort;
    if (m_nftables) return nodePort ? "map no-endpoint-nodeports" : "map no-endpoint-services";
    if (m_is15 && frontEnd.via != Via::clusterIP) return "nat KUBE-MARK-DROP, filter KUBE-FIREWALL";
    return frontEnd.via == Via::clusterIP ? "filter KUBE-SERVICES" : "filter KUBE-EXTERNAL-SERVICES";
}

std::string RuleNames::masquerade() const {
    return m_nftables ? "masquerading" : "nat KUBE-POSTROUTING";
}

std::string RuleNames::hairpin(const ServicePortPlan &service, const packet::SocketAddress &endpoint) const {
    if (m_nftables) return "masquerading: set hairpin-connections";
    return "nat KUBE-SEP-" + iptablesEndpointHash(service.name, endpoint, m_naming) + ": KUBE-MARK-MASQ";
}

std::string RuleNames::unusedClusterIp() const {
    return m_nftables ? "cluster-ips-check" : "no rule";
}

std::string RuleNames::healthCheck() const {
    return m_nftables ? "no rule" : "filter KUBE-NODEPORTS";
}

std::string RuleNames::none() const {
    return "no rule";
}

} // namespace natlens::proxycore
