// Any bytes as a cluster file and, behind a line "---", a KubeProxyConfiguration: through the reader, the plan of both
// modes and one decision. What is accepted as JSON is what the library accepts; the part of a cluster that concerns a
// flow decides about it as the whole does; what was read can be written and read again.
#include "proxycore/engine/explain.h"
#include "proxycore/model/json_document.h"
#include "proxycore/model/kubernetes_json.h"
#include "require.h"

#include <nlohmann/json.hpp>

#include <vector>

using namespace natlens;
using namespace natlens::proxycore;

namespace {

constexpr std::string_view kSeparator = "\n---\n";

/// The library gives up on numbers that no double can hold; RFC 8259 does not.
bool mayOverflow(std::string_view text) {
    return text.find_first_of("eE") != std::string_view::npos || text.size() > 300;
}

void checkAccepted(std::string_view text) {
    const auto document = detail::JsonDocument::parse(text, "input");
    const bool accepted = nlohmann::json::accept(text.begin(), text.end());
    // The library takes a NUL for the end of the text; RFC 8259 does not.
    REQUIRE(document.has_value() || !accepted || text.find('\0') != text.npos);
    if (document && document->size() == 1) REQUIRE(accepted || mayOverflow(text));
    if (!document) REQUIRE(document.error().message.find('\n') == std::string::npos);
}

/// A destination of the cluster, so that the decision has something to decide.
packet::SocketAddress destinationIn(const ClusterState &state, std::uint8_t choice) {
    std::vector<packet::SocketAddress> all;
    for (const auto &[name, service] : state.services)
        for (const auto &port : service->ports) {
            for (const auto &ip : service->clusterIPs)
                all.push_back({ip, port.port});
            for (const auto &ip : service->externalIPs)
                all.push_back({ip, port.port});
            for (const auto &ingress : service->ingress)
                if (!ingress.ip.isNone()) all.push_back({ingress.ip, port.port});
            if (port.nodePort != 0) all.push_back({IpAddress::v4(127, 0, 0, 1), port.nodePort});
        }
    if (all.empty()) return {IpAddress::v4(10, 0, 0, 1), 80};
    return all[choice % all.size()];
}

IpAddress sourceIn(const ClusterState &state, IpFamily family, std::uint8_t choice) {
    std::vector<IpAddress> all{family == IpFamily::v6 ? *IpAddress::parse("fd00::7") : IpAddress::v4(203, 0, 113, 7)};
    for (const auto &[name, slice] : state.endpointSlices)
        for (const auto &endpoint : slice->endpoints)
            for (const auto &ip : endpoint.addresses)
                if (ip.family == family) all.push_back(ip);
    return all[choice % all.size()];
}

void checkDecision(std::string_view text, const ClusterState &state, const ProxyConfig &config, std::uint8_t choice) {
    ExplainRequest request;
    request.nodeName = state.nodes.begin()->first.name;
    request.flow.destination = destinationIn(state, choice);
    request.flow.source = {sourceIn(state, request.flow.destination.ip.family, choice), 4000};
    const FlowEnds ends{request.flow.source.ip, request.flow.destination};
    const auto part = readClusterState(text, "input", &ends);
    REQUIRE(part && part->problems == state.problems);
    for (const auto mode : {Mode::iptables, Mode::nftables}) {
        request.mode = mode;
        const auto whole = explain(state, config, request);
        REQUIRE(whole.has_value());
        REQUIRE(toExplainJson(*whole) == toExplainJson(explain(*part, config, request).value()));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    // A copy of exactly its size, so that a sanitizer sees every read outside.
    const std::vector<char> copy(data, data + size);
    const std::string_view input(copy.data(), copy.size());
    const auto separator = input.find(kSeparator);
    const std::vector<char> clusterBytes(
        input.begin(), separator == input.npos ? input.end() : input.begin() + static_cast<std::ptrdiff_t>(separator));
    const std::string_view text(clusterBytes.data(), clusterBytes.size());
    const auto configText = separator == input.npos ? "{}" : input.substr(separator + kSeparator.size());

    checkAccepted(text);
    const auto config = readProxyConfig(configText, "config");
    const auto state = readClusterState(text, "input");
    if (!state) return 0;
    for (const auto &problem : state->problems)
        REQUIRE(problem.toString().find('\n') == std::string::npos);
    const auto again = readClusterState(toJson(*state), "written");
    REQUIRE(again && again->services.size() == state->services.size());
    if (!state->nodes.empty() && !state->nodes.begin()->first.name.empty())
        checkDecision(text, *state, config ? *config : ProxyConfig{}, size == 0 ? std::uint8_t{0} : data[size / 2]);
    return 0;
}
