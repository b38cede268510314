// The network interfaces of the calling thread's network namespace.
#pragma once

#include "capture/base/result.h"
#include "capture/packet/decode.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace natlens::live {

struct InterfaceInfo {
    std::string name;
    std::uint32_t index = 0;
    std::optional<packet::MacAddress> mac; ///< absent on loopback, tunnels and the like
    /// What a capture on it will have; linuxSll for hardware that natlens does not know.
    packet::LinkType linkType = packet::LinkType::ethernet;
    bool up = false;
    bool loopback = false;
};

/// All of them, by index. getifaddrs(3), so it needs no privileges.
[[nodiscard]] base::Result<std::vector<InterfaceInfo>> listInterfaces();

} // namespace natlens::live
