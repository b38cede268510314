#include "property/agreement.h"
#include "proxycore/model/kubernetes_json.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <ranges>

namespace natlens::test {
namespace {

std::string configJson(const ProxyConfig &config, Mode mode) {
    const auto quoted = config.nodePortAddresses |
                        std::views::transform([](const auto &entry) { return '"' + entry + '"'; });
    const auto ranges = config.clusterCIDRs | std::views::transform([](const auto &range) { return range.toString(); });
    const auto section = fmt::format("{{\"masqueradeAll\":{},\"masqueradeBit\":{},\"localhostNodePorts\":{}}}",
                                     config.masqueradeAll, config.masqueradeBit, config.localhostNodePorts);
    return fmt::format("{{\"kind\":\"KubeProxyConfiguration\",\"mode\":\"{}\",\"clusterCIDR\":\"{}\","
                       "\"detectLocalMode\":\"{}\",\"detectLocal\":{{\"bridgeInterface\":\"{}\","
                       "\"interfaceNamePrefix\":\"{}\"}},\"nodePortAddresses\":[{}],\"iptables\":{},\"nftables\":{},"
                       "\"featureGates\":{{\"AllowServiceExternalIPs\":{},\"PreferSameTrafficDistribution\":{}}}}}\n",
                       toString(mode), fmt::join(ranges, ","), toString(config.detectLocalMode), config.bridgeInterface,
                       config.interfaceNamePrefix, fmt::join(quoted, ","), section, section, config.allowExternalIPs,
                       config.nodeHints);
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

} // namespace

std::string writeDisagreement(const RandomCase &made, const RandomPacket &packet, Mode mode, const std::string &text) {
    const char *folder = std::getenv("NATLENS_REPORT_DIR");
    const auto stem = fmt::format("{}/natlens-disagreement-{}", folder != nullptr ? folder : "/tmp", toString(mode));
    std::ofstream(stem + "-proxy-config.json") << configJson(made.config, mode);
    std::ofstream(stem + "-cluster.json") << toJson(made.state) << "\n";
    std::string addresses;
    for (const auto &address : ownAddresses()) addresses += " --node-address " + address.toString();
    const auto &flow = packet.flow;
    const auto command = fmt::format(
        "natlens explain --cluster {0}-cluster.json --proxy-config {0}-proxy-config.json --node n1{1} --protocol {2} "
        "--from {3} --to {4}{5}",
        stem, addresses, lower(packet::toString(flow.protocol)), flow.source.toString(), flow.destination.toString(),
        flow.inputInterface.empty() ? "" : " --input-interface " + flow.inputInterface);
    std::ofstream(stem + "-packet.txt") << text << "\n" << command << "\n";
    return fmt::format("{}\n  {}\n  natlens lab up nodeport --cluster {}-cluster.json --proxy-config {}-proxy-config.json\n",
                       text, command, stem, stem);
}

} // namespace natlens::test
