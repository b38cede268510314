// kube-proxy's iptables rules from 1.4 to today, told apart by the chains there are:
//   today          KUBE-SERVICES -> KUBE-SVC or KUBE-SVL; KUBE-EXT; KUBE-FW -> KUBE-EXT    (KUBE-EXT: since 1.25)
//   up to 1.24     KUBE-SERVICES marks and goes to KUBE-SVC or KUBE-XLB; KUBE-FW ends in KUBE-MARK-DROP
#include "proxycore/rules/iptables_services.h"

#include "proxycore/rules/iptables_chains.h"

#include <algorithm>
#include <set>

namespace natlens::proxycore::detail {

namespace {

using Draft = ServiceDrafts::Draft;

/// The part of a comment before one of kube-proxy's endings; empty when it ends otherwise.
std::string_view before(std::string_view comment, std::string_view ending) {
    return comment.ends_with(ending) ? comment.substr(0, comment.size() - ending.size()) : std::string_view();
}

class Reader final {
public:
    Reader(const IptablesTable *nat, const IptablesTable *filter, IpFamily family, Problems &problems)
        : m_nat(nat)
        , m_filter(filter)
        , m_problems(problems)
        , m_drafts(emptyPlan(Mode::iptables, hasOldChains() ? ProxyRelease::v1_5 : ProxyRelease::today, family))
        , m_chains(nat, m_drafts, problems) {}

    std::optional<FamilyRules> read() {
        if (!isKubeProxys()) return std::nullopt;
        if (usesIpvs()) {
            m_problems.add("", "", "kube-proxy runs in ipvs mode: its Services stand in IPVS and not in these rules");
            return std::nullopt;
        }
        m_chains.readEndpoints();
        readFixed();
        capture();
        nodePorts();
        withoutEndpoints("KUBE-SERVICES", true);
        withoutEndpoints("KUBE-EXTERNAL-SERVICES", false);
        firewalls();
        healthChecks();
        return finish();
    }

private:
    [[nodiscard]] bool isKubeProxys() const {
        return (m_nat != nullptr && m_nat->chains.contains("KUBE-SERVICES")) ||
               (m_filter != nullptr && m_filter->chains.contains("KUBE-SERVICES"));
    }

    /// Chains of policy Local, or none of the chains that every kube-proxy since 1.25 has.
    [[nodiscard]] bool hasOldChains() const {
        bool external = false;
        if (m_nat != nullptr)
            for (const auto &[name, rules] : m_nat->chains) {
                if (name.starts_with("KUBE-XLB-")) return true;
                external = external || name.starts_with("KUBE-EXT-") || name.starts_with("KUBE-SVL-");
            }
        if (external || m_nat == nullptr) return false;
        return m_filter != nullptr && !m_filter->chains.contains("KUBE-PROXY-FIREWALL") &&
               !m_filter->chains.contains("KUBE-PROXY-CANARY");
    }

    [[nodiscard]] bool isOld() { return m_drafts.plan().behaviour.layout == RuleLayout::v1_5; }

    [[nodiscard]] bool usesIpvs() const {
        return std::ranges::any_of(rulesOf(m_nat, "KUBE-SERVICES"), [](const auto &rule) { return rule.matchesSet; });
    }

    void problem(const std::string &chainName, const IptablesRule &rule, std::string text) {
        m_problems.add("chain " + chainName, fmt::format("line {}", rule.line), std::move(text));
    }

    void readFixed() {
        auto &plan = m_drafts.plan();
        for (const auto &rule : rulesOf(m_nat, kMarkMasquerade))
            if (rule.marks && rule.mark != 0) plan.masqueradeMark = rule.mark;
        auto &behaviour = plan.behaviour;
        const auto &postrouting = rulesOf(m_nat, "KUBE-POSTROUTING");
        if (!postrouting.empty()) {
            behaviour.fullyRandomPorts = std::ranges::any_of(postrouting, &IptablesRule::fullyRandom);
            behaviour.clearMark = std::ranges::any_of(postrouting, &IptablesRule::clearsMark);
        }
        if (m_filter != nullptr) {
            behaviour.dropInvalid = std::ranges::any_of(rulesOf(m_filter, "KUBE-FORWARD"), [](const auto &rule) {
                return rule.invalidState && rule.target == "DROP";
            });
            plan.localhostNodePorts = std::ranges::any_of(rulesOf(m_filter, "KUBE-FIREWALL"), [](const auto &rule) {
                return rule.destination && rule.destination->range.address.isLoopback();
            });
        }
        plan.nodePorts = {.allLocal = false, .addresses = {}, .loopback = false};
        behaviour.capturesOwnExternalIp = true; // until a rule says otherwise
    }

    /// The Service that a rule of a shared chain is about; `ending` belongs to its comment.
    Draft *draftOf(std::string_view name, const IptablesRule &rule) {
        const auto parsed = parseServicePort(name, rule.protocol);
        if (!parsed || rule.protocol == Protocol::none) return nullptr;
        return &m_drafts.draft(*parsed);
    }

    void capture() {
        auto &plan = m_drafts.plan();
        static const std::string kName = "KUBE-SERVICES";
        for (const auto &rule : rulesOf(m_nat, kName)) {
            if (rule.target == "KUBE-NODEPORTS") {
                if (rule.destinationIsLocal) {
                    plan.nodePorts.allLocal = true;
                    const bool guarded =
                        rule.destination && rule.destination->negated && rule.destination->range.address.isLoopback();
                    plan.nodePorts.loopback = plan.family == IpFamily::v4 && !guarded;
                } else if (rule.destination && !rule.destination->negated) {
                    plan.nodePorts.addresses.push_back(rule.destination->range.address);
                }
                continue;
            }
            if (!rule.target.starts_with("KUBE-")) continue;
            Via via = Via::clusterIP;
            auto name = before(rule.comment, " cluster IP");
            if (name.empty()) name = before(rule.comment, " external IP"), via = Via::externalIP;
            if (name.empty()) name = before(rule.comment, " loadbalancer IP"), via = Via::loadBalancerIP;
            auto *draft = draftOf(name, rule);
            if (draft == nullptr || !rule.destination || rule.destination->negated || rule.destinationPort == 0) {
                problem(kName, rule,
                        fmt::format("\"{}\" does not say which Service it is; rule left out", rule.comment));
                continue;
            }
            auto &front = ServiceDrafts::frontEnd(*draft, via, rule.destination->range.address, rule.destinationPort);
            if (rule.target == kMarkMasquerade) {
                if (via == Via::clusterIP) m_chains.detector(rule);
                continue;
            }
            if (rule.physdev) plan.behaviour.capturesOwnExternalIp = false;
            if (!m_chains.follow(*draft, rule.target)) continue;
            route(*draft, front, rule);
        }
    }

    void route(Draft &draft, FrontEnd &front, const IptablesRule &rule) {
        if (front.via != Via::clusterIP) {
            front.route = Route::external;
            // Up to 1.24 a rule that goes to the Service's endpoints itself knows of no policy.
            if (isOld() && front.via == Via::externalIP) front.policyApplies = rule.target.starts_with("KUBE-XLB-");
            return;
        }
        const bool local = rule.target.starts_with("KUBE-SVL-");
        front.route = local ? Route::local : Route::cluster;
        draft.plan.internalLocal = draft.plan.internalLocal || local;
    }

    void nodePorts() {
        static const std::string kName = "KUBE-NODEPORTS";
        for (const auto &rule : rulesOf(m_nat, kName)) {
            if (!rule.target.starts_with("KUBE-")) continue;
            auto *draft = draftOf(rule.comment, rule);
            if (draft == nullptr || rule.destinationPort == 0) {
                problem(kName, rule,
                        fmt::format("\"{}\" does not say which Service it is; rule left out", rule.comment));
                continue;
            }
            auto &front = ServiceDrafts::frontEnd(*draft, Via::nodePort, {}, rule.destinationPort);
            if (rule.target == kMarkMasquerade || !m_chains.follow(*draft, rule.target)) continue;
            front.route = Route::external;
        }
    }

    /// filter KUBE-SERVICES and KUBE-EXTERNAL-SERVICES: packets for which there is no endpoint.
    void withoutEndpoints(const std::string &name, bool internal) {
        for (const auto &rule : rulesOf(m_filter, name)) {
            if (rule.target != "REJECT" && rule.target != "DROP") continue;
            const bool noneLocal = rule.comment.ends_with(" has no local endpoints");
            auto service = before(rule.comment, noneLocal ? " has no local endpoints" : " has no endpoints");
            auto *draft = draftOf(service, rule);
            if (draft == nullptr || rule.destinationPort == 0) {
                problem(name, rule,
                        fmt::format("\"{}\" does not say which Service it is; rule left out", rule.comment));
                continue;
            }
            const auto otherwise = rule.target == "DROP" ? Otherwise::drop : Otherwise::reject;
            if (noneLocal) draft->noLocal = true;
            if (noneLocal && internal) draft->plan.internalLocal = true;
            if (noneLocal && !internal) draft->plan.externalLocal = true;
            if (!rule.destination) {
                ServiceDrafts::frontEnd(*draft, Via::nodePort, {}, rule.destinationPort).otherwise = otherwise;
            } else if (internal && !standsForExternal(rule)) {
                ServiceDrafts::frontEnd(*draft, Via::clusterIP, rule.destination->range.address, rule.destinationPort)
                    .otherwise = otherwise;
            } else {
                ServiceDrafts::turnAway(*draft, rule.destination->range.address, rule.destinationPort, otherwise);
            }
        }
    }

    /// Between 1.6 and 1.10 external addresses stood in the same chain, with a match on the destination's type.
    static bool standsForExternal(const IptablesRule &rule) { return rule.destinationIsLocal; }

    /// Today's drop of what KUBE-FW- let through; up to 1.24 KUBE-FW- marks it itself.
    void firewalls() {
        for (const auto &rule : rulesOf(m_filter, "KUBE-PROXY-FIREWALL")) {
            const auto at = rule.comment.find(" traffic not accepted by ");
            auto *draft =
                at == rule.comment.npos ? nullptr : draftOf(std::string_view(rule.comment).substr(0, at), rule);
            if (draft == nullptr || rule.target != "DROP" || !rule.destination) continue;
            ServiceDrafts::frontEnd(*draft, Via::loadBalancerIP, rule.destination->range.address, rule.destinationPort)
                .firewalled = true;
        }
    }

    void healthChecks() {
        for (const auto &rule : rulesOf(m_filter, "KUBE-NODEPORTS")) {
            auto *draft = draftOf(before(rule.comment, " health check node port"), rule);
            if (draft != nullptr && rule.destinationPort != 0) draft->healthCheckPort = rule.destinationPort;
        }
    }

    FamilyRules finish() {
        auto &plan = m_drafts.plan();
        using Masquerade = ClusterIpMasquerade;
        plan.clusterIpMasquerade = m_chains.masqueradesAll()                         ? Masquerade::always
                                   : plan.detector.kind != LocalDetector::Kind::none ? Masquerade::fromOutside
                                                                                     : Masquerade::never;
        std::ranges::sort(plan.nodePorts.addresses);
        if (isOld()) plan.behaviour.localAffinity = m_chains.remembersLocally();
        auto rules = m_drafts.finish();
        for (auto &service : rules.plan.services) {
            auto changed = std::make_shared<ServicePortPlan>(*service);
            adjust(*changed, rules.plan.behaviour);
            service = std::move(changed);
        }
        return rules;
    }

    /// Ranges that are the load balancer's own addresses; what old rules drop by a mark.
    void adjust(ServicePortPlan &service, const Behaviour &behaviour) const {
        std::set<IpAddress> vips;
        for (const auto &front : service.frontEnds)
            if (front.via == Via::loadBalancerIP) vips.insert(front.ip);
        auto &ranges = service.allowedSources;
        std::erase_if(ranges, [&, count = ranges.size()](const IpPrefix &range) {
            const bool whole = range.length == (range.address.isV4() ? 32 : 128);
            if (!whole || !vips.contains(range.address) || count < 2) return false;
            service.allowedVips.push_back(range.address);
            return true;
        });
        for (auto &front : service.frontEnds)
            if (front.via == Via::loadBalancerIP && !ranges.empty() && m_chains.marksDrop(service.name))
                front.firewalled = true;
        if (behaviour.layout != RuleLayout::v1_5) return;
        for (auto &front : service.frontEnds) {
            const bool marked = service.externalLocal && service.local.empty() && service.hasAny;
            if (front.via != Via::clusterIP && front.policyApplies && front.route == Route::external && marked)
                front.otherwise = Otherwise::drop;
        }
    }

    const IptablesTable *m_nat;
    const IptablesTable *m_filter;
    Problems &m_problems;
    ServiceDrafts m_drafts;
    IptablesChains m_chains;
};

} // namespace

std::optional<FamilyRules> readIptablesServices(const IptablesTable *nat, const IptablesTable *filter, IpFamily family,
                                                Problems &problems) {
    return Reader(nat, filter, family, problems).read();
}

} // namespace natlens::proxycore::detail
