#include "tracer/annotator.h"

#include "tracer/findings/helpers.h"
#include "tracer/path/conventions.h"
#include "tracer/silence.h"
#include "tracer/stitch/rule_words.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

bool translates(const Path &path) {
    return std::ranges::any_of(path.hops, [](const Hop &hop) { return !hop.nat.empty(); });
}

/// Sent elsewhere than the client asked, as Services do. Where only the source is replaced, it is masquerading on the
/// way out, which every home router does.
bool redirects(const Path &path) {
    return std::ranges::any_of(path.hops,
                               [](const Hop &hop) { return has(hop.nat, Nat::dnat) || has(hop.nat, Nat::proxied); });
}

constexpr std::string_view kInferredVia = "how the Service was reached is inferred from addresses";

void forgetService(Path &path) {
    path.kind = PathKind::direct;
    path.service.reset();
    std::erase(path.notes, kInferredVia);
}

/// A capture point at its endpoint, or beside it on the same host, saw it arrive.
bool isSeenToArrive(const Path &path) {
    return path.endpoint && std::ranges::any_of(path.hops, [&](const Hop &hop) {
               return hop.direction == Direction::request && hop.host == path.endpoint->host && hop.in;
           });
}

/// The host that decided about a request: who translated it, or where it ended.
bool decided(const Path &path, const Hop &hop) {
    return hop.direction == Direction::request &&
           (!hop.nat.empty() || (path.isRequestDropped() && hop.host == path.droppedAt) ||
            (path.outcome == Outcome::rejected && hop.in && !hop.out));
}

/// Rules of tables that are neither kube-proxy's nor the lab's own.
std::vector<std::string> otherRules(const RuleTrace &trace) {
    std::vector<std::string> rules;
    for (const RuleTraceEvent &step : trace.steps) {
        if (step.table.empty() || step.table == "kube-proxy" || step.table == "natlens" ||
            step.chain.starts_with("KUBE-"))
            continue;
        if (step.kind != RuleTraceEvent::Kind::rule) continue;
        std::string rule = step.table + " " + step.chain;
        if (std::ranges::find(rules, rule) == rules.end()) rules.push_back(std::move(rule));
    }
    return rules;
}

/// The words for a decision that only cluster state explains.
RuleDecision predict(const FrontEndMatch &match, const Hop &hop, const Path &path) {
    RuleDecision decision;
    decision.rule = match.servicePort() + " " + std::string(inWords(match.via));
    const bool external = match.via != Via::clusterIP;
    if (path.isRequestDropped() && hop.host == path.droppedAt) {
        if (!match.localOnly()) return {};
        decision.rule += ", no local endpoint, drop";
    } else if (path.outcome == Outcome::rejected && hop.nat.empty()) {
        decision.rule += ", no endpoint, reject";
        decision.field = "EndpointSlice: no ready endpoint";
        return decision;
    } else if (has(hop.nat, Nat::snat)) {
        decision.rule += ", masquerade";
    } else if (match.localOnly()) {
        decision.rule += ", local endpoints only";
    } else {
        return decision;
    }
    decision.field = external            ? policyField(match, match.localOnly())
                     : match.localOnly() ? "spec.internalTrafficPolicy: Local"
                                         : "";
    return decision;
}

/// The chains of the node's own rules, where those were read.
std::string chainsIn(const FindingInput &input, const Hop &hop) {
    if (!input.service || !input.cluster || !input.history) return {};
    const auto node = nodeName(input, hop.host);
    const auto *rules = input.history->rules().of(node, input.path.requested.ip.family);
    if (rules == nullptr) return {};
    const bool translated = has(hop.nat, Nat::dnat) && hop.out;
    if (!translated && has(hop.nat, Nat::snat)) return {}; // masqueraded on its way, by rules about no Service
    return ruleChains(*rules, {input.service->service->name, input.service->port.name, input.path.protocol},
                      input.service->via, hop.in ? hop.in->src : input.path.client.address,
                      translated ? std::optional(hop.out->dst) : std::nullopt, has(hop.nat, Nat::snat));
}

} // namespace

bool Annotator::isHealthTarget(std::string_view target) {
    const std::string_view path = target.substr(0, target.find_first_of("?#"));
    const auto slash = path.rfind('/');
    const std::string_view last = slash == std::string_view::npos ? path : path.substr(slash + 1);
    return last == "healthz" || last == "livez" || last == "readyz";
}

void Annotator::nameHosts(CapturePoints &points, HostRoles &roles, const ClusterContext &cluster) {
    const ClusterView *view = cluster.latest();
    if (!view) return;
    for (HostIndex i = 0; i < points.hosts().size(); ++i) {
        Host &host = points.host(i);
        std::shared_ptr<const proxycore::Pod> pod;
        std::string node;
        if (view->hasNode(host.name))
            node = host.name;
        else
            pod = view->podNamed(host.name);
        if (const auto own = IpAddress::parse(host.name); own && !pod && node.empty()) {
            pod = view->podWith(*own); // a host that nobody captured on, or that a file mixes with others
            node = view->nodeWith(*own);
        }
        for (const auto &address : host.addresses) {
            if (pod || !node.empty()) break;
            pod = view->podWith(address);
            node = view->nodeWith(address);
        }
        if (!node.empty()) {
            roles.name(host.name, HostRole::node);
            host.label = node;
            for (const auto &address : view->addressesOf(node))
                points.learnAddress(i, address);
        } else if (pod) {
            roles.name(host.name, HostRole::pod);
            host.label = pod->name.toString();
            host.podNode = pod->nodeName;
        }
    }
}

void Annotator::nameEnds(Path &path, const ClusterView *cluster) const {
    if (!path.endpoint || !cluster) return;
    EndpointEnd &end = *path.endpoint;
    if (const auto pod = cluster->podWith(end.address.ip)) {
        end.pod = pod->name.toString();
        if (!pod->nodeName.empty()) end.node = pod->nodeName;
    } else if (const auto node = cluster->nodeWith(end.address.ip); !node.empty()) {
        end.node = node;
    } else if (const auto home = cluster->nodeOfEndpoint(end.address.ip); !home.empty()) {
        end.node = home;
    }
}

bool Annotator::looksLikeCheck(const Path &path) const {
    if (translates(path)) return false;
    if (path.http && !path.http->method.empty()) return isHealthTarget(path.http->target);
    return m_checks.contains({path.client.address.ip, path.requested.port});
}

void Annotator::inferService(Path &path) const {
    if (!path.service) path.service.emplace();
    if (path.service->via != Via::none) return;
    const auto hop = std::ranges::find_if(path.hops, [&](const Hop &h) { return decided(path, h); });
    const Host *owner = m_points->ownerOf(path.requested.ip);
    const bool throughBalancer =
        std::ranges::any_of(path.hops, [](const Hop &h) { return h.role == HostRole::loadBalancer && h.in && h.out; });
    if (isNodePort(path.requested.port)) {
        path.service->via = Via::nodePort;
    } else if (throughBalancer) {
        path.service->via = Via::loadBalancerIP;
    } else if (!owner && hop != path.hops.end() && has(hop->nat, Nat::dnat) && !has(hop->nat, Nat::snat)) {
        // An address nobody owns, translated at once and without a new source: so are cluster IPs, for pods.
        path.service->via = Via::clusterIP;
    }
    if (path.service->via != Via::none) path.notes.emplace_back(kInferredVia);
}

bool Annotator::isServiceByPortAlone(const Path &path, const ClusterView *cluster) const {
    return !cluster && path.kind == PathKind::service && path.service && path.service->name.empty() &&
           !redirects(path) && !m_servicePorts.contains({path.protocol, path.requested.port});
}

void Annotator::classify(Path &path, const ClusterView *cluster, const std::optional<FrontEndMatch> &match) {
    std::shared_ptr<const proxycore::Service> checked;
    if (!match && cluster && cluster->isHealthCheck(path.requested, &checked) && !translates(path)) {
        path.kind = PathKind::healthCheck;
        if (checked) {
            path.service.emplace();
            path.service->nameSpace = checked->name.nameSpace;
            path.service->name = checked->name.name;
            path.service->type = proxycore::toString(checked->type);
        }
        return;
    }
    if (match) {
        path.kind = PathKind::service;
        path.service = match->reference();
        return;
    }
    if (looksLikeCheck(path)) {
        path.kind = PathKind::healthCheck;
        m_checks.insert({path.client.address.ip, path.requested.port});
        return;
    }
    const bool redirected = redirects(path);
    if (redirected) m_servicePorts.insert({path.protocol, path.requested.port});
    const bool known = m_servicePorts.contains({path.protocol, path.requested.port});
    const bool unexplained = path.outcome != Outcome::delivered && path.outcome != Outcome::reset;
    if (redirected || (unexplained && (known || isNodePort(path.requested.port)))) {
        path.kind = PathKind::service;
        // With cluster state it would have been found there; what is translated otherwise is none of its Services.
        if (!cluster) inferService(path);
    }
}

void Annotator::nameRules(Path &path, const PathBuilder &builder, FindingInput &input) const {
    for (Hop &hop : path.hops) {
        if (!decided(path, hop)) continue;
        RuleDecision decision;
        if (const RuleTrace *trace = builder.traceAt(path, hop)) {
            const Via via = path.service ? path.service->via : Via::none;
            decision = explain(*trace, via, has(hop.nat, Nat::snat));
            input.traced[hop.host] = RuleFacts{.external = decision.external,
                                               .localOnly = decision.localOnly,
                                               .dropped = decision.dropped,
                                               .rejected = decision.rejected,
                                               .otherRules = otherRules(*trace)};
            if (decision.service && !input.service) {
                if (!path.service) path.service.emplace();
                path.service->nameSpace = decision.service->nameSpace;
                path.service->name = decision.service->service;
                path.service->portName = decision.service->portName;
                path.kind = PathKind::service;
            }
            if (!decision.rule.empty() &&
                std::ranges::find(hop.evidence, EvidenceKind::ruleTrace) == hop.evidence.end()) {
                hop.evidence.push_back(EvidenceKind::ruleTrace);
                std::ranges::sort(hop.evidence);
            }
        }
        if (decision.rule.empty() && input.service) decision = predict(*input.service, hop, path);
        if (const auto chains = chainsIn(input, hop); !chains.empty())
            decision.rule += (decision.rule.empty() ? "" : ": ") + chains;
        hop.rule = decision.rule;
        hop.ruleField = decision.field;
        // The annotation of old, where the Service carries it, is what a person has to change.
        if (input.service && hop.ruleField.starts_with("spec.externalTrafficPolicy"))
            hop.ruleField = policyField(input.service, hop.ruleField.ends_with("Local"));
    }
}

bool Annotator::learnFrom(const Annotator &other) {
    const std::size_t before = known();
    m_checks.insert(other.m_checks.begin(), other.m_checks.end());
    m_servicePorts.insert(other.m_servicePorts.begin(), other.m_servicePorts.end());
    m_servedPorts.insert(other.m_servedPorts.begin(), other.m_servedPorts.end());
    return known() != before;
}

FindingInput Annotator::annotate(Path &path, const PathBuilder &builder, const ConnectionEvidence &evidence) {
    const ClusterView *cluster = m_cluster->at(path.firstSeen);
    FindingInput input{.path = path, .cluster = cluster, .history = m_cluster, .evidence = &evidence, .facts = m_facts};
    if (cluster) input.service = cluster->service(path.protocol, path.requested);
    nameEnds(path, cluster);
    classify(path, cluster, input.service);
    const auto hasRole = [](const Hop &hop) { return hop.role != HostRole::unknown; };
    if (!cluster && std::ranges::any_of(path.hops, hasRole))
        path.notes.emplace_back("roles of hosts are inferred from packets: there is no cluster state");
    const std::pair asked{path.protocol, path.requested.port};
    if (path.outcome == Outcome::delivered && redirects(path) && isSeenToArrive(path)) m_servedPorts.insert(asked);
    judgeSilence(path, input, *m_points, m_servedPorts.contains(asked));
    nameRules(path, builder, input);
    if (path.outcome != Outcome::dropped && isServiceByPortAlone(path, cluster)) forgetService(path);
    if (path.kind != PathKind::healthCheck && cluster && path.isRequestDropped() && input.service) {
        // Absence that cluster state predicts weighs more.
        const auto count = cluster->endpoints(*input.service, path.droppedAt);
        for (Hop &hop : path.hops)
            if (hop.host == path.droppedAt && !hop.out && input.service->localOnly() && count.readyOnNode == 0 &&
                count.unplaced == 0)
                hop.confidence = std::max(hop.confidence, 0.95);
    }
    for (Segment &segment : path.segments)
        if (segment.lost)
            for (const Hop &hop : path.hops)
                if (hop.host == path.droppedAt && hop.direction == path.dropDirection)
                    segment.confidence = hop.confidence;
    path.findings = findAll(input);
    return input;
}

FindingInput Annotator::annotateProxied(Path &path, const std::vector<Path> &parts,
                                        const ConnectionEvidence &evidence) const {
    const ClusterView *cluster = m_cluster->at(path.firstSeen);
    FindingInput input{.path = path, .cluster = cluster, .history = m_cluster, .evidence = &evidence, .facts = m_facts};
    nameEnds(path, cluster);
    for (const Path &part : parts) {
        if (path.kind == PathKind::direct) path.kind = part.kind;
        if (!path.service && part.service) {
            path.service = part.service;
            if (cluster) input.service = cluster->service(part.protocol, part.requested);
        }
        for (const Hop &theirs : part.hops)
            for (Hop &hop : path.hops)
                if (hop.host == theirs.host && hop.direction == theirs.direction && hop.nat == theirs.nat &&
                    (hop.in == theirs.in || hop.out == theirs.out) && !theirs.rule.empty()) {
                    hop.rule = theirs.rule;
                    hop.ruleField = theirs.ruleField;
                    hop.evidence = theirs.evidence;
                }
        path.findings.insert(path.findings.end(), part.findings.begin(), part.findings.end());
    }
    for (Finding &found : findProxied(input))
        path.findings.push_back(std::move(found));
    std::ranges::stable_sort(path.findings, {}, &Finding::code);
    return input;
}

} // namespace natlens::tracer
