// Numbers that no rule forces on anybody and nearly everybody uses: what packets are judged by where nothing better is known.
#pragma once

#include "capture/packet/address.h"

namespace natlens::tracer {

/// A time to live that systems send with, so that nobody has passed the packet on yet (Linux 64, Windows 128, routers 255).
[[nodiscard]] constexpr bool isInitialTtl(int ttl) {
    return ttl == 32 || ttl == 64 || ttl == 128 || ttl == 255;
}

/// --service-node-port-range, the API server's default: a node translates what is sent there.
[[nodiscard]] constexpr bool isNodePort(packet::Port port) {
    return port >= 30000 && port <= 32767;
}

} // namespace natlens::tracer
