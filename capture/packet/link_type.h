// Link types: what the first bytes of a captured packet are.
#pragma once

#include <cstdint>
#include <string>

namespace natlens::packet {

/// Link types as pcap numbers them (LINKTYPE_*, https://www.tcpdump.org/linktypes.html). Any other number may occur.
enum class LinkType : std::uint16_t {
    null = 0,
    ethernet = 1,
    tokenRing = 6,
    ppp = 9,
    fddi = 10,
    rawBsd = 12,     ///< DLT_RAW as some systems write it
    rawOpenBsd = 14, ///< DLT_RAW as OpenBSD writes it
    pppHdlc = 50,
    pppEthernet = 51, ///< begins with the PPPoE header
    atmRfc1483 = 100,
    rawIp = 101,
    ciscoHdlc = 104,
    ieee80211 = 105,
    loop = 108,
    enc = 109, ///< OpenBSD: decrypted IPsec
    linuxSll = 113,
    pflog = 117, ///< OpenBSD: what the packet filter logged
    ipOverFibreChannel = 122,
    ieee80211Radiotap = 127,
    user0 = 147, ///< cluster state: Kubernetes watch events as JSON
    pppPppd = 166,
    ppi = 192, ///< a header of its own around another link type
    pppWithDirection = 204,
    mpls = 219,
    ipnet = 226, ///< Solaris
    ipv4 = 228,
    ipv6 = 229,
    nflog = 239, ///< Linux netfilter: the packet is one attribute of a message
    netAnalyzer = 240,
    netAnalyzerTransparent = 241,
    netlink = 253, ///< conntrack and rule-trace evidence
    linuxSll2 = 276,
};

/// Whether decode() looks into packets of this link type (evidence is none: it is no packet).
[[nodiscard]] bool isDecoded(LinkType type);

/// A name for people: "Ethernet", "IEEE 802.11 with radiotap"; "link type 4711" for one that we have no name for.
[[nodiscard]] std::string toString(LinkType type);

} // namespace natlens::packet
