// D03: policy Local, the traffic stays on the node, and the client is still a node: somebody else masquerades.
#include "tracer/findings/helpers.h"

#include <fmt/ranges.h>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD03{
    .code = "D03",
    .title = "Something other than kube-proxy replaces the client's address",
    .severity = Severity::warning,
    .what = "Policy is Local and kube-proxy keeps the client's address, but the endpoint sees a node's.",
    .why = "Rules of the network plug-in (flannel, Weave, Calico, ip-masq-agent, ...) masquerade what comes from "
           "outside the pod "
           "network on its way to a pod.",
    .field = "the network plug-in's masquerade rules; spec.externalTrafficPolicy: Local",
    .fix = "Exempt traffic to pods from the plug-in's masquerading (for example its no-masquerade setting for local "
           "Services).",
    .cost = "Answers then leave with the endpoint's node as their only way back, as policy Local means it.",
    .evidence =
        "the request before and after the node's source translation, and cluster state that says it should be kept",
    .reference = "https://github.com/metallb/metallb/issues/504",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (!input.service || !input.service->localOnly()) return std::nullopt;
    if (input.service->via == Via::clusterIP || input.service->via == Via::externalIP) return std::nullopt;
    if (!path.endpoint || path.sourcePreserved.value_or(true) || fromPod(input) || fromNode(input)) return std::nullopt;
    if (path.endpoint->address.ip == path.client.address.ip) return std::nullopt;
    const Hop *hop = hopWith(path, Nat::snat);
    if (hop == nullptr || nodeName(input, hop->host).empty()) return std::nullopt;
    std::string whose;
    if (const auto traced = input.traced.find(hop->host);
        traced != input.traced.end() && !traced->second.otherRules.empty())
        whose = fmt::format(" Rules that are not kube-proxy's saw it there: {}.",
                            fmt::join(traced->second.otherRules, ", "));
    Finding result = finding(
        kD03,
        fmt::format("{} has {}, with which kube-proxy keeps the client's address; {} replaced {} by {} all the same.{}",
                    serviceInWords(input), policyField(input.service, true), hop->host,
                    hop->in ? hop->in->src.ip.toString() : path.client.address.ip.toString(),
                    path.seenByEndpoint->ip.toString(), whose));
    addEvidence(result, hop->in);
    addEvidence(result, hop->out);
    return result;
}

} // namespace

} // namespace natlens::tracer
