#include "tracer/findings/helpers.h"

#include "capture/base/hash.h"
#include "capture/packet/decode.h"
#include "tracer/path/conventions.h"

#include <algorithm>

namespace natlens::tracer {

std::string policyField(const std::optional<FrontEndMatch> &service, bool local) {
    if (service && service->service->externalTrafficPolicySource == proxycore::PolicySource::annotation) {
        const auto &annotations = service->service->annotations;
        const auto name = annotations.contains(std::string(proxycore::kExternalTrafficBeta))
                              ? proxycore::kExternalTrafficBeta
                              : proxycore::kExternalTrafficAlpha;
        return fmt::format("metadata.annotations[{}]: {}", name, local ? "OnlyLocal" : "Global");
    }
    return fmt::format("spec.externalTrafficPolicy: {}", local ? "Local" : "Cluster");
}

std::string serviceInWords(const FindingInput &input) {
    if (input.service) return "Service " + input.service->service->name.toString();
    const auto &service = input.path.service;
    if (service && !service->name.empty()) return fmt::format("Service {}/{}", service->nameSpace, service->name);
    return "the Service";
}

bool has(const std::vector<Nat> &nat, Nat kind) {
    return std::ranges::find(nat, kind) != nat.end();
}

Via viaOf(const Path &path) {
    return path.service ? path.service->via : Via::none;
}

const Hop *hopWith(const Path &path, Nat nat) {
    for (const Hop &hop : path.hops)
        if (hop.direction == Direction::request && has(hop.nat, nat)) return &hop;
    return nullptr;
}

const Hop *requestHop(const Path &path, std::string_view host) {
    for (const Hop &hop : path.hops)
        if (hop.direction == Direction::request && hop.host == host) return &hop;
    return nullptr;
}

std::string nodeName(const FindingInput &input, std::string_view host) {
    if (input.cluster == nullptr) return {};
    if (input.cluster->hasNode(host)) return std::string(host);
    const Host *known = input.evidence ? input.evidence->host(host) : nullptr;
    if (known == nullptr) return {};
    for (const IpAddress &address : known->addresses)
        if (auto node = input.cluster->nodeWith(address); !node.empty()) return node;
    return {};
}

const Hop *entryHop(const FindingInput &input) {
    for (const Hop &hop : input.path.hops) {
        if (hop.direction != Direction::request || nodeName(input, hop.host).empty()) continue;
        if (hop.in && hop.in->dst == input.path.requested) return &hop;
        // A node that translates what it sends itself shows no packet with the address that it asked.
        if (!hop.in && hop.out && hop.host == input.path.client.node) return &hop;
    }
    return nullptr;
}

bool fromPod(const FindingInput &input) {
    return input.cluster && input.cluster->podWith(input.path.client.address.ip);
}

bool fromNode(const FindingInput &input) {
    if (!input.cluster) return false;
    if (!input.cluster->nodeWith(input.path.client.address.ip).empty()) return true;
    return !input.path.client.node.empty() && !nodeName(input, input.path.client.node).empty();
}

SocketAddress sourceAtEntry(const FindingInput &input) {
    const Hop *entry = entryHop(input);
    return entry && entry->in ? entry->in->src : input.path.client.address;
}

std::optional<SocketAddress> lastDestination(const Path &path) {
    std::optional<SocketAddress> destination;
    for (const Hop &hop : path.hops)
        if (hop.direction == Direction::request && has(hop.nat, Nat::dnat) && hop.out) destination = hop.out->dst;
    return destination;
}

void addEvidence(Finding &finding, PacketNumber packet) {
    if (packet.value == 0) return;
    const auto at = std::ranges::lower_bound(finding.packets, packet.value, {}, &PacketNumber::value);
    if (at == finding.packets.end() || at->value != packet.value) finding.packets.insert(at, packet);
}

void addEvidence(Finding &finding, const std::optional<HopEnd> &end) {
    if (end) addEvidence(finding, end->packet);
}

void addBeginning(Finding &finding, const Path &path) {
    if (path.hops.empty()) return;
    const Hop &first = path.hops.front();
    addEvidence(finding, first.out ? first.out : first.in);
}

GroupKey filedUnder(std::string_view name, GroupKey::Side side) {
    return {base::hashBytes(std::as_bytes(std::span(name))), side};
}

GroupKey filedUnder(const SocketAddress &address, GroupKey::Side side) {
    return {packet::hashValue(packet::Tuple{Protocol::none, address, {}}), side};
}

std::optional<StrayReply> strayReply(const FindingInput &input) {
    const Path &path = input.path;
    if (input.evidence == nullptr || path.client.node.empty() || hopWith(path, Nat::dnat) == nullptr)
        return std::nullopt;
    const bool tcp = path.protocol == Protocol::tcp;
    for (const Sight &sight : input.evidence->sights()) {
        if (sight.direction != Direction::reply || sight.leg == 0 || sight.attempt || sight.icmp) continue;
        if (sight.host != path.client.node || sight.facing == Sight::Facing::out) continue;
        // The client's own address: what a host sees of its pods' or clients' packets is another matter.
        if (sight.dst.ip != path.client.address.ip || sight.src == path.requested) continue;
        if (tcp && sight.tcpFlags == packet::TcpFlags::rst) continue;
        StrayReply stray{.sight = sight, .translator = {}, .opening = tcp ? sight.syn : true};
        unsigned leg = 0;
        for (const Hop &hop : path.hops)
            if (hop.direction == Direction::request && !hop.nat.empty() && ++leg == sight.leg)
                stray.translator = hop.host;
        if (stray.translator.empty() || stray.translator == path.client.node) continue;
        return stray;
    }
    return std::nullopt;
}

bool isSwitchedPast(const FindingInput &input, const StrayReply &stray) {
    return std::ranges::any_of(input.path.hops, [&](const Hop &hop) {
        if (hop.direction != Direction::reply || hop.host != stray.translator || hop.inferred) return false;
        const auto &last = hop.out ? hop.out : hop.in;
        return last && last->src == stray.sight.src && isInitialTtl(last->ttl);
    });
}

namespace {

/// The request as the entry node met it.
proxycore::FlowQuery queryOf(const FindingInput &input, const Hop &entry) {
    const auto source = entry.in ? entry.in->src : input.path.client.address;
    const Host *host = input.evidence ? input.evidence->host(entry.host) : nullptr;
    return {.protocol = input.path.protocol,
            .source = source,
            .destination = entry.in ? entry.in->dst : input.path.requested,
            .inputInterface = entry.in ? entry.in->interface : std::string(),
            .locallyGenerated = !entry.in || (host && std::ranges::binary_search(host->addresses, source.ip))};
}

Prediction toPrediction(const proxycore::Decision &decision) {
    Prediction prediction;
    prediction.verdict = decision.verdict;
    for (const auto &endpoint : decision.endpoints)
        prediction.endpoints.push_back({endpoint.address, decision.masquerade || endpoint.masquerade});
    return prediction;
}

} // namespace

std::optional<Prediction> predictByObjects(const FindingInput &input, const Hop &entry, const ClusterView &view) {
    const Path &path = input.path;
    const auto node = nodeName(input, entry.host);
    const auto match = view.service(path.protocol, entry.in ? entry.in->dst : path.requested);
    if (node.empty() || !view.hasNode(node)) return std::nullopt;
    if (match && view.onlyInRules(match->service->name)) return std::nullopt;
    const NodeFacts *facts = input.facts ? input.facts->at(entry.host, path.firstSeen) : nullptr;
    const bool configured = facts != nullptr && facts->proxy;
    const proxycore::ProxyConfig config = configured ? *facts->proxy : proxycore::ProxyConfig();
    const auto query = queryOf(input, entry);
    const auto decision = proxycore::decide(*view.planFor(node, config, path.requested.ip.family), query);
    auto prediction = toPrediction(decision);
    const bool byAddress = config.detectLocalMode == proxycore::DetectLocalMode::clusterCIDR ||
                           config.detectLocalMode == proxycore::DetectLocalMode::nodeCIDR;
    const bool external = match && match->via != Via::clusterIP;
    prediction.masqueradeKnown = (configured && byAddress) ||
                                 (external && (!match->localOnly() || (!fromPod(input) && !query.locallyGenerated)));
    return prediction;
}

std::optional<Prediction> predictByRules(const FindingInput &input, const Hop &entry) {
    const auto node = nodeName(input, entry.host);
    if (input.history == nullptr || input.cluster == nullptr || node.empty()) return std::nullopt;
    const auto family = input.path.requested.ip.family;
    const auto *rules = input.history->rules().of(node, family);
    if (rules == nullptr) return std::nullopt;
    const auto query = queryOf(input, entry);
    auto addresses = input.cluster->addressesOf(node);
    if (const Host *host = input.evidence ? input.evidence->host(entry.host) : nullptr)
        addresses.insert(addresses.end(), host->addresses.begin(), host->addresses.end());
    // A packet that the node did not pass on as it was reached an address of its own, or a Service's; rules do not tell
    // the node's addresses, so what else was asked counts as one of them.
    const auto match = input.cluster->service(input.path.protocol, query.destination);
    const bool passedOn = entry.in && entry.out && entry.out->dst == entry.in->dst;
    if (match && match->via == Via::nodePort && !passedOn) addresses.push_back(query.destination.ip);
    const auto decision =
        proxycore::decide(*input.history->rules().indexFor(node, family, std::move(addresses)), query);
    auto prediction = toPrediction(decision);
    // The detector stands in the rules; only interfaces may have other names in a capture.
    const auto kind = rules->plan.detector.kind;
    prediction.masqueradeKnown = kind == proxycore::LocalDetector::Kind::none ||
                                 kind == proxycore::LocalDetector::Kind::sourceRange ||
                                 (match && match->via != Via::clusterIP && !match->localOnly());
    return prediction;
}

std::optional<Prediction> predict(const FindingInput &input, const Hop &entry, const ClusterView &view) {
    if (auto prediction = predictByRules(input, entry)) return prediction;
    return predictByObjects(input, entry, view);
}

} // namespace natlens::tracer
