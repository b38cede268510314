#include "proxycore/engine/explain.h"

#include <nlohmann/json.hpp>

namespace natlens::proxycore {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kNamesShown = 10;
constexpr std::string_view kNoRule = "no rule";

Json serviceJson(const Decision &decision) {
    if (!decision.service) return nullptr;
    const auto &service = *decision.service;
    return {{"namespace", service.name.service.nameSpace},
            {"name", service.name.service.name},
            {"type", toString(service.type)},
            {"port", service.port},
            {"portName", service.name.port},
            {"protocol", packet::toString(service.name.protocol)}};
}

/// The verdict, and what the client and the endpoint notice of it.
std::string headline(const Decision &decision) {
    std::string text(toString(decision.verdict));
    if (decision.service)
        text += fmt::format(": {} of Service {}", viaWords(decision.via), decision.service->name.toString());
    const bool some = std::any_of(decision.endpoints.begin(), decision.endpoints.end(),
                                  [](const DecidedEndpoint &endpoint) { return endpoint.masquerade; });
    switch (decision.verdict) {
    case Verdict::forwarded:
        return text + (decision.masquerade ? "; source replaced: the endpoint sees an address of this node"
                       : some              ? "; source kept, except where the pod reaches itself"
                                           : "; source kept: the endpoint sees the client's address");
    case Verdict::dropped: return text + "; nothing comes back, the client times out";
    case Verdict::rejected: return text + "; the client is told at once (connection refused)";
    case Verdict::notAService: return text + ": the rules of Services on this node leave the packet alone";
    }
    return text;
}

} // namespace

base::Status requireNode(const ClusterState &state, const std::string &nodeName) {
    if (state.node(nodeName)) return {};
    std::string known;
    std::size_t shown = 0;
    for (const auto &[name, node] : state.nodes) {
        if (shown++ == kNamesShown) {
            known += ", ...";
            break;
        }
        known += (known.empty() ? "" : ", ") + name.name;
    }
    for (char &c : known)
        if (static_cast<unsigned char>(c) < ' ') c = '?'; // whatever the input calls its nodes, this is one line
    return base::fail(base::ErrorCode::notFound,
                      known.empty() ? "the cluster state has no Nodes; add them to the file"
                                    : "no such Node; there are: " + known,
                      "node", nodeName);
}

base::Result<Decision> explain(const ClusterState &state, const ProxyConfig &config, const ExplainRequest &request) {
    if (auto status = requireNode(state, request.nodeName); !status) return std::unexpected(status.error());
    const auto &flow = request.flow;
    if (flow.source.ip.family != flow.destination.ip.family)
        return base::fail(base::ErrorCode::invalidInput, "source and destination must be of the same IP family",
                          "explain", flow.source.ip.toString() + " to " + flow.destination.ip.toString());
    const bool known =
        flow.protocol == Protocol::tcp || flow.protocol == Protocol::udp || flow.protocol == Protocol::sctp;
    if (!known)
        return base::fail(base::ErrorCode::invalidInput, "the protocol must be tcp, udp or sctp", "explain",
                          packet::toString(flow.protocol));
    const auto plan = makePlan(state, config,
                               {.nodeName = request.nodeName,
                                .localAddresses = request.nodeAddresses,
                                .mode = request.mode,
                                .family = flow.destination.ip.family});
    return decide(plan, flow);
}

std::string toExplainJson(const Decision &decision) {
    Json result = {{"schema", "natlens.explain/1"}, {"verdict", toString(decision.verdict)}};
    result["service"] = serviceJson(decision);
    result["via"] = decision.via == Via::none ? Json(nullptr) : Json(toString(decision.via));
    result["endpoints"] = Json::array();
    for (const auto &endpoint : decision.endpoints)
        result["endpoints"].push_back(
            {{"ip", endpoint.address.ip.toString()},
             {"port", endpoint.address.port},
             {"probability", endpoint.probability},
             {"masquerade", endpoint.masquerade},
             {"node", endpoint.nodeName.empty() ? Json(nullptr) : Json(endpoint.nodeName)},
             {"pod", endpoint.pod.name.empty() ? Json(nullptr) : Json(endpoint.pod.toString())}});
    result["masquerade"] = decision.masquerade;
    result["rules"] = Json::array();
    for (std::size_t i = 0; i < decision.steps.size(); ++i) {
        const auto &step = decision.steps[i];
        result["rules"].push_back({{"step", i + 1},
                                   {"rule", step.rule},
                                   {"decided", step.decided},
                                   {"field", step.field.empty() ? Json(nullptr) : Json(step.field)}});
    }
    return result.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string toExplainText(const Decision &decision) {
    std::string text = headline(decision) + "\n";
    for (const auto &endpoint : decision.endpoints) {
        text += fmt::format("  {:5.1f} %  {}", 100 * endpoint.probability, endpoint.address.toString());
        if (!endpoint.pod.name.empty()) text += "  pod " + endpoint.pod.toString();
        if (!endpoint.nodeName.empty()) text += "  on " + endpoint.nodeName + (endpoint.local ? " (this node)" : "");
        if (endpoint.masquerade && !decision.masquerade) text += "  source replaced";
        text += "\n";
    }
    for (std::size_t i = 0; i < decision.steps.size(); ++i) {
        const auto &step = decision.steps[i];
        text += fmt::format("{}. {}\n   ", i + 1, step.decided);
        if (!step.field.empty()) text += "because of " + step.field + "; ";
        text += (step.rule == kNoRule ? "" : "rule: ") + step.rule + "\n";
    }
    return text;
}

} // namespace natlens::proxycore
