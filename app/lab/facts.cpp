#include "app/lab/facts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

namespace natlens::lab {
namespace {

using Json = nlohmann::ordered_json;

/// What decides about translations and drops on a node.
constexpr const char *kSysctls[] = {
    "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables",
    "net/netfilter/nf_conntrack_max",     "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/ipv4/ip_forward",
};

Json sysctls() {
    Json values = Json::object();
    std::vector<std::string> keys(std::begin(kSysctls), std::end(kSysctls));
    std::error_code none;
    for (const auto &interface : std::filesystem::directory_iterator("/proc/sys/net/ipv4/conf", none))
        keys.push_back("net/ipv4/conf/" + interface.path().filename().string() + "/rp_filter");
    for (const std::string &key : keys) {
        std::ifstream file("/proc/sys/" + key);
        long value = 0;
        if (!(file >> value)) continue; // not every kernel has every one
        std::string dotted = key;
        std::ranges::replace(dotted, '/', '.');
        values[dotted] = value;
    }
    return values;
}

/// Sums the lines (one for each processor) of the kernel's table; the first column counts entries and is not summed.
Json conntrack() {
    Json counters = Json::object();
    std::ifstream file("/proc/thread-self/net/stat/nf_conntrack");
    std::string line;
    if (!std::getline(file, line)) return counters;
    std::vector<std::string> names;
    std::istringstream header(line);
    for (std::string name; header >> name;)
        names.push_back(name);
    std::map<std::string, std::uint64_t> sums;
    while (std::getline(file, line)) {
        std::istringstream row(line);
        std::string value;
        for (std::size_t i = 0; i < names.size() && row >> value; ++i) {
            const auto number = std::stoull(value, nullptr, 16);
            sums[names[i]] = i == 0 ? number : sums[names[i]] + number;
        }
    }
    for (const auto &[name, json] : {std::pair("entries", "count"),
                                     {"invalid", "invalid"},
                                     {"insert_failed", "insertFailed"},
                                     {"drop", "drop"},
                                     {"early_drop", "earlyDrop"}})
        counters[json] = sums[name];
    return counters;
}

/// What the node threw away because it would answer by another interface: of the kernel's table that has its names in
/// one line and their values in the next.
Json network() {
    Json counters = Json::object();
    std::ifstream file("/proc/thread-self/net/netstat");
    for (std::string names, values; std::getline(file, names) && std::getline(file, values);) {
        std::istringstream name(names), value(values);
        std::string key;
        std::string number;
        while (name >> key && value >> number)
            if (key == "IPReversePathFilter") counters["reversePathFiltered"] = std::stoull(number);
    }
    return counters;
}

Json proxyConfiguration(const proxycore::ProxyConfig &config) {
    std::string cidrs;
    for (const auto &cidr : config.clusterCIDRs)
        cidrs += (cidrs.empty() ? "" : ",") + cidr.toString();
    return Json{
        {"apiVersion", "kubeproxy.config.k8s.io/v1alpha1"},
        {"kind", "KubeProxyConfiguration"},
        {"mode", proxycore::toString(config.mode)},
        {"clusterCIDR", cidrs},
        {"detectLocalMode", proxycore::toString(config.detectLocalMode)},
        {"detectLocal",
         {{"bridgeInterface", config.bridgeInterface}, {"interfaceNamePrefix", config.interfaceNamePrefix}}},
        {"nodePortAddresses", config.nodePortAddresses},
        {"iptables", {{"localhostNodePorts", config.localhostNodePorts}, {"masqueradeAll", config.masqueradeAll}}},
        {"nftables", {{"masqueradeAll", config.masqueradeAll}}}};
}

} // namespace

std::string nodeFacts(const NetworkNamespace &node, const proxycore::ProxyConfig &config) {
    InNamespace inside(node);
    return Json{{"kind", "NodeFacts"},
                {"kubeProxy", proxyConfiguration(config)},
                {"sysctls", sysctls()},
                {"conntrack", conntrack()},
                {"network", network()}}
        .dump();
}

} // namespace natlens::lab
