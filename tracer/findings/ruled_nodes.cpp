#include "tracer/findings/ruled_nodes.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace natlens::tracer {

using proxycore::LocalDetector;

void RuledNodes::add(std::string_view node, const proxycore::NodeRules &rules) {
    auto &place = m_nodes[std::string(node)];
    auto merged = place ? *place : proxycore::NodeRules();
    proxycore::merge(merged, rules);
    place = std::make_shared<const proxycore::NodeRules>(std::move(merged));
    std::vector<proxycore::RulesOfNode> all;
    for (const auto &[name, one] : m_nodes)
        all.push_back({name, one.get()});
    m_state = proxycore::clusterStateOf(all);
    m_plans.clear();
}

const proxycore::FamilyRules *RuledNodes::of(std::string_view node, packet::IpFamily family) const {
    if (node.empty()) return nullptr;
    const auto found = m_nodes.find(node);
    return found == m_nodes.end() ? nullptr : found->second->of(family);
}

std::shared_ptr<const proxycore::FrontEndIndex> RuledNodes::indexFor(std::string_view node, packet::IpFamily family,
                                                                     std::vector<IpAddress> localAddresses) const {
    const auto *rules = of(node, family);
    if (rules == nullptr) return nullptr;
    std::erase_if(localAddresses, [&](const IpAddress &ip) { return ip.family != family; });
    std::ranges::sort(localAddresses);
    const std::lock_guard lock(m_planning);
    auto &planned = m_plans[{std::string(node), family}];
    if (planned.index && planned.localAddresses == localAddresses) return planned.index;
    planned.localAddresses = localAddresses;
    auto plan = rules->plan;
    auto &addresses = plan.localAddresses;
    addresses.insert(addresses.end(), localAddresses.begin(), localAddresses.end());
    std::ranges::sort(addresses);
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    planned.index = std::make_shared<const proxycore::FrontEndIndex>(plan);
    return planned.index;
}

std::string ruleChains(const proxycore::FamilyRules &rules, const proxycore::ServicePortName &service, Via via,
                       const SocketAddress &source, const std::optional<SocketAddress> &to, bool masqueraded) {
    const auto *plan = rules.plan.find(service);
    if (plan == nullptr) return {};
    using PlanVia = proxycore::Via;
    const auto planVia = via == Via::clusterIP        ? PlanVia::clusterIP
                         : via == Via::externalIP     ? PlanVia::externalIP
                         : via == Via::loadBalancerIP ? PlanVia::loadBalancerIP
                         : via == Via::nodePort       ? PlanVia::nodePort
                                                      : PlanVia::none;
    const auto &detector = rules.plan.detector;
    const bool pod = detector.kind == LocalDetector::Kind::sourceRange && detector.range.contains(source.ip);
    const bool toLocal =
        planVia == PlanVia::clusterIP ? plan->internalLocal : plan->externalLocal && !pod && !masqueraded;
    // Rules cannot always tell an external IP from a load balancer's: the other one is asked for then.
    for (const auto one : {planVia, planVia == PlanVia::externalIP ? PlanVia::loadBalancerIP : PlanVia::externalIP}) {
        if (one != planVia && planVia != PlanVia::externalIP && planVia != PlanVia::loadBalancerIP) break;
        auto chains = proxycore::chainsTo(rules, *plan, one, toLocal, to);
        if (!to)
            if (auto refusal = proxycore::refusalOf(rules, *plan, one); !refusal.empty()) chains = {std::move(refusal)};
        if (!chains.empty()) return fmt::format("{}", fmt::join(chains, " > "));
    }
    return {};
}

} // namespace natlens::tracer
