#include "tracer/stitch/proxy_preface.h"

#include <array>
#include <charconv>

namespace natlens::tracer {

using packet::IpAddress;
using packet::IpFamily;
using packet::SocketAddress;

namespace {

constexpr std::string_view kVersion1 = "PROXY ";
constexpr std::string_view kVersion2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kVersion1Longest = 107, kVersion2Header = 16;

bool mayBegin(std::string_view text, std::string_view word) {
    return text.substr(0, word.size()) == word.substr(0, text.size());
}

unsigned byteAt(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

std::optional<SocketAddress> socketAddress(std::string_view ip, std::string_view port) {
    const auto address = IpAddress::parse(ip);
    packet::Port number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (!address || error != std::errc() || end != port.data() + port.size()) return std::nullopt;
    return SocketAddress{*address, number};
}

/// "PROXY TCP4 SOURCE DESTINATION PORT PORT", or "PROXY UNKNOWN" and anything.
PrefaceRead readVersion1(std::string_view text) {
    const auto end = text.substr(0, kVersion1Longest).find("\r\n");
    if (end == std::string_view::npos) return {.preface = {}, .incomplete = text.size() < kVersion1Longest};
    ProxyPreface preface{.version = 1, .length = end + 2, .source = {}, .destination = {}};
    std::array<std::string_view, 6> words;
    std::string_view rest = text.substr(0, end);
    for (std::string_view &word : words) {
        word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    }
    const auto source = socketAddress(words[2], words[4]), destination = socketAddress(words[3], words[5]);
    if (source && destination) {
        preface.source = *source;
        preface.destination = *destination;
    }
    return {.preface = preface};
}

PrefaceRead readVersion2(std::string_view text) {
    if (text.size() < kVersion2Header) return {.preface = {}, .incomplete = true};
    if (byteAt(text, 12) >> 4 != 2) return {};
    const std::size_t length = kVersion2Header + (byteAt(text, 14) << 8 | byteAt(text, 15));
    if (text.size() < length) return {.preface = {}, .incomplete = length <= kLongestPreface};
    ProxyPreface preface{.version = 2, .length = length, .source = {}, .destination = {}};
    const bool forAClient = (byteAt(text, 12) & 0xf) == 1; // else LOCAL: the proxy's own
    const unsigned family = byteAt(text, 13) >> 4;
    const std::size_t size = family == 1 ? 4 : 16;
    if (forAClient && (family == 1 || family == 2) && length >= kVersion2Header + 2 * size + 4) {
        const auto at = [&](std::size_t ip, std::size_t port) {
            return SocketAddress{
                IpAddress::fromBytes(family == 1 ? IpFamily::v4 : IpFamily::v6, &text[kVersion2Header + ip]),
                static_cast<packet::Port>(byteAt(text, kVersion2Header + port) << 8 |
                                          byteAt(text, kVersion2Header + port + 1))};
        };
        preface.source = at(0, 2 * size);
        preface.destination = at(size, 2 * size + 2);
    }
    return {.preface = preface};
}

} // namespace

PrefaceRead readPreface(std::string_view text) {
    if (text.empty()) return {};
    if (mayBegin(text, kVersion1))
        return text.size() < kVersion1.size() ? PrefaceRead{.preface = {}, .incomplete = true} : readVersion1(text);
    if (mayBegin(text, kVersion2))
        return text.size() < kVersion2.size() ? PrefaceRead{.preface = {}, .incomplete = true} : readVersion2(text);
    return {};
}

} // namespace natlens::tracer
