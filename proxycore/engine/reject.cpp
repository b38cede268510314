#include "proxycore/engine/reject.h"

#include "capture/packet/builder.h"

namespace natlens::proxycore {

namespace {

constexpr std::uint32_t kLongestV4 = 576, kLongestV6 = 1280;

/// No single host: multicast, broadcast, unspecified.
bool isNoHost(const IpAddress &address) {
    if (address.isV6())
        return address.bytes[0] == 0xff || address == IpAddress::fromBytes(IpFamily::v6, IpAddress().bytes.data());
    return address.bytes[0] >= 224 || address.bytes[0] == 0;
}

} // namespace

std::optional<std::vector<std::byte>> portUnreachable(const PacketFields &rejected, const IpAddress &source) {
    const bool isV4 = rejected.family == IpFamily::v4;
    const auto sender = IpAddress::fromBytes(rejected.family, rejected.bytes + (isV4 ? 12 : 8));
    const auto asked = IpAddress::fromBytes(rejected.family, rejected.bytes + (isV4 ? 16 : 24));
    if (rejected.isLaterFragment() || isNoHost(sender) || isNoHost(asked) || source.family != rejected.family)
        return std::nullopt;
    const std::uint32_t room = isV4 ? kLongestV4 - 28 : kLongestV6 - 48;
    const std::span<const std::byte> quoted(rejected.bytes, std::min(rejected.length, room));
    const auto trafficClass = isV4 ? base::loadByte(rejected.bytes + 1) : std::uint8_t{0};
    packet::PacketBuilder answer;
    answer.ip(source, sender).dontFragment(false);
    if (isV4) // precedence "internetwork control", as RFC 1812 section 4.3.2.5 asks of errors
        answer.trafficClass(static_cast<std::uint8_t>((trafficClass & 0x1e) | 0xc0)).icmpError(3, 3, quoted);
    else
        answer.icmpError(1, 4, quoted);
    return answer.buildIp();
}

} // namespace natlens::proxycore
