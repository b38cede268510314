#include "proxycore/plan/plan_sources.h"

#include <set>
#include <unordered_set>

namespace natlens::proxycore {

namespace {

Behaviour behaviourOf(Mode mode, bool serviceRangesKnown) {
    Behaviour behaviour;
    if (mode == Mode::nftables) {
        behaviour.rejectUnknownPort = true;
        behaviour.dropUnallocated = serviceRangesKnown;
        behaviour.hairpinLocalOnly = true;
    } else {
        behaviour.firewallNeedsEndpoints = true;
        behaviour.acceptHealthChecks = true;
        behaviour.checksOwnExternal = false;
        behaviour.dropInvalid = true;
        behaviour.affinityCapacity = 100; // xt_recent's ip_list_tot
        behaviour.affinityEvictsOldest = true;
    }
    return behaviour;
}

Behaviour behaviourOf15() {
    auto behaviour = behaviourOf(Mode::iptables, false);
    behaviour.layout = RuleLayout::v1_5;
    behaviour.checksOwnExternal = true; // what is marked is dropped on OUTPUT too
    behaviour.acceptHealthChecks = false;
    behaviour.dropInvalid = false;
    behaviour.nodeShortCircuit = false;
    behaviour.fullyRandomPorts = false;
    behaviour.clearMark = false;
    behaviour.dropsForwarded = false;
    behaviour.capturesOwnExternalIp = false;
    behaviour.localAffinity = false;
    behaviour.endsAllStaleUdp = false;
    behaviour.nodeHints = false;
    return behaviour;
}

template<class T>
void sortUnique(std::vector<T> &values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// kube-proxy's largeClusterEndpointsThreshold.
constexpr std::size_t kLargeCluster = 1000;

/// Builds one plan. What is the same as in the previous one is taken from there: then the cost is that of walking past
/// it.
class Planner final {
public:
    Planner(const ClusterState &state, const ProxyConfig &config, const PlanTarget &target, const ProxyPlan *previous)
        : m_state(state)
        , m_config(config)
        , m_target(target)
        , m_previous(previous) {}

    ProxyPlan make() {
        planNode();
        collectServices();
        grantClaims();
        planChanged();
        assemble();
        return std::move(m_plan);
    }

private:
    /// A Service to plan anew; `place` in m_sources->services.
    struct Pending {
        std::size_t place = 0;
        std::shared_ptr<const Service> service;
        std::vector<bool> granted;
        std::vector<Claim> wanted;
        const PlannedService *before = nullptr;
    };

    void planNode();
    void planDetector(const Node *node);
    void planNodePorts();
    [[nodiscard]] const PlanSources *reusable() const;
    [[nodiscard]] std::set<ObjectName> servicesOfChangedSlices(const PlanSources *before);
    void collectServices();
    void grantClaims();
    void planChanged();
    void assemble();
    void share(PlannedService &service) const;

    const ClusterState &m_state;
    const ProxyConfig &m_config;
    const PlanTarget &m_target;
    const ProxyPlan *m_previous;
    ProxyPlan m_plan;
    std::shared_ptr<PlanSources> m_sources = std::make_shared<PlanSources>();
    std::vector<Pending> m_pending;
    bool m_is15 = false;
    bool m_claimsMoved = true; ///< some Service wants other front ends than in the previous plan
};

void Planner::planNode() {
    const auto node = m_state.node(m_target.nodeName);
    m_plan.nodeName = m_target.nodeName;
    m_plan.family = m_target.family;
    m_plan.mode = m_target.mode;
    m_plan.masqueradeMark = 1U << (m_config.masqueradeBit & 31U);
    for (const auto &range : m_config.serviceCIDRs)
        m_plan.serviceCIDRs.push_back(range);
    for (const auto &[name, ranges] : m_state.serviceCIDRs)
        m_plan.serviceCIDRs.insert(m_plan.serviceCIDRs.end(), ranges.begin(), ranges.end());
    std::erase_if(m_plan.serviceCIDRs, [&](const IpPrefix &p) { return p.address.family != m_target.family; });
    sortUnique(m_plan.serviceCIDRs);
    m_is15 = m_config.release == ProxyRelease::v1_5 && m_target.mode == Mode::iptables;
    m_plan.behaviour = m_is15 ? behaviourOf15() : behaviourOf(m_target.mode, !m_plan.serviceCIDRs.empty());
    if (m_is15 && m_target.family == IpFamily::v6)
        m_plan.problems.push_back({"kube-proxy 1.5", "", "knows no IPv6: no Service has rules"});
    if (m_config.tcpBeLiberal) m_plan.behaviour.dropInvalid = false;
    if (!m_is15) {
        m_plan.behaviour.externalIPs = m_config.allowExternalIPs;
        m_plan.behaviour.nodeHints = m_config.nodeHints;
    }
    m_plan.localAddresses = m_target.localAddresses;
    if (node == nullptr) {
        m_plan.problems.push_back({"Node " + m_target.nodeName, "",
                                   "not in the cluster state: no endpoint is local to it and its zone is unknown"});
    } else {
        for (const auto &ip : node->ipAddresses())
            m_plan.localAddresses.push_back(ip);
        m_sources->primary = node->primaryAddress(m_target.family);
        for (const auto &range : node->podCIDRs)
            if (range.address.family == m_target.family) m_plan.podCIDRs.push_back(range);
        if (const auto zone = node->labels.find(std::string(kZoneLabel)); zone != node->labels.end())
            m_sources->zone = zone->second;
    }
    std::erase_if(m_plan.localAddresses,
                  [&](const IpAddress &ip) { return ip.family != m_target.family || ip.isLoopback(); });
    sortUnique(m_plan.localAddresses);
    m_plan.localhostNodePorts =
        m_target.mode == Mode::iptables && m_target.family == IpFamily::v4 && (m_config.localhostNodePorts || m_is15);
    planDetector(node.get());
    planNodePorts();
}

void Planner::planDetector(const Node *node) {
    using Kind = LocalDetector::Kind;
    const auto firstOf = [&](const std::vector<IpPrefix> &ranges) {
        for (const auto &range : ranges)
            if (range.address.family == m_target.family) {
                m_plan.detector = {Kind::sourceRange, range, ""};
                return;
            }
    };
    switch (m_is15 ? DetectLocalMode::clusterCIDR : m_config.detectLocalMode) {
    case DetectLocalMode::clusterCIDR: firstOf(m_config.clusterCIDRs); break;
    case DetectLocalMode::nodeCIDR:
        firstOf(m_plan.podCIDRs);
        if (node != nullptr && node->podCIDRs.empty())
            m_plan.problems.push_back({"Node " + m_target.nodeName, "/spec/podCIDRs",
                                       "missing, and detectLocalMode NodeCIDR asks for it: kube-proxy writes no rules "
                                       "before it is there; planned as if no packet came from a local pod"});
        break;
    case DetectLocalMode::bridgeInterface:
        if (!m_config.bridgeInterface.empty()) m_plan.detector = {Kind::interface, {}, m_config.bridgeInterface};
        break;
    case DetectLocalMode::interfaceNamePrefix:
        if (!m_config.interfaceNamePrefix.empty())
            m_plan.detector = {Kind::interfacePrefix, {}, m_config.interfaceNamePrefix};
        break;
    }
    if (m_config.masqueradeAll)
        m_plan.clusterIpMasquerade = ClusterIpMasquerade::always;
    else if (m_plan.detector.kind != Kind::none)
        m_plan.clusterIpMasquerade = ClusterIpMasquerade::fromOutside;
}

void Planner::planNodePorts() {
    const bool nftables = m_target.mode == Mode::nftables;
    auto written = m_is15 ? std::vector<std::string>{} : m_config.nodePortAddresses;
    if (written.empty() && nftables) written.emplace_back("primary");
    std::vector<IpPrefix> ranges;
    for (const auto &text : written) {
        if (text == "primary") {
            const auto length = static_cast<std::uint8_t>(m_target.family == IpFamily::v4 ? 32 : 128);
            if (!m_sources->primary.isNone()) ranges.push_back({m_sources->primary, length});
        } else if (const auto range = IpPrefix::parse(text); range && range->address.family == m_target.family) {
            ranges.push_back(*range);
        }
    }
    auto &match = m_plan.nodePorts;
    const bool everything = std::any_of(ranges.begin(), ranges.end(), [](const IpPrefix &r) { return r.length == 0; });
    match.allLocal = ranges.empty() || everything;
    match.loopback = match.allLocal && m_plan.localhostNodePorts;
    if (match.allLocal) return;
    auto candidates = m_plan.localAddresses;
    if (m_plan.localhostNodePorts) candidates.push_back(IpAddress::v4(127, 0, 0, 1));
    for (const auto &ip : candidates)
        if (std::any_of(ranges.begin(), ranges.end(), [&](const IpPrefix &r) { return r.contains(ip); }))
            match.addresses.push_back(ip);
    sortUnique(match.addresses);
}

/// The previous plan's sources, if its Services were planned for the same node and proxy.
const PlanSources *Planner::reusable() const {
    if (m_previous == nullptr || m_previous->sources == nullptr) return nullptr;
    const auto &before = *m_previous->sources;
    const auto frame = [](const ProxyPlan &plan, const PlanSources &sources) {
        return std::tie(plan.nodeName, plan.family, plan.behaviour, sources.zone, sources.primary);
    };
    return frame(m_plan, *m_sources) == frame(*m_previous, before) ? &before : nullptr;
}

/// Names of the Services that have gained, lost or changed a slice. Fills in the slices of the new plan.
std::set<ObjectName> Planner::servicesOfChangedSlices(const PlanSources *before) {
    std::set<ObjectName> touched;
    const auto touch = [&](const EndpointSlice &slice) {
        if (isUsed(slice, m_target.family)) touched.insert({slice.name.nameSpace, slice.serviceName});
    };
    m_sources->slices.reserve(m_state.endpointSlices.size());
    std::size_t old = 0;
    const std::size_t oldCount = before == nullptr ? 0 : before->slices.size();
    for (const auto &[name, slice] : m_state.endpointSlices) {
        while (old < oldCount && before->slices[old] != slice && before->slices[old]->name < name)
            touch(*before->slices[old++]);
        if (old < oldCount && before->slices[old] == slice) {
            ++old;
        } else {
            touch(*slice);
            if (old < oldCount && before->slices[old]->name == name) touch(*before->slices[old++]);
        }
        m_sources->slices.push_back(slice);
    }
    while (old < oldCount)
        touch(*before->slices[old++]);
    return touched;
}

/// Takes over what is the same and notes the rest as pending.
void Planner::collectServices() {
    const auto *before = reusable();
    const auto touched = servicesOfChangedSlices(before);
    m_claimsMoved = before == nullptr;
    m_sources->services.reserve(m_state.services.size());
    std::size_t old = 0;
    const std::size_t oldCount = before == nullptr ? 0 : before->services.size();
    for (const auto &[name, service] : m_state.services) {
        while (old < oldCount && before->services[old]->service != service &&
               before->services[old]->service->name < name) {
            m_claimsMoved = true; // a Service is gone
            ++old;
        }
        const bool same = old < oldCount && before->services[old]->service == service;
        if (same && !touched.contains(name)) {
            m_sources->services.push_back(before->services[old++]);
            continue;
        }
        const auto *replaced =
            old < oldCount && before->services[old]->service->name == name ? before->services[old++].get() : nullptr;
        if (!isProxied(*service, m_target.family) || (m_is15 && m_target.family == IpFamily::v6)) {
            m_claimsMoved = m_claimsMoved || replaced != nullptr;
            if (isOfOtherProxy(*service, m_target.family))
                passBy(*service, m_target.family, m_plan.behaviour, m_plan.passedBy);
            continue;
        }
        auto wanted = wantedClaims(*service, m_target.family, m_plan.behaviour);
        m_claimsMoved = m_claimsMoved || replaced == nullptr || replaced->wanted != wanted;
        m_pending.push_back({m_sources->services.size(), service, {}, std::move(wanted), replaced});
        m_sources->services.emplace_back();
    }
    m_claimsMoved = m_claimsMoved || old < oldCount;
}

/// Each front end goes to the first Service by name that wants it. When a claim moves, others may be affected.
void Planner::grantClaims() {
    if (!m_claimsMoved) {
        for (auto &pending : m_pending)
            pending.granted = pending.before->granted;
        return;
    }
    std::unordered_set<Claim, ClaimHash> taken;
    std::vector<Pending> pending;
    auto next = m_pending.begin();
    for (std::size_t i = 0; i < m_sources->services.size(); ++i) {
        const bool isPending = next != m_pending.end() && next->place == i;
        const auto &kept = m_sources->services[i];
        std::vector<bool> granted;
        for (const auto &claim : isPending ? next->wanted : kept->wanted)
            granted.push_back(taken.insert(claim).second);
        if (isPending) {
            next->granted = std::move(granted);
            pending.push_back(std::move(*next++));
        } else if (granted != kept->granted) {
            pending.push_back({i, kept->service, std::move(granted), {}, kept.get()});
        }
    }
    m_pending = std::move(pending);
}

void Planner::planChanged() {
    // Only the slices of Services that are planned are looked for.
    std::map<std::pair<std::string_view, std::string_view>, Slices> slices;
    for (const auto &pending : m_pending)
        slices[{pending.service->name.nameSpace, pending.service->name.name}];
    if (!slices.empty())
        for (const auto &slice : m_sources->slices) {
            const auto found = slices.find({slice->name.nameSpace, slice->serviceName});
            if (found != slices.end() && isUsed(*slice, m_target.family)) found->second.push_back(slice.get());
        }
    const NodeView node{m_plan, m_sources->zone, m_sources->primary};
    for (auto &pending : m_pending) {
        const auto &name = pending.service->name;
        auto planned =
            planService(node, pending.service, slices[{name.nameSpace, name.name}], std::move(pending.granted));
        share(planned);
        m_sources->services[pending.place] = std::make_shared<const PlannedService>(std::move(planned));
    }
}

/// Service ports that came out equal to the previous plan's become the same objects.
void Planner::share(PlannedService &service) const {
    if (m_previous == nullptr) return;
    const auto &before = m_previous->services;
    for (auto &port : service.ports) {
        const auto at = std::lower_bound(before.begin(), before.end(), port->name,
                                         [](const auto &entry, const auto &name) { return entry->name < name; });
        if (at != before.end() && (*at)->name == port->name && **at == *port) port = *at;
    }
}

void Planner::assemble() {
    m_plan.services.reserve(m_previous == nullptr ? m_sources->services.size() : m_previous->services.size() + 8);
    std::size_t endpoints = 0;
    for (const auto &service : m_sources->services) {
        m_plan.services.insert(m_plan.services.end(), service->ports.begin(), service->ports.end());
        for (const auto &port : service->ports)
            endpoints += port->endpointCount;
        if (service->healthCheck) m_plan.healthChecks.push_back(*service->healthCheck);
        m_plan.problems.insert(m_plan.problems.end(), service->problems.begin(), service->problems.end());
        m_plan.passedBy.insert(m_plan.passedBy.end(), service->passedBy.begin(), service->passedBy.end());
    }
    m_plan.endpointComments = m_target.mode != Mode::iptables || m_is15 || endpoints <= kLargeCluster;
    m_plan.sources = std::move(m_sources);
}

} // namespace

ProxyPlan makePlan(const ClusterState &state, const ProxyConfig &config, const PlanTarget &target,
                   const ProxyPlan *previous) {
    return Planner(state, config, target, previous).make();
}

} // namespace natlens::proxycore
