// Private to capture/netlink: reading nlmsghdr and nlattr from bytes that nobody vouches for.
#pragma once

#include "capture/base/byte_order.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace natlens::netlink::detail {

using Bytes = std::span<const std::byte>;

/// Lengths and types of netlink are in the byte order of the host that wrote them; a recording may come from another.
enum class HostOrder : std::uint8_t { same, swapped };

/// One attribute; `payload` lies inside the bytes it was read from.
struct Attribute {
    std::uint16_t type = 0;
    Bytes payload;

    /// Values in network order, as nfnetlink writes them. Nothing when the payload has another size.
    [[nodiscard]] std::optional<std::uint8_t> u8() const;
    [[nodiscard]] std::optional<std::uint16_t> big16() const;
    [[nodiscard]] std::optional<std::uint32_t> big32() const;
    [[nodiscard]] std::optional<std::uint64_t> big64() const;
    /// Up to the first NUL; bytes outside printable ASCII become '?', so that names are safe to show.
    [[nodiscard]] std::string text() const;
};

/// Walks attributes one after the other and ends at the first one that does not fit (netlink(7), linux/netlink.h).
class AttributeReader final {
public:
    AttributeReader(Bytes bytes, HostOrder order)
        : m_bytes(bytes)
        , m_order(order) {}
    [[nodiscard]] std::optional<Attribute> next();
    [[nodiscard]] AttributeReader nested(const Attribute &attribute) const { return {attribute.payload, m_order}; }

private:
    Bytes m_bytes;
    HostOrder m_order;
};

/// An nfnetlink message: nlmsghdr and nfgenmsg.
struct NetfilterMessage {
    std::uint8_t subsystem = 0;
    std::uint8_t type = 0;
    std::uint16_t flags = 0;
    std::uint8_t family = 0;    ///< AF_INET, AF_INET6, NFPROTO_*
    std::uint16_t resource = 0; ///< res_id
    HostOrder order = HostOrder::same;
    Bytes attributes;

    [[nodiscard]] AttributeReader reader() const { return {attributes, order}; }
};
/// A message cut by a snap length is read as far as it goes. Nothing when even the two headers are not there.
[[nodiscard]] std::optional<NetfilterMessage> readNetfilterMessage(Bytes message);

} // namespace natlens::netlink::detail
