// Which link type the first byte of an input stands for: one corpus of packets for several programs.
#pragma once

#include "capture/packet/link_type.h"

#include <iterator>

namespace natlens::fuzz {

inline constexpr packet::LinkType kLinks[] = {
    packet::LinkType::ethernet,  packet::LinkType::linuxSll,    packet::LinkType::linuxSll2,
    packet::LinkType::rawIp,     packet::LinkType::null,        packet::LinkType::loop,
    packet::LinkType::netlink,   packet::LinkType::ipv6,        packet::LinkType::ppp,
    packet::LinkType::pppHdlc,   packet::LinkType::pppEthernet, packet::LinkType::atmRfc1483,
    packet::LinkType::ciscoHdlc, packet::LinkType::ieee80211,   packet::LinkType::ieee80211Radiotap,
    packet::LinkType::tokenRing, packet::LinkType::fddi,        packet::LinkType::nflog,
    packet::LinkType::pflog,     packet::LinkType::ppi,         packet::LinkType::mpls,
    packet::LinkType::enc,       packet::LinkType::ipnet,       packet::LinkType::ethernet,
    packet::LinkType::ethernet};

} // namespace natlens::fuzz
