#include "capture/packet/builder.h"

#include "capture/base/byte_order.h"
#include "capture/packet/checksum.h"

#include <algorithm>
#include <cstring>

namespace natlens::packet {

namespace {

using Bytes = std::vector<std::byte>;

void put8(Bytes &out, unsigned value) {
    out.push_back(static_cast<std::byte>(value));
}
void put16(Bytes &out, std::uint16_t value) {
    put8(out, value >> 8);
    put8(out, value & 0xff);
}
void put32(Bytes &out, std::uint32_t value) {
    put16(out, static_cast<std::uint16_t>(value >> 16));
    put16(out, static_cast<std::uint16_t>(value));
}
void putBytes(Bytes &out, std::span<const std::byte> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}
void putMac(Bytes &out, const MacAddress &mac) {
    putBytes(out, std::as_bytes(std::span(mac)));
}
void putAddress(Bytes &out, const IpAddress &address) {
    putBytes(out, std::as_bytes(std::span(address.bytes)).first(address.size()));
}

constexpr std::uint16_t kEtherIpv4 = 0x0800, kEtherIpv6 = 0x86dd, kEtherVlan = 0x8100;
constexpr std::uint8_t kFragmentHeader = 44;

} // namespace

PacketBuilder &PacketBuilder::link(LinkType type) {
    m_link = type;
    return *this;
}
PacketBuilder &PacketBuilder::mac(const MacAddress &src, const MacAddress &dst) {
    m_srcMac = src;
    m_dstMac = dst;
    return *this;
}
PacketBuilder &PacketBuilder::vlan(std::uint16_t id) {
    m_vlans.push_back(id);
    return *this;
}
PacketBuilder &PacketBuilder::sllPacketType(std::uint8_t type) {
    m_sllPacketType = type;
    return *this;
}
PacketBuilder &PacketBuilder::ip(const IpAddress &src, const IpAddress &dst) {
    m_src = src;
    m_dst = dst;
    return *this;
}
PacketBuilder &PacketBuilder::ttl(std::uint8_t value) {
    m_ttl = value;
    return *this;
}
PacketBuilder &PacketBuilder::trafficClass(std::uint8_t value) {
    m_trafficClass = value;
    return *this;
}
PacketBuilder &PacketBuilder::ipId(std::uint16_t value) {
    m_ipId = value;
    return *this;
}
PacketBuilder &PacketBuilder::dontFragment(bool value) {
    m_dontFragment = value;
    return *this;
}
PacketBuilder &PacketBuilder::fragment(std::uint16_t offset, bool moreFollow) {
    m_isFragment = true;
    m_fragmentOffset = offset;
    m_moreFragments = moreFollow;
    m_dontFragment = false;
    return *this;
}
PacketBuilder &PacketBuilder::tcp(Port src, Port dst, std::uint8_t flags) {
    m_protocol = Protocol::tcp;
    m_srcPort = src;
    m_dstPort = dst;
    m_tcpFlags = flags;
    return *this;
}
PacketBuilder &PacketBuilder::udp(Port src, Port dst) {
    m_protocol = Protocol::udp;
    m_srcPort = src;
    m_dstPort = dst;
    return *this;
}
PacketBuilder &PacketBuilder::sctp(Port src, Port dst, std::uint32_t verificationTag) {
    m_protocol = Protocol::sctp;
    m_srcPort = src;
    m_dstPort = dst;
    m_tag = verificationTag;
    return *this;
}
PacketBuilder &PacketBuilder::icmpEchoRequest(std::uint16_t id, std::uint16_t sequence) {
    m_protocol = Protocol::icmp;
    m_icmp = Icmp::echoRequest;
    m_icmpId = id;
    m_icmpSequence = sequence;
    return *this;
}
PacketBuilder &PacketBuilder::icmpEchoReply(std::uint16_t id, std::uint16_t sequence) {
    icmpEchoRequest(id, sequence);
    m_icmp = Icmp::echoReply;
    return *this;
}
PacketBuilder &PacketBuilder::icmpError(std::uint8_t type, std::uint8_t code, std::span<const std::byte> ipPacket,
                                        std::uint16_t mtu) {
    m_protocol = Protocol::icmp;
    m_icmp = Icmp::error;
    m_icmpType = type;
    m_icmpCode = code;
    m_icmpId = 0;
    m_icmpSequence = mtu;
    return payload(ipPacket);
}
PacketBuilder &PacketBuilder::seq(std::uint32_t value) {
    m_seq = value;
    return *this;
}
PacketBuilder &PacketBuilder::ack(std::uint32_t value) {
    m_ack = value;
    return *this;
}
PacketBuilder &PacketBuilder::window(std::uint16_t value) {
    m_window = value;
    return *this;
}
PacketBuilder &PacketBuilder::mss(std::uint16_t value) {
    m_mss = value;
    return *this;
}
PacketBuilder &PacketBuilder::sackPermitted() {
    m_sackPermitted = true;
    return *this;
}
PacketBuilder &PacketBuilder::timestamps(std::uint32_t value, std::uint32_t echoed) {
    m_timestamps = {value, echoed};
    return *this;
}
PacketBuilder &PacketBuilder::windowScale(std::uint8_t shift) {
    m_windowScale = shift;
    return *this;
}
PacketBuilder &PacketBuilder::payload(std::span<const std::byte> bytes) {
    m_payload.assign(bytes.begin(), bytes.end());
    return *this;
}
PacketBuilder &PacketBuilder::payload(std::string_view text) {
    return payload(std::as_bytes(std::span(text.data(), text.size())));
}

std::vector<std::byte> PacketBuilder::tcpOptions() const {
    Bytes out;
    if (m_mss) {
        put16(out, 0x0204);
        put16(out, *m_mss);
    }
    if (m_sackPermitted) put16(out, 0x0402);
    if (m_timestamps) {
        if (out.size() % 4 == 0) put16(out, 0x0101);
        put16(out, 0x080a);
        put32(out, m_timestamps->first);
        put32(out, m_timestamps->second);
    }
    if (m_windowScale) {
        put16(out, 0x0103);
        put16(out, static_cast<std::uint16_t>(0x0300 | *m_windowScale));
    }
    while (out.size() % 4 != 0)
        put8(out, 1);
    return out;
}

std::vector<std::byte> PacketBuilder::transport() const {
    Bytes out;
    const bool isV6 = m_src.isV6();
    std::size_t checksumAt = 0;
    Protocol protocol = m_protocol;
    switch (m_protocol) {
    case Protocol::tcp: {
        const Bytes options = tcpOptions();
        put16(out, m_srcPort);
        put16(out, m_dstPort);
        put32(out, m_seq);
        put32(out, m_ack);
        put8(out, static_cast<unsigned>((20 + options.size()) / 4) << 4);
        put8(out, m_tcpFlags);
        put16(out, m_window);
        put32(out, 0);
        putBytes(out, options);
        checksumAt = 16;
        break;
    }
    case Protocol::udp:
        put16(out, m_srcPort);
        put16(out, m_dstPort);
        put16(out, static_cast<std::uint16_t>(8 + m_payload.size()));
        put16(out, 0);
        checksumAt = 6;
        break;
    case Protocol::sctp:
        put16(out, m_srcPort);
        put16(out, m_dstPort);
        put32(out, m_tag);
        put32(out, 0);
        break;
    case Protocol::icmp: {
        constexpr std::uint8_t kTypes[2][2] = {{8, 0}, {128, 129}};
        const bool isError = m_icmp == Icmp::error;
        put8(out, isError ? m_icmpType : kTypes[isV6 ? 1 : 0][m_icmp == Icmp::echoReply ? 1 : 0]);
        put8(out, isError ? m_icmpCode : 0);
        put16(out, 0);
        put16(out, m_icmpId);
        put16(out, m_icmpSequence);
        checksumAt = 2;
        if (isV6) protocol = Protocol::icmpv6;
        break;
    }
    default: break;
    }
    putBytes(out, m_payload);

    if (protocol == Protocol::sctp) {
        base::storeBig32(out.data() + 8, base::swapBytes(crc32c(out)));
    } else if (checksumAt != 0) {
        std::uint16_t checksum =
            protocol == Protocol::icmp ? internetChecksum(out) : transportChecksum(m_src, m_dst, protocol, out);
        if (protocol == Protocol::udp && checksum == 0) checksum = 0xffff;
        base::storeBig16(out.data() + checksumAt, checksum);
    }
    return out;
}

std::vector<std::byte> PacketBuilder::buildIp() const {
    const Bytes body = m_isFragment && m_fragmentOffset != 0 ? m_payload : transport();
    Bytes out;
    if (m_src.isV6()) {
        const auto next = static_cast<std::uint8_t>(m_protocol == Protocol::icmp ? Protocol::icmpv6 : m_protocol);
        const std::size_t length = body.size() + (m_isFragment ? 8 : 0);
        put32(out, 0x60000000U | std::uint32_t{m_trafficClass} << 20);
        put16(out, static_cast<std::uint16_t>(length > 0xffff ? 0 : length)); // 0: super-packet, as Linux shows it
        put8(out, m_isFragment ? kFragmentHeader : next);
        put8(out, m_ttl);
        putAddress(out, m_src);
        putAddress(out, m_dst);
        if (m_isFragment) {
            put8(out, next);
            put8(out, 0);
            put16(out, static_cast<std::uint16_t>((m_fragmentOffset & 0xfff8) | (m_moreFragments ? 1 : 0)));
            put32(out, m_ipId);
        }
    } else {
        const std::size_t length = 20 + body.size();
        put8(out, 0x45);
        put8(out, m_trafficClass);
        put16(out, static_cast<std::uint16_t>(length > 0xffff ? 0 : length));
        put16(out, m_ipId);
        put16(out, static_cast<std::uint16_t>((m_dontFragment ? 0x4000 : 0) | (m_moreFragments ? 0x2000 : 0) |
                                              m_fragmentOffset / 8));
        put8(out, m_ttl);
        put8(out, static_cast<unsigned>(m_protocol));
        put16(out, 0);
        putAddress(out, m_src);
        putAddress(out, m_dst);
        base::storeBig16(out.data() + 10, internetChecksum(out));
    }
    putBytes(out, body);
    return out;
}

std::vector<std::byte> PacketBuilder::build() const {
    Bytes out;
    const std::uint16_t etherType = m_src.isV6() ? kEtherIpv6 : kEtherIpv4;
    const std::uint16_t first = m_vlans.empty() ? etherType : kEtherVlan;
    switch (m_link) {
    case LinkType::ethernet:
        putMac(out, m_dstMac);
        putMac(out, m_srcMac);
        put16(out, first);
        break;
    case LinkType::linuxSll:
        put16(out, m_sllPacketType);
        put16(out, 1); // ARPHRD_ETHER
        put16(out, 6);
        putMac(out, m_srcMac);
        put16(out, 0);
        put16(out, first);
        break;
    case LinkType::linuxSll2:
        put16(out, first);
        put16(out, 0);
        put32(out, 1); // interface index
        put16(out, 1); // ARPHRD_ETHER
        put8(out, m_sllPacketType);
        put8(out, 6);
        putMac(out, m_srcMac);
        put16(out, 0);
        break;
    case LinkType::null: { // in this machine's order
        const std::uint32_t family = m_src.isV6() ? 10 : 2;
        putBytes(out, std::as_bytes(std::span(&family, 1)));
        break;
    }
    case LinkType::loop: put32(out, m_src.isV6() ? 24 : 2); break;
    default: break;
    }
    const bool hasTags = m_link == LinkType::ethernet || m_link == LinkType::linuxSll || m_link == LinkType::linuxSll2;
    for (std::size_t i = 0; hasTags && i < m_vlans.size(); ++i) {
        put16(out, m_vlans[i]);
        put16(out, i + 1 < m_vlans.size() ? kEtherVlan : etherType);
    }
    putBytes(out, buildIp());
    return out;
}

} // namespace natlens::packet
