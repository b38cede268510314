#include "proxycore/engine/port_allocation.h"

namespace natlens::proxycore {

namespace {

constexpr std::uint32_t kMostAttempts = 128, kFewestAttempts = 16;

struct Range {
    std::uint32_t first, size;
};

Range rangeOf(const TupleKey &reply, Port port) {
    if (reply.isIcmp()) return {0, 65'536};
    if (port < 512) return {1, 511};
    if (port < 1024) return {600, 424};
    return {1024, 64'512};
}

std::uint16_t &portOf(TupleKey &reply) {
    return reply.isIcmp() ? reply.srcPort : reply.dstPort;
}

} // namespace

std::uint32_t drawPort(TupleKey &reply, RandomSource &random) {
    std::uint16_t &port = portOf(reply);
    const Range range = rangeOf(reply, base::bigToNative(port));
    const std::uint32_t offset = random.below(range.size);
    port = base::bigToNative(static_cast<std::uint16_t>(range.first + offset));
    return offset;
}

bool allocatePort(const ConnectionTable &table, TupleKey &reply, PortChoice choice, RandomSource &random,
                  std::optional<std::uint32_t> drawn) {
    const bool hasPorts = reply.protocol == Protocol::tcp || reply.protocol == Protocol::udp ||
                          reply.protocol == Protocol::sctp || reply.isIcmp();
    if (choice == PortChoice::keepIfFree || !hasPorts) {
        if (!table.isTaken(reply)) return true;
        if (!hasPorts) return false;
    }
    std::uint16_t &port = portOf(reply);
    const Range range = rangeOf(reply, base::bigToNative(port));
    std::uint32_t attempts = std::min(range.size, kMostAttempts);
    while (true) {
        std::uint32_t offset = drawn ? *drawn : random.below(range.size);
        drawn.reset();
        for (std::uint32_t i = 0; i < attempts; ++i, ++offset) {
            port = base::bigToNative(static_cast<std::uint16_t>(range.first + offset % range.size));
            if (!table.isTaken(reply)) return true;
        }
        if (attempts >= range.size || attempts < kFewestAttempts) return false;
        attempts /= 2;
    }
}

} // namespace natlens::proxycore
