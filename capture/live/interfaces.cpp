#include "capture/live/interfaces.h"

#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

namespace natlens::live {
namespace {

packet::LinkType linkTypeOf(unsigned hardware) {
    constexpr unsigned kArphrdNone = 0xfffe; // tun and WireGuard: bare IP packets
    constexpr unsigned kArphrdNetlink = 824; // nlmon
    switch (hardware) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK: return packet::LinkType::ethernet;
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_PPP:
    case kArphrdNone: return packet::LinkType::rawIp;
    case kArphrdNetlink: return packet::LinkType::netlink;
    default: return packet::LinkType::linuxSll;
    }
}

InterfaceInfo describe(const ifaddrs &entry) {
    const auto &link = *reinterpret_cast<const sockaddr_ll *>(entry.ifa_addr);
    InterfaceInfo info;
    info.name = entry.ifa_name;
    info.index = static_cast<std::uint32_t>(link.sll_ifindex);
    info.linkType = linkTypeOf(link.sll_hatype);
    info.up = (entry.ifa_flags & IFF_UP) != 0;
    info.loopback = (entry.ifa_flags & IFF_LOOPBACK) != 0;
    if (packet::MacAddress mac{}; link.sll_hatype == ARPHRD_ETHER && link.sll_halen == mac.size()) {
        std::copy_n(link.sll_addr, mac.size(), mac.begin());
        info.mac = mac;
    }
    return info;
}

} // namespace

base::Result<std::vector<InterfaceInfo>> listInterfaces() {
    ifaddrs *first = nullptr;
    if (getifaddrs(&first) != 0) return base::failErrno("getifaddrs");
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs *)> owner(first, &freeifaddrs);
    std::vector<InterfaceInfo> result;
    for (const ifaddrs *entry = first; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr != nullptr && entry->ifa_addr->sa_family == AF_PACKET) result.push_back(describe(*entry));
    }
    std::ranges::sort(result, {}, &InterfaceInfo::index);
    return result;
}

} // namespace natlens::live
