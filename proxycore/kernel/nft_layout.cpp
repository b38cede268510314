#include "proxycore/kernel/nft_layout.h"

namespace natlens::proxycore::nft {

std::string_view familyName(IpFamily family) {
    return family == IpFamily::v6 ? "ip6" : "ip";
}

namespace {

constexpr std::string_view kReject = "reject-chain";

Rule rule(std::vector<Statement> statements, std::string comment = {}) {
    return Rule{std::move(statements), std::move(comment)};
}

IpPrefix single(const IpAddress &address) {
    return {address, static_cast<std::uint8_t>(address.isV4() ? 32 : 128)};
}

/// Matches packets of local pods, or (negated) all others.
Statement podMatch(const LocalDetector &detector, bool negated) {
    if (detector.kind == LocalDetector::Kind::sourceRange) return AddressMatch{Side::source, negated, {detector.range}};
    return InterfaceMatch{detector.interface, detector.kind == LocalDetector::Kind::interfacePrefix, negated};
}

/// Loopback is never a node port in this mode.
Statement notLoopback(IpFamily family) {
    const auto loopback = *IpPrefix::parse(family == IpFamily::v6 ? "::1" : "127.0.0.0/8");
    return AddressMatch{Side::destination, true, {loopback}};
}

std::vector<Chain> baseChains() {
    const auto newJump = [](std::string chain) { return rule({CtStateNew{}, Jump{std::move(chain)}}); };
    const auto jump = [](std::string chain) { return rule({Jump{std::move(chain)}}); };
    // Priority names are avoided: nft knows "dstnat" for prerouting only.
    return {
        {"filter-prerouting-pre-dnat", {"filter", "prerouting", -110}, "", {newJump("firewall-check")}},
        {"filter-output-pre-dnat", {"filter", "output", -110}, "", {newJump("firewall-check")}},
        {"filter-input",
         {"filter", "input", 0},
         "",
         {newJump("nodeport-endpoints-check"), newJump("service-endpoints-check")}},
        {"filter-forward",
         {"filter", "forward", 0},
         "",
         {newJump("service-endpoints-check"), newJump("cluster-ips-check")}},
        {"filter-output",
         {"filter", "output", 0},
         "",
         {newJump("service-endpoints-check"), newJump("cluster-ips-check")}},
        {"nat-prerouting", {"nat", "prerouting", -100}, "", {jump("services")}},
        {"nat-output", {"nat", "output", -100}, "", {jump("services")}},
        {"nat-postrouting", {"nat", "postrouting", 100}, "", {jump("masquerading")}},
    };
}

Chain servicesChain(const ProxyPlan &plan) {
    Chain chain{"services", {}, "", {}};
    const AddressInSet clusterIp{Side::destination, "cluster-ips"};
    if (plan.clusterIpMasquerade == ClusterIpMasquerade::always)
        chain.rules.push_back(rule({clusterIp, MarkOr{plan.masqueradeMark}}, "masquerade all clusterIP traffic"));
    else if (plan.clusterIpMasquerade == ClusterIpMasquerade::fromOutside)
        chain.rules.push_back(rule({clusterIp, podMatch(plan.detector, true), MarkOr{plan.masqueradeMark}},
                                   "masquerade clusterIP traffic from outside cluster"));
    chain.rules.push_back(rule({LookupService{"service-ips"}}));
    if (plan.nodePorts.allLocal)
        chain.rules.push_back(
            rule({LocalMatch{Side::destination}, notLoopback(plan.family), LookupNodePort{"service-nodeports"}}));
    else
        chain.rules.push_back(
            rule({AddressInSet{Side::destination, "nodeport-ips"}, LookupNodePort{"service-nodeports"}}));
    return chain;
}

std::vector<Chain> fixedChains(const ProxyPlan &plan) {
    const auto nodePort =
        plan.nodePorts.allLocal ? notLoopback(plan.family) : Statement(AddressInSet{Side::destination, "nodeport-ips"});
    const Masquerade masquerade{plan.behaviour.fullyRandomPorts};
    std::vector<Statement> marked{MarkSet{plan.masqueradeMark}};
    if (plan.behaviour.clearMark) marked.push_back(MarkXor{plan.masqueradeMark});
    marked.push_back(masquerade);
    Chain unused{"cluster-ips-check", {}, "", {}};
    if (plan.behaviour.rejectUnknownPort)
        unused.rules.push_back(rule({AddressInSet{Side::destination, "cluster-ips"}, Reject{}},
                                    "Reject traffic to invalid ports of ClusterIPs"));
    if (plan.behaviour.dropUnallocated)
        unused.rules.push_back(rule({AddressMatch{Side::destination, false, plan.serviceCIDRs}, Drop{}},
                                    "Drop traffic to unallocated ClusterIPs"));
    return {
        {"nodeport-endpoints-check", {}, "", {rule({nodePort, LookupNodePort{"no-endpoint-nodeports"}})}},
        {"service-endpoints-check", {}, "", {rule({LookupService{"no-endpoint-services"}})}},
        {"firewall-check", {}, "", {rule({LookupService{"firewall-ips"}})}},
        servicesChain(plan),
        {"masquerading", {}, "", {rule(std::move(marked)), rule({CtStatusDnat{}, HairpinMatch{}, masquerade})}},
        std::move(unused),
        {std::string(kReject), {}, "helper for @no-endpoint-services / @no-endpoint-nodeports", {rule({Reject{}})}},
    };
}

/// The rules that send a packet to one of the endpoints.
std::vector<Rule> endpointRules(const ServicePortPlan &service, const std::vector<PlannedEndpoint> &endpoints) {
    std::vector<Rule> rules;
    if (service.affinity.count() == 0) {
        DnatRandom dnat;
        for (const auto &endpoint : endpoints)
            dnat.endpoints.push_back(endpoint.address);
        rules.push_back(rule({ProtocolMatch{service.name.protocol}, std::move(dnat)}));
        return rules;
    }
    GotoRandom choice;
    for (const auto &endpoint : endpoints) {
        const auto name = nftEndpointName(service.name, endpoint.address);
        rules.push_back(rule({AddressInSet{Side::source, "affinity-" + name}, Goto{"endpoint-" + name}}));
        choice.chains.push_back("endpoint-" + name);
    }
    rules.push_back(rule({std::move(choice)}));
    return rules;
}

std::vector<Rule> externalRules(const ProxyPlan &plan, const ServicePortPlan &service, const std::string &base) {
    const Goto toCluster{"service-" + base};
    if (!service.externalLocal) return {rule({MarkOr{plan.masqueradeMark}}, "masquerade"), rule({toCluster})};
    std::vector<Rule> rules;
    if (plan.detector.kind != LocalDetector::Kind::none)
        rules.push_back(rule({podMatch(plan.detector, false), toCluster}, "short-circuit pod traffic"));
    if (plan.behaviour.nodeShortCircuit) {
        rules.push_back(rule({LocalMatch{Side::source}, MarkOr{plan.masqueradeMark}}, "masquerade local traffic"));
        rules.push_back(rule({LocalMatch{Side::source}, toCluster}, "short-circuit local traffic"));
    }
    if (service.hasExternal) rules.push_back(rule({Goto{"local-" + base}}));
    return rules;
}

void addFrontEnd(const ServicePortPlan &service, const FrontEnd &frontEnd, const std::string &base, Objects &objects) {
    const bool nodePort = frontEnd.via == Via::nodePort;
    const auto add = [&](std::string_view set, std::string verdict, std::string comment = {}) {
        objects.elements.push_back({.set = std::string(set),
                                    .key = nodePort ? KeyType::protocolPort : KeyType::addressProtocolPort,
                                    .address = frontEnd.ip,
                                    .protocol = service.name.protocol,
                                    .port = frontEnd.port,
                                    .verdict = std::move(verdict),
                                    .comment = std::move(comment)});
    };
    if (frontEnd.route != Route::none) {
        const std::string prefix = frontEnd.route == Route::cluster ? "service-"
                                   : frontEnd.route == Route::local ? "local-"
                                                                    : "external-";
        add(nodePort ? "service-nodeports" : "service-ips", prefix + base);
    }
    if (frontEnd.firewalled) add("firewall-ips", "firewall-" + base);
    if (frontEnd.otherwise != Otherwise::pass)
        add(nodePort ? "no-endpoint-nodeports" : "no-endpoint-services",
            frontEnd.otherwise == Otherwise::drop ? "drop" : std::string(kReject), service.name.toString());
}

void addAffinity(const ServicePortPlan &service, Objects &objects) {
    for (const auto &endpoint : service.reachable) {
        const auto name = nftEndpointName(service.name, endpoint.address);
        objects.sets.push_back({"affinity-" + name, KeyType::address, false, service.affinity, ""});
        objects.chains.push_back({"endpoint-" + name,
                                  {},
                                  "",
                                  {rule({UpdateSet{"affinity-" + name}}),
                                   rule({ProtocolMatch{service.name.protocol}, DnatTo{endpoint.address}})}});
    }
}

Statement allowedSources(const ServicePortPlan &service) {
    AddressMatch match{Side::source, true, service.allowedSources};
    for (const auto &vip : service.allowedVips)
        match.ranges.push_back(single(vip));
    return match;
}

} // namespace

Objects fixedObjects(const ProxyPlan &plan) {
    Objects objects;
    objects.chains = baseChains();
    for (auto &chain : fixedChains(plan))
        objects.chains.push_back(std::move(chain));
    using enum KeyType;
    objects.sets = {
        {"cluster-ips", address, false, {}, "Active ClusterIPs"},
        {"hairpin-connections", addressPairProtocolPort, false, {}, "service hairpin connections"},
        {"no-endpoint-services",
         addressProtocolPort,
         true,
         {},
         "vmap to drop or reject packets to services with no endpoints"},
        {"no-endpoint-nodeports",
         protocolPort,
         true,
         {},
         "vmap to drop or reject packets to service nodeports with no endpoints"},
        {"firewall-ips", addressProtocolPort, true, {}, "destinations that are subject to LoadBalancerSourceRanges"},
        {"service-ips", addressProtocolPort, true, {}, "ClusterIP, ExternalIP and LoadBalancer IP traffic"},
        {"service-nodeports", protocolPort, true, {}, "NodePort traffic"},
    };
    if (!plan.nodePorts.allLocal) {
        objects.sets.push_back({"nodeport-ips", address, false, {}, "IPs that accept NodePort traffic"});
        for (const auto &ip : plan.nodePorts.addresses)
            objects.elements.push_back({.set = "nodeport-ips", .address = ip});
    }
    return objects;
}

Objects serviceObjects(const ProxyPlan &plan, const ServicePortPlan &service) {
    Objects objects;
    const auto base = nftServiceName(service.name);
    if (service.affinity.count() > 0) addAffinity(service, objects);
    if (service.hasClusterChain())
        objects.chains.push_back({"service-" + base, {}, "", endpointRules(service, service.cluster)});
    if (service.hasLocalChain())
        objects.chains.push_back({"local-" + base, {}, "", endpointRules(service, service.local)});
    if (service.hasExternalChain())
        objects.chains.push_back({"external-" + base, {}, "", externalRules(plan, service, base)});
    bool firewalled = false;
    for (const auto &frontEnd : service.frontEnds)
        firewalled = firewalled || frontEnd.firewalled;
    if (firewalled) objects.chains.push_back({"firewall-" + base, {}, "", {rule({allowedSources(service), Drop{}})}});
    for (const auto &frontEnd : service.frontEnds) {
        if (frontEnd.via == Via::clusterIP) objects.elements.push_back({.set = "cluster-ips", .address = frontEnd.ip});
        addFrontEnd(service, frontEnd, base, objects);
    }
    for (const auto &endpoint : service.reachable)
        if (endpoint.local || !plan.behaviour.hairpinLocalOnly)
            objects.elements.push_back({.set = "hairpin-connections",
                                        .key = KeyType::addressPairProtocolPort,
                                        .address = endpoint.address.ip,
                                        .secondAddress = endpoint.address.ip,
                                        .protocol = service.name.protocol,
                                        .port = endpoint.address.port});
    return objects;
}

} // namespace natlens::proxycore::nft
