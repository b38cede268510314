#include "app/session/address_mapper.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace natlens::session {

using packet::IpAddress;
using packet::IpFamily;
using packet::IpPrefix;

namespace {

std::vector<IpPrefix> prefixes(std::initializer_list<const char *> texts) {
    std::vector<IpPrefix> result;
    for (const char *text : texts)
        result.push_back(*IpPrefix::parse(text));
    return result;
}

/// Addresses that mean the same everywhere (RFC 6890).
const std::vector<IpPrefix> &unchanged() {
    static const auto kPrefixes =
        prefixes({"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/127", "ff00::/8"});
    return kPrefixes;
}

/// Blocks whose addresses stay inside them.
const std::vector<IpPrefix> &blocks() {
    static const auto kPrefixes =
        prefixes({"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "2000::/3",
                  "fc00::/7", "fe80::/10", "::ffff:0:0/96", "64:ff9b::/96"});
    return kPrefixes;
}

const std::vector<IpPrefix> &aroundIpv4() {
    static const auto kPrefixes = prefixes({"::ffff:0:0/96", "64:ff9b::/96"});
    return kPrefixes;
}

bool bitOf(const IpAddress &address, std::size_t index) {
    return (address.bytes[index / 8] >> (7 - index % 8) & 1) != 0;
}

/// The first `count` bits of both are equal.
bool agree(const IpAddress &a, const IpAddress &b, std::size_t count) {
    if (a.family != b.family) return false;
    const std::size_t whole = count / 8;
    if (!std::equal(a.bytes.begin(), a.bytes.begin() + static_cast<std::ptrdiff_t>(whole), b.bytes.begin()))
        return false;
    for (std::size_t i = whole * 8; i < count; ++i)
        if (bitOf(a, i) != bitOf(b, i)) return false;
    return true;
}

/// Changing the bit behind the first `count` would lead out of, or into, a block that has a meaning.
bool mustStay(const IpAddress &address, std::size_t count) {
    const auto reaches = [&](const IpPrefix &prefix) {
        return prefix.length > count && agree(prefix.address, address, count);
    };
    return std::ranges::any_of(unchanged(), reaches) || std::ranges::any_of(blocks(), reaches);
}

bool within(const std::vector<IpPrefix> &prefixes, const IpAddress &address) {
    return std::ranges::any_of(prefixes, [&](const IpPrefix &prefix) { return prefix.contains(address); });
}

} // namespace

IpAddress AddressMapper::map(const IpAddress &address) {
    if (within(unchanged(), address)) return address;
    if (within(aroundIpv4(), address)) {
        const IpAddress inner = (*this)(IpAddress::fromBytes(IpFamily::v4, address.bytes.data() + 12));
        IpAddress result = address;
        std::copy_n(inner.bytes.begin(), 4, result.bytes.begin() + 12);
        return result;
    }
    IpAddress result = address, prefix;
    prefix.family = address.family;
    std::array<std::byte, 18> input{std::byte(address.isV4() ? 4 : 6)};
    for (std::size_t i = 0; i < address.size() * 8; ++i) {
        // Whether bit i is turned depends on the bits before it.
        if (!mustStay(address, i)) {
            input[1] = std::byte(i);
            std::memcpy(input.data() + 2, prefix.bytes.data(), prefix.bytes.size());
            if (m_hash(input) & 1)
                result.bytes[i / 8] = static_cast<std::uint8_t>(result.bytes[i / 8] ^ (0x80u >> i % 8));
        }
        if (bitOf(address, i)) prefix.bytes[i / 8] = static_cast<std::uint8_t>(prefix.bytes[i / 8] | (0x80u >> i % 8));
    }
    return result;
}

IpAddress AddressMapper::operator()(const IpAddress &address) {
    if (address.isNone()) return address;
    if (const auto known = m_known.find(address); known != m_known.end()) return known->second;
    // An attacker's scan must not fill the memory.
    constexpr std::size_t kMost = 1'000'000;
    if (m_known.size() >= kMost) m_known.clear();
    return m_known[address] = map(address);
}

packet::MacAddress AddressMapper::operator()(const packet::MacAddress &address) const {
    const auto all = [&](std::uint8_t value) {
        return std::ranges::all_of(address, [&](auto b) { return b == value; });
    };
    if (all(0) || all(0xff)) return address;
    std::array<std::byte, 7> input{std::byte('M')};
    std::memcpy(input.data() + 1, address.data(), address.size());
    const std::uint64_t hash = m_hash(input);
    packet::MacAddress result{};
    std::memcpy(result.data(), &hash, result.size());
    if (address[0] & 1) { // 33:33 and 01:00:5e say what the rest stands for
        const std::size_t kind = address[0] == 0x33 ? 2 : 3;
        std::copy_n(address.begin(), kind, result.begin());
    } else {
        result[0] = static_cast<std::uint8_t>((result[0] & 0xfc) | 0x02);
    }
    return result;
}

} // namespace natlens::session
