#include "app/session/questions.h"

#include "app/session/input_file.h"
#include "app/session/local_remark.h"
#include "app/session/threads.h"
#include "proxycore/engine/explain.h"
#include "proxycore/kernel/iptables.h"
#include "proxycore/kernel/nftables.h"
#include "proxycore/model/kubernetes_json.h"

#include <fmt/format.h>

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
    proxycore::ClusterState state;
    proxycore::ProxyConfig config;
    std::vector<packet::IpAddress> nodeAddresses;
    Mode mode = Mode::iptables;
    std::vector<std::string> remarks;
};

void remark(std::vector<std::string> &remarks, const std::string &file,
            const std::vector<proxycore::Problem> &problems) {
    for (const auto &problem : problems)
        remarks.push_back((file == "-" ? "standard input" : file) + ": " + problem.toString());
}

/// `ends`: only what concerns a flow between them is kept of the cluster.
base::Result<Inputs> readInputs(const PlanSource &source, const proxycore::FlowEnds *ends) {
    Inputs inputs;
    if (source.cluster == "-" && source.proxyConfig == "-")
        return base::fail(ErrorCode::invalidInput, "only one file can be standard input", {}, "--proxy-config");
    const auto cluster = InputFile::read(source.cluster);
    if (!cluster) return std::unexpected(cluster.error());
    auto state = proxycore::readClusterState(cluster->text(), source.cluster == "-" ? "standard input" : source.cluster,
                                             ends, inThreads);
    if (auto whole = cluster->wasWhole(); !whole) return std::unexpected(whole.error());
    if (!state) return std::unexpected(state.error());
    inputs.state = std::move(*state);
    remark(inputs.remarks, source.cluster, inputs.state.problems);
    if (!source.proxyConfig.empty()) {
        const auto file = InputFile::read(source.proxyConfig);
        if (!file) return std::unexpected(file.error());
        auto config = proxycore::readProxyConfig(file->text(), source.proxyConfig, modeOf(source.mode));
        if (auto whole = file->wasWhole(); !whole) return std::unexpected(whole.error());
        if (!config) return std::unexpected(config.error());
        inputs.config = std::move(*config);
        remark(inputs.remarks, source.proxyConfig, inputs.config.problems);
    }
    for (const auto &address : source.nodeAddresses) {
        const auto ip = packet::IpAddress::parse(address);
        if (!ip) return badArgument("--node-address", address, "an IP address");
        inputs.nodeAddresses.push_back(*ip);
    }
    if (source.profile == "document") inputs.config.release = proxycore::ProxyRelease::v1_5;
    inputs.mode = modeOf(source.mode).value_or(inputs.config.mode);
    if (auto known = proxycore::requireNode(inputs.state, source.node); !known) {
        known.error().subject += source.node.empty() ? "" : " of " + source.cluster;
        return std::unexpected(known.error());
    }
    return inputs;
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
    const auto decision = proxycore::explain(inputs->state, inputs->config, request);
    if (!decision) return std::unexpected(decision.error());
    if (question.plan.proxyConfig.empty()) {
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
    const auto plan =
        proxycore::makePlan(inputs->state, inputs->config,
                            {.nodeName = source.node,
                             .localAddresses = inputs->nodeAddresses,
                             .mode = inputs->mode,
                             .family = question.family == "ipv6" ? packet::IpFamily::v6 : packet::IpFamily::v4});
    remarkPlan(inputs->remarks, plan);
    Answer result;
    result.remarks = std::move(inputs->remarks);
    result.text = question.format == "nftables"   ? proxycore::toNftText(plan)
                  : question.format == "iptables" ? proxycore::toIptablesText(plan)
                                                  : proxycore::toText(plan);
    if (!result.text.ends_with('\n')) result.text += '\n';
    return result;
}

} // namespace natlens::session
