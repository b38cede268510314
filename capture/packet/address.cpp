#include "capture/packet/address.h"

#include "capture/base/hash.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <fmt/format.h>

namespace natlens::packet {

namespace {


struct ProtocolName {
    Protocol protocol;
    std::string_view name;
};
constexpr ProtocolName kProtocolNames[] = {{Protocol::tcp, "TCP"},
                                           {Protocol::udp, "UDP"},
                                           {Protocol::sctp, "SCTP"},
                                           {Protocol::icmp, "ICMP"},
                                           {Protocol::icmpv6, "ICMPv6"}};

char lowered(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equalIgnoringCase(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lowered(x) == lowered(y); });
}

/// Decimal without sign, blanks or leading zeros.
template<class T>
std::optional<T> parseDecimal(std::string_view text, unsigned maximum) {
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > maximum) return std::nullopt;
    return static_cast<T>(value);
}

} // namespace

std::string toString(Protocol protocol) {
    for (const ProtocolName &known : kProtocolNames)
        if (known.protocol == protocol) return std::string(known.name);
    return std::to_string(static_cast<unsigned>(protocol));
}

std::optional<Protocol> parseProtocol(std::string_view text) {
    for (const ProtocolName &known : kProtocolNames)
        if (equalIgnoringCase(known.name, text)) return known.protocol;
    return std::nullopt;
}

IpAddress IpAddress::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    IpAddress address;
    address.family = IpFamily::v4;
    address.bytes = {a, b, c, d};
    return address;
}

IpAddress IpAddress::fromBytes(IpFamily family, const void *data) {
    IpAddress address;
    address.family = family;
    std::memcpy(address.bytes.data(), data, address.size());
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    // inet_pton is strict in just the way the contract asks for, but wants a terminated string.
    char terminated[INET6_ADDRSTRLEN] = {};
    if (text.empty() || text.size() >= sizeof terminated || text.find('\0') != text.npos) return std::nullopt;
    std::ranges::copy(text, terminated);

    IpAddress address;
    address.family = text.find(':') == text.npos ? IpFamily::v4 : IpFamily::v6;
    if (::inet_pton(address.isV4() ? AF_INET : AF_INET6, terminated, address.bytes.data()) != 1) return std::nullopt;
    return address;
}

bool IpAddress::isLoopback() const {
    if (isV4()) return bytes[0] == 127;
    return isV6() && bytes[15] == 1 && std::all_of(bytes.begin(), bytes.end() - 1, [](auto b) { return b == 0; });
}

std::string IpAddress::toString() const {
    if (isV4()) return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
    if (!isV6()) return {};
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text); // glibc writes the RFC 5952 form
    return text;
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;

    IpPrefix prefix{*address, static_cast<std::uint8_t>(address->size() * 8)};
    if (slash != text.npos) {
        const auto length = parseDecimal<std::uint8_t>(text.substr(slash + 1), prefix.length);
        if (!length) return std::nullopt;
        prefix.length = *length;
    }
    for (std::size_t i = 0; i < prefix.address.bytes.size(); ++i) {
        const std::size_t kept = std::clamp<std::size_t>(prefix.length, i * 8, i * 8 + 8) - i * 8;
        prefix.address.bytes[i] &= static_cast<std::uint8_t>(0xff00U >> kept);
    }
    return prefix;
}

bool IpPrefix::contains(const IpAddress &other) const {
    if (address.isNone() || address.family != other.family) return false;
    const std::size_t whole = length / 8;
    if (!std::equal(address.bytes.begin(), address.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                    other.bytes.begin()))
        return false;
    if (length % 8 == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> (length % 8));
    return ((address.bytes[whole] ^ other.bytes[whole]) & mask) == 0;
}

std::string IpPrefix::toString() const {
    return address.isNone() ? std::string() : fmt::format("{}/{}", address.toString(), length);
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);

    const auto ip = IpAddress::parse(host);
    const auto port = parseDecimal<Port>(text.substr(colon + 1), 65535);
    if (!ip || !port || ip->isV6() != bracketed) return std::nullopt;
    return SocketAddress{*ip, *port};
}

std::string SocketAddress::toString() const {
    if (ip.isNone()) return {};
    return ip.isV6() ? fmt::format("[{}]:{}", ip.toString(), port) : fmt::format("{}:{}", ip.toString(), port);
}

std::string Tuple::toString() const {
    return fmt::format("{} {} > {}", packet::toString(protocol), src.toString(), dst.toString());
}

} // namespace natlens::packet
