#include "proxycore/engine/choice.h"
#include "proxycore/engine/rule_names.h"

namespace natlens::proxycore {

std::string_view toString(Verdict value) {
    switch (value) {
    case Verdict::forwarded: return "forwarded";
    case Verdict::dropped: return "dropped";
    case Verdict::rejected: return "rejected";
    case Verdict::notAService: return "not-a-service";
    }
    return "not-a-service";
}

std::string_view viaWords(Via via) {
    switch (via) {
    case Via::none: return "";
    case Via::clusterIP: return "the cluster IP";
    case Via::externalIP: return "an external IP";
    case Via::loadBalancerIP: return "the load balancer IP";
    case Via::nodePort: return "the node port";
    }
    return "";
}

namespace {

std::string fieldOf(Via via) {
    switch (via) {
    case Via::none: return "";
    case Via::clusterIP: return "spec.clusterIP";
    case Via::externalIP: return "spec.externalIPs";
    case Via::loadBalancerIP: return "status.loadBalancer.ingress[].ip";
    case Via::nodePort: return "spec.ports[].nodePort";
    }
    return "";
}

/// The object and field that says which endpoints are ready.
const char *conditionsOf(const ServicePortPlan &service) {
    return service.ofEndpointsObject ? "Endpoints subsets[].addresses, .notReadyAddresses"
                                     : "EndpointSlice endpoints[].conditions";
}

/// Writes down, in words, what the core decides.
class Words final {
public:
    Words(const FrontEndIndex &index, const FirstPacket &packet)
        : m_index(index)
        , m_plan(index.plan())
        , m_packet(packet)
        , m_names(m_plan) {}

    std::vector<DecisionStep> steps;

    void captured(const Choice &choice) {
        step(m_names.capture(*choice.service, *choice.frontEnd),
             fmt::format("{} is {} of Service {}", m_packet.destination.toString(), viaWords(choice.frontEnd->via),
                         choice.service->name.toString()),
             fieldOf(choice.frontEnd->via));
    }

    void unknownPort(bool rejected) {
        step(m_names.unusedClusterIp(),
             fmt::format("{} is a cluster IP, but no Service has {} port {} on it: {}",
                         m_packet.destination.ip.toString(), packet::toString(m_packet.protocol),
                         m_packet.destination.port, rejected ? "rejected" : "the packet is routed as it is"),
             "spec.ports[].port");
    }

    void unallocated(const IpPrefix &range, bool dropped) {
        const bool isOthers = passedBy();
        step(m_names.unusedClusterIp(),
             fmt::format("{} lies in the service range {}, but no Service {}has it: {}",
                         m_packet.destination.ip.toString(), range.toString(), isOthers ? "of this proxy " : "",
                         dropped ? "dropped" : "the packet is routed as it is"),
             "ServiceCIDR spec.cidrs");
    }

    void healthCheck(const HealthCheckPlan &check) {
        step(m_names.healthCheck(),
             fmt::format("port {} is the health check port of Service {}: kube-proxy itself answers{}", check.port,
                         check.service.toString(),
                         m_plan.behaviour.acceptHealthChecks ? ", and a rule lets the packet in" : ""),
             "spec.healthCheckNodePort");
    }

    void untouched() {
        if (passedBy()) return;
        const auto &[ip, port] = m_packet.destination;
        const auto asked = fmt::format("{} {}", packet::toString(m_packet.protocol), m_packet.destination.toString());
        if (const auto near = m_index.findAnywhere(m_packet.protocol, m_packet.destination); near.service != nullptr) {
            const auto name = near.service->name.toString();
            if (ip.isLoopback() || m_plan.isLocalAddress(ip))
                return step(m_names.none(),
                            fmt::format("port {} is the node port of Service {}, but {} is not one of the addresses at "
                                        "which this node accepts node ports; the packet is not touched",
                                        port, name, ip.toString()),
                            ip.isLoopback() && m_plan.mode == Mode::iptables ? "localhostNodePorts, nodePortAddresses"
                                                                             : "nodePortAddresses");
            return step(m_names.none(),
                        fmt::format("port {} is the node port of Service {}, but {} is not known as an address of this "
                                    "node; the packet is not touched",
                                    port, name, ip.toString()),
                        "Node status.addresses");
        }
        for (const auto other : {Protocol::tcp, Protocol::udp, Protocol::sctp})
            if (const auto hit = m_index.find(other, m_packet.destination); hit.service != nullptr)
                return step(m_names.none(),
                            fmt::format("no Service has {} on this node, but Service {} has it for {}; the packet is "
                                        "not touched",
                                        asked, hit.service->name.toString(), packet::toString(other)),
                            "spec.ports[].protocol");
        step(m_names.none(), fmt::format("no Service has {} on this node; the packet is not touched", asked));
    }

    void sourceInRange(const Choice &choice, const IpPrefix &range) {
        step(m_names.firewall(*choice.service),
             fmt::format("{} is in the allowed range {}", source(), range.toString()), "spec.loadBalancerSourceRanges");
    }

    void sourceIsVip(const Choice &choice) {
        step(m_names.firewall(*choice.service), "the node may use the load balancer IP as its source",
             "spec.loadBalancerSourceRanges");
    }

    void sourceForbidden(const Choice &choice) {
        step(m_names.firewall(*choice.service), source() + " is in none of the allowed ranges: dropped",
             "spec.loadBalancerSourceRanges");
    }

    void clusterIp(const Choice &choice, ClusterIpReason reason) {
        const auto rule = m_names.clusterIpMasquerade(*choice.service);
        switch (reason) {
        case ClusterIpReason::always:
            return step(rule, "all traffic to cluster IPs gets the node's source address", "masqueradeAll");
        case ClusterIpReason::notLocalPod:
            return step(rule, source() + " is not a local pod, so it gets the node's source address", detectorField());
        case ClusterIpReason::localPod:
            return step(rule, source() + " is a local pod and keeps its source address", detectorField());
        }
    }

    void internalLocal(const Choice &choice) {
        step(m_names.endpoints(*choice.service, true), "only endpoints on this node are used",
             "spec.internalTrafficPolicy: Local");
    }

    void external(const Choice &choice, ExternalReason reason) {
        const auto rule = m_names.external(*choice.service);
        const auto policy = policyField(*choice.service);
        switch (reason) {
        case ExternalReason::clusterPolicy:
            return step(
                rule,
                "any endpoint may be used, so the source is replaced to make the reply come back through this node",
                policy);
        case ExternalReason::localPod:
            return step(rule, source() + " is a local pod: any endpoint may be used, the source is kept",
                        detectorField());
        case ExternalReason::fromNode:
            return step(rule, "the packet comes from the node itself: any endpoint may be used, the source is replaced",
                        policy);
        case ExternalReason::localOnly:
            return step(rule, "only endpoints on this node are used, and the source is kept", policy);
        }
    }

    void notChecked(const Choice &) {
        step(m_names.none(),
             m_packet.locallyGenerated || m_plan.isLocalAddress(m_packet.source.ip)
                 ? "the node's own packet is not checked on its way out; it is routed as it is"
                 : "the packet is marked to be dropped, which happens to packets for the node and from it only; it is "
                   "routed as it is");
    }
    void otherwise(const Choice &choice) {
        const auto &frontEnd = *choice.frontEnd;
        const auto &service = *choice.service;
        if (choice.verdict == Verdict::rejected) {
            step(m_names.noEndpoints(frontEnd), "the Service has no usable endpoint: rejected (ICMP port unreachable)",
                 conditionsOf(service));
            explainExclusions(service);
        } else if (choice.verdict == Verdict::dropped) {
            step(m_names.noEndpoints(frontEnd),
                 "the Service has no endpoint on this node" + whereEndpointsAre(service) + ": dropped",
                 frontEnd.via == Via::clusterIP ? "spec.internalTrafficPolicy: Local" : policyField(service));
        } else {
            step(m_names.none(), "no rule takes the packet; it is routed as it is");
        }
    }

    void balanced(const Choice &choice) {
        const auto &endpoints = *choice.endpoints;
        const auto rule = m_names.endpoints(*choice.service, choice.localEndpoints);
        if (!endpoints.front().ready)
            step(m_names.none(),
                 fmt::format("no endpoint{} is ready, so those that terminate but still serve are used",
                             choice.localEndpoints ? " on this node" : ""),
                 "EndpointSlice endpoints[].conditions.serving, .terminating");
        step(rule,
             endpoints.size() == 1
                 ? "the one endpoint " + endpoints.front().address.toString() + " gets the packet"
                 : fmt::format("one of {} endpoints gets the packet, all equally likely", endpoints.size()),
             conditionsOf(*choice.service));
        if (!choice.localEndpoints) explainExclusions(*choice.service);
        if (choice.service->affinity.count() > 0 && (!choice.localEndpoints || m_plan.behaviour.localAffinity))
            step(rule,
                 fmt::format("a client that came back within {} s gets the endpoint it had",
                             choice.service->affinity.count()),
                 "spec.sessionAffinity: ClientIP");
        bool replaced = true;
        for (const auto &endpoint : endpoints) {
            const bool hairpin = isHairpin(m_index, m_packet.protocol, endpoint.address, m_packet.source.ip);
            replaced = replaced && hairpin;
            if (hairpin)
                step(m_names.hairpin(*choice.service, endpoint.address),
                     fmt::format("if {} is chosen the pod reaches itself, and the source is replaced, so that the "
                                 "reply comes back through this node",
                                 endpoint.address.toString()),
                     choice.service->ofEndpointsObject ? "Endpoints subsets[].addresses"
                                                       : "EndpointSlice endpoints[].addresses");
        }
        if (choice.frontEnd->route == Route::external) warnOfAnswersPastThisNode(choice);
        if (choice.masquerade || replaced)
            step(m_names.masquerade(), "the source becomes the address of the interface by which the packet leaves",
                 choice.masquerade ? "masqueradeBit" : "");
    }

private:
    void step(std::string rule, std::string decided, std::string field = {}) {
        steps.push_back({std::move(rule), std::move(decided), std::move(field)});
    }

    /// The destination is a Service's, but its rules leave it alone: says why.
    bool passedBy() {
        const auto &[ip, port] = m_packet.destination;
        for (const auto &one : m_plan.passedBy) {
            const bool here = one.via == Via::nodePort ? m_index.acceptsNodePorts(ip) : one.ip == ip;
            if (!here || one.port != port || one.name.protocol != m_packet.protocol) continue;
            const auto [why, field] = reasonOf(one.reason);
            step(m_names.none(),
                 fmt::format("{} is {} of Service {}, but {}", m_packet.destination.toString(), viaWords(one.via),
                             one.name.toString(), why),
                 field);
            return true;
        }
        return false;
    }

    static std::pair<std::string, std::string> reasonOf(PassedByReason reason) {
        switch (reason) {
        case PassedByReason::loadBalancerIsProxy:
            return {
                "its load balancer wants to see every packet itself, so no node takes them; the packet is routed to "
                "it",
                "status.loadBalancer.ingress[].ipMode: Proxy"};
        case PassedByReason::otherProxy:
            return {"another proxy than kube-proxy serves that Service; the packet is not touched",
                    fmt::format("metadata.labels[{}]", kServiceProxyNameLabel)};
        case PassedByReason::externalIPsOff:
            return {"this proxy serves no external IPs; the packet is not touched",
                    "featureGates.AllowServiceExternalIPs: false"};
        }
        return {};
    }

    /// The source counts as a local pod because the whole cluster's range does, but it lives on another node: what an
    /// endpoint elsewhere answers goes there directly, past the node that knows the translation.
    [[nodiscard]] bool isPodElsewhere() const {
        const auto contains = [&](const IpPrefix &range) { return range.contains(m_packet.source.ip); };
        return m_plan.detector.kind == LocalDetector::Kind::sourceRange && contains(m_plan.detector.range) &&
               !m_plan.podCIDRs.empty() && std::none_of(m_plan.podCIDRs.begin(), m_plan.podCIDRs.end(), contains) &&
               !m_plan.isLocalAddress(m_packet.source.ip);
    }

    void warnOfAnswersPastThisNode(const Choice &choice) {
        const bool elsewhere = std::any_of(choice.endpoints->begin(), choice.endpoints->end(),
                                           [](const PlannedEndpoint &endpoint) { return !endpoint.local; });
        if (choice.masquerade || !elsewhere || !isPodElsewhere()) return;
        step(m_names.none(),
             fmt::format(
                 "{} is a pod of another node: an endpoint that is not on this node answers it directly, past this "
                 "node, and the pod does not know whose answer that is",
                 source()),
             "clusterCIDR, detectLocalMode");
    }

    [[nodiscard]] std::string source() const { return m_packet.source.ip.toString(); }

    [[nodiscard]] std::string detectorField() const {
        switch (m_plan.detector.kind) {
        case LocalDetector::Kind::none: return "detectLocalMode";
        case LocalDetector::Kind::sourceRange: return "clusterCIDR, detectLocalMode";
        case LocalDetector::Kind::interface: return "detectLocal.bridgeInterface";
        case LocalDetector::Kind::interfacePrefix: return "detectLocal.interfaceNamePrefix";
        }
        return "";
    }

    [[nodiscard]] static std::string policyField(const ServicePortPlan &service) {
        return service.externalPolicySource == PolicySource::annotation
                   ? std::string("metadata.annotations[service.beta.kubernetes.io/external-traffic]: ") +
                         (service.externalLocal ? "OnlyLocal" : "Global")
                   : std::string("spec.externalTrafficPolicy: ") + (service.externalLocal ? "Local" : "Cluster");
    }

    /// " (they are on node2, node3)"; "" when nobody knows.
    [[nodiscard]] static std::string whereEndpointsAre(const ServicePortPlan &service) {
        constexpr std::size_t kMost = 5;
        std::vector<std::string_view> nodes;
        for (const auto &endpoint : service.cluster)
            if (!endpoint.nodeName.empty() && std::find(nodes.begin(), nodes.end(), endpoint.nodeName) == nodes.end())
                nodes.push_back(endpoint.nodeName);
        if (nodes.empty()) return {};
        const bool more = nodes.size() > kMost;
        if (more) nodes.resize(kMost);
        return fmt::format(" (they are on {}{})", fmt::join(nodes, ", "), more ? ", ..." : "");
    }

    void explainExclusions(const ServicePortPlan &service) {
        for (const auto &excluded : service.excluded) {
            const bool hint = excluded.reason == Exclusion::otherNode || excluded.reason == Exclusion::otherZone;
            step(m_names.none(),
                 fmt::format("endpoint {} is not used: {}", excluded.address.toString(), toString(excluded.reason)),
                 hint ? "EndpointSlice endpoints[].hints" : conditionsOf(service));
        }
    }

    const FrontEndIndex &m_index;
    const ProxyPlan &m_plan;
    const FirstPacket &m_packet;
    RuleNames m_names;
};

/// The plan's own shared pointer to a service of it.
std::shared_ptr<const ServicePortPlan> shared(const ProxyPlan &plan, const ServicePortPlan *service) {
    const auto at = std::find_if(plan.services.begin(), plan.services.end(),
                                 [&](const auto &candidate) { return candidate.get() == service; });
    return at == plan.services.end() ? nullptr : *at;
}

} // namespace

Decision decide(const FrontEndIndex &index, const FlowQuery &query) {
    const ProxyPlan &plan = index.plan();
    const FirstPacket packet{query.protocol, query.source, query.destination, query.inputInterface,
                             query.locallyGenerated};
    Words words(index, packet);
    const Choice choice = Chooser<Words>(index, packet, words).choose();

    Decision decision;
    decision.verdict = choice.verdict;
    decision.steps = std::move(words.steps);
    if (choice.service == nullptr) return decision;
    decision.service = shared(plan, choice.service);
    decision.via = choice.frontEnd->via;
    decision.masquerade = choice.masquerade;
    if (choice.verdict != Verdict::forwarded) return decision;
    bool allReplaced = true;
    for (const auto &endpoint : *choice.endpoints) {
        const bool hairpin = isHairpin(index, query.protocol, endpoint.address, query.source.ip);
        allReplaced = allReplaced && hairpin;
        decision.endpoints.push_back({endpoint.address, 1.0 / static_cast<double>(choice.endpoints->size()),
                                      choice.masquerade || hairpin, endpoint.local, endpoint.nodeName, endpoint.pod});
    }
    decision.masquerade = decision.masquerade || allReplaced;
    return decision;
}

Decision decide(const ProxyPlan &plan, const FlowQuery &query) {
    return decide(FrontEndIndex(plan), query);
}

} // namespace natlens::proxycore
