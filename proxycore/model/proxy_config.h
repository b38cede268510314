// What kube-proxy was told on its command line or in its KubeProxyConfiguration.
#pragma once

#include "capture/base/result.h"
#include "proxycore/model/cluster_state.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// Which packets count as coming from a pod (--detect-local-mode).
enum class DetectLocalMode : std::uint8_t { clusterCIDR, nodeCIDR, bridgeInterface, interfaceNamePrefix };
/// How the rules are carried out: kube-proxy's `mode`. Anything but nftables is iptables here.
enum class Mode : std::uint8_t { nftables, iptables };

[[nodiscard]] std::string_view toString(DetectLocalMode value);
[[nodiscard]] std::string_view toString(Mode value); ///< "nftables", "iptables": the body of /proxyMode

/// Whose behaviour: kube-proxy of today, or the one of the document's time. 1.5 had iptables mode and IPv4 only.
enum class ProxyRelease : std::uint8_t { today, v1_5 };

/// How kube-proxy sets connection tracking up. A time of 0 leaves the kernel's own.
struct ConntrackConfig {
    std::uint32_t maxPerCore = 32'768, min = 131'072;
    std::chrono::milliseconds tcpEstablished{std::chrono::hours(24)}, tcpCloseWait{std::chrono::hours(1)};
    std::chrono::milliseconds udp{0}, udpStream{0};

    /// How many connections may be tracked on a machine of so many cores (since 1.36 never more than 1,048,576);
    /// 0: as many as the kernel allows.
    [[nodiscard]] std::uint32_t maximum(unsigned cores) const;
    bool operator==(const ConntrackConfig &) const = default;
};

/// Defaults are kube-proxy's (1.36).
struct ProxyConfig {
    ProxyRelease release = ProxyRelease::today; ///< not of the file; nftables mode is always today's
    Mode mode = Mode::iptables;
    std::vector<IpPrefix> clusterCIDRs; ///< the first of each family counts
    DetectLocalMode detectLocalMode = DetectLocalMode::clusterCIDR;
    std::string bridgeInterface;     ///< for DetectLocalMode::bridgeInterface
    std::string interfaceNamePrefix; ///< for DetectLocalMode::interfaceNamePrefix
    bool masqueradeAll = false;
    unsigned masqueradeBit = 14;    ///< 0..31
    bool localhostNodePorts = true; ///< iptables mode, IPv4 only
    /// CIDRs or the word "primary"; empty = the mode's default (iptables: all addresses, nftables: primary).
    std::vector<std::string> nodePortAddresses;
    /// The cluster's service ranges. kube-proxy learns them from ServiceCIDR objects; those of the cluster state are
    /// used as well.
    std::vector<IpPrefix> serviceCIDRs;
    /// How often rules are written: at least every syncPeriod, at most once per minSyncPeriod.
    std::chrono::milliseconds syncPeriod{30'000}, minSyncPeriod{1'000};
    /// conntrack.tcpBeLiberal: connection tracking calls no segment invalid for its sequence numbers, so iptables mode
    /// need not drop any.
    bool tcpBeLiberal = false;
    ConntrackConfig conntrack;
    /// Feature gate AllowServiceExternalIPs: off, no Service has external IPs.
    bool allowExternalIPs = true;
    /// Feature gate PreferSameTrafficDistribution: off, hints that name nodes mean nothing.
    bool nodeHints = true;
    std::vector<Problem> problems; ///< of reading

    bool operator==(const ProxyConfig &) const = default;
};

/// Reads a KubeProxyConfiguration object (kubeproxy.config.k8s.io/v1alpha1). Unknown fields are ignored; wrong ones are
/// Problems and keep their default. masqueradeAll and masqueradeBit stand in a section for each mode: those of `mode`
/// count, or of the mode that the object says when none is given.
[[nodiscard]] base::Result<ProxyConfig> readProxyConfig(std::string_view text, std::string_view fileName,
                                                        std::optional<Mode> mode = std::nullopt);

} // namespace natlens::proxycore
