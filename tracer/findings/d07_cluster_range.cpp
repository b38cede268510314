// D07: in-cluster traffic masqueraded, or replies that bypass the translation: kube-proxy takes pods for strangers or
// strangers for pods.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD07{
    .code = "D07",
    .title = "kube-proxy mistakes which addresses are pods",
    .severity = Severity::warning,
    .what = "A pod's request to a cluster IP is masqueraded, or a translated request is not and its answer goes "
            "straight to the client.",
    .why =
        "kube-proxy tells pods from others by --cluster-cidr (or another --detect-local-mode). A wrong or missing "
        "range makes it "
        "masquerade pods; one that covers others, or pods of other nodes, makes it omit a masquerade that was needed.",
    .field = "clusterCIDR, detectLocalMode (KubeProxyConfiguration)",
    .fix = "Set clusterCIDR to the range that all nodes' podCIDRs come from, or use detectLocalMode: NodeCIDR.",
    .cost = "kube-proxy must be restarted; connections that exist keep their translation.",
    .evidence =
        "the request before and after the client's node, cluster state that says the client is a pod; or a reply that "
        "reaches the client with the endpoint's address",
    .reference = "https://github.com/kubernetes/kubernetes/issues/36835",
    .find = find,
};

namespace {

std::string configured(const FindingInput &input, const std::string &host) {
    const NodeFacts *facts = input.facts ? input.facts->at(host, input.path.firstSeen) : nullptr;
    if (facts == nullptr || !facts->proxy) return "Its kube-proxy's configuration is not known.";
    if (facts->proxy->masqueradeAll)
        return "Its kube-proxy is told to masquerade all cluster IP traffic (masqueradeAll).";
    if (facts->proxy->clusterCIDRs.empty()) return "Its kube-proxy has no clusterCIDR.";
    const auto &range = facts->proxy->clusterCIDRs.front();
    return fmt::format("Its kube-proxy has clusterCIDR {}, which {} {}.", range.toString(),
                       range.contains(input.path.client.address.ip) ? "covers" : "does not cover",
                       input.path.client.address.ip.toString());
}

std::optional<Finding> masqueradedPod(const FindingInput &input) {
    const Path &path = input.path;
    const auto pod = input.cluster ? input.cluster->podWith(path.client.address.ip) : nullptr;
    if (!pod || !input.service || input.service->via != Via::clusterIP) return std::nullopt;
    const Hop *hop = hopWith(path, Nat::snat);
    const auto to = lastDestination(path);
    if (hop == nullptr || !hop->in || !hop->out || (to && to->ip == path.client.address.ip)) return std::nullopt;
    if (nodeName(input, hop->host) != pod->nodeName) return std::nullopt;
    Finding result = finding(
        kD07, fmt::format("{} is pod {}, and its own node {} replaced its address by {} on the way to a cluster IP. {}",
                          path.client.address.ip.toString(), pod->name.toString(), hop->host,
                          hop->out->src.ip.toString(), configured(input, hop->host)));
    addEvidence(result, hop->in);
    addEvidence(result, hop->out);
    return result;
}

/// The answer that went past the translator and ended on its way: kube-proxy's iptables rules drop it at the client's
/// node, whose connection tracking finds it invalid.
std::optional<StrayReply> strayReplyOnItsWay(const FindingInput &input) {
    const auto &hops = input.path.hops;
    const Hop *translator = hopWith(input.path, Nat::dnat);
    if (translator == nullptr || hops.back().direction != Direction::reply || hops.back().out || !hops.back().in)
        return std::nullopt;
    const Hop &last = hops.back();
    if (last.host == translator->host || last.host == input.path.client.node) return std::nullopt;
    if (last.in->dst.ip != input.path.client.address.ip || last.in->src == input.path.requested) return std::nullopt;
    for (const Hop &hop : hops)
        if (hop.direction == Direction::reply && (hop.host == translator->host || !hop.nat.empty())) return std::nullopt;
    for (const Sight &sight : input.evidence->sights())
        if (sight.direction == Direction::reply && sight.host == last.host && sight.syn && !sight.icmp)
            return StrayReply{.sight = sight, .translator = translator->host, .opening = true};
    return std::nullopt;
}

std::optional<Finding> bypassedNode(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.cluster || input.evidence == nullptr) return std::nullopt;
    auto stray = strayReply(input);
    if (!stray) stray = strayReplyOnItsWay(input);
    if (!stray || !stray->opening) return std::nullopt;
    const auto translator = nodeName(input, stray->translator);
    const auto endpoint = input.cluster->podWith(stray->sight.src.ip);
    if (translator.empty() || !endpoint || endpoint->nodeName == translator) return std::nullopt;
    Finding result = finding(
        kD07,
        fmt::format(
            "{} sent the request on to {} on another node and kept the source address, so the answer {} "
            "from {} instead of {}: the client knows nothing of that address. {}",
            stray->translator, endpoint->name.toString(),
            stray->sight.host == path.client.node
                ? fmt::format("came straight to {}", path.client.address.ip.toString())
                : fmt::format("went straight to {}, where it ended,", stray->sight.host),
            stray->sight.src.toString(), path.requested.toString(), configured(input, stray->translator)));
    result.severity = Severity::error;
    if (const Hop *hop = requestHop(path, stray->translator)) {
        addEvidence(result, hop->in);
        addEvidence(result, hop->out);
    }
    addEvidence(result, stray->sight.firstPacket);
    return result;
}

std::optional<Finding> find(const FindingInput &input) {
    if (input.path.kind != PathKind::service) return std::nullopt;
    if (auto found = masqueradedPod(input)) return found;
    return bypassedNode(input);
}

} // namespace

} // namespace natlens::tracer
