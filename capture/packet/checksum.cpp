#include "capture/packet/checksum.h"

#include "capture/base/byte_order.h"

#include <array>

namespace natlens::packet {

namespace {

std::uint16_t fold(std::uint64_t sum) {
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

constexpr std::array<std::uint32_t, 256> makeCrcTable() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit)
            value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78U : 0U);
        table[byte] = value;
    }
    return table;
}

} // namespace

std::uint16_t onesComplementSum(std::span<const std::byte> bytes, std::uint32_t initial) {
    std::uint64_t sum = initial;
    while (bytes.size() >= 4) { // RFC 1071 section 2(C): wider words give the same folded sum
        sum += base::loadBig32(bytes.data());
        bytes = bytes.subspan(4);
    }
    if (bytes.size() >= 2) {
        sum += base::loadBig16(bytes.data());
        bytes = bytes.subspan(2);
    }
    if (!bytes.empty()) sum += static_cast<std::uint64_t>(base::loadByte(bytes.data())) << 8;
    return fold(sum);
}

std::uint16_t internetChecksum(std::span<const std::byte> bytes) {
    return static_cast<std::uint16_t>(~onesComplementSum(bytes));
}

std::uint16_t updateChecksum(std::uint16_t checksum, std::uint16_t oldWord, std::uint16_t newWord) {
    const std::uint32_t sum =
        static_cast<std::uint16_t>(~checksum) + std::uint32_t{static_cast<std::uint16_t>(~oldWord)} + newWord;
    return static_cast<std::uint16_t>(~fold(sum));
}

std::uint16_t transportChecksum(const IpAddress &src, const IpAddress &dst, Protocol protocol,
                                std::span<const std::byte> segment) {
    const auto bytesOf = [](const IpAddress &address) {
        return std::as_bytes(std::span(address.bytes)).first(address.size());
    };
    std::uint32_t sum = onesComplementSum(bytesOf(src));
    sum = onesComplementSum(bytesOf(dst), sum);
    sum += static_cast<std::uint32_t>(protocol);
    const auto length = static_cast<std::uint32_t>(segment.size());
    sum += (length >> 16) + (length & 0xffff);
    return static_cast<std::uint16_t>(~onesComplementSum(segment, sum));
}

std::uint32_t crc32c(std::span<const std::byte> bytes) {
    static constexpr auto kTable = makeCrcTable();
    std::uint32_t crc = 0xffffffff;
    for (const std::byte byte : bytes)
        crc = kTable[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xff] ^ (crc >> 8);
    return ~crc;
}

} // namespace natlens::packet
