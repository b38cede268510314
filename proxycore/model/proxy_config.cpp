#include "proxycore/model/proxy_config.h"

#include "proxycore/model/json_fields.h"

namespace natlens::proxycore {

using detail::Fields;

std::string_view toString(DetectLocalMode value) {
    switch (value) {
    case DetectLocalMode::clusterCIDR: return "ClusterCIDR";
    case DetectLocalMode::nodeCIDR: return "NodeCIDR";
    case DetectLocalMode::bridgeInterface: return "BridgeInterface";
    case DetectLocalMode::interfaceNamePrefix: return "InterfaceNamePrefix";
    }
    return "ClusterCIDR";
}

std::string_view toString(Mode value) {
    return value == Mode::nftables ? "nftables" : "iptables";
}

namespace {

/// "10.0.0.0/8,fd00::/64": kube-proxy's way of writing one range per family.
void readClusterCidr(const Fields &fields, ProxyConfig &config) {
    const auto text = fields.text("clusterCIDR");
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find(',', at), text.size());
        const auto part = text.substr(at, end - at);
        at = end + 1;
        if (const auto prefix = detail::parseSloppyPrefix(part))
            config.clusterCIDRs.push_back(*prefix);
        else
            fields.report("clusterCIDR", "\"" + part + "\" is not an address range (CIDR); ignored");
    }
}

void readDetector(const Fields &fields, ProxyConfig &config) {
    const auto mode = fields.text("detectLocalMode");
    if (mode == "NodeCIDR")
        config.detectLocalMode = DetectLocalMode::nodeCIDR;
    else if (mode == "BridgeInterface")
        config.detectLocalMode = DetectLocalMode::bridgeInterface;
    else if (mode == "InterfaceNamePrefix")
        config.detectLocalMode = DetectLocalMode::interfaceNamePrefix;
    else if (!mode.empty() && mode != "ClusterCIDR")
        fields.report("detectLocalMode", "\"" + mode + "\" is not a detect-local mode; ClusterCIDR is used");
    const auto detect = fields.inner("detectLocal");
    config.bridgeInterface = detect.text("bridgeInterface");
    config.interfaceNamePrefix = detect.text("interfaceNamePrefix");
}

/// masqueradeAll and masqueradeBit stand in the section of the mode.
void readMasquerade(const Fields &section, ProxyConfig &config) {
    config.masqueradeAll = section.flag("masqueradeAll", config.masqueradeAll);
    if (const auto bit = section.integer("masqueradeBit", 0, 31)) config.masqueradeBit = static_cast<unsigned>(*bit);
}

void readNodePortAddresses(const Fields &fields, ProxyConfig &config) {
    for (auto &entry : fields.texts("nodePortAddresses")) {
        if (entry == "primary" || detail::parseSloppyPrefix(entry))
            config.nodePortAddresses.push_back(std::move(entry));
        else
            fields.report("nodePortAddresses",
                          "\"" + entry + "\" is not an address range (CIDR) or \"primary\"; ignored");
    }
}

} // namespace

base::Result<ProxyConfig> readProxyConfig(std::string_view text, std::string_view fileName) {
    const auto document = detail::JsonDocument::parse(text, fileName);
    if (!document) return std::unexpected(document.error());
    if (!document->root(0).isObject() || document->size() > 1)
        return base::fail(base::ErrorCode::invalidInput, "expected a KubeProxyConfiguration object", "parse",
                          std::string(fileName));
    ProxyConfig config;
    detail::Reporter reporter(document->root(0), "KubeProxyConfiguration", config.problems);
    const Fields fields(document->root(0), reporter);
    if (const auto kind = fields.text("kind"); !kind.empty() && kind != "KubeProxyConfiguration")
        return base::fail(base::ErrorCode::invalidInput,
                          "/kind: expected a KubeProxyConfiguration object, found \"" + kind + "\"", "parse",
                          std::string(fileName));
    const auto mode = fields.text("mode");
    if (mode == "nftables")
        config.mode = Mode::nftables;
    else if (!mode.empty() && mode != "iptables")
        fields.report("mode", "\"" + mode + "\" is not a mode that natlens knows; iptables is used");
    readClusterCidr(fields, config);
    readDetector(fields, config);
    const auto iptables = fields.inner("iptables");
    const bool nftablesSection = fields.has("nftables") && (config.mode == Mode::nftables || !fields.has("iptables"));
    readMasquerade(nftablesSection ? fields.inner("nftables") : iptables, config);
    config.localhostNodePorts = iptables.flag("localhostNodePorts", true);
    readNodePortAddresses(fields, config);
    return config;
}

} // namespace natlens::proxycore
