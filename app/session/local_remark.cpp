#include "app/session/local_remark.h"

#include <fmt/format.h>

#include <algorithm>

namespace natlens::session {
namespace {

using proxycore::Decision, proxycore::ProxyConfig, proxycore::Verdict;

std::vector<std::string> addressesOf(const Decision &decision) {
    std::vector<std::string> addresses;
    for (const auto &endpoint : decision.endpoints)
        addresses.push_back(endpoint.address.toString());
    std::ranges::sort(addresses);
    return addresses;
}

/// What differs between two decisions as far as a clusterCIDR can matter.
std::string inWords(const Decision &decision) {
    switch (decision.verdict) {
    case Verdict::dropped: return "dropped";
    case Verdict::rejected: return "rejected";
    case Verdict::notAService: return "no Service";
    case Verdict::forwarded: break;
    }
    const auto replaced = std::ranges::count_if(
        decision.endpoints, [&](const auto &endpoint) { return decision.masquerade || endpoint.masquerade; });
    const auto count = static_cast<std::ptrdiff_t>(decision.endpoints.size());
    constexpr std::ptrdiff_t kNamed = 2;
    std::string to = fmt::format("{} endpoints", count);
    if (count <= kNamed) {
        to.clear();
        for (const std::string &address : addressesOf(decision))
            to += (to.empty() ? "" : " or ") + address;
    }
    return fmt::format("forwarded to {}, source {}", to,
                       replaced == 0       ? "kept"
                       : replaced == count ? "replaced"
                                           : "replaced for some of them");
}

/// `config` with a clusterCIDR that covers `source` and nothing else.
ProxyConfig covering(ProxyConfig config, const packet::IpAddress &source) {
    config.clusterCIDRs = {*packet::IpPrefix::parse(source.toString())};
    return config;
}

/// `config` with a clusterCIDR that does not cover `source`: an address beside it.
ProxyConfig notCovering(ProxyConfig config, packet::IpAddress source) {
    source.bytes[0] ^= 1;
    return covering(std::move(config), source);
}

} // namespace

std::string remarkOnLocalSources(const proxycore::ClusterState &state, const ProxyConfig &config,
                                 const proxycore::ExplainRequest &request, const Decision &decision) {
    if (config.detectLocalMode != proxycore::DetectLocalMode::clusterCIDR || !config.clusterCIDRs.empty()) return {};
    if (decision.verdict == Verdict::notAService) return {};
    const auto &source = request.flow.source.ip;
    const std::string answer = inWords(decision);
    std::string others;
    for (const bool covers : {true, false}) {
        const auto other =
            proxycore::explain(state, covers ? covering(config, source) : notCovering(config, source), request);
        if (!other || (inWords(*other) == answer && addressesOf(*other) == addressesOf(decision))) continue;
        others += fmt::format("{} with a clusterCIDR that {} {}: {}", others.empty() ? "" : ";",
                              covers ? "covers" : "does not cover", source.toString(), inWords(*other));
    }
    if (others.empty()) return {};
    return fmt::format("this is the answer of a kube-proxy that has no clusterCIDR;{}; --proxy-config FILE says what "
                       "yours has",
                       others);
}

} // namespace natlens::session
