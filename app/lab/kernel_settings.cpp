#include "app/lab/kernel_settings.h"

#include "app/lab/namespaces.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace natlens::lab {
namespace {

using Setting = std::pair<const char *, const char *>;

/// Forwarding hosts send a packet out where it came in, which redirects would "mend", and replies may take another way
/// than requests, which reverse-path filtering would drop (finding D21).
constexpr Setting kAlways[] = {
    {"net/ipv4/conf/all/rp_filter", "0"},
    {"net/ipv4/conf/default/rp_filter", "0"},
    {"net/ipv4/conf/all/send_redirects", "0"},
    {"net/ipv4/conf/default/send_redirects", "0"},
    // Where br_netfilter exists it would translate on the bridge port already, and a capture on cbr0 would show
    // packets half translated. Isolated ports make it unnecessary, and without it all kernels show the same.
    {"net/bridge/bridge-nf-call-iptables", "0"},
    {"net/bridge/bridge-nf-call-ip6tables", "0"},
};
/// The document is IPv4; neighbour discovery would only be noise in its captures.
constexpr Setting kWithoutIpv6[] = {
    {"net/ipv6/conf/all/disable_ipv6", "1"},
    {"net/ipv6/conf/default/disable_ipv6", "1"},
};
/// No link-local addresses, no router discovery, no duplicate detection; and what must be said of multicast groups is
/// said at once, so that it is over before captures begin.
constexpr Setting kWithIpv6[] = {
    {"net/ipv6/conf/default/addr_gen_mode", "1"},
    {"net/ipv6/conf/default/accept_ra", "0"},
    {"net/ipv6/conf/default/accept_dad", "0"},
    {"net/ipv6/conf/default/accept_redirects", "0"},
    {"net/ipv6/conf/default/router_solicitations", "0"},
    {"net/ipv6/conf/default/mldv2_unsolicited_report_interval", "1"},
};
constexpr Setting kForwarding[] = {
    {"net/ipv4/ip_forward", "1"},
};
constexpr Setting kForwardingIpv6[] = {
    {"net/ipv6/conf/all/forwarding", "1"},
};
constexpr Setting kBalancing[] = {
    {"net/ipv4/fib_multipath_hash_policy", "1"},
};
constexpr Setting kBalancingIpv6[] = {
    {"net/ipv6/fib_multipath_hash_policy", "1"},
};

template<std::size_t N>
base::Status write(const Setting (&settings)[N], bool optional = false) {
    for (const auto &[key, value] : settings) {
        const auto status = writeSysctl(key, value);
        // A kernel without IPv6 or br_netfilter has nothing to switch off.
        const bool bridge = std::string_view(key).starts_with("net/bridge");
        if (!status && !((optional || bridge) && status.error().code == base::ErrorCode::notFound)) return status;
    }
    return {};
}

} // namespace

base::Status configureConntrack(const proxycore::ProxyConfig &config) {
    const auto &wanted = config.conntrack;
    const auto seconds = [](std::chrono::milliseconds value) {
        return std::to_string(std::chrono::ceil<std::chrono::seconds>(value).count());
    };
    std::vector<std::pair<std::string, std::string>> settings;
    for (const auto &[key, value] : {std::pair("tcp_timeout_established", wanted.tcpEstablished),
                                     {"tcp_timeout_close_wait", wanted.tcpCloseWait},
                                     {"udp_timeout", wanted.udp},
                                     {"udp_timeout_stream", wanted.udpStream}})
        if (value.count() > 0) settings.emplace_back(key, seconds(value));
    if (config.tcpBeLiberal) settings.emplace_back("tcp_be_liberal", "1");
    for (const auto &[key, value] : settings) {
        const auto status = writeSysctl("net/netfilter/nf_conntrack_" + key, value);
        const bool denied = !status && (status.error().code == base::ErrorCode::notFound ||
                                        status.error().code == base::ErrorCode::notPermitted);
        if (!status && !denied) return status;
    }
    return {};
}

base::Status configureKernel(KernelSettings settings) {
    if (auto status = write(kAlways); !status) return status;
    auto status = settings.ipv6 ? write(kWithIpv6) : write(kWithoutIpv6, true);
    if (status && settings.forwards) status = write(kForwarding);
    if (status && settings.balances) status = write(kBalancing);
    if (status && settings.forwards && settings.ipv6) status = write(kForwardingIpv6);
    if (status && settings.balances && settings.ipv6) status = write(kBalancingIpv6);
    return status;
}

} // namespace natlens::lab
