// D19: a Service works across nodes and fails on the same node: the reply is switched past the translation.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD19{
    .code = "D19",
    .title = "The bridge passes the reply by the node's translation",
    .severity = Severity::error,
    .what = "Client and endpoint are pods on one node; the answer reaches the client with the endpoint's address "
            "instead of the "
            "Service's, and the client resets or ignores it.",
    .why = "On one bridge the answer is switched directly from pod to pod. Only with br_netfilter and "
           "bridge-nf-call-iptables does "
           "it meet connection tracking on the way.",
    .field = "sysctl net.bridge.bridge-nf-call-iptables (IPv6: bridge-nf-call-ip6tables)",
    .fix = "Load br_netfilter and set net.bridge.bridge-nf-call-iptables=1 on every node.",
    .cost = "All bridged traffic passes the node's rules then, which costs time and may meet rules not meant for it.",
    .evidence = "a reply that reaches the client with an address it never asked, from a pod on the client's node",
    .reference = "https://github.com/kubernetes/kubernetes/issues/33798",
    .find = find,
};

namespace {

/// Each family has a setting of its own.
std::string settingFor(const Path &path) {
    return path.requested.ip.isV6() ? "net.bridge.bridge-nf-call-ip6tables" : "net.bridge.bridge-nf-call-iptables";
}

Finding switchedPast(const Path &path, std::string text) {
    Finding result = finding(kD19, std::move(text));
    result.fix = fmt::format("Load br_netfilter and set {}=1 on every node.", settingFor(path));
    return result;
}

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    const auto stray = strayReply(input);
    if (!stray || !stray->opening) return std::nullopt;
    if (!input.cluster) {
        if (!isSwitchedPast(input, *stray)) return std::nullopt; // D21
        Finding result = switchedPast(
            path,
            fmt::format("{} asked {} and got the answer from {}: {} translated the request, and its bridge switched "
                        "the reply past the translation. That both are pods of that node is inferred from the "
                        "reply's time to live.",
                        path.client.address.ip.toString(), path.requested.toString(), stray->sight.src.toString(),
                        stray->translator));
        if (const Hop *hop = requestHop(path, stray->translator)) addEvidence(result, hop->in);
        addEvidence(result, stray->sight.firstPacket);
        return result;
    }
    const auto client = input.cluster->podWith(path.client.address.ip),
               endpoint = input.cluster->podWith(stray->sight.src.ip);
    const auto translator = nodeName(input, stray->translator);
    if (!client || !endpoint || client->nodeName != endpoint->nodeName || client->nodeName != translator)
        return std::nullopt;
    const NodeFacts *facts = input.facts ? input.facts->at(stray->translator, path.firstSeen) : nullptr;
    const auto setting = facts ? facts->sysctl(settingFor(path)) : std::nullopt;
    Finding result = switchedPast(
        path,
        fmt::format(
            "{} asked {} and got the answer from {}: both pods are on {}, whose bridge switched the reply past the "
            "translation.{}",
            client->name.toString(), path.requested.toString(), stray->sight.src.toString(), translator,
            setting ? fmt::format(" {} is {} there.", settingFor(path), *setting) : ""));
    if (const Hop *hop = requestHop(path, stray->translator)) addEvidence(result, hop->in);
    addEvidence(result, stray->sight.firstPacket);
    return result;
}

} // namespace

} // namespace natlens::tracer
