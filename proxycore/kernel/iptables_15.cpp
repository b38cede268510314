// The rules of kube-proxy 1.5: what the document was written with. Everything about a front end stands in the shared
// chains, packets to be dropped are marked in nat and dropped in filter, and policy Local has chains of its own
// (KUBE-XLB-).
#include "proxycore/kernel/iptables_rules.h"

namespace natlens::proxycore::iptables {

namespace {

constexpr std::string_view kDropMark = "0x8000/0x8000";
constexpr std::string_view kMarkMasquerade = " -j KUBE-MARK-MASQ";
constexpr std::size_t kDecimals = 5;

class Writer15 final {
public:
    explicit Writer15(const ProxyPlan &plan)
        : m_plan(plan) {}

    std::vector<IptablesChain> all() {
        fixed();
        for (const auto &service : m_plan.services)
            servicePort(*service);
        m_chains.rule("nat", "KUBE-SERVICES",
                      quoted("kubernetes service nodeports; NOTE: this must be the last rule in this chain") +
                          " -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS");
        return m_chains.take();
    }

    std::vector<IptablesChain> one(const ServicePortPlan &service) {
        servicePort(service);
        return m_chains.take();
    }

private:
    struct Names {
        std::string text, hash;
        [[nodiscard]] std::string cluster() const { return "KUBE-SVC-" + hash; }
        [[nodiscard]] std::string local() const { return "KUBE-XLB-" + hash; }
        [[nodiscard]] std::string firewall() const { return "KUBE-FW-" + hash; }
    };

    void fixed() {
        const auto portals = quoted("kubernetes service portals") + " -j KUBE-SERVICES";
        // The jump from FORWARD came later than 1.5. Without it a pod that asks a Service without endpoints waits
        // instead of being refused, and what is known of that time's behaviour was observed with it.
        for (const auto *from : {"FORWARD", "OUTPUT"})
            m_chains.rule("filter", from, portals);
        for (const auto *from : {"INPUT", "OUTPUT"})
            m_chains.rule("filter", from, "-j KUBE-FIREWALL");
        for (const auto *from : {"PREROUTING", "OUTPUT"})
            m_chains.rule("nat", from, portals);
        m_chains.rule("nat", "POSTROUTING", quoted("kubernetes postrouting rules") + " -j KUBE-POSTROUTING");
        for (const auto *name : {"KUBE-FIREWALL", "KUBE-SERVICES"})
            m_chains.chain("filter", name);
        for (const auto *name :
             {"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-MARK-DROP"})
            m_chains.chain("nat", name);
        // These two were kubelet's.
        m_chains.rule("filter", "KUBE-FIREWALL",
                      fmt::format("{} -m mark --mark {} -j DROP",
                                  quoted("kubernetes firewall for dropping marked packets"), kDropMark));
        m_chains.rule("nat", "KUBE-MARK-DROP", fmt::format("-j MARK --set-xmark {}", kDropMark));
        const auto mark = fmt::format("{0:#x}/{0:#x}", m_plan.masqueradeMark);
        m_chains.rule("nat", "KUBE-POSTROUTING",
                      fmt::format("{} -m mark --mark {} -j MASQUERADE",
                                  quoted("kubernetes service traffic requiring SNAT"), mark));
        m_chains.rule("nat", "KUBE-MARK-MASQ", "-j MARK --set-xmark " + mark);
    }

    void servicePort(const ServicePortPlan &service) {
        const auto naming = portNaming(m_plan.behaviour);
        const Names names{service.name.toString(naming), iptablesServiceHash(service.name, naming)};
        for (const auto &frontEnd : service.frontEnds)
            capture(service, names, frontEnd);
        if (!service.hasAny) return;
        if (service.hasClusterChain()) balance(service, names);
        if (service.externalLocal) local(service, names);
        firewall(service, names);
        for (const auto &endpoint : service.reachable)
            endpointChain(service, names, endpoint.address);
    }

    void capture(const ServicePortPlan &service, const Names &names, const FrontEnd &frontEnd) {
        if (frontEnd.via == Via::clusterIP && frontEnd.otherwise == Otherwise::reject)
            m_chains.rule("filter", "KUBE-SERVICES",
                          match(service, frontEnd, names.text + " has no endpoints") + " -j " + reject(m_plan.family));
        if (frontEnd.route == Route::none) return;
        auto &rules = m_chains.chain("nat", frontEnd.via == Via::nodePort ? "KUBE-NODEPORTS" : "KUBE-SERVICES");
        const auto add = [&](std::string text) { rules.push_back(std::move(text)); };
        switch (frontEnd.via) {
        case Via::none: return;
        case Via::clusterIP: {
            const auto packets = match(service, frontEnd, names.text + " cluster IP");
            if (m_plan.clusterIpMasquerade == ClusterIpMasquerade::always) add(packets + std::string(kMarkMasquerade));
            if (m_plan.detector.kind == LocalDetector::Kind::sourceRange)
                add("! -s " + m_plan.detector.range.toString() + " " + packets + std::string(kMarkMasquerade));
            return add(packets + " -j " + names.cluster());
        }
        case Via::externalIP: {
            const auto packets = match(service, frontEnd, names.text + " external IP");
            add(packets + std::string(kMarkMasquerade));
            add(packets + " -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j " + names.cluster());
            return add(packets + " -m addrtype --dst-type LOCAL -j " + names.cluster());
        }
        case Via::loadBalancerIP:
            return add(match(service, frontEnd, names.text + " loadbalancer IP") + " -j " + names.firewall());
        case Via::nodePort: {
            const auto packets = match(service, frontEnd, names.text);
            if (service.externalLocal) return add(packets + " -j " + names.local());
            add(packets + std::string(kMarkMasquerade));
            return add(packets + " -j " + names.cluster());
        }
        }
    }

    /// Where packets to a load balancer's address go; what it does not send on is dropped.
    void firewall(const ServicePortPlan &service, const Names &names) {
        const bool used = std::any_of(service.frontEnds.begin(), service.frontEnds.end(), [](const FrontEnd &frontEnd) {
            return frontEnd.via == Via::loadBalancerIP && frontEnd.route != Route::none;
        });
        if (!used) return;
        auto &rules = m_chains.chain("nat", names.firewall());
        const auto comment = quoted(names.text + " loadbalancer IP");
        const auto target = " -j " + (service.externalLocal ? names.local() : names.cluster());
        if (!service.externalLocal) rules.push_back(comment + std::string(kMarkMasquerade));
        if (service.allowedSources.empty()) rules.push_back(comment + target);
        for (const auto &range : service.allowedSources)
            rules.push_back("-s " + range.toString() + " " + comment + target);
        for (const auto &vip : service.allowedVips)
            rules.push_back("-s " + host(vip) + " " + comment + target);
        rules.push_back(comment + " -j KUBE-MARK-DROP");
    }

    [[nodiscard]] std::string endpointName(const ServicePortPlan &service,
                                           const packet::SocketAddress &endpoint) const {
        return "KUBE-SEP-" + iptablesEndpointHash(service.name, endpoint, portNaming(m_plan.behaviour));
    }

    static std::string statistic(std::size_t index, std::size_t count) {
        if (index + 1 == count) return {};
        return " -m statistic --mode random --probability " + iptablesProbability(index, count, kDecimals);
    }

    void balance(const ServicePortPlan &service, const Names &names) {
        auto &rules = m_chains.chain("nat", names.cluster());
        const auto comment = quoted(names.text);
        if (service.affinity.count() > 0)
            for (const auto &endpoint : service.cluster) {
                const auto target = endpointName(service, endpoint.address);
                rules.push_back(
                    fmt::format("{} -m recent --rcheck --seconds {} --reap --name {} --mask {} --rsource -j {}",
                                comment, service.affinity.count(), target, wholeMask(m_plan.family), target));
            }
        for (std::size_t i = 0; i < service.cluster.size(); ++i)
            rules.push_back(comment + statistic(i, service.cluster.size()) + " -j " +
                            endpointName(service, service.cluster[i].address));
    }

    void local(const ServicePortPlan &service, const Names &names) {
        auto &rules = m_chains.chain("nat", names.local());
        if (m_plan.detector.kind == LocalDetector::Kind::sourceRange)
            rules.push_back("-s " + m_plan.detector.range.toString() + " " +
                            quoted("Redirect pods trying to reach external loadbalancer VIP to clusterIP") + " -j " +
                            names.cluster());
        if (service.local.empty())
            rules.push_back(quoted(names.text + " has no local endpoints") + " -j KUBE-MARK-DROP");
        for (std::size_t i = 0; i < service.local.size(); ++i)
            rules.push_back(quoted(fmt::format("Balancing rule {} for {}", i, names.text)) +
                            statistic(i, service.local.size()) + " -j " +
                            endpointName(service, service.local[i].address));
    }

    void endpointChain(const ServicePortPlan &service, const Names &names, const packet::SocketAddress &endpoint) {
        const auto name = endpointName(service, endpoint);
        auto &rules = m_chains.chain("nat", name);
        const auto comment = quoted(names.text);
        const auto protocol = lowerName(service.name.protocol);
        rules.push_back("-s " + host(endpoint.ip) + " " + comment + std::string(kMarkMasquerade));
        const auto remember =
            service.affinity.count() > 0
                ? fmt::format(" -m recent --set --name {} --mask {} --rsource", name, wholeMask(m_plan.family))
                : std::string();
        rules.push_back(fmt::format("-p {} {}{} -m {} -j DNAT --to-destination {}", protocol, comment, remember,
                                    protocol, endpoint.toString()));
    }

    const ProxyPlan &m_plan;
    Chains m_chains;
};

} // namespace

std::vector<IptablesChain> chainsOf15(const ProxyPlan &plan) {
    return Writer15(plan).all();
}

std::vector<IptablesChain> chainsOf15(const ProxyPlan &plan, const ServicePortPlan &service) {
    return Writer15(plan).one(service);
}

} // namespace natlens::proxycore::iptables
