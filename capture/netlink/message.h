// Netlink messages as packets of a capture: the 16-byte header of link type NETLINK (253) and what follows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace natlens::netlink {

/// Netlink families (linux/netlink.h) that natlens records.
enum class Family : std::uint16_t { route = 0, netfilter = 12 };

/// Size of the header that LINKTYPE_NETLINK puts before a message: packet type, ARPHRD_NETLINK, 10 unused bytes,
/// family.
inline constexpr std::size_t kPseudoHeaderSize = 16;

/// One netlink message as a packet of link type NETLINK, marked as sent from the kernel to user space (as nlmon marks
/// it). `message` is the nlmsghdr and what it announces, in this machine's byte order.
[[nodiscard]] std::vector<std::byte> wrap(Family family, std::span<const std::byte> message);

/// What a packet of link type NETLINK carries.
struct Unwrapped {
    std::uint16_t family = 0;
    std::span<const std::byte> message; ///< points into the packet
};
/// Nothing when the packet is shorter than the pseudo header or is not marked as netlink (ARPHRD_NETLINK).
[[nodiscard]] std::optional<Unwrapped> unwrap(std::span<const std::byte> packet);

} // namespace natlens::netlink
