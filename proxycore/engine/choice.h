// The decision core without words: which front end, which verdict, which endpoints, replaced source or not. decide()
// lets it tell its reasons; the engine asks for the result alone, and then nothing is written or allocated.
#pragma once

#include "proxycore/engine/decision.h"

namespace natlens::proxycore {

/// The first packet of a connection, without owning anything.
struct FirstPacket {
    Protocol protocol = Protocol::tcp;
    packet::SocketAddress source, destination;
    std::string_view inputInterface = {};
    bool locallyGenerated = false;
};

struct Choice {
    Verdict verdict = Verdict::notAService;
    const ServicePortPlan *service = nullptr; ///< null when the destination belongs to no Service
    const FrontEnd *frontEnd = nullptr;
    const std::vector<PlannedEndpoint> *endpoints = nullptr; ///< forwarded only; never empty then
    /// The same endpoints in short; null where they are many, local ones, or clients stay with one of them.
    const EndpointLine *line = nullptr;
    bool localEndpoints = false; ///< they are those of this node only
    bool masquerade = false;     ///< whichever endpoint is chosen; a hairpin has it besides
};

/// A pod that reaches itself through a Service: the reply must come back through the node. In nftables mode any Service
/// may have said that the endpoint runs here, not only the one that was asked: kube-proxy keeps one set for all.
[[nodiscard]] inline bool isHairpin(const FrontEndIndex &index, Protocol protocol,
                                    const packet::SocketAddress &endpoint, const IpAddress &source) {
    return endpoint.ip == source && (!index.plan().behaviour.hairpinLocalOnly || index.runsHere(protocol, endpoint));
}

/// Why the source of a packet to an external address is (not) replaced and where it goes.
enum class ExternalReason : std::uint8_t { clusterPolicy, localPod, fromNode, localOnly };
enum class ClusterIpReason : std::uint8_t { always, notLocalPod, localPod };

/// Hears nothing.
struct Silent {
    void captured(const Choice &) {}
    void unknownPort(bool) {}
    void unallocated(const IpPrefix &, bool) {}
    void healthCheck(const HealthCheckPlan &) {}
    void untouched() {}
    void sourceInRange(const Choice &, const IpPrefix &) {}
    void sourceIsVip(const Choice &) {}
    void sourceForbidden(const Choice &) {}
    void clusterIp(const Choice &, ClusterIpReason) {}
    void internalLocal(const Choice &) {}
    void external(const Choice &, ExternalReason) {}
    void otherwise(const Choice &) {}
    void notChecked(const Choice &) {}
    void balanced(const Choice &) {}
};

/// Decides one packet and tells `Teller` each step as it is taken. Both modes go through the same code; the plan's data
/// make the difference.
template<class Teller>
class Chooser final {
public:
    Chooser(const FrontEndIndex &index, const FirstPacket &packet, Teller &teller)
        : m_index(index)
        , m_plan(index.plan())
        , m_packet(packet)
        , m_teller(teller) {}

    Choice choose() {
        const auto hit = m_index.find(m_packet.protocol, m_packet.destination);
        if (hit.service == nullptr) {
            notAFrontEnd();
            return m_choice;
        }
        m_choice.service = hit.service;
        m_choice.frontEnd = hit.frontEnd;
        m_line = hit.line;
        m_teller.captured(m_choice);
        if (sourceAllowed()) route();
        return m_choice;
    }

private:
    [[nodiscard]] bool fromNode() const {
        return m_packet.locallyGenerated || m_plan.isLocalAddress(m_packet.source.ip);
    }

    [[nodiscard]] bool fromLocalPod() const {
        const auto &detector = m_plan.detector;
        const auto interface = m_packet.inputInterface;
        switch (detector.kind) {
        case LocalDetector::Kind::none: return false;
        case LocalDetector::Kind::sourceRange: return detector.range.contains(m_packet.source.ip);
        case LocalDetector::Kind::interface: return !m_packet.locallyGenerated && interface == detector.interface;
        case LocalDetector::Kind::interfacePrefix:
            return !m_packet.locallyGenerated && !interface.empty() && interface.starts_with(detector.interface);
        }
        return false;
    }

    void notAFrontEnd() {
        const auto &ip = m_packet.destination.ip;
        const auto &behaviour = m_plan.behaviour;
        if (m_index.isClusterIp(ip)) {
            if (behaviour.rejectUnknownPort) m_choice.verdict = Verdict::rejected;
            return m_teller.unknownPort(behaviour.rejectUnknownPort);
        }
        for (const auto &range : m_plan.serviceCIDRs) {
            if (!range.contains(ip)) continue;
            if (behaviour.dropUnallocated) m_choice.verdict = Verdict::dropped;
            return m_teller.unallocated(range, behaviour.dropUnallocated);
        }
        for (const auto &check : m_plan.healthChecks)
            if (m_packet.protocol == Protocol::tcp && m_packet.destination.port == check.port &&
                m_plan.isLocalAddress(ip))
                return m_teller.healthCheck(check);
        m_teller.untouched();
    }

    bool sourceAllowed() {
        if (!m_choice.frontEnd->firewalled) return true;
        for (const auto &range : m_choice.service->allowedSources) {
            if (!range.contains(m_packet.source.ip)) continue;
            m_teller.sourceInRange(m_choice, range);
            return true;
        }
        for (const auto &vip : m_choice.service->allowedVips) {
            if (vip != m_packet.source.ip) continue;
            m_teller.sourceIsVip(m_choice);
            return true;
        }
        if (onlyMarked()) {
            m_teller.notChecked(m_choice);
            return false;
        }
        m_choice.verdict = Verdict::dropped;
        m_teller.sourceForbidden(m_choice);
        return false;
    }

    void route() {
        switch (m_choice.frontEnd->route) {
        case Route::none: return otherwise();
        case Route::external: return external();
        case Route::cluster: clusterIpMasquerade(); return balance(false);
        case Route::local:
            clusterIpMasquerade();
            m_teller.internalLocal(m_choice);
            return balance(true);
        }
    }

    void clusterIpMasquerade() {
        if (m_plan.clusterIpMasquerade == ClusterIpMasquerade::never) return;
        const bool always = m_plan.clusterIpMasquerade == ClusterIpMasquerade::always;
        m_choice.masquerade = always || !fromLocalPod();
        m_teller.clusterIp(m_choice, always                ? ClusterIpReason::always
                                     : m_choice.masquerade ? ClusterIpReason::notLocalPod
                                                           : ClusterIpReason::localPod);
    }

    void external() {
        if (notCaptured()) return m_teller.notChecked(m_choice);
        if (!m_choice.service->externalLocal || !m_choice.frontEnd->policyApplies) {
            external(ExternalReason::clusterPolicy, true, false);
        } else if (fromLocalPod()) {
            external(ExternalReason::localPod, false, false);
        } else if (m_plan.behaviour.nodeShortCircuit && fromNode()) {
            external(ExternalReason::fromNode, true, false);
        } else if (m_choice.service->hasExternal) {
            external(ExternalReason::localOnly, false, true);
        } else {
            otherwise();
        }
    }

    void external(ExternalReason reason, bool masquerade, bool local) {
        m_choice.masquerade = masquerade;
        m_teller.external(m_choice, reason);
        balance(local);
    }

    /// An external address that the node does not own, asked by the node itself: the packet meets neither INPUT nor
    /// FORWARD, where iptables mode refuses.
    [[nodiscard]] bool passesUnchecked() const {
        const auto via = m_choice.frontEnd->via;
        return !m_plan.behaviour.checksOwnExternal && (via == Via::externalIP || via == Via::loadBalancerIP) &&
               fromNode() && !m_plan.isLocalAddress(m_packet.destination.ip);
    }

    /// Marked to be dropped, which happens on INPUT and OUTPUT: the packet is neither for the node nor from it.
    [[nodiscard]] bool onlyMarked() const {
        return !m_plan.behaviour.dropsForwarded && !fromNode() && !m_plan.isLocalAddress(m_packet.destination.ip);
    }

    /// 1.5: an external IP that the node does not have, asked by the node itself.
    [[nodiscard]] bool notCaptured() const {
        return !m_plan.behaviour.capturesOwnExternalIp && m_choice.frontEnd->via == Via::externalIP && fromNode() &&
               !m_plan.isLocalAddress(m_packet.destination.ip);
    }

    void otherwise() {
        if (m_choice.frontEnd->otherwise == Otherwise::drop && onlyMarked()) return m_teller.notChecked(m_choice);
        if (passesUnchecked()) return m_teller.notChecked(m_choice);
        if (m_choice.frontEnd->otherwise == Otherwise::reject) m_choice.verdict = Verdict::rejected;
        if (m_choice.frontEnd->otherwise == Otherwise::drop) m_choice.verdict = Verdict::dropped;
        m_teller.otherwise(m_choice);
    }

    void balance(bool local) {
        const auto &endpoints = local ? m_choice.service->local : m_choice.service->cluster;
        // Rules that somebody else wrote may jump to a chain without endpoints; it returns.
        if (endpoints.empty()) return otherwise();
        m_choice.endpoints = &endpoints;
        m_choice.localEndpoints = local;
        if (!local && m_line->count > 0) m_choice.line = m_line;
        m_choice.verdict = Verdict::forwarded;
        m_teller.balanced(m_choice);
    }

    const FrontEndIndex &m_index;
    const ProxyPlan &m_plan;
    const FirstPacket &m_packet;
    Teller &m_teller;
    const EndpointLine *m_line = nullptr; ///< of m_choice.service
    Choice m_choice;
};

/// The choice alone.
[[nodiscard]] inline Choice choose(const FrontEndIndex &index, const FirstPacket &packet) {
    Silent silent;
    return Chooser<Silent>(index, packet, silent).choose();
}

} // namespace natlens::proxycore
