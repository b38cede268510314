#include "proxycore/plan/naming.h"

#include <bit>

namespace natlens::proxycore {

namespace {

// FIPS 180-4 section 4.2.2: fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using State = std::array<std::uint32_t, 8>;

void compress(State &state, const std::uint8_t *block) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t i = 0; i < 16; ++i)
        w[i] = static_cast<std::uint32_t>(block[4 * i]) << 24 | static_cast<std::uint32_t>(block[4 * i + 1]) << 16 |
               static_cast<std::uint32_t>(block[4 * i + 2]) << 8 | block[4 * i + 3];
    for (std::size_t i = 16; i < 64; ++i) {
        const auto a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3)) + w[i - 7] +
               (std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10));
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t i = 0; i < 64; ++i) {
        const auto one =
            h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
        const auto two = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
    }
    const State mixed{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i)
        state[i] += mixed[i];
}

/// nft names may have 256 characters; kube-proxy leaves room for the longest prefix.
constexpr std::size_t kLongestNftName = 240;

std::string nftName(const std::string &name) {
    auto result = hashPrefix(name, 8) + "-" + name;
    if (result.size() > kLongestNftName) result = result.substr(0, kLongestNftName - 3) + "...";
    return result;
}

std::string nftPlainName(const ServicePortName &name) {
    return fmt::format("{}/{}/{}/{}", name.service.nameSpace, name.service.name, lowerName(name.protocol), name.port);
}

} // namespace

std::array<std::uint8_t, 32> sha256(std::string_view text) {
    State state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::string padded(text);
    padded += static_cast<char>(0x80);
    while (padded.size() % 64 != 56)
        padded += '\0';
    const std::uint64_t bits = static_cast<std::uint64_t>(text.size()) * 8;
    for (int shift = 56; shift >= 0; shift -= 8)
        padded += static_cast<char>((bits >> shift) & 0xff);
    for (std::size_t at = 0; at < padded.size(); at += 64)
        compress(state, reinterpret_cast<const std::uint8_t *>(padded.data()) + at);
    std::array<std::uint8_t, 32> result{};
    for (std::size_t i = 0; i < 32; ++i)
        result[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    return result;
}

std::string base32(std::string_view bytes) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    std::string result;
    std::uint32_t buffer = 0;
    int bits = 0;
    for (const char byte : bytes) {
        buffer = buffer << 8 | static_cast<std::uint8_t>(byte);
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            result += alphabet[(buffer >> bits) & 31];
        }
    }
    if (bits > 0) result += alphabet[(buffer << (5 - bits)) & 31];
    while (result.size() % 8 != 0)
        result += '=';
    return result;
}

std::string hashPrefix(std::string_view text, std::size_t length) {
    const auto digest = sha256(text);
    return base32({reinterpret_cast<const char *>(digest.data()), digest.size()}).substr(0, length);
}

std::string ServicePortName::toString(PortNaming naming) const {
    const bool bare = port.empty() && naming == PortNaming::today;
    return bare ? service.toString() : service.toString() + ":" + port;
}

std::string_view lowerName(Protocol protocol) {
    switch (protocol) {
    case Protocol::udp: return "udp";
    case Protocol::sctp: return "sctp";
    default: return "tcp";
    }
}

std::string nftServiceName(const ServicePortName &name) {
    return nftName(nftPlainName(name));
}

std::string nftEndpointName(const ServicePortName &name, const packet::SocketAddress &endpoint) {
    auto ip = endpoint.ip.toString();
    for (char &c : ip)
        if (c == ':') c = '.';
    return nftName(fmt::format("{}__{}/{}", nftPlainName(name), ip, endpoint.port));
}

std::string iptablesServiceHash(const ServicePortName &name, PortNaming naming) {
    return hashPrefix(fmt::format("{}{}", name.toString(naming), lowerName(name.protocol)), 16);
}

std::string iptablesEndpointHash(const ServicePortName &name, const packet::SocketAddress &endpoint,
                                 PortNaming naming) {
    return hashPrefix(fmt::format("{}{}{}", name.toString(naming), lowerName(name.protocol), endpoint.toString()), 16);
}

} // namespace natlens::proxycore
