// IP addresses, ports and tuples: the words in which everything else speaks.
#pragma once

#include "capture/base/byte_order.h"
#include "capture/base/hash.h"

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace natlens::packet {

enum class IpFamily : std::uint8_t { none = 0, v4 = 4, v6 = 6 };

/// IP protocol number (IANA). The named ones are those that natlens follows.
enum class Protocol : std::uint8_t {
    none = 0,
    icmp = 1,
    igmp = 2,
    ipip = 4,
    tcp = 6,
    udp = 17,
    ipv6 = 41,
    gre = 47,
    icmpv6 = 58,
    sctp = 132
};

/// "TCP", "UDP", "SCTP", "ICMP", "ICMPv6", otherwise the number in decimal.
[[nodiscard]] std::string toString(Protocol protocol);
/// Accepts any letter case of the names above. Nothing for others.
[[nodiscard]] std::optional<Protocol> parseProtocol(std::string_view text);

/// An IPv4 or IPv6 address, network byte order in `bytes` (IPv4 uses the first four, the rest is zero).
/// A default-constructed address is "none". Value type, 17 bytes, ordered by family then bytes.
struct IpAddress {
    IpFamily family = IpFamily::none;
    std::array<std::uint8_t, 16> bytes{};

    auto operator<=>(const IpAddress &) const = default;

    [[nodiscard]] static IpAddress v4(std::uint32_t hostOrder) {
        IpAddress address;
        address.family = IpFamily::v4;
        base::storeBig32(address.bytes.data(), hostOrder);
        return address;
    }
    [[nodiscard]] static IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);
    /// From raw network-order bytes: 4 or 16 of them.
    [[nodiscard]] static IpAddress fromBytes(IpFamily family, const void *data);
    /// Strict dotted decimal or RFC 4291 text, no zone, no brackets, no leading zeros.
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

    [[nodiscard]] bool isNone() const { return family == IpFamily::none; }
    [[nodiscard]] bool isV4() const { return family == IpFamily::v4; }
    [[nodiscard]] bool isV6() const { return family == IpFamily::v6; }
    [[nodiscard]] bool isLoopback() const;
    [[nodiscard]] std::uint32_t v4HostOrder() const { return base::loadBig32(bytes.data()); } ///< only for IPv4
    [[nodiscard]] std::size_t size() const { return isV4() ? 4 : isV6() ? 16 : 0; }           ///< bytes in use
    /// RFC 5952 text; "" for none.
    [[nodiscard]] std::string toString() const;
};

/// A CIDR block. `length` 0..32 or 0..128; host bits of `address` are zero after parse().
struct IpPrefix {
    IpAddress address;
    std::uint8_t length = 0;

    auto operator<=>(const IpPrefix &) const = default;

    /// "10.0.0.0/8"; a bare address is a /32 or /128. Host bits are cleared.
    [[nodiscard]] static std::optional<IpPrefix> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress &address) const;
    [[nodiscard]] std::string toString() const;
};

/// Transport port in host byte order; for ICMP echo the identifier takes its place.
using Port = std::uint16_t;

/// An address and a port: "10.0.0.1:80", "[fd00::1]:80".
struct SocketAddress {
    IpAddress ip;
    Port port = 0;

    auto operator<=>(const SocketAddress &) const = default;

    [[nodiscard]] static std::optional<SocketAddress> parse(std::string_view text); ///< port is required
    [[nodiscard]] std::string toString() const;                                     ///< "" when ip is none
};

/// The five-tuple of one direction.
struct Tuple {
    Protocol protocol = Protocol::none;
    SocketAddress src;
    SocketAddress dst;

    auto operator<=>(const Tuple &) const = default;

    [[nodiscard]] Tuple reversed() const { return Tuple{protocol, dst, src}; }
    [[nodiscard]] std::string toString() const; ///< "TCP 1.2.3.4:5 > 6.7.8.9:80"
};

/// A good 64-bit hash (not cryptographic, stable within one process run).
[[nodiscard]] inline std::uint64_t hashValue(const IpAddress &address, std::uint64_t seed = 0) {
    // Of an IPv4 address not more is read than was written just before: that would be a wait for the store buffer.
    if (address.isV4()) return base::mix(seed ^ base::loadNative<std::uint32_t>(address.bytes.data()), 4);
    const auto high = base::loadNative<std::uint64_t>(address.bytes.data());
    const auto low = base::loadNative<std::uint64_t>(address.bytes.data() + 8);
    return base::mix(seed ^ high, low + static_cast<std::uint64_t>(address.family));
}
[[nodiscard]] inline std::uint64_t hashValue(const Tuple &tuple) {
    const std::uint64_t rest = static_cast<std::uint64_t>(tuple.protocol) << 32 |
                               static_cast<std::uint64_t>(tuple.src.port) << 16 | tuple.dst.port;
    return base::mix(hashValue(tuple.dst.ip, hashValue(tuple.src.ip, rest)), rest);
}

} // namespace natlens::packet

template<>
struct std::hash<natlens::packet::IpAddress> {
    std::size_t operator()(const natlens::packet::IpAddress &a) const noexcept { return natlens::packet::hashValue(a); }
};
template<>
struct std::hash<natlens::packet::Tuple> {
    std::size_t operator()(const natlens::packet::Tuple &t) const noexcept { return natlens::packet::hashValue(t); }
};
