// Connections of the user-space engine, told as the kernel's connection tracking tells them.
#pragma once

#include "proxycore/engine/packet_engine.h"

#include <cstddef>
#include <vector>

namespace natlens::lab {

/// One event as a packet of link type NETLINK: what `conntrack -E` would have printed (ctnetlink).
[[nodiscard]] std::vector<std::byte> conntrackPacket(proxycore::ConnectionChange change,
                                                     const proxycore::ConnectionView &connection);

} // namespace natlens::lab
