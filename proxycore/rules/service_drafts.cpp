#include "proxycore/rules/service_drafts.h"

#include <algorithm>

namespace natlens::proxycore::detail {

namespace {

constexpr std::size_t kMostProblems = 20;

/// Names of objects and ports: what Kubernetes allows in them, and nothing that could be something else.
bool isName(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_';
    });
}

PlannedEndpoint endpointAt(const packet::SocketAddress &address) {
    PlannedEndpoint endpoint;
    endpoint.address = address;
    return endpoint;
}

} // namespace

void Problems::add(std::string object, std::string place, std::string text) {
    if (m_problems.size() < kMostProblems)
        m_problems.push_back({std::move(object), std::move(place), std::move(text)});
    else
        ++m_more;
}

std::vector<Problem> Problems::take() {
    if (m_more > 0) m_problems.push_back({"", "", fmt::format("and {} more of this kind", m_more)});
    m_more = 0;
    return std::move(m_problems);
}

std::optional<ServicePortName> parseServicePort(std::string_view text, Protocol protocol) {
    const auto slash = text.find('/');
    if (slash == text.npos) return std::nullopt;
    const auto colon = text.find(':', slash);
    const auto name = text.substr(slash + 1, colon == text.npos ? text.npos : colon - slash - 1);
    const auto port = colon == text.npos ? std::string_view() : text.substr(colon + 1);
    if (!isName(text.substr(0, slash)) || !isName(name) || (!port.empty() && !isName(port))) return std::nullopt;
    return ServicePortName{{std::string(text.substr(0, slash)), std::string(name)}, std::string(port), protocol};
}

std::optional<ServicePortName> parseNftServicePort(std::string_view text) {
    std::vector<std::string_view> parts;
    for (std::size_t at = 0; parts.size() < 4;) {
        const auto slash = parts.size() == 3 ? text.npos : text.find('/', at);
        parts.push_back(text.substr(at, slash == text.npos ? text.npos : slash - at));
        if (slash == text.npos) break;
        at = slash + 1;
    }
    if (parts.size() != 4 || !isName(parts[0]) || !isName(parts[1])) return std::nullopt;
    if (!parts[3].empty() && !isName(parts[3])) return std::nullopt;
    for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
        if (parts[2] == lowerName(protocol))
            return ServicePortName{{std::string(parts[0]), std::string(parts[1])}, std::string(parts[3]), protocol};
    return std::nullopt;
}

ServiceDrafts::Draft &ServiceDrafts::draft(const ServicePortName &name) {
    auto &draft = m_drafts[name];
    draft.plan.name = name;
    return draft;
}

FrontEnd &ServiceDrafts::frontEnd(Draft &draft, Via via, const IpAddress &ip, Port port) {
    auto &frontEnds = draft.plan.frontEnds;
    const auto found = std::ranges::find_if(
        frontEnds, [&](const FrontEnd &one) { return one.via == via && one.ip == ip && one.port == port; });
    if (found != frontEnds.end()) return *found;
    return frontEnds.emplace_back(FrontEnd{.via = via, .ip = ip, .port = port});
}

void ServiceDrafts::turnAway(Draft &draft, const IpAddress &ip, Port port, Otherwise otherwise) {
    draft.unclear.push_back({.via = Via::none, .ip = ip, .port = port, .otherwise = otherwise});
}

void ServiceDrafts::finish(Draft &draft) {
    auto &plan = draft.plan;
    // A rule without endpoints says "external". Services with a node port or a health check have load balancers.
    for (const auto &unclear : draft.unclear) {
        const auto known = std::ranges::find_if(plan.frontEnds, [&](const FrontEnd &one) {
            return one.ip == unclear.ip && one.port == unclear.port && one.via != Via::nodePort;
        });
        const bool balanced = draft.healthCheckPort != 0 || std::ranges::any_of(plan.frontEnds, [](const auto &one) {
                                  return one.via == Via::nodePort || one.via == Via::loadBalancerIP;
                              });
        auto &frontEnd = known != plan.frontEnds.end()
                             ? *known
                             : ServiceDrafts::frontEnd(draft, balanced ? Via::loadBalancerIP : Via::externalIP,
                                                       unclear.ip, unclear.port);
        frontEnd.otherwise = unclear.otherwise;
    }
    std::ranges::stable_sort(plan.frontEnds, {}, &FrontEnd::via);

    bool vip = false;
    for (const auto &frontEnd : plan.frontEnds) {
        if (frontEnd.via == Via::clusterIP) plan.clusterIP = frontEnd.ip;
        if (frontEnd.via == Via::nodePort) plan.nodePort = frontEnd.port;
        if (frontEnd.via != Via::nodePort) plan.port = frontEnd.port;
        vip = vip || frontEnd.via == Via::loadBalancerIP;
    }
    plan.type = vip || draft.healthCheckPort != 0 ? ServiceType::loadBalancer
                : plan.nodePort != 0              ? ServiceType::nodePort
                                                  : ServiceType::clusterIP;
    plan.externallyAccessible =
        std::ranges::any_of(plan.frontEnds, [](const FrontEnd &one) { return one.via != Via::clusterIP; });
    if (draft.healthCheckPort != 0) plan.externalLocal = true;
    plan.usesCluster = !plan.internalLocal || plan.externallyAccessible;
    plan.usesLocal = plan.internalLocal || (plan.externalLocal && plan.externallyAccessible);

    for (const auto &endpoint : plan.local)
        m_runHere.insert(endpoint.address.ip);
    std::map<std::string, PlannedEndpoint> reachable; // in kube-proxy's order
    for (const auto *list : {&plan.cluster, &plan.local})
        for (const auto &endpoint : *list)
            reachable.emplace(endpoint.address.toString(), endpoint);
    for (auto &[text, endpoint] : reachable)
        plan.reachable.push_back(std::move(endpoint));
    plan.endpointCount = plan.reachable.size();
    plan.hasAny = !plan.reachable.empty() || draft.noLocal;
    plan.hasInternal = plan.internalLocal ? !plan.local.empty() : !plan.cluster.empty();
    plan.hasExternal = plan.externalLocal ? !plan.local.empty() : !plan.cluster.empty();
    if (plan.name.protocol == Protocol::udp) {
        for (const auto &endpoint : plan.reachable)
            plan.serving.push_back(endpoint.address);
        std::ranges::sort(plan.serving);
    }
    // What leads to a chain that holds nothing leads nowhere.
    for (auto &frontEnd : plan.frontEnds) {
        if (frontEnd.route == Route::cluster && plan.cluster.empty()) frontEnd.route = Route::none;
        if (frontEnd.route == Route::local && plan.local.empty()) frontEnd.route = Route::none;
        if (frontEnd.route == Route::external && plan.cluster.empty() && !plan.hasExternal)
            frontEnd.route = Route::none;
    }
}

FamilyRules ServiceDrafts::finish() {
    std::set<ObjectName> checked;
    for (auto &[name, draft] : m_drafts)
        finish(draft);
    for (auto &[name, draft] : m_drafts) {
        for (auto *list : {&draft.plan.cluster, &draft.plan.local, &draft.plan.reachable})
            for (auto &endpoint : *list)
                endpoint.local = m_runHere.contains(endpoint.address.ip);
        if (draft.healthCheckPort != 0 && checked.insert(name.service).second) {
            std::set<IpAddress> local;
            for (const auto &endpoint : draft.plan.local)
                local.insert(endpoint.address.ip);
            m_rules.plan.healthChecks.push_back(
                {name.service, draft.healthCheckPort, static_cast<unsigned>(local.size())});
        }
        m_rules.chains.emplace(name, std::move(draft.chains));
        m_rules.plan.services.push_back(std::make_shared<const ServicePortPlan>(std::move(draft.plan)));
    }
    auto &addresses = m_rules.plan.localAddresses;
    std::ranges::sort(addresses);
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    return std::move(m_rules);
}

ProxyPlan emptyPlan(Mode mode, ProxyRelease release, IpFamily family) {
    ProxyConfig config;
    config.release = release;
    auto plan = makePlan({}, config, {.nodeName = {}, .localAddresses = {}, .mode = mode, .family = family});
    plan.problems.clear(); // nobody asked about a node
    plan.sources.reset();
    return plan;
}

void addEndpoint(std::vector<PlannedEndpoint> &endpoints, const packet::SocketAddress &address) {
    if (std::ranges::find(endpoints, address, &PlannedEndpoint::address) == endpoints.end())
        endpoints.push_back(endpointAt(address));
}

} // namespace natlens::proxycore::detail
