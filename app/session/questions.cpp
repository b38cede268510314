#include "app/session/questions.h"

#include "app/session/cluster_input.h"
#include "app/session/input_file.h"
#include "app/session/local_remark.h"
#include "proxycore/engine/explain.h"
#include "proxycore/kernel/iptables.h"
#include "proxycore/kernel/nftables.h"
#include "proxycore/model/kubernetes_json.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace natlens::session {
namespace {

using base::ErrorCode;
using proxycore::Mode;

std::unexpected<base::Error> badArgument(std::string_view option, std::string_view given, std::string_view wanted) {
    return base::fail(ErrorCode::invalidInput, fmt::format("\"{}\" is not {}", given, wanted), {}, std::string(option));
}

std::optional<Mode> modeOf(std::string_view name) {
    if (name.empty()) return std::nullopt;
    return name == "nftables" ? Mode::nftables : Mode::iptables;
}

struct Inputs {
    proxycore::ClusterState state; ///< objects, and what only rules tell of
    std::set<proxycore::ObjectName> onlyInRules;
    proxycore::ProxyConfig config;
    std::vector<packet::IpAddress> nodeAddresses;
    Mode mode = Mode::iptables;
    proxycore::NodeRules rules;         ///< of the node that is asked about
    std::vector<std::string> ruleFiles; ///< where they come from; empty: there are none
    bool hasObjects = false;
    std::vector<std::string> remarks;
};

void remark(std::vector<std::string> &remarks, const std::string &file,
            const std::vector<proxycore::Problem> &problems) {
    for (const auto &problem : problems)
        remarks.push_back((file == "-" ? "standard input" : file) + ": " + problem.toString());
}

/// The rules of the node that is asked about: those that are said to be its own, or else those of which nobody said
/// whose they are.
void takeRules(Inputs &inputs, std::vector<ClusterInput::Listing> &listings, const std::string &node) {
    const bool named = std::ranges::any_of(listings, [&](const auto &listing) { return listing.node == node; });
    std::vector<proxycore::RulesOfNode> all;
    for (auto &listing : listings) {
        if (!named && listing.node.empty()) listing.node = node;
        all.push_back({listing.node, &listing.rules});
        if (listing.node != node) continue;
        auto rules = listing.rules;
        rules.problems.clear(); // said already
        merge(inputs.rules, std::move(rules));
        inputs.ruleFiles.push_back(listing.file);
    }
    remark(inputs.remarks, "--cluster", inputs.rules.problems);
    inputs.onlyInRules = proxycore::addMissing(inputs.state, proxycore::clusterStateOf(all));
}

/// `ends`: only what concerns a flow between them is kept of the cluster.
base::Result<Inputs> readInputs(const PlanSource &source, const proxycore::FlowEnds *ends) {
    Inputs inputs;
    if (std::ranges::count(source.clusters, "-") > 0 && source.proxyConfig == "-")
        return base::fail(ErrorCode::invalidInput, "only one file can be standard input", {}, "--proxy-config");
    auto cluster = readClusterInput(source.clusters, ObjectsFor::plan, ends);
    if (!cluster) return std::unexpected(cluster.error());
    inputs.state = std::move(cluster->state);
    inputs.hasObjects = !cluster->objects.empty();
    inputs.remarks = std::move(cluster->remarks);
    if (!cluster->listings.empty()) takeRules(inputs, cluster->listings, source.node);
    if (!source.proxyConfig.empty()) {
        const auto file = InputFile::read(source.proxyConfig);
        if (!file) return std::unexpected(file.error());
        auto config = proxycore::readProxyConfig(file->text(), source.proxyConfig, modeOf(source.mode));
        if (auto whole = file->wasWhole(); !whole) return std::unexpected(whole.error());
        if (!config) return std::unexpected(config.error());
        inputs.config = std::move(*config);
        remark(inputs.remarks, source.proxyConfig, inputs.config.problems);
    } else if (!inputs.ruleFiles.empty()) {
        inputs.config = proxycore::proxyConfigOf(inputs.rules);
        inputs.config.release = proxycore::ProxyRelease::today; // --profile says otherwise
    }
    for (const auto &address : source.nodeAddresses) {
        const auto ip = packet::IpAddress::parse(address);
        if (!ip) return badArgument("--node-address", address, "an IP address");
        inputs.nodeAddresses.push_back(*ip);
    }
    if (source.profile == "document") inputs.config.release = proxycore::ProxyRelease::v1_5;
    inputs.mode = modeOf(source.mode).value_or(inputs.config.mode);
    if (auto known = proxycore::requireNode(inputs.state, source.node); !known) {
        known.error().subject += source.node.empty() ? "" : fmt::format(" of {}", fmt::join(source.clusters, ", "));
        return std::unexpected(known.error());
    }
    return inputs;
}

/// The plan that the node's own rules say; nothing when they were not given, or another mode is asked about.
std::optional<proxycore::ProxyPlan> planOfRules(const Inputs &inputs, const PlanSource &source,
                                                packet::IpFamily family) {
    const auto *rules = inputs.rules.of(family);
    if (rules == nullptr || !source.profile.empty()) return std::nullopt;
    if (const auto mode = modeOf(source.mode); mode && *mode != rules->plan.mode) return std::nullopt;
    auto plan = rules->plan;
    plan.nodeName = source.node;
    auto &addresses = plan.localAddresses;
    addresses.insert(addresses.end(), inputs.nodeAddresses.begin(), inputs.nodeAddresses.end());
    if (const auto node = inputs.state.node(source.node))
        for (const auto &ip : node->ipAddresses())
            addresses.push_back(ip);
    std::erase_if(addresses, [&](const packet::IpAddress &ip) { return ip.family != family || ip.isLoopback(); });
    std::ranges::sort(addresses);
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    return plan;
}

/// Rules know addresses only: pods and their nodes come from objects.
void nameEndpoints(proxycore::Decision &decision, const proxycore::ClusterState &state, const std::string &node) {
    for (auto &endpoint : decision.endpoints) {
        if (const auto pod = state.podWithAddress(endpoint.address.ip)) {
            endpoint.pod = pod->name;
            endpoint.nodeName = pod->nodeName;
        } else if (endpoint.local) {
            endpoint.nodeName = node;
        }
    }
}

/// "forwarded to 10.1.1.5:8080 or 10.1.2.5:8080, source replaced"
std::string inShort(const proxycore::Decision &decision) {
    std::vector<std::string> endpoints;
    for (const auto &endpoint : decision.endpoints)
        endpoints.push_back(endpoint.address.toString());
    std::ranges::sort(endpoints);
    auto text = std::string(toString(decision.verdict));
    if (!endpoints.empty()) text += fmt::format(" to {}", fmt::join(endpoints, " or "));
    return text + (decision.masquerade ? ", source replaced" : "");
}

/// An address with a port, or without one: then the port is 0.
std::optional<packet::SocketAddress> addressWithAnyPort(const std::string &text) {
    if (const auto whole = packet::SocketAddress::parse(text)) return whole;
    std::string_view bare = text;
    if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
    if (const auto ip = packet::IpAddress::parse(bare)) return packet::SocketAddress{*ip, 0};
    return std::nullopt;
}

void remarkPlan(std::vector<std::string> &remarks, const proxycore::ProxyPlan &plan) {
    for (const auto &problem : plan.problems)
        remarks.push_back("plan: " + problem.toString());
}

} // namespace

base::Result<Answer> answer(const ExplainQuestion &question) {
    proxycore::ExplainRequest request;
    const auto from = addressWithAnyPort(question.from);
    if (!from) return badArgument("--from", question.from, "IP or IP:PORT; write IPv6 with a port as [fd00::1]:80");
    const auto to = packet::SocketAddress::parse(question.to);
    if (!to || to->port == 0) return badArgument("--to", question.to, "IP:PORT; write IPv6 as [fd00::1]:80");
    const auto protocol = packet::parseProtocol(question.protocol);
    if (!protocol) return badArgument("--protocol", question.protocol, "tcp, udp or sctp");
    const proxycore::FlowEnds ends{from->ip, *to};
    auto inputs = readInputs(question.plan, &ends);
    if (!inputs) return std::unexpected(inputs.error());
    request.nodeName = question.plan.node;
    request.nodeAddresses = inputs->nodeAddresses;
    request.mode = inputs->mode;
    request.flow = {
        .protocol = *protocol, .source = *from, .destination = *to, .inputInterface = question.inputInterface};
    // Also where the rules decide: it checks the question, and may differ.
    auto decision = proxycore::explain(inputs->state, inputs->config, request);
    if (!decision) return std::unexpected(decision.error());
    if (const auto plan = planOfRules(*inputs, question.plan, to->ip.family)) {
        auto byRules = proxycore::decide(*plan, request.flow);
        inputs->remarks.push_back(
            fmt::format("{} is answered by its rules in {}", question.plan.node, fmt::join(inputs->ruleFiles, ", ")));
        const bool known = decision->service && !inputs->onlyInRules.contains(decision->service->name.service);
        if (inputs->hasObjects && known && inShort(byRules) != inShort(*decision))
            inputs->remarks.push_back(fmt::format("by the Kubernetes objects it would be: {}", inShort(*decision)));
        nameEndpoints(byRules, inputs->state, question.plan.node);
        *decision = std::move(byRules);
    } else if (decision->service && inputs->onlyInRules.contains(decision->service->name.service)) {
        inputs->remarks.push_back(
            fmt::format("only the rules of other nodes tell of Service {}: for {} this is a guess",
                        decision->service->name.service.toString(), question.plan.node));
    } else if (question.plan.proxyConfig.empty() && inputs->ruleFiles.empty()) {
        auto remark = remarkOnLocalSources(inputs->state, inputs->config, request, *decision);
        if (!remark.empty()) inputs->remarks.push_back(std::move(remark));
    }
    return Answer{question.json ? proxycore::toExplainJson(*decision) + "\n" : proxycore::toExplainText(*decision),
                  std::move(inputs->remarks)};
}

base::Result<Answer> answer(const RulesQuestion &question) {
    auto source = question.plan;
    // The rules of a mode are those that kube-proxy writes in this mode, whatever the configuration file runs in.
    if (question.format != "plan") source.mode = question.format;
    auto inputs = readInputs(source, nullptr);
    if (!inputs) return std::unexpected(inputs.error());
    const auto family = question.family == "ipv6" ? packet::IpFamily::v6 : packet::IpFamily::v4;
    auto plan = proxycore::makePlan(
        inputs->state, inputs->config,
        {.nodeName = source.node, .localAddresses = inputs->nodeAddresses, .mode = inputs->mode, .family = family});
    remarkPlan(inputs->remarks, plan);
    // What rules say, in words; as rules they are printed as kube-proxy would write them for what they say.
    if (auto read = planOfRules(*inputs, source, family); read && question.format == "plan") {
        inputs->remarks.push_back(
            fmt::format("{} is answered by its rules in {}", source.node, fmt::join(inputs->ruleFiles, ", ")));
        plan = std::move(*read);
    }
    Answer result;
    result.remarks = std::move(inputs->remarks);
    result.text = question.format == "nftables"   ? proxycore::toNftText(plan)
                  : question.format == "iptables" ? proxycore::toIptablesText(plan)
                                                  : proxycore::toText(plan);
    if (!result.text.ends_with('\n')) result.text += '\n';
    return result;
}

} // namespace natlens::session
