#include "capture/packet/link_type.h"

#include <fmt/format.h>
#include <string_view>

namespace natlens::packet {

namespace {

struct Named {
    std::uint16_t number;
    bool decoded;
    std::string_view name;
};

/// The decoded ones, and those of which people have captures without IP that we could show.
constexpr Named kNamed[] = {
    {0, true, "BSD loopback"},
    {1, true, "Ethernet"},
    {6, true, "Token Ring"},
    {8, false, "SLIP"},
    {9, true, "PPP"},
    {10, true, "FDDI"},
    {12, true, "raw IP"},
    {14, true, "raw IP"},
    {50, true, "PPP in HDLC"},
    {51, true, "PPP over Ethernet"},
    {100, true, "ATM (RFC 1483)"},
    {101, true, "raw IP"},
    {104, true, "Cisco HDLC"},
    {105, true, "IEEE 802.11"},
    {107, false, "frame relay"},
    {108, true, "OpenBSD loopback"},
    {109, true, "OpenBSD enc"},
    {113, true, "Linux cooked capture"},
    {117, true, "OpenBSD pflog"},
    {119, false, "IEEE 802.11 with Prism header"},
    {122, true, "IP over Fibre Channel"},
    {123, false, "SunATM"},
    {127, true, "IEEE 802.11 with radiotap"},
    {147, false, "USER0 (cluster state)"},
    {163, false, "IEEE 802.11 with AVS header"},
    {166, true, "PPP of pppd"},
    {187, false, "Bluetooth HCI"},
    {189, false, "USB (Linux)"},
    {190, false, "CAN 2.0b"},
    {192, true, "per-packet information"},
    {195, false, "IEEE 802.15.4"},
    {197, false, "Endace ERF"},
    {201, false, "Bluetooth HCI with direction"},
    {204, true, "PPP with direction"},
    {219, true, "MPLS"},
    {220, false, "USB (Linux, padded)"},
    {226, true, "Solaris IPNET"},
    {227, false, "SocketCAN"},
    {228, true, "IPv4"},
    {229, true, "IPv6"},
    {230, false, "IEEE 802.15.4 without FCS"},
    {231, false, "D-Bus"},
    {239, true, "netfilter log"},
    {240, true, "netANALYZER"},
    {241, true, "netANALYZER, transparent"},
    {249, false, "USBPcap"},
    {251, false, "Bluetooth Low Energy"},
    {252, false, "Wireshark upper PDU"},
    {253, false, "Linux netlink"},
    {274, false, "Ethernet mPackets"},
    {276, true, "Linux cooked capture v2"},
};

const Named *find(LinkType type) {
    for (const Named &named : kNamed)
        if (named.number == static_cast<std::uint16_t>(type)) return &named;
    return nullptr;
}

} // namespace

bool isDecoded(LinkType type) {
    const Named *named = find(type);
    return named && named->decoded;
}

std::string toString(LinkType type) {
    const Named *named = find(type);
    return named ? std::string(named->name) : fmt::format("link type {}", static_cast<std::uint16_t>(type));
}

} // namespace natlens::packet
