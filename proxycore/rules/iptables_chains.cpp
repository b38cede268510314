#include "proxycore/rules/iptables_chains.h"

namespace natlens::proxycore::detail {

const std::vector<IptablesRule> &rulesOf(const IptablesTable *table, std::string_view chain) {
    static const std::vector<IptablesRule> none;
    if (table == nullptr) return none;
    const auto found = table->chains.find(chain);
    return found == table->chains.end() ? none : found->second;
}

void IptablesChains::readEndpoints() {
    if (m_nat == nullptr) return;
    for (const auto &[name, rules] : m_nat->chains) {
        if (!name.starts_with("KUBE-SEP-")) continue;
        for (const auto &rule : rules) {
            if (rule.target != "DNAT") continue;
            if (const auto address = packet::SocketAddress::parse(rule.toDestination))
                m_endpoints.emplace(name, *address);
            else if (rule.toDestination.empty()) // "[unsupported revision]": the comment that leads here may say it
                m_unprinted.insert(name);
            else
                problem(name, rule, fmt::format("\"{}\" is no address and port; rule left out", rule.toDestination));
        }
    }
}

void IptablesChains::detector(const IptablesRule &rule) {
    auto &plan = m_drafts.plan();
    using Kind = LocalDetector::Kind;
    if (rule.source && rule.source->negated)
        plan.detector = {Kind::sourceRange, rule.source->range, ""};
    else if (!rule.inputInterface.empty() && rule.inputNegated)
        interface(rule.inputInterface);
    else if (!rule.source && rule.inputInterface.empty())
        m_masqueradeAll = true;
}

void IptablesChains::interface(const std::string &name) {
    using Kind = LocalDetector::Kind;
    const bool prefix = name.ends_with('+');
    m_drafts.plan().detector = {
        prefix ? Kind::interfacePrefix : Kind::interface, {}, prefix ? name.substr(0, name.size() - 1) : name};
}

/// In the chains of external packets it is the other way round: `-s RANGE -j KUBE-SVC-...`.
void IptablesChains::detectorOfPods(const IptablesRule &rule) {
    if (rule.source && !rule.source->negated)
        m_drafts.plan().detector = {LocalDetector::Kind::sourceRange, rule.source->range, ""};
    else if (!rule.inputInterface.empty() && !rule.inputNegated)
        interface(rule.inputInterface);
}

/// The address that a jump to a KUBE-SEP- chain means.
std::optional<packet::SocketAddress> IptablesChains::endpoint(const std::string &chainName, const IptablesRule &rule) {
    if (const auto found = m_endpoints.find(rule.target); found != m_endpoints.end()) return found->second;
    if (m_unprinted.contains(rule.target))
        if (const auto arrow = rule.comment.rfind(" -> "); arrow != rule.comment.npos)
            if (const auto address = packet::SocketAddress::parse(std::string_view(rule.comment).substr(arrow + 4)))
                return address;
    problem(chainName, rule, fmt::format("leads to {}, which does not say where to; endpoint left out", rule.target));
    return std::nullopt;
}

/// KUBE-SVC-, KUBE-SVL-, KUBE-XLB-: the endpoints, and who is remembered.
void IptablesChains::balance(Draft &draft, const std::string &name, bool local) {
    auto &place = local ? draft.chains.local : draft.chains.cluster;
    if (!place.empty()) return;
    place = name;
    const bool old = name.starts_with("KUBE-XLB-");
    auto &list = local ? draft.plan.local : draft.plan.cluster;
    std::set<packet::SocketAddress> seen;
    for (const auto &rule : rulesOf(m_nat, name)) {
        if (rule.target.starts_with("KUBE-SEP-")) {
            if (rule.remembered.count() > 0) {
                draft.plan.affinity = rule.remembered;
                m_localAffinity = m_localAffinity || local;
            }
            const auto address = endpoint(name, rule);
            if (!address) continue;
            draft.chains.endpoints.emplace(*address, rule.target);
            if (local) m_drafts.runsHere(address->ip);
            if (!seen.insert(*address).second) continue;
            addEndpoint(list, *address);
        } else if (rule.target == kMarkMasquerade && !old && !rule.sourceIsLocal) {
            detector(rule);
        } else if (old && rule.target.starts_with("KUBE-SVC-")) {
            if (rule.sourceIsLocal)
                m_drafts.plan().behaviour.nodeShortCircuit = true;
            else
                detectorOfPods(rule);
            balance(draft, rule.target, false);
        } else if (old && rule.target == kMarkDrop) {
            draft.noLocal = true;
        }
    }
}

bool IptablesChains::follow(Draft &draft, const std::string &name) {
    if (name.starts_with("KUBE-SVC-")) {
        balance(draft, name, false);
    } else if (name.starts_with("KUBE-SVL-")) {
        balance(draft, name, true);
    } else if (name.starts_with("KUBE-XLB-")) {
        setPolicy(draft, true);
        balance(draft, name, true);
    } else if (name.starts_with("KUBE-EXT-")) {
        external(draft, name);
    } else if (name.starts_with("KUBE-FW-")) {
        firewall(draft, name);
    } else {
        return false;
    }
    return true;
}

void IptablesChains::setPolicy(Draft &draft, bool local) {
    draft.plan.externalLocal = draft.plan.externalLocal || local;
    draft.policyFromRules = true;
}

void IptablesChains::external(Draft &draft, const std::string &name) {
    if (!draft.chains.external.empty()) return;
    draft.chains.external = name;
    const auto &rules = rulesOf(m_nat, name);
    if (rules.empty()) {
        m_problems.add("chain " + name, "", "has no rules; where external packets go is not known");
        return;
    }
    bool local = true;
    for (const auto &rule : rules) {
        if (rule.target == kMarkMasquerade) {
            if (!rule.sourceIsLocal && !rule.source && rule.inputInterface.empty()) local = false;
        } else if (rule.target.starts_with("KUBE-SVC-") || rule.target.starts_with("KUBE-SVL-")) {
            if (rule.target.starts_with("KUBE-SVC-") && !rule.sourceIsLocal) detectorOfPods(rule);
            balance(draft, rule.target, rule.target.starts_with("KUBE-SVL-"));
        }
    }
    setPolicy(draft, local);
}

void IptablesChains::firewall(Draft &draft, const std::string &name) {
    if (!draft.chains.firewall.empty()) return;
    draft.chains.firewall = name;
    for (const auto &rule : rulesOf(m_nat, name)) {
        if (rule.target == kMarkDrop) m_marksDrop.insert(draft.plan.name);
        if (rule.target == kMarkMasquerade || rule.target == kMarkDrop || rule.target.empty()) continue;
        if (rule.target.starts_with("KUBE-FW-")) continue; // nobody wrote this, but it must not go round
        if (!follow(draft, rule.target)) continue;
        if (rule.source && !rule.source->negated) draft.plan.allowedSources.push_back(rule.source->range);
    }
}

} // namespace natlens::proxycore::detail
