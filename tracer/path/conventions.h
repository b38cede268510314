// Numbers that no rule forces on anybody and nearly everybody uses: what packets are judged by where nothing better is
// known.
#pragma once

#include "capture/packet/address.h"

#include <string>
#include <string_view>

namespace natlens::tracer {

/// A time to live that systems send with, so that nobody has passed the packet on yet (Linux 64, Windows 128, routers
/// 255).
[[nodiscard]] constexpr bool isInitialTtl(int ttl) {
    return ttl == 32 || ttl == 64 || ttl == 128 || ttl == 255;
}

/// --service-node-port-range, the API server's default: a node translates what is sent there.
[[nodiscard]] constexpr bool isNodePort(packet::Port port) {
    return port >= 30000 && port <= 32767;
}

inline constexpr std::string_view kBetween = "between ";

/// The name of a host that nobody captured on and that has no known address: only its neighbours are known.
[[nodiscard]] inline std::string placeBetween(std::string_view near, std::string_view far) {
    return std::string(kBetween) + std::string(near) + " and " + std::string(far);
}

} // namespace natlens::tracer
