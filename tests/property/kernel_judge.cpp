#include "property/kernel_judge.h"

#include "capture/packet/builder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace natlens::test {
namespace {

using packet::LinkType;

const IpAddress kSentinelSource = IpAddress::v4(203, 0, 113, 254), kSentinelTarget = IpAddress::v4(192, 0, 2, 99);
constexpr int kPatienceMs = 2000;

bool run(const char *command) { return std::system(command) == 0; }

} // namespace

std::string Fate::toString() const {
    switch (kind) {
    case Kind::forwarded: return "forwarded as " + tuple.toString();
    case Kind::dropped: return "dropped";
    case Kind::rejected: return "rejected";
    case Kind::answered: return "answered by the node itself";
    }
    return "";
}

std::vector<std::byte> packetBytes(const RandomPacket &packet, std::uint16_t id) {
    packet::PacketBuilder builder;
    const auto &flow = packet.flow;
    builder.ip(flow.source.ip, flow.destination.ip).ipId(id);
    if (flow.protocol == Protocol::tcp)
        builder.tcp(flow.source.port, flow.destination.port, packet::TcpFlags::syn).seq(id).mss(1400);
    else if (flow.protocol == Protocol::udp)
        builder.udp(flow.source.port, flow.destination.port).payload("question");
    else {
        // An INIT chunk: connection tracking takes no other first packet of SCTP (RFC 9260, section 3.3.2).
        constexpr std::string_view kInit("\x01\x00\x00\x14\x00\x00\x00\x07\x00\x01\x00\x00\x00\x01\x00\x01\x00\x00\x00\x01", 20);
        builder.sctp(flow.source.port, flow.destination.port, 0).payload(kInit);
    }
    return builder.buildIp();
}

KernelJudge::Wire KernelJudge::openWire(const char *name) {
    Wire wire;
    wire.socket.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!wire.socket) return {};
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (::ioctl(wire.socket.get(), SIOCGIFHWADDR, &request) != 0) return {};
    std::memcpy(wire.mac.data(), request.ifr_hwaddr.sa_data, wire.mac.size());
    const auto peer = std::string(name) + "-wire";
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_IP);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(peer.c_str()));
    const int on = 1;
    ::setsockopt(wire.socket.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    if (address.sll_ifindex == 0 || ::bind(wire.socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
        return {};
    return wire;
}

void KernelJudge::inject(const Wire &wire, std::span<const std::byte> ipPacket) {
    std::vector<std::byte> frame(14 + ipPacket.size());
    std::memcpy(frame.data(), wire.mac.data(), wire.mac.size());
    frame[6] = std::byte{2}; // a locally administered source
    frame[12] = std::byte{0x08};
    std::copy(ipPacket.begin(), ipPacket.end(), frame.begin() + 14);
    (void)!::write(wire.socket.get(), frame.data(), frame.size());
}

KernelJudge::KernelJudge() {
    // Without ARP the kernel sends everything to its own address; the other ends see every frame all the same.
    const bool built = run("PATH=$PATH:/usr/sbin:/sbin; set -e; exec 2>&1 >/dev/null; ip link set lo up; "
                           "for i in out0 pods0; do ip link add $i type veth peer name $i-wire; "
                           "ip link set $i arp off; ip link set $i-wire up; "
                           "echo 1 > /proc/sys/net/ipv6/conf/$i-wire/disable_ipv6; done; "
                           "ip addr add 192.168.0.2/24 dev out0; ip addr add 192.168.99.11/24 dev out0; "
                           "ip addr add 10.1.1.1/24 dev pods0; ip link set out0 up; ip link set pods0 up; "
                           "ip route add default dev out0; cd /proc/sys/net/ipv4; echo 1 > ip_forward; "
                           "for i in all default out0 pods0; do echo 0 > conf/$i/rp_filter; "
                           "echo 0 > conf/$i/send_redirects; done; echo 1 > conf/all/route_localnet; "
                           "echo 0 > icmp_ratelimit; echo 1000000 > icmp_msgs_per_sec 2>/dev/null || true; "
                           "echo 1000000 > icmp_msgs_burst 2>/dev/null || true");
    m_raw.reset(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    m_icmp.reset(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP));
    if (built) {
        m_out = openWire("out0");
        m_pods = openWire("pods0");
    }
    if (!m_out.socket || !m_pods.socket || !m_raw || !m_icmp)
        m_missing = "the namespace could not be set up (iproute2, veth, raw sockets)";
}

void KernelJudge::injectSentinel(const Wire &wire, std::uint16_t id) {
    packet::PacketBuilder builder;
    builder.ip(kSentinelSource, kSentinelTarget).ipId(id).udp(9, 9).payload("end");
    inject(wire, builder.buildIp());
}

std::optional<Fate> KernelJudge::look(std::span<const std::byte> bytes, const packet::Tuple &sent,
                                      std::uint16_t id) const {
    const auto decoded = packet::decode(LinkType::rawIp, bytes);
    if (decoded.hasQuoted) {
        if (decoded.quoted != sent) return std::nullopt;
        return Fate{decoded.icmpType == 3 && decoded.icmpCode == 3 ? Fate::Kind::rejected : Fate::Kind::answered, {}};
    }
    if (decoded.tuple == sent.reversed()) return Fate{Fate::Kind::answered, {}};
    if (decoded.ipId == id && decoded.tuple.protocol == sent.protocol) return Fate{Fate::Kind::forwarded, decoded.tuple};
    return std::nullopt;
}

std::optional<std::vector<std::byte>> KernelJudge::pass(std::span<const std::byte> bytes, RandomPacket::Way way) {
    const auto sent = packet::decode(LinkType::rawIp, bytes);
    const auto sentinel = static_cast<std::uint16_t>(m_nextId | 0x8000);
    m_nextId = m_nextId >= 30000 ? 1 : static_cast<std::uint16_t>(m_nextId + 2);
    const Wire &wire = way == RandomPacket::Way::pods ? m_pods : m_out;
    inject(wire, bytes);
    injectSentinel(wire, sentinel);
    std::optional<std::vector<std::byte>> found;
    std::byte buffer[2048];
    for (bool ended = false; !ended;) {
        pollfd watch[] = {{m_out.socket.get(), POLLIN, 0}, {m_pods.socket.get(), POLLIN, 0}};
        if (::poll(watch, 2, kPatienceMs) <= 0) break;
        for (const auto &one : watch)
            for (ssize_t got = 0; (got = ::read(one.fd, buffer, sizeof buffer)) > 14;) {
                const auto seen = std::span<const std::byte>(buffer, static_cast<std::size_t>(got)).subspan(14);
                const auto decoded = packet::decode(LinkType::rawIp, seen);
                const bool isSentinel = decoded.tuple.dst.ip == kSentinelTarget;
                ended = ended || (isSentinel && decoded.ipId == sentinel);
                const bool same = sent.hasQuoted ? decoded.hasQuoted : decoded.ipId == sent.ipId;
                if (!isSentinel && same && !found) found.emplace(seen.begin(), seen.end());
            }
    }
    return found;
}

Fate KernelJudge::send(const RandomPacket &packet) {
    const std::uint16_t id = m_nextId, sentinel = static_cast<std::uint16_t>(m_nextId + 1);
    m_nextId = m_nextId >= 65000 ? 1 : static_cast<std::uint16_t>(m_nextId + 2);
    const auto bytes = packetBytes(packet, id);
    const packet::Tuple sent{packet.flow.protocol, packet.flow.source, packet.flow.destination};
    Fate fate;
    bool refused = false;
    if (packet.way == RandomPacket::Way::local) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        std::memcpy(&to.sin_addr, packet.flow.destination.ip.bytes.data(), 4);
        refused = ::sendto(m_raw.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof to) < 0;
    } else {
        inject(packet.way == RandomPacket::Way::pods ? m_pods : m_out, bytes);
    }
    injectSentinel(packet.way == RandomPacket::Way::pods ? m_pods : m_out, sentinel);
    bool ended = false;
    std::byte buffer[2048];
    while (!ended) {
        pollfd watch[] = {{m_out.socket.get(), POLLIN, 0}, {m_pods.socket.get(), POLLIN, 0}};
        if (::poll(watch, 2, kPatienceMs) <= 0) break;
        for (const auto &one : watch)
            for (ssize_t got = 0; (got = ::read(one.fd, buffer, sizeof buffer)) > 0;) {
                if (got <= 14) continue;
                const auto seen = std::span<const std::byte>(buffer, static_cast<std::size_t>(got)).subspan(14);
                const auto decoded = packet::decode(LinkType::rawIp, seen);
                ended = ended || (decoded.tuple.dst.ip == kSentinelTarget && decoded.ipId == sentinel);
                if (const auto found = look(seen, sent, id)) fate = *found;
            }
    }
    // Errors about the node's own packets come back over lo.
    pollfd icmp{m_icmp.get(), POLLIN, 0};
    if (packet.way == RandomPacket::Way::local && ::poll(&icmp, 1, refused ? 3 : 0) > 0)
        for (ssize_t got = 0; (got = ::read(m_icmp.get(), buffer, sizeof buffer)) > 0;)
            if (const auto found = look({buffer, static_cast<std::size_t>(got)}, sent, id)) fate = *found;
    while (::read(m_icmp.get(), buffer, sizeof buffer) > 0) {
    }
    return fate;
}

} // namespace natlens::test
