#include "capture/file/point_names.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <span>
#include <string_view>

namespace natlens::file {

namespace {

bool isSuffix(const std::filesystem::path &extension) {
    constexpr std::array<std::string_view, 10> kKnown{".pcap", ".pcapng", ".cap",  ".dump", ".dmp",
                                                      ".gz",   ".zst",    ".zstd", ".lz4",  ".ntar"};
    for (const std::string_view known : kKnown)
        if (extension == known) return true;
    return false;
}

using Names = std::span<const std::string_view>;

/// What hosts are called, with a number behind it or not.
constexpr std::string_view kHosts[] = {"node",   "worker", "master", "plane", "control", "client",   "server",
                                       "host",   "pod",    "lb",     "vm",    "machine", "endpoint", "backend",
                                       "router", "switch", "proxy",  "k8s",   "kube",    "peer",     "gw"};
/// What captures are called, with a number behind it or not.
constexpr std::string_view kCaptures[] = {"capture", "cap", "trace", "dump", "tcpdump", "file", "test", "part"};
/// What interfaces are called, with a number behind it or not.
constexpr std::string_view kWholeInterfaces[] = {"any",     "lo",      "wan",      "lan",      "mgmt",   "inside",
                                                 "outside", "ingress", "egress",   "internal", "bridge", "external",
                                                 "uplink",  "dmz",     "downlink", "in",       "out",    "dummy"};
/// What names of interfaces begin with that go on with a number or something made up: those of Linux
/// (systemd.net-naming-scheme), of BSD, and of network plugins.
constexpr std::string_view kInterfaces[] = {
    "eth",  "eno",     "ens",     "enp",    "enx",          "em",    "wl",  "ww",    "bond",  "team",
    "br",   "cni",     "cbr",     "veth",   "cali",         "lxc",   "eni", "gke",   "azv",   "tap",
    "tun",  "utun",    "flannel", "vxlan",  "ipip",         "gre",   "sit", "genev", "weave", "vethwe",
    "vlan", "docker",  "virbr",   "vnet",   "vmnet",        "wg",    "ppp", "ib",    "usb",   "ovs",
    "ipvs", "macvlan", "ipvlan",  "cilium", "nodelocaldns", "ip6tnl"};
/// Interfaces whose names have hyphens of their own.
constexpr std::string_view kHyphenated[] = {"-kube-ipvs0",  "-kube-bridge", "-antrea-gw0",
                                            "-antrea-tun0", "-ovn-k8s-mp0", "-vethwe-bridge"};

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

bool isOneOf(std::string_view name, Names names) {
    return std::ranges::find(names, name) != names.end();
}

/// "node2", "client"
bool isHost(std::string_view name) {
    return isOneOf(name.substr(0, name.find_last_not_of("0123456789") + 1), kHosts);
}

/// "node2", "n2", and "kind-worker2": nobody numbers what is not a host so.
bool endsWithNumberedHost(std::string_view name) {
    auto word = name.substr(name.find_last_of("-_") + 1);
    word = word.substr(0, word.find('#')); // several captures of one name are numbered
    const auto letters = word.substr(0, word.find_last_not_of("0123456789") + 1);
    return letters.size() != word.size() && (isOneOf(letters, kHosts) || letters == "n" || letters == "w");
}

/// What stands behind a numbered host is its interface, whatever that is called ("n1-vp1", "node1-veth-pod1"), but for
/// dates and for other hosts.
std::size_t borderBehindHost(std::string_view name) {
    for (std::size_t border = name.find_first_of("-_"); border != name.npos;
         border = name.find_first_of("-_", border + 1)) {
        if (!endsWithNumberedHost(name.substr(0, border))) continue;
        const auto rest = name.substr(border + 1), first = rest.substr(0, rest.find_first_of("-_"));
        const bool isName = std::ranges::any_of(rest, [](char c) { return c >= 'a' && c <= 'z'; });
        return isName && !isHost(first) && first != "to" && first != "and" ? border : name.npos;
    }
    return name.npos;
}

/// Where the hyphen (or underscore) between host and interface is; npos where there is none. Nodes are called
/// "kind-worker2" and "gke-pool-1a2b-x7k2" as well: to take what is behind any hyphen for an interface makes one host
/// of several, so it must look like one.
std::size_t borderOf(std::string_view name) {
    for (const std::string_view interface : kHyphenated)
        if (name.ends_with(interface)) return name.size() - interface.size();
    for (const char separator : {'-', '_', '.', '@'}) {
        std::size_t border = name.rfind(separator);
        if (border == name.npos) continue;
        // "br-lan", "br-1f0a3c": a bridge's name may be anything.
        constexpr std::string_view kBridge = "-br";
        if (name.substr(0, border).ends_with(kBridge)) return border - kBridge.size();
        // "node1.eth0", but not "ip-10-0-1-5.ec2.internal".
        if (separator == '.' && !isDigit(name.back())) continue;
        if (looksLikeInterface(name.substr(border + 1))) return border;
    }
    return borderBehindHost(name);
}

} // namespace

std::string printable(std::string text) {
    for (char &c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return text;
}

bool looksLikeInterface(std::string_view name) {
    const auto word = name.substr(0, name.find_last_not_of("0123456789") + 1);
    if (word.empty() || isOneOf(word, kHosts)) return false;
    if (word == "any") return name == word; // there is one only: numbered are captures
    if (isOneOf(word, kWholeInterfaces)) return true;
    // "p4p1", "en0", and whatever begins to be counted with 0.
    if (word == "en" || (name.size() == 4 && name[0] == 'p' && isDigit(name[1]) && name[2] == 'p')) return true;
    const bool isWord = std::ranges::all_of(word, [](char c) { return c >= 'a' && c <= 'z'; });
    if (name.size() == word.size() + 1 && name.back() == '0' && isWord && !isOneOf(word, kCaptures)) return true;
    return std::ranges::any_of(kInterfaces, [&](std::string_view begin) {
        if (!name.starts_with(begin)) return false;
        const auto rest = name.substr(begin.size());
        return rest.find_first_of("0123456789._") != rest.npos;
    });
}

std::string pointNameOf(const std::filesystem::path &path) {
    if (path == "-") return "stdin";
    std::filesystem::path file = path.filename();
    if (isSuffix(file.extension())) {
        while (isSuffix(file.extension()))
            file = file.stem();
    } else if (const std::string extension = file.extension().string();
               extension.size() > 1 && looksLikeInterface(std::string_view(extension).substr(1))) {
        return printable(file.stem().string()) + '/' + printable(extension.substr(1)); // "node2.eth0"
    } else if (extension.empty() || !isHost(std::string_view(extension).substr(1))) {
        file = file.stem();
    }
    std::string name = printable(file.string());
    const std::size_t border = borderOf(name);
    if (border == name.npos || border == 0) return name;
    name[border] = '/';
    return name;
}

std::string PointNames::next(std::string ifName, packet::LinkType linkType) {
    ifName = printable(std::move(ifName));
    const bool isEvidence = linkType == packet::LinkType::netlink || linkType == packet::LinkType::user0;
    const std::size_t slash = ifName.find('/');
    // "merged/": a host and no interface, as recordings of natlens name it.
    const bool hostAlone = slash != ifName.npos && slash != 0 && slash + 1 == ifName.size();
    if (hostAlone && m_source != NameSource::person) return ifName.substr(0, slash);
    if (m_name.empty() || isEvidence) return ifName;
    if (m_source == NameSource::person) {
        const bool isFirst = m_count++ == 0;
        if (isFirst && m_name.find('/') != m_name.npos) return m_name;
        if (!ifName.empty()) return host() + '/' + ifName.substr(slash == ifName.npos ? 0 : slash + 1);
    }
    if (ifName.empty()) {
        ++m_nameless;
        return m_nameless == 1 ? m_name : fmt::format("{}#{}", m_name, m_nameless);
    }
    return slash != ifName.npos ? ifName : host() + '/' + ifName;
}

std::string PointNames::ofIndex(const std::string &base, std::uint32_t index, bool isLoopback) {
    const std::string host = base.substr(0, base.find('/'));
    return isLoopback && index == 1 ? host + "/lo" : fmt::format("{}/if{}", host, index);
}

} // namespace natlens::file
