// Packets behind unusual link headers, tags and tunnels, with what must be found in them. Written by hand from the
// formats' specifications; the referee test shows the same packets to tshark.
#pragma once

#include "capture/packet/link_type.h"

#include <QByteArray>
#include <QList>
#include <QString>

namespace natlens::test {

struct OddPacket {
    const char *name;
    packet::LinkType link;
    QByteArray bytes;
    QString layers;            ///< outermost first: "IPIP | TCP 10.0.0.1:40000 > 10.0.0.2:80"
    bool refereeAgrees = true; ///< false: tshark reads something else, the comment beside it says why
};

inline QByteArray hex(const QByteArray &text) {
    return QByteArray::fromHex(QByteArray(text).replace(" ", ""));
}
inline QByteArray number16(qsizetype value) {
    return QByteArray(1, char(value >> 8)) + char(value & 0xff);
}
/// Headers around `body`; addresses end in a and b.
inline QByteArray ip4(int protocol, const QByteArray &body, const char *net = "0a0000") {
    return hex("4500") + number16(body.size() + 20) + hex("12340000 40") + char(protocol) + hex("0000") +
           hex(QByteArray(net) + "01" + net + "02") + body;
}
inline QByteArray ip6(int next, const QByteArray &body) {
    return hex("60000000") + number16(body.size()) + char(next) +
           hex("40 fd000000000000000000000000000001 fd000000000000000000000000000002") + body;
}
inline QByteArray udp(int port, const QByteArray &body) {
    return hex("3039") + number16(port) + number16(body.size() + 8) + hex("0000") + body;
}
inline QByteArray ethernet(const QByteArray &type, const QByteArray &body) {
    return hex("020000000002 020000000001" + type) + body;
}

/// All of them. The packet inside is always the same.
inline QList<OddPacket> oddPackets() {
    using packet::LinkType;
    const QByteArray tcp = hex("9c400050 00000001 00000002 50121000 00000000");
    const QByteArray four = ip4(6, tcp), six = ip6(6, tcp), frame = ethernet("0800", four);
    const QString in4 = "TCP 10.0.0.1:40000 > 10.0.0.2:80", in6 = "TCP [fd00::1]:40000 > [fd00::2]:80";
    const auto outer = [](const QByteArray &body, int port) {
        return ethernet("0800", ip4(17, udp(port, body), "c0a800"));
    };
    const auto greTo = [](const QByteArray &gre) { return ethernet("0800", ip4(47, gre, "c0a800")); };
    const QString out = "UDP 192.168.0.1:12345 > 192.168.0.2:";
    const auto nodes = [](int protocol) { return QString("%1 192.168.0.1:0 > 192.168.0.2:0 | ").arg(protocol); };
    const auto ether = LinkType::ethernet;
    const QByteArray vxlan = hex("08000000 00002a00"), geneve = hex("00006558 00002a00");
    const QByteArray llc = hex("aaaa03 000000 0800");
    const QByteArray data =
        hex("08 01 0000 020000000003 020000000001 020000000002 0000"); // 802.11, to the access point
    const QByteArray nflog =
        hex("02 00 0000  08 00 0100 00000000  05 00 0a00 61 000000") + char(four.size() + 4) + hex("00 0900");
    return {
        {"802.1Q", ether, ethernet("8100 0064 0800", four), in4},
        {"Q-in-Q", ether, ethernet("88a8 0064 8100 0065 86dd", six), in6},
        {"Q-in-Q, 9100", ether, ethernet("9100 0064 8100 0065 0800", four), in4},
        {"PPPoE", ether, ethernet("8864 1100 0001 002a 0021", four), in4},
        {"PPPoE, IPv6", ether, ethernet("8864 1100 0001 003e 0057", six), in6},
        {"MPLS", ether, ethernet("8847 00010040 00011140", four), in4},
        {"MPLS, IPv6", ether, ethernet("8847 00011140", six), in6},
        {"MPLS, Ethernet", ether, ethernet("8847 00011140 00000000", frame), in4, false}, // guesses only if told to
        {"802.3 with SNAP", ether, ethernet("0030", llc + four), in4},
        {"backbone bridge", ether, ethernet("88e7 00000001", frame), in4},
        {"VN-tag", ether, ethernet("8926 00000000 0800", four), in4},
        {"Cisco metadata", ether, ethernet("8909 0101 0001 0002 0800", four), in4},
        {"SLL, LLC", LinkType::linuxSll, hex("0000 0001 0006 020000000001 0000 0004") + llc + four, in4},
        {"SLL, 802.1Q", LinkType::linuxSll, hex("0000 0001 0006 020000000001 0000 8100 0064 0800") + four, in4},
        {"SLL2", LinkType::linuxSll2, hex("86dd 0000 00000003 0001 00 06 0200000000010000") + six, in6},
        {"null, FreeBSD's IPv6", LinkType::null, hex("1c000000") + six, in6},
        {"null, macOS' IPv6", LinkType::null, hex("1e000000") + six, in6},
        {"null, big endian", LinkType::null, hex("00000002") + four, in4},
        {"loop", LinkType::loop, hex("00000018") + six, in6},
        {"raw 12", LinkType::rawBsd, four, in4},
        {"raw 14", LinkType::rawOpenBsd, six, in6},
        {"raw 101", LinkType::rawIp, six, in6},
        {"IPv4", LinkType::ipv4, four, in4},
        {"IPv6", LinkType::ipv6, six, in6},
        {"PPP", LinkType::ppp, hex("ff03 0021") + four, in4},
        {"PPP, compressed", LinkType::ppp, hex("21") + four, in4},
        {"PPP in HDLC", LinkType::pppHdlc, hex("ff03 0057") + six, in6},
        {"Cisco in PPP in HDLC", LinkType::pppHdlc, hex("0f00 0800") + four, in4},
        {"PPP over Ethernet", LinkType::pppEthernet, hex("1100 0001 002a 0021") + four, in4},
        {"PPP with direction", LinkType::pppWithDirection, hex("01 ff03 0021") + four, in4, false}, // a byte shorter
        {"Cisco HDLC", LinkType::ciscoHdlc, hex("0f00 0800") + four, in4},
        {"ATM", LinkType::atmRfc1483, llc + four, in4},
        {"MPLS alone", LinkType::mpls, hex("00011140") + four, in4, false}, // 4.0 does not look into it
        {"Token Ring", LinkType::tokenRing, hex("1040 020000000002 020000000001") + llc + four, in4},
        {"Token Ring, routed", LinkType::tokenRing, hex("1040 020000000002 820000000001 0440 1234") + llc + four, in4},
        {"FDDI", LinkType::fddi, hex("50 020000000002 020000000001") + llc + four, in4},
        {"IP over Fibre Channel", LinkType::ipOverFibreChannel, hex("0000020000000002 0000020000000001") + llc + four,
         in4},
        {"enc", LinkType::enc, hex("02000000 00001234 00000000") + four, in4},
        {"nflog", LinkType::nflog, nflog + four, in4},
        {"802.11", LinkType::ieee80211, data + llc + four, in4},
        {"802.11, quality of service", LinkType::ieee80211,
         hex("88 02 0000 020000000003 020000000001 020000000002 0000 0000") + llc + four, in4},
        {"802.11, encrypted", LinkType::ieee80211, hex("08 41") + data.mid(2) + llc + four, ""},
        {"radiotap", LinkType::ieee80211Radiotap, hex("0000 0900 02000000 00") + data + llc + four, in4},
        {"radiotap, padded header", LinkType::ieee80211Radiotap,
         hex("0000 0900 02000000 20 88 02 0000 020000000003 020000000001 020000000002 0000 0000 0000") + llc + four,
         in4},
        {"per-packet information", LinkType::ppi, hex("0000 0800 01000000") + frame, in4},

        {"VXLAN", ether, outer(vxlan + frame, 4789), out + "4789 | VXLAN 42 | " + in4},
        {"VXLAN on Linux' port", ether, outer(vxlan + frame, 8472), out + "8472 | VXLAN 42 | " + in4},
        {"VXLAN in IPv6", ether, ethernet("86dd", ip6(17, udp(4789, vxlan + ethernet("86dd", six)))),
         "UDP [fd00::1]:12345 > [fd00::2]:4789 | VXLAN 42 | " + in6},
        {"VXLAN with a VLAN inside", ether, outer(vxlan + ethernet("8100 0064 0800", four), 4789),
         out + "4789 | VXLAN 42 | " + in4},
        {"Geneve", ether, outer(geneve + frame, 6081), out + "6081 | Geneve 42 | " + in4},
        {"Geneve with options", ether, outer(hex("02006558 00002a00 0102 8001 00000007") + frame, 6081),
         out + "6081 | Geneve 42 | " + in4},
        {"Geneve, no Ethernet", ether, outer(hex("00000800 00002a00") + four, 6081), out + "6081 | Geneve 42 | " + in4},
        {"GRE", ether, greTo(hex("0000 0800") + four), nodes(47) + "GRE | " + in4},
        {"GRE, IPv6", ether, greTo(hex("0000 86dd") + six), nodes(47) + "GRE | " + in6},
        {"GRE, all fields", ether, greTo(hex("b000 0800 00000000 00000007 00000001") + four),
         nodes(47) + "GRE 7 | " + in4},
        {"GRE, Ethernet", ether, greTo(hex("2000 6558 00002a00") + frame), nodes(47) + "GRE 10752 | " + in4},
        {"GRE, MPLS", ether, greTo(hex("0000 8847 00011140") + four), nodes(47) + "GRE | " + in4},
        {"PPTP", ether, greTo(hex("3081 880b 0000 0007 00000001 00000001 ff03 0021") + four),
         nodes(47) + "GRE 7 | " + in4},
        {"ERSPAN I", ether, greTo(hex("0000 88be") + frame), nodes(47) + "ERSPAN | " + in4},
        {"ERSPAN II", ether, greTo(hex("1000 88be 00000001 1000 0005 00000000") + frame),
         nodes(47) + "ERSPAN 5 | " + in4},
        {"ERSPAN III", ether, greTo(hex("1000 22eb 00000001 2000 0005 00000000 0000 0000") + frame),
         nodes(47) + "ERSPAN 5 | " + in4},
        {"ERSPAN III, platform header", ether,
         greTo(hex("1000 22eb 00000001 2000 0005 00000000 0000 0001 0000000000000000") + frame),
         nodes(47) + "ERSPAN 5 | " + in4},
        {"IP in IP", ether, ethernet("0800", ip4(4, four, "c0a800")), nodes(4) + "IPIP | " + in4},
        {"6in4", ether, ethernet("0800", ip4(41, six, "c0a800")), nodes(41) + "6in4 | " + in6},
        {"4in6", ether, ethernet("86dd", ip6(4, four)), "4 [fd00::1]:0 > [fd00::2]:0 | 4in6 | " + in4},
        {"6in6", ether, ethernet("86dd", ip6(41, six)), "41 [fd00::1]:0 > [fd00::2]:0 | 6in6 | " + in6},
        {"6in6 with a limit", ether, ethernet("86dd", ip6(60, hex("29 00 04 01 04 01 00 00") + six)),
         "41 [fd00::1]:0 > [fd00::2]:0 | 6in6 | " + in6},
        {"VXLAN in a mirror", ether, outer(vxlan + outer(geneve + frame, 6081), 4789),
         out + "4789 | VXLAN 42 | " + out + "6081 | Geneve 42 | " + in4},
    };
}

} // namespace natlens::test
