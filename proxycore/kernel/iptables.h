// The iptables datapath: a plan as kube-proxy's chains, in the form in which iptables-save prints them.
#pragma once

#include "proxycore/plan/proxy_plan.h"

#include <string>
#include <vector>

namespace natlens::proxycore {

/// One chain with all its rules (what follows "-A CHAIN "). Built-in chains hold kube-proxy's jumps only.
struct IptablesChain {
    std::string table; ///< "mangle", "filter" or "nat"
    std::string name;
    std::vector<std::string> rules;

    [[nodiscard]] bool isBuiltIn() const { return !name.starts_with("KUBE-"); }
    /// Belongs to one service port, by kube-proxy's prefixes (the one of 1.5 too); otherwise all of them share it.
    [[nodiscard]] bool isServicePorts() const;
    bool operator==(const IptablesChain &) const = default;
};

/// Every chain, by table; within a table the built-in ones first, then the fixed ones, then those of the service ports.
/// The counters that kube-proxy adds where the kernel has nfacct are left out, as kube-proxy does where it has not.
[[nodiscard]] std::vector<IptablesChain> iptablesChains(const ProxyPlan &plan);

/// What one service port adds: its own chains whole, and of the shared chains its own rules only.
[[nodiscard]] std::vector<IptablesChain> iptablesChainsOf(const ProxyPlan &plan, const ServicePortPlan &service);

/// Input for iptables-restore (ip6tables-restore for an IPv6 plan), which replaces the tables mangle, filter and nat.
[[nodiscard]] std::string toIptablesText(const ProxyPlan &plan);

/// The probability with which rule `index` of `count` takes a packet that reached it, as iptables lists it: 1/(count -
/// index) cut to `decimals` (kube-proxy: ten, in 1.5 five), rounded to the 31 bits the kernel keeps, printed with
/// eleven.
[[nodiscard]] std::string iptablesProbability(std::size_t index, std::size_t count, std::size_t decimals = 10);

} // namespace natlens::proxycore
