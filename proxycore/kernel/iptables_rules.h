// What the writers of iptables rules share: words in the order in which iptables-save prints them, and chains in the
// making. Private to proxycore/kernel.
#pragma once

#include "proxycore/kernel/iptables.h"

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace natlens::proxycore::iptables {

/// -m comment --comment "..."
[[nodiscard]] std::string quoted(std::string_view comment);
/// An address as a range of one.
[[nodiscard]] std::string host(const IpAddress &ip);
/// -d 172.30.0.41/32 -p tcp -m comment --comment "..." -m tcp --dport 80
[[nodiscard]] std::string match(const ServicePortPlan &service, const FrontEnd &frontEnd, std::string_view comment);
/// The mask under which xt_recent remembers whole addresses.
[[nodiscard]] const char *wholeMask(IpFamily family);
/// REJECT with the family's port unreachable.
[[nodiscard]] const char *reject(IpFamily family);

/// Chains in the order in which they are first mentioned.
class Chains final {
public:
    /// The chain of that name, made when it is new.
    std::vector<std::string> &chain(std::string_view table, std::string name);
    void rule(std::string_view table, const std::string &name, std::string text) {
        chain(table, name).push_back(std::move(text));
    }
    [[nodiscard]] std::vector<IptablesChain> take() { return std::move(m_chains); }

private:
    std::vector<IptablesChain> m_chains;
    std::unordered_map<std::string, std::size_t> m_places;
};

/// Writes RuleLayout::v1_5, as iptablesChains() and iptablesChainsOf() do for today's.
[[nodiscard]] std::vector<IptablesChain> chainsOf15(const ProxyPlan &plan);
[[nodiscard]] std::vector<IptablesChain> chainsOf15(const ProxyPlan &plan, const ServicePortPlan &service);

} // namespace natlens::proxycore::iptables
