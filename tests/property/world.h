// Where the node under test stands: the addresses around it, in both families.
#pragma once

#include "capture/packet/address.h"

#include <vector>

namespace natlens::test {

using packet::IpAddress;
using packet::IpFamily;
using packet::IpPrefix;
using packet::Port;
using packet::Protocol;

inline constexpr IpFamily kFamilies[] = {IpFamily::v4, IpFamily::v6};

/// The node n1: two addresses on `out0`, the pods' bridge `pods0`; a second node, a client network, Services.
struct World {
    IpAddress node, second, bridge, loopback; ///< n1's own
    IpAddress otherNode;
    IpPrefix pods, otherPods, clusterRange, serviceRange;
    IpAddress unallocated; ///< of the service range

    [[nodiscard]] static const World &of(IpFamily family);

    [[nodiscard]] IpAddress pod(bool here, unsigned number) const; ///< 2..254
    [[nodiscard]] IpAddress outside(unsigned number) const;
    [[nodiscard]] IpAddress clusterIp(unsigned number) const;
    [[nodiscard]] IpAddress externalIp(unsigned number) const;
    [[nodiscard]] IpAddress loadBalancerIp(unsigned number) const;

    [[nodiscard]] bool isOwn(const IpAddress &address) const;
    /// The source address that masquerade takes.
    [[nodiscard]] IpAddress sourceTowards(const IpAddress &destination) const;

    IpAddress outsideBase, externalBase, loadBalancerBase;
};

/// Every address of n1 but loopback, both families.
[[nodiscard]] std::vector<IpAddress> ownAddresses();

} // namespace natlens::test
