// The names kube-proxy gives to its chains, sets and Services: SHA-256, base32, cut. Operators and tools know them.
#pragma once

#include "proxycore/model/cluster_state.h"

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace natlens::proxycore {

/// FIPS 180-4. Written here because names are all it is used for and a crypto library would be a heavy way to get them.
[[nodiscard]] std::array<std::uint8_t, 32> sha256(std::string_view text);
/// RFC 4648, alphabet A-Z2-7, upper case, padded.
[[nodiscard]] std::string base32(std::string_view bytes);
/// The first `length` characters (1..52) of base32(sha256(text)).
[[nodiscard]] std::string hashPrefix(std::string_view text, std::size_t length);

/// How kube-proxy writes a port without a name: since 1.19 "ns/name", before "ns/name:". Iptables mode hashes it.
enum class PortNaming : std::uint8_t { today, alwaysColon };

/// What kube-proxy counts as one unit: one port of one Service.
struct ServicePortName {
    ObjectName service;
    std::string port; ///< "" for an unnamed port
    Protocol protocol = Protocol::tcp;

    auto operator<=>(const ServicePortName &) const = default;
    /// "ns/name:port"; an unnamed port as `naming` says.
    [[nodiscard]] std::string toString(PortNaming naming = PortNaming::today) const;
};

/// "tcp", "udp", "sctp".
[[nodiscard]] std::string_view lowerName(Protocol protocol);

/// "ULMVA6XW-ns1/svc1/tcp/p80": what follows "service-", "local-", "external-" and "firewall-" in nftables mode.
[[nodiscard]] std::string nftServiceName(const ServicePortName &name);
/// "GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80": what follows "endpoint-" and "affinity-" in nftables mode.
[[nodiscard]] std::string nftEndpointName(const ServicePortName &name, const packet::SocketAddress &endpoint);

/// The 16 characters after "KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-" and "KUBE-XLB-" in iptables mode.
[[nodiscard]] std::string iptablesServiceHash(const ServicePortName &name, PortNaming naming = PortNaming::today);
/// The 16 characters after "KUBE-SEP-".
[[nodiscard]] std::string iptablesEndpointHash(const ServicePortName &name, const packet::SocketAddress &endpoint,
                                               PortNaming naming = PortNaming::today);

} // namespace natlens::proxycore
