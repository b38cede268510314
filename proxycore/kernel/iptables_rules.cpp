#include "proxycore/kernel/iptables_rules.h"

namespace natlens::proxycore::iptables {

std::string quoted(std::string_view comment) {
    return fmt::format("-m comment --comment \"{}\"", comment);
}

std::string host(const IpAddress &ip) {
    return fmt::format("{}/{}", ip.toString(), ip.isV4() ? 32 : 128);
}

std::string match(const ServicePortPlan &service, const FrontEnd &frontEnd, std::string_view comment) {
    const auto protocol = lowerName(service.name.protocol);
    const bool nodePort = frontEnd.via == Via::nodePort;
    return fmt::format("{}-p {} {} -m {} --dport {}", nodePort ? "" : "-d " + host(frontEnd.ip) + " ", protocol,
                       quoted(comment), protocol, frontEnd.port);
}

const char *wholeMask(IpFamily family) {
    return family == IpFamily::v6 ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" : "255.255.255.255";
}

const char *reject(IpFamily family) {
    return family == IpFamily::v6 ? "REJECT --reject-with icmp6-port-unreachable"
                                  : "REJECT --reject-with icmp-port-unreachable";
}

std::vector<std::string> &Chains::chain(std::string_view table, std::string name) {
    const auto key = std::string(table) + " " + name;
    const auto [found, isNew] = m_places.try_emplace(key, m_chains.size());
    if (isNew) m_chains.push_back({std::string(table), std::move(name), {}});
    return m_chains[found->second].rules;
}

} // namespace natlens::proxycore::iptables
