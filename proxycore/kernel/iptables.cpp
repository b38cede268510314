#include "proxycore/kernel/iptables.h"

#include "proxycore/kernel/iptables_rules.h"

#include <cmath>

namespace natlens::proxycore {

namespace {

using namespace iptables;

/// The rules of one service port are all written with its chain names.
struct ChainNames {
    explicit ChainNames(const ServicePortPlan &service)
        : hash(iptablesServiceHash(service.name)) {}
    std::string hash;
    [[nodiscard]] std::string cluster() const { return "KUBE-SVC-" + hash; }
    [[nodiscard]] std::string local() const { return "KUBE-SVL-" + hash; }
    [[nodiscard]] std::string external() const { return "KUBE-EXT-" + hash; }
    [[nodiscard]] std::string firewall() const { return "KUBE-FW-" + hash; }
};

class Writer final {
public:
    explicit Writer(const ProxyPlan &plan)
        : m_plan(plan) {}

    std::vector<IptablesChain> write() {
        fixed();
        for (const auto &service : m_plan.services)
            servicePort(*service);
        nodePortTail();
        return m_chains.take();
    }

    std::vector<IptablesChain> writeOne(const ServicePortPlan &service) {
        servicePort(service);
        return m_chains.take();
    }

private:
    std::vector<std::string> &chain(std::string_view table, std::string name) {
        return m_chains.chain(table, std::move(name));
    }
    void rule(std::string_view table, const std::string &name, std::string text) {
        m_chains.rule(table, name, std::move(text));
    }

    void jumps() {
        const auto add = [&](std::string_view table, const char *from, const char *to, std::string_view comment,
                             bool isNew) {
            std::string text = isNew ? "-m conntrack --ctstate NEW " : "";
            if (!comment.empty()) text += quoted(comment) + " ";
            rule(table, from, text + "-j " + to);
        };
        const auto firewall = [&](const char *from) {
            add("filter", from, "KUBE-PROXY-FIREWALL", "kubernetes load balancer firewall", true);
        };
        add("filter", "INPUT", "KUBE-FIREWALL", "", false);
        firewall("INPUT");
        add("filter", "INPUT", "KUBE-NODEPORTS", "kubernetes health check service ports", false);
        add("filter", "INPUT", "KUBE-EXTERNAL-SERVICES", "kubernetes externally-visible service portals", true);
        firewall("FORWARD");
        add("filter", "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules", false);
        add("filter", "FORWARD", "KUBE-SERVICES", "kubernetes service portals", true);
        add("filter", "FORWARD", "KUBE-EXTERNAL-SERVICES", "kubernetes externally-visible service portals", true);
        add("filter", "OUTPUT", "KUBE-FIREWALL", "", false);
        firewall("OUTPUT");
        add("filter", "OUTPUT", "KUBE-SERVICES", "kubernetes service portals", true);
        add("nat", "PREROUTING", "KUBE-SERVICES", "kubernetes service portals", false);
        add("nat", "OUTPUT", "KUBE-SERVICES", "kubernetes service portals", false);
        add("nat", "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules", false);
    }

    void fixed() {
        jumps();
        for (const auto *table : {"mangle", "filter", "nat"})
            chain(table, "KUBE-PROXY-CANARY");
        for (const auto *name : {"KUBE-EXTERNAL-SERVICES", "KUBE-FIREWALL", "KUBE-FORWARD", "KUBE-NODEPORTS",
                                 "KUBE-PROXY-FIREWALL", "KUBE-SERVICES"})
            chain("filter", name);
        for (const auto *name : {"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"})
            chain("nat", name);
        if (m_plan.localhostNodePorts)
            rule("filter", "KUBE-FIREWALL",
                 "! -s 127.0.0.0/8 -d 127.0.0.0/8 " + quoted("block incoming localnet connections") +
                     " -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP");
        const auto mark = fmt::format("{0:#x}/{0:#x}", m_plan.masqueradeMark);
        if (m_plan.behaviour.dropInvalid) rule("filter", "KUBE-FORWARD", "-m conntrack --ctstate INVALID -j DROP");
        rule("filter", "KUBE-FORWARD",
             quoted("kubernetes forwarding rules") + " -m mark --mark " + mark + " -j ACCEPT");
        rule("filter", "KUBE-FORWARD",
             quoted("kubernetes forwarding conntrack rule") + " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
        rule("nat", "KUBE-POSTROUTING", "-m mark ! --mark " + mark + " -j RETURN");
        if (m_plan.behaviour.clearMark)
            rule("nat", "KUBE-POSTROUTING", fmt::format("-j MARK --set-xmark {:#x}/0x0", m_plan.masqueradeMark));
        rule("nat", "KUBE-POSTROUTING",
             quoted("kubernetes service traffic requiring SNAT") + " -j MASQUERADE" +
                 (m_plan.behaviour.fullyRandomPorts ? " --random-fully" : ""));
        rule("nat", "KUBE-MARK-MASQ", "-j MARK --set-xmark " + mark);
    }

    void nodePortTail() {
        const auto comment = quoted("kubernetes service nodeports; NOTE: this must be the last rule in this chain");
        const auto &match = m_plan.nodePorts;
        if (!match.allLocal) {
            for (const auto &ip : match.addresses)
                rule("nat", "KUBE-SERVICES", "-d " + host(ip) + " " + comment + " -j KUBE-NODEPORTS");
            return;
        }
        const std::string except = match.loopback                  ? ""
                                   : m_plan.family == IpFamily::v6 ? "! -d ::1/128 "
                                                                   : "! -d 127.0.0.0/8 ";
        rule("nat", "KUBE-SERVICES", except + comment + " -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS");
    }

    /// The match of packets of local pods, or (negated) all others; with a trailing blank.
    [[nodiscard]] std::string podMatch(bool negated) const {
        const auto &detector = m_plan.detector;
        const std::string no = negated ? "! " : "";
        switch (detector.kind) {
        case LocalDetector::Kind::none: return "";
        case LocalDetector::Kind::sourceRange: return no + "-s " + detector.range.toString() + " ";
        case LocalDetector::Kind::interface: return no + "-i " + detector.interface + " ";
        case LocalDetector::Kind::interfacePrefix: return no + "-i " + detector.interface + "+ ";
        }
        return "";
    }

    void servicePort(const ServicePortPlan &service) {
        const ChainNames names(service);
        for (const auto &frontEnd : service.frontEnds)
            capture(service, names, frontEnd);
        healthCheck(service);
        if (service.hasClusterChain()) balance(service, names, false);
        if (service.hasLocalChain()) balance(service, names, true);
        if (service.hasExternalChain()) external(service, names);
        firewall(service, names);
        for (const auto &endpoint : service.reachable)
            endpointChain(service, endpoint.address);
    }

    void capture(const ServicePortPlan &service, const ChainNames &names, const FrontEnd &frontEnd) {
        const auto name = service.name.toString();
        const std::string what = frontEnd.via == Via::clusterIP        ? " cluster IP"
                                 : frontEnd.via == Via::externalIP     ? " external IP"
                                 : frontEnd.via == Via::loadBalancerIP ? " loadbalancer IP"
                                                                       : "";
        if (frontEnd.route != Route::none) {
            const auto target = frontEnd.route == Route::cluster ? names.cluster()
                                : frontEnd.route == Route::local ? names.local()
                                : frontEnd.firewalled            ? names.firewall()
                                                                 : names.external();
            rule("nat", frontEnd.via == Via::nodePort ? "KUBE-NODEPORTS" : "KUBE-SERVICES",
                 match(service, frontEnd, name + what) + " -j " + target);
        }
        if (frontEnd.firewalled)
            rule("filter", "KUBE-PROXY-FIREWALL",
                 match(service, frontEnd, name + " traffic not accepted by " + names.firewall()) + " -j DROP");
        if (frontEnd.otherwise != Otherwise::pass) refuse(service, frontEnd);
    }

    void refuse(const ServicePortPlan &service, const FrontEnd &frontEnd) {
        const bool rejected = frontEnd.otherwise == Otherwise::reject;
        const auto name = service.name.toString() + (rejected ? " has no endpoints" : " has no local endpoints");
        auto text = match(service, frontEnd, name);
        if (frontEnd.via == Via::nodePort) {
            const auto protocol = fmt::format(" -m {} --dport", lowerName(service.name.protocol));
            text.insert(text.rfind(protocol), " -m addrtype --dst-type LOCAL");
        }
        const std::string target = rejected ? reject(m_plan.family) : "DROP";
        rule("filter", frontEnd.via == Via::clusterIP ? "KUBE-SERVICES" : "KUBE-EXTERNAL-SERVICES",
             text + " -j " + target);
    }

    void healthCheck(const ServicePortPlan &service) {
        if (!m_plan.behaviour.acceptHealthChecks) return;
        for (const auto &check : m_plan.healthChecks)
            if (check.service == service.name.service)
                rule("filter", "KUBE-NODEPORTS",
                     fmt::format("-p tcp {} -m tcp --dport {} -j ACCEPT",
                                 quoted(service.name.toString() + " health check node port"), check.port));
    }

    void balance(const ServicePortPlan &service, const ChainNames &names, bool local) {
        auto &rules = chain("nat", local ? names.local() : names.cluster());
        const auto &endpoints = local ? service.local : service.cluster;
        const auto name = service.name.toString();
        const bool internal = local == service.internalLocal && service.hasInternal;
        if (internal && m_plan.clusterIpMasquerade != ClusterIpMasquerade::never) {
            const bool always = m_plan.clusterIpMasquerade == ClusterIpMasquerade::always;
            const FrontEnd clusterIp{.via = Via::clusterIP, .ip = service.clusterIP, .port = service.port};
            auto text = match(service, clusterIp, name + " cluster IP");
            // iptables-save prints the source before and the interface after the destination.
            const auto pods = always ? std::string() : podMatch(true);
            const bool interface = m_plan.detector.kind != LocalDetector::Kind::sourceRange;
            text.insert(interface && !always ? text.find("-p ") : 0, pods);
            rules.push_back(text + " -j KUBE-MARK-MASQ");
        }
        const auto target = [&](const PlannedEndpoint &endpoint) {
            return "KUBE-SEP-" + iptablesEndpointHash(service.name, endpoint.address);
        };
        const auto comment = [&](const PlannedEndpoint &endpoint) {
            return endpointComment(name + " -> " + endpoint.address.toString());
        };
        if (service.affinity.count() > 0)
            for (const auto &endpoint : endpoints)
                rules.push_back(fmt::format(
                    "{}-m recent --rcheck --seconds {} --reap --name {} --mask {} --rsource -j {}", comment(endpoint),
                    service.affinity.count(), target(endpoint), wholeMask(m_plan.family), target(endpoint)));
        for (std::size_t i = 0; i < endpoints.size(); ++i) {
            const bool last = i + 1 == endpoints.size();
            rules.push_back(
                comment(endpoints[i]) +
                (last ? std::string()
                      : "-m statistic --mode random --probability " + iptablesProbability(i, endpoints.size()) + " ") +
                "-j " + target(endpoints[i]));
        }
    }

    /// With a trailing blank; "" in a large cluster.
    [[nodiscard]] std::string endpointComment(const std::string &text) const {
        return m_plan.endpointComments ? quoted(text) + " " : std::string();
    }

    void external(const ServicePortPlan &service, const ChainNames &names) {
        auto &rules = chain("nat", names.external());
        const auto about = service.name.toString() + " external destinations";
        if (!service.externalLocal) {
            rules.push_back(quoted("masquerade traffic for " + about) + " -j KUBE-MARK-MASQ");
        } else {
            if (m_plan.detector.kind != LocalDetector::Kind::none)
                rules.push_back(podMatch(false) + quoted("pod traffic for " + about) + " -j " + names.cluster());
            if (m_plan.behaviour.nodeShortCircuit) {
                const std::string fromNode = " -m addrtype --src-type LOCAL -j ";
                rules.push_back(quoted("masquerade LOCAL traffic for " + about) + fromNode + "KUBE-MARK-MASQ");
                rules.push_back(quoted("route LOCAL traffic for " + about) + fromNode + names.cluster());
            }
        }
        if (service.hasExternal) rules.push_back("-j " + (service.externalLocal ? names.local() : names.cluster()));
    }

    void firewall(const ServicePortPlan &service, const ChainNames &names) {
        bool firewalled = false;
        for (const auto &frontEnd : service.frontEnds)
            firewalled = firewalled || (frontEnd.firewalled && frontEnd.route != Route::none);
        if (!firewalled) return;
        auto &rules = chain("nat", names.firewall());
        const auto name = service.name.toString();
        const auto allow = [&](const std::string &source) {
            rules.push_back("-s " + source + " " + quoted(name + " loadbalancer IP") + " -j " + names.external());
        };
        for (const auto &range : service.allowedSources)
            allow(range.toString());
        for (const auto &vip : service.allowedVips)
            allow(host(vip));
        rules.push_back(quoted("other traffic to " + name + " will be dropped by KUBE-PROXY-FIREWALL"));
    }

    void endpointChain(const ServicePortPlan &service, const packet::SocketAddress &endpoint) {
        const auto name = "KUBE-SEP-" + iptablesEndpointHash(service.name, endpoint);
        auto &rules = chain("nat", name);
        const auto comment = endpointComment(service.name.toString());
        const auto protocol = lowerName(service.name.protocol);
        rules.push_back("-s " + host(endpoint.ip) + " " + comment + "-j KUBE-MARK-MASQ");
        const auto remember =
            service.affinity.count() > 0
                ? fmt::format("-m recent --set --name {} --mask {} --rsource ", name, wholeMask(m_plan.family))
                : std::string();
        rules.push_back(fmt::format("-p {} {}{}-m {} -j DNAT --to-destination {}", protocol, comment, remember,
                                    protocol, endpoint.toString()));
    }

    const ProxyPlan &m_plan;
    Chains m_chains;
};

} // namespace

std::string iptablesProbability(std::size_t index, std::size_t count, std::size_t decimals) {
    const double written = std::stod(fmt::format("{:.{}f}", 1.0 / static_cast<double>(count - index), decimals));
    constexpr double kKernelUnits = 2147483648.0; // 2^31
    return fmt::format("{:.11f}", std::round(written * kKernelUnits) / kKernelUnits);
}

std::vector<IptablesChain> iptablesChains(const ProxyPlan &plan) {
    return plan.behaviour.layout == RuleLayout::v1_5 ? chainsOf15(plan) : Writer(plan).write();
}

std::vector<IptablesChain> iptablesChainsOf(const ProxyPlan &plan, const ServicePortPlan &service) {
    return plan.behaviour.layout == RuleLayout::v1_5 ? chainsOf15(plan, service) : Writer(plan).writeOne(service);
}

bool IptablesChain::isServicePorts() const {
    for (const std::string_view prefix : {"KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-", "KUBE-FW-", "KUBE-EXT-", "KUBE-XLB-"})
        if (name.starts_with(prefix)) return true;
    return false;
}

std::string toIptablesText(const ProxyPlan &plan) {
    const auto chains = iptablesChains(plan);
    std::string text;
    for (const std::string_view table : {"mangle", "filter", "nat"}) {
        text += fmt::format("*{}\n", table);
        for (const auto &chain : chains)
            if (chain.table == table)
                text += fmt::format(":{} {} [0:0]\n", chain.name, chain.isBuiltIn() ? "ACCEPT" : "-");
        for (const auto &chain : chains) {
            if (chain.table != table) continue;
            for (const auto &rule : chain.rules)
                text += fmt::format("-A {} {}\n", chain.name, rule);
        }
        text += "COMMIT\n";
    }
    return text;
}

} // namespace natlens::proxycore
