#include "proxycore/model/proxy_config.h"

#include "proxycore/model/json_fields.h"
#include "proxycore/model/json_scan.h"

#include <algorithm>
#include <charconv>
#include <limits>

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

std::uint32_t ConntrackConfig::maximum(unsigned cores) const {
    constexpr std::uint64_t kMost = 1'048'576;
    if (maxPerCore == 0) return 0;
    return static_cast<std::uint32_t>(std::min(std::max(std::uint64_t{maxPerCore} * cores, std::uint64_t{min}), kMost));
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
        const auto part = std::string_view(text).substr(at, end - at);
        at = end + 1;
        if (const auto prefix = detail::parseSloppyPrefix(part))
            config.clusterCIDRs.push_back(*prefix);
        else
            fields.report("clusterCIDR", detail::shownText(part) + " is not an address range (CIDR); ignored");
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
        fields.report("detectLocalMode", detail::shownText(mode) + " is not a detect-local mode; ClusterCIDR is used");
    const auto detect = fields.inner("detectLocal");
    config.bridgeInterface = detect.text("bridgeInterface");
    config.interfaceNamePrefix = detect.text("interfaceNamePrefix");
    if (config.detectLocalMode == DetectLocalMode::bridgeInterface && config.bridgeInterface.empty())
        detect.report("bridgeInterface", "missing, and detectLocalMode asks for it: no packet counts as a local pod's");
    if (config.detectLocalMode == DetectLocalMode::interfaceNamePrefix && config.interfaceNamePrefix.empty())
        detect.report("interfaceNamePrefix",
                      "missing, and detectLocalMode asks for it: no packet counts as a local pod's");
}

/// A duration as Go writes it: "30s", "1m30s", "1h0m0.5s", "0"; not negative.
std::optional<std::chrono::milliseconds> parseDuration(std::string_view text) {
    constexpr struct {
        std::string_view unit;
        double milliseconds;
    } kUnits[] = {{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};
    if (text == "0") return std::chrono::milliseconds(0);
    if (text.empty()) return std::nullopt;
    double total = 0;
    while (!text.empty()) {
        double number = 0;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
        if (error != std::errc{} || !(number >= 0)) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        const auto length = std::min(text.find_first_of("0123456789."), text.size());
        const auto *unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                        [&](const auto &known) { return known.unit == text.substr(0, length); });
        if (unit == std::end(kUnits)) return std::nullopt;
        text.remove_prefix(length);
        total += number * unit->milliseconds;
    }
    constexpr double kLongest = 9.2e12; // Go's own limit is 292 years
    if (!(total < kLongest)) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

void readDuration(const Fields &section, const detail::FieldKey &key, std::chrono::milliseconds &value) {
    const auto text = section.text(key);
    if (text.empty()) return;
    if (const auto duration = parseDuration(text))
        value = *duration;
    else
        section.report(key, detail::shownText(text) + " is not a duration like \"30s\" or \"1m30s\"; ignored");
}

/// Each mode has a section of its own, and looks at no other.
void readSection(const Fields &section, ProxyConfig &config) {
    config.masqueradeAll = section.flag("masqueradeAll", config.masqueradeAll);
    if (const auto bit = section.integer("masqueradeBit", 0, 31)) config.masqueradeBit = static_cast<unsigned>(*bit);
    readDuration(section, "syncPeriod", config.syncPeriod);
    readDuration(section, "minSyncPeriod", config.minSyncPeriod);
}

void readConntrack(const Fields &section, ProxyConfig &config) {
    auto &conntrack = config.conntrack;
    constexpr long long kMost = std::numeric_limits<std::int32_t>::max();
    if (const auto number = section.integer("maxPerCore", 0, kMost))
        conntrack.maxPerCore = static_cast<std::uint32_t>(*number);
    if (const auto number = section.integer("min", 0, kMost)) conntrack.min = static_cast<std::uint32_t>(*number);
    readDuration(section, "tcpEstablishedTimeout", conntrack.tcpEstablished);
    readDuration(section, "tcpCloseWaitTimeout", conntrack.tcpCloseWait);
    readDuration(section, "udpTimeout", conntrack.udp);
    readDuration(section, "udpStreamTimeout", conntrack.udpStream);
    config.tcpBeLiberal = section.flag("tcpBeLiberal", false);
}

void readFeatureGates(const Fields &gates, ProxyConfig &config) {
    config.allowExternalIPs = gates.flag("AllowServiceExternalIPs", true);
    config.nodeHints = gates.flag("PreferSameTrafficDistribution", true);
    if (gates.flag("KubeProxyNFTablesLocalhostNodePorts", false))
        gates.report(
            "KubeProxyNFTablesLocalhostNodePorts",
            "kube-proxy 1.37's own TCP proxy on 127.0.0.1 and ::1 (alpha) is not imitated; node ports on these "
            "addresses stay closed in nftables mode");
}

void readNodePortAddresses(const Fields &fields, ProxyConfig &config) {
    fields.eachElement("nodePortAddresses", [&](const Fields &entry) {
        auto text = entry.value().isString() ? entry.value().text() : std::string();
        if (text == "localhost")
            entry.report("", "\"localhost\" asks for kube-proxy 1.37's own TCP proxy (alpha), which is not imitated; "
                             "ignored");
        else if (text == "primary" || detail::parseSloppyPrefix(text))
            config.nodePortAddresses.push_back(std::move(text));
        else
            entry.report("", entry.value().shown() + " is not an address range (CIDR) or \"primary\"; ignored");
    });
}

void readMode(const Fields &fields, ProxyConfig &config) {
    const auto mode = fields.text("mode");
    if (mode == "nftables")
        config.mode = Mode::nftables;
    else if (!mode.empty() && mode != "iptables")
        fields.report("mode", detail::shownText(mode) + " is not a mode that natlens knows; iptables is used");
}

} // namespace

base::Result<ProxyConfig> readProxyConfig(std::string_view text, std::string_view fileName, std::optional<Mode> mode) {
    const auto refused = [&](std::string reason) {
        return base::fail(base::ErrorCode::invalidInput, std::move(reason), "parse", std::string(fileName));
    };
    const auto document = detail::JsonDocument::parse(text, fileName);
    if (!document) return std::unexpected(document.error());
    if (!document->root(0).isObject() || document->size() > 1)
        return refused("expected one KubeProxyConfiguration object");
    ProxyConfig config;
    detail::Reporter reporter(document->root(0), "KubeProxyConfiguration", config.problems);
    const Fields fields(document->root(0), reporter);
    if (const auto kind = fields.text("kind"); !kind.empty() && kind != "KubeProxyConfiguration")
        return refused("/kind: expected a KubeProxyConfiguration object, found " + detail::shownText(kind));
    readMode(fields, config);
    readClusterCidr(fields, config);
    readDetector(fields, config);
    const auto iptables = fields.inner("iptables"), nftables = fields.inner("nftables");
    readSection(mode.value_or(config.mode) == Mode::nftables ? nftables : iptables, config);
    config.localhostNodePorts = iptables.flag("localhostNodePorts", true);
    readNodePortAddresses(fields, config);
    readConntrack(fields.inner("conntrack"), config);
    readFeatureGates(fields.inner("featureGates"), config);
    return config;
}

} // namespace natlens::proxycore
