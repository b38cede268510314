// Numbers for addresses that are longer than a number.
#pragma once

#include "capture/packet/address.h"
#include "tracer/stitch/index_table.h"
#include "tracer/stitch/leg.h"

#include <optional>

namespace natlens::tracer {

/// IPv6 addresses, each one once. Lives on the tracer's thread.
class AddressTable final {
public:
    explicit AddressTable(base::Arena &arena)
        : m_addresses(arena) {}

    [[nodiscard]] PackedTuple pack(const packet::Tuple &tuple) {
        return packed(tuple, [this](const packet::IpAddress &ip) { return numberOf(ip); });
    }
    /// Of a packet.
    [[nodiscard]] PackedTuple pack(const Observation &seen) {
        PackedTuple tuple = seen.tuple;
        if (tuple.isV6) [[unlikely]] {
            const std::size_t first = seen.side;
            tuple.ip = {numberOf(seen.details->ip[first]), numberOf(seen.details->ip[1 - first])};
        }
        return tuple;
    }
    /// Nothing where an address is not known: then nothing has this tuple.
    [[nodiscard]] std::optional<PackedTuple> find(const packet::Tuple &tuple) const {
        bool known = true;
        const PackedTuple found = packed(tuple, [&](const packet::IpAddress &ip) {
            const std::uint32_t number =
                m_index.find(packet::hashValue(ip), [&](std::uint32_t i) { return m_addresses[i] == ip; });
            known = known && number != kNone;
            return number;
        });
        return known ? std::optional(found) : std::nullopt;
    }
    [[nodiscard]] packet::Tuple unpack(const PackedTuple &tuple) const {
        return {tuple.protocol, {address(tuple, 0), tuple.port[0]}, {address(tuple, 1), tuple.port[1]}};
    }

private:
    template<class Number>
    [[nodiscard]] static PackedTuple packed(const packet::Tuple &tuple, Number &&number) {
        const packet::IpAddress &src = tuple.src.ip, &dst = tuple.dst.ip;
        const bool v4 = src.isV4() && dst.isV4();
        return {.ip = v4 ? std::array{src.v4HostOrder(), dst.v4HostOrder()} : std::array{number(src), number(dst)},
                .port = {tuple.src.port, tuple.dst.port},
                .protocol = tuple.protocol,
                .isV6 = !v4};
    }
    [[nodiscard]] std::uint32_t numberOf(const packet::IpAddress &ip) {
        std::uint32_t &number =
            m_index.at(packet::hashValue(ip), [&](std::uint32_t i) { return m_addresses[i] == ip; });
        if (number == kNone) {
            number = m_addresses.add();
            m_addresses[number] = ip;
        }
        return number;
    }
    [[nodiscard]] packet::IpAddress address(const PackedTuple &tuple, std::size_t end) const {
        return tuple.isV6 ? m_addresses[tuple.ip[end]] : packet::IpAddress::v4(tuple.ip[end]);
    }

    Pool<packet::IpAddress> m_addresses;
    IndexTable m_index;
};

} // namespace natlens::tracer
