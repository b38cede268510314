// Addresses for recordings that strangers may see.
#pragma once

#include "app/session/keyed_hash.h"
#include "capture/packet/address.h"
#include "capture/packet/decode.h"

#include <unordered_map>

namespace natlens::session {

/// Maps addresses one to one so that two that share their first n bits share exactly n bits afterwards (prefix
/// preserving, as Crypto-PAn: Xu, Fan, Ammar and Moon, 2002): networks stay networks. What an address is stays, too:
/// private, link-local, shared (100.64.0.0/10) and unique local ones stay in their blocks, all others outside of them;
/// loopback, unspecified, multicast and reserved addresses are not changed. An IPv4 address inside an IPv6 one
/// (::ffff:0:0/96, 64:ff9b::/96) is mapped as the IPv4 address. Lives on one thread.
class AddressMapper final {
public:
    explicit AddressMapper(KeyedHash::Key key)
        : m_hash(key) {}

    [[nodiscard]] packet::IpAddress operator()(const packet::IpAddress &address);
    /// Locally administered addresses; broadcast, all-zero and the kind of a multicast address stay.
    [[nodiscard]] packet::MacAddress operator()(const packet::MacAddress &address) const;

private:
    [[nodiscard]] packet::IpAddress map(const packet::IpAddress &address);

    KeyedHash m_hash;
    std::unordered_map<packet::IpAddress, packet::IpAddress> m_known;
};

} // namespace natlens::session
