#include "capture/netlink/message.h"

#include "capture/base/byte_order.h"

#include <algorithm>

namespace natlens::netlink {
namespace {
constexpr std::uint16_t kToUserSpace = 6;     // PACKET_USER, linux/if_packet.h
constexpr std::uint16_t kArphrdNetlink = 824; // linux/if_arp.h
} // namespace

std::vector<std::byte> wrap(Family family, std::span<const std::byte> message) {
    std::vector<std::byte> packet(kPseudoHeaderSize + message.size());
    base::storeBig16(packet.data(), kToUserSpace);
    base::storeBig16(packet.data() + 2, kArphrdNetlink);
    base::storeBig16(packet.data() + 14, static_cast<std::uint16_t>(family));
    std::ranges::copy(message, packet.begin() + kPseudoHeaderSize);
    return packet;
}

std::optional<Unwrapped> unwrap(std::span<const std::byte> packet) {
    if (packet.size() < kPseudoHeaderSize || base::loadBig16(packet.data() + 2) != kArphrdNetlink) return std::nullopt;
    return Unwrapped{base::loadBig16(packet.data() + 14), packet.subspan(kPseudoHeaderSize)};
}

} // namespace natlens::netlink
