#include "capture/netlink/attributes.h"

#include <algorithm>

namespace natlens::netlink::detail {
namespace {

constexpr std::size_t kAttributeHeader = 4; // struct nlattr
constexpr std::size_t kMessageHeader = 16;  // struct nlmsghdr
constexpr std::size_t kNetfilterHeader = 4; // struct nfgenmsg
constexpr std::uint16_t kTypeMask = 0x3fff; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER

template<class T>
T loadHost(const std::byte *from, HostOrder order) {
    const T value = base::loadNative<T>(from);
    return order == HostOrder::same ? value : base::swapBytes(value);
}

constexpr std::size_t aligned(std::size_t length) {
    return (length + 3) & ~std::size_t{3};
}

} // namespace

std::optional<std::uint8_t> Attribute::u8() const {
    if (payload.size() != 1) return std::nullopt;
    return base::loadByte(payload.data());
}
std::optional<std::uint16_t> Attribute::big16() const {
    if (payload.size() != 2) return std::nullopt;
    return base::loadBig16(payload.data());
}
std::optional<std::uint32_t> Attribute::big32() const {
    if (payload.size() != 4) return std::nullopt;
    return base::loadBig32(payload.data());
}
std::optional<std::uint64_t> Attribute::big64() const {
    if (payload.size() != 8) return std::nullopt;
    return base::loadBig64(payload.data());
}

std::string Attribute::text() const {
    std::string result;
    for (const std::byte byte : payload) {
        const auto letter = std::to_integer<unsigned char>(byte);
        if (letter == 0) break;
        result += letter >= 0x20 && letter < 0x7f ? static_cast<char>(letter) : '?';
    }
    return result;
}

std::optional<Attribute> AttributeReader::next() {
    if (m_bytes.size() < kAttributeHeader) return std::nullopt;
    const std::size_t length = loadHost<std::uint16_t>(m_bytes.data(), m_order);
    if (length < kAttributeHeader || length > m_bytes.size()) return std::nullopt;
    const auto type = static_cast<std::uint16_t>(loadHost<std::uint16_t>(m_bytes.data() + 2, m_order) & kTypeMask);
    const Attribute attribute{type, m_bytes.subspan(kAttributeHeader, length - kAttributeHeader)};
    m_bytes = m_bytes.subspan(std::min(aligned(length), m_bytes.size()));
    return attribute;
}

std::optional<NetfilterMessage> readNetfilterMessage(Bytes message) {
    if (message.size() < kMessageHeader + kNetfilterHeader) return std::nullopt;
    NetfilterMessage result;
    std::size_t length = loadHost<std::uint32_t>(message.data(), HostOrder::same);
    // A length that cannot be, but is right the other way round, was written by a host of the other byte order. The
    // lengths of real messages are far below 64 KiB, so the two cannot be confused.
    if (length > 0xffff) {
        result.order = HostOrder::swapped;
        length = loadHost<std::uint32_t>(message.data(), HostOrder::swapped);
    }
    if (length < kMessageHeader + kNetfilterHeader) return std::nullopt;
    const auto type = loadHost<std::uint16_t>(message.data() + 4, result.order);
    result.subsystem = static_cast<std::uint8_t>(type >> 8);
    result.type = static_cast<std::uint8_t>(type & 0xff);
    result.flags = loadHost<std::uint16_t>(message.data() + 6, result.order);
    result.family = base::loadByte(message.data() + kMessageHeader);
    result.resource = base::loadBig16(message.data() + kMessageHeader + 2);
    const std::size_t end = std::min(length, message.size());
    result.attributes = message.subspan(kMessageHeader + kNetfilterHeader, end - kMessageHeader - kNetfilterHeader);
    return result;
}

} // namespace natlens::netlink::detail
