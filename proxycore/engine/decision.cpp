#include "proxycore/engine/decision.h"

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

std::string viaWords(Via via) {
    switch (via) {
    case Via::none: return "";
    case Via::clusterIP: return "the cluster IP";
    case Via::externalIP: return "an external IP";
    case Via::loadBalancerIP: return "the load balancer IP";
    case Via::nodePort: return "the node port";
    }
    return "";
}

/// Decides one packet; the steps are written down as they are taken.
class Decider final {
public:
    Decider(const FrontEndIndex &index, const FlowQuery &query)
        : m_index(index)
        , m_plan(index.plan())
        , m_query(query)
        , m_names(m_plan)
        , m_fromNode(query.locallyGenerated || m_plan.isLocalAddress(query.source.ip))
        , m_fromPod(isLocalPod()) {}

    Decision decide() {
        const auto hit = m_index.find(m_query.protocol, m_query.destination);
        if (!hit.service) {
            notAFrontEnd();
            return std::move(m_decision);
        }
        m_service = hit.service.get();
        m_frontEnd = hit.frontEnd;
        m_decision.service = hit.service;
        m_decision.via = hit.frontEnd->via;
        step(m_names.capture(*m_service, *m_frontEnd),
             fmt::format("{} is {} of Service {}", m_query.destination.toString(), viaWords(m_frontEnd->via),
                         m_service->name.toString()),
             fieldOf(m_frontEnd->via));
        if (!sourceAllowed()) return std::move(m_decision);
        route();
        return std::move(m_decision);
    }

private:
    void step(std::string rule, std::string decided, std::string field = {}) {
        m_decision.steps.push_back({std::move(rule), std::move(decided), std::move(field)});
    }

    [[nodiscard]] bool isLocalPod() const {
        const auto &detector = m_plan.detector;
        const auto &interface = m_query.inputInterface;
        switch (detector.kind) {
        case LocalDetector::Kind::none: return false;
        case LocalDetector::Kind::sourceRange: return detector.range.contains(m_query.source.ip);
        case LocalDetector::Kind::interface: return !m_query.locallyGenerated && interface == detector.interface;
        case LocalDetector::Kind::interfacePrefix:
            return !m_query.locallyGenerated && !interface.empty() && interface.starts_with(detector.interface);
        }
        return false;
    }

    [[nodiscard]] std::string detectorField() const {
        switch (m_plan.detector.kind) {
        case LocalDetector::Kind::none: return "detectLocalMode";
        case LocalDetector::Kind::sourceRange: return "clusterCIDR, detectLocalMode";
        case LocalDetector::Kind::interface: return "detectLocal.bridgeInterface";
        case LocalDetector::Kind::interfacePrefix: return "detectLocal.interfaceNamePrefix";
        }
        return "";
    }

    [[nodiscard]] std::string policyField() const {
        return m_service->externalPolicySource == PolicySource::annotation
                   ? std::string("metadata.annotations[service.beta.kubernetes.io/external-traffic]: ") +
                         (m_service->externalLocal ? "OnlyLocal" : "Global")
                   : std::string("spec.externalTrafficPolicy: ") + (m_service->externalLocal ? "Local" : "Cluster");
    }

    void notAFrontEnd() {
        const auto &ip = m_query.destination.ip;
        if (m_index.isClusterIp(ip)) {
            const bool rejected = m_plan.behaviour.rejectUnknownPort;
            if (rejected) m_decision.verdict = Verdict::rejected;
            step(m_names.unusedClusterIp(),
                 fmt::format("{} is a cluster IP, but no Service has {} port {} on it: {}", ip.toString(),
                             packet::toString(m_query.protocol), m_query.destination.port,
                             rejected ? "rejected" : "the packet is routed as it is"),
                 "spec.ports[].port");
            return;
        }
        for (const auto &range : m_plan.serviceCIDRs) {
            if (!range.contains(ip)) continue;
            const bool dropped = m_plan.behaviour.dropUnallocated;
            if (dropped) m_decision.verdict = Verdict::dropped;
            step(m_names.unusedClusterIp(),
                 fmt::format("{} lies in the service range {}, but no Service has it: {}", ip.toString(),
                             range.toString(), dropped ? "dropped" : "the packet is routed as it is"),
                 "ServiceCIDR spec.cidrs");
            return;
        }
        for (const auto &check : m_plan.healthChecks) {
            const bool asked = m_query.protocol == Protocol::tcp && m_query.destination.port == check.port &&
                               m_plan.isLocalAddress(ip);
            if (!asked) continue;
            step(m_names.healthCheck(),
                 fmt::format("port {} is the health check port of Service {}: kube-proxy itself answers{}", check.port,
                             check.service.toString(),
                             m_plan.behaviour.acceptHealthChecks ? ", and a rule lets the packet in" : ""),
                 "spec.healthCheckNodePort");
            return;
        }
        step(m_names.none(), fmt::format("no Service has {} {} on this node; the packet is not touched",
                                         packet::toString(m_query.protocol), m_query.destination.toString()));
    }

    bool sourceAllowed() {
        if (!m_frontEnd->firewalled) return true;
        const auto &source = m_query.source.ip;
        for (const auto &range : m_service->allowedSources) {
            if (!range.contains(source)) continue;
            step(m_names.firewall(*m_service),
                 fmt::format("{} is in the allowed range {}", source.toString(), range.toString()),
                 "spec.loadBalancerSourceRanges");
            return true;
        }
        for (const auto &vip : m_service->allowedVips) {
            if (vip != source) continue;
            step(m_names.firewall(*m_service), "the node may use the load balancer IP as its source",
                 "spec.loadBalancerSourceRanges");
            return true;
        }
        step(m_names.firewall(*m_service),
             fmt::format("{} is in none of the allowed ranges: dropped", source.toString()),
             "spec.loadBalancerSourceRanges");
        m_decision.verdict = Verdict::dropped;
        return false;
    }

    void route() {
        switch (m_frontEnd->route) {
        case Route::none: otherwise(); return;
        case Route::external: external(); return;
        case Route::cluster:
            clusterIpMasquerade();
            balance(m_service->cluster, false);
            return;
        case Route::local:
            clusterIpMasquerade();
            step(m_names.endpoints(*m_service, true), "only endpoints on this node are used",
                 "spec.internalTrafficPolicy: Local");
            balance(m_service->local, true);
            return;
        }
    }

    void clusterIpMasquerade() {
        if (m_plan.clusterIpMasquerade == ClusterIpMasquerade::never) return;
        if (m_plan.clusterIpMasquerade == ClusterIpMasquerade::always)
            mark(m_names.clusterIpMasquerade(*m_service), "all traffic to cluster IPs gets the node's source address",
                 "masqueradeAll");
        else if (!m_fromPod)
            mark(m_names.clusterIpMasquerade(*m_service),
                 m_query.source.ip.toString() + " is not a local pod, so it gets the node's source address",
                 detectorField());
        else
            step(m_names.clusterIpMasquerade(*m_service),
                 m_query.source.ip.toString() + " is a local pod and keeps its source address", detectorField());
    }

    void external() {
        const auto chain = m_names.external(*m_service);
        if (!m_service->externalLocal) {
            mark(chain,
                 "any endpoint may be used, so the source is replaced to make the reply come back through this node",
                 policyField());
            balance(m_service->cluster, false);
        } else if (m_fromPod) {
            step(chain, m_query.source.ip.toString() + " is a local pod: any endpoint may be used, the source is kept",
                 detectorField());
            balance(m_service->cluster, false);
        } else if (m_fromNode && m_plan.behaviour.nodeShortCircuit) {
            mark(chain, "the packet comes from the node itself: any endpoint may be used, the source is replaced",
                 policyField());
            balance(m_service->cluster, false);
        } else if (m_service->hasExternal) {
            step(chain, "only endpoints on this node are used, and the source is kept", policyField());
            balance(m_service->local, true);
        } else {
            otherwise();
        }
    }

    void otherwise() {
        if (m_frontEnd->otherwise == Otherwise::reject) {
            m_decision.verdict = Verdict::rejected;
            step(m_names.noEndpoints(*m_frontEnd),
                 "the Service has no usable endpoint: rejected (ICMP port unreachable)",
                 "EndpointSlice endpoints[].conditions");
        } else if (m_frontEnd->otherwise == Otherwise::drop) {
            m_decision.verdict = Verdict::dropped;
            step(m_names.noEndpoints(*m_frontEnd), "the Service has no endpoint on this node: dropped",
                 m_frontEnd->via == Via::clusterIP ? "spec.internalTrafficPolicy: Local" : policyField());
        } else {
            step(m_names.none(), "no rule takes the packet; it is routed as it is");
        }
    }

    void mark(std::string rule, std::string why, std::string field) {
        m_decision.masquerade = true;
        step(std::move(rule), std::move(why), std::move(field));
    }

    void balance(const std::vector<PlannedEndpoint> &endpoints, bool local) {
        m_decision.verdict = Verdict::forwarded;
        const double share = 1.0 / static_cast<double>(endpoints.size());
        bool allReplaced = true;
        std::vector<const PlannedEndpoint *> hairpins;
        for (const auto &endpoint : endpoints) {
            const bool hairpin =
                endpoint.address.ip == m_query.source.ip && (endpoint.local || !m_plan.behaviour.hairpinLocalOnly);
            if (hairpin) hairpins.push_back(&endpoint);
            allReplaced = allReplaced && hairpin;
            m_decision.endpoints.push_back({endpoint.address, share, m_decision.masquerade || hairpin, endpoint.local,
                                            endpoint.nodeName, endpoint.pod});
        }
        step(m_names.endpoints(*m_service, local),
             endpoints.size() == 1
                 ? "the one endpoint " + endpoints.front().address.toString() + " gets the packet"
                 : fmt::format("one of {} endpoints gets the packet, all equally likely", endpoints.size()),
             "EndpointSlice endpoints[].conditions");
        if (!local) explainExclusions();
        if (m_service->affinity.count() > 0)
            step(m_names.endpoints(*m_service, local),
                 fmt::format("a client that came back within {} s gets the endpoint it had",
                             m_service->affinity.count()),
                 "spec.sessionAffinity: ClientIP");
        for (const auto *hairpin : hairpins)
            step(m_names.hairpin(*m_service, hairpin->address),
                 fmt::format("if {} is chosen the pod reaches itself, and the source is replaced",
                             hairpin->address.toString()));
        m_decision.masquerade = m_decision.masquerade || allReplaced;
        if (m_decision.masquerade)
            step(m_names.masquerade(), "the source becomes the address of the interface by which the packet leaves");
    }

    void explainExclusions() {
        for (const auto &excluded : m_service->excluded) {
            const bool hint = excluded.reason == Exclusion::otherNode || excluded.reason == Exclusion::otherZone;
            step(m_names.none(),
                 fmt::format("endpoint {} is not used: {}", excluded.address.toString(), toString(excluded.reason)),
                 hint ? "EndpointSlice endpoints[].hints" : "EndpointSlice endpoints[].conditions");
        }
    }

    const FrontEndIndex &m_index;
    const ProxyPlan &m_plan;
    const FlowQuery &m_query;
    RuleNames m_names;
    bool m_fromNode, m_fromPod;
    const ServicePortPlan *m_service = nullptr;
    const FrontEnd *m_frontEnd = nullptr;
    Decision m_decision;
};

} // namespace

Decision decide(const FrontEndIndex &index, const FlowQuery &query) {
    return Decider(index, query).decide();
}

Decision decide(const ProxyPlan &plan, const FlowQuery &query) {
    return decide(FrontEndIndex(plan), query);
}

} // namespace natlens::proxycore
