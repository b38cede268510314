#include "property/kernel_judge.h"

#include "capture/packet/builder.h"

#include <cstdlib>
#include <cstring>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace natlens::test {
namespace {

using packet::LinkType;

const IpAddress kSentinelSource = IpAddress::v4(203, 0, 113, 254), kSentinelTarget = IpAddress::v4(192, 0, 2, 99);
/// The end of a packet's way always comes; only a machine that has lost it would wait for so long.
constexpr int kPatienceMs = 20'000;
/// How long an error about a packet of the node's own may take over lo.
constexpr int kErrorPatienceMs = 3;

/// Packets over veth wait in a queue of the CPU that sent them. A process that is moved to another one between two
/// packets has the second overtake the first when the machine is busy.
void stayOnThisCpu() {
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(static_cast<std::size_t>(std::max(::sched_getcpu(), 0)), &here);
    (void)::sched_setaffinity(0, sizeof here, &here);
}

bool run(const char *command) { return std::system(command) == 0; }

/// Without ARP the kernel sends everything to its own MAC address; the other ends see every frame all the same. The
/// second IPv6 address is deprecated: it works, but the kernel prefers the first one, however well it suits a
/// destination.
constexpr const char *kBuild =
    "PATH=$PATH:/usr/sbin:/sbin; set -e; exec 2>&1 >/dev/null; ip link set lo up; "
    "for i in out0 pods0; do ip link add $i type veth peer name $i-wire; ip link set $i arp off; "
    "echo 1 > /proc/sys/net/ipv6/conf/$i-wire/disable_ipv6; ip link set $i-wire up; "
    "echo 1 > /proc/sys/net/ipv6/conf/$i/addr_gen_mode; done; "
    "ip addr add 192.168.0.2/24 dev out0; ip addr add 192.168.99.11/24 dev out0; ip addr add 10.1.1.1/24 dev pods0; "
    "ip addr add fd00:192::2/64 dev out0 nodad; ip addr add fd00:99::11/64 dev out0 nodad preferred_lft 0; "
    "ip addr add fd00:10:1:1::1/64 dev pods0 nodad; ip link set out0 up; ip link set pods0 up; "
    "ip route add default dev out0; ip -6 route add default dev out0; "
    "cd /proc/sys/net/ipv6; echo 1 > conf/all/forwarding; echo 0 > icmp/ratelimit; "
    "cd /proc/sys/net/ipv4; echo 1 > ip_forward; for i in all default out0 pods0; do echo 0 > conf/$i/rp_filter; "
    "echo 0 > conf/$i/send_redirects; done; echo 1 > conf/all/route_localnet; "
    "echo 0 > icmp_ratelimit; echo 1000000 > icmp_msgs_per_sec 2>/dev/null || true; "
    "echo 1000000 > icmp_msgs_burst 2>/dev/null || true";

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
    const char mark[] = {static_cast<char>(id >> 8), static_cast<char>(id & 0xff)};
    builder.ip(flow.source.ip, flow.destination.ip).ipId(id);
    if (flow.protocol == Protocol::tcp)
        builder.tcp(flow.source.port, flow.destination.port, packet::TcpFlags::syn).seq(id).mss(1400);
    else if (flow.protocol == Protocol::udp)
        builder.udp(flow.source.port, flow.destination.port).payload("question" + std::string(mark, 2));
    else {
        // An INIT chunk: connection tracking takes no other first packet of SCTP (RFC 9260, section 3.3.2).
        constexpr std::string_view kInit("\x01\x00\x00\x14\x00\x00\x00\x07\x00\x01\x00\x00\x00\x01\x00\x01\x00\x00",
                                         18);
        builder.sctp(flow.source.port, flow.destination.port, 0).payload(std::string(kInit) + std::string(mark, 2));
    }
    return builder.buildIp();
}

bool isRefusal(const packet::DecodedPacket &error, const packet::Tuple &sent) {
    const bool v6 = sent.dst.ip.isV6();
    return error.hasQuoted && error.quoted == sent && error.icmpType == (v6 ? 1 : 3) && error.icmpCode == (v6 ? 4 : 3);
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
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(peer.c_str()));
    const int on = 1;
    ::setsockopt(wire.socket.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    if (address.sll_ifindex == 0 || ::bind(wire.socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
        return {};
    return wire;
}

void KernelJudge::inject(const Wire &wire, std::span<const std::byte> ipPacket) {
    const bool v6 = (std::to_integer<unsigned>(ipPacket.front()) >> 4) == 6;
    std::vector<std::byte> frame(14 + ipPacket.size());
    std::memcpy(frame.data(), wire.mac.data(), wire.mac.size());
    frame[6] = std::byte{2}; // a locally administered source
    frame[12] = v6 ? std::byte{0x86} : std::byte{0x08};
    frame[13] = v6 ? std::byte{0xdd} : std::byte{0x00};
    std::copy(ipPacket.begin(), ipPacket.end(), frame.begin() + 14);
    (void)!::write(wire.socket.get(), frame.data(), frame.size());
}

KernelJudge::KernelJudge() {
    const bool built = run(kBuild);
    stayOnThisCpu();
    m_raw4.reset(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    m_raw6.reset(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    m_icmp4.reset(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP));
    m_icmp6.reset(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6));
    if (built) {
        m_out = openWire("out0");
        m_pods = openWire("pods0");
    }
    if (!m_out.socket || !m_pods.socket || !m_raw4 || !m_raw6 || !m_icmp4 || !m_icmp6)
        m_missing = "the namespace could not be set up (iproute2, veth, raw sockets, IPv6)";
    else if (!answersEverywhere())
        m_missing = "the namespace's network does not come up";
}

bool KernelJudge::answersEverywhere() {
    constexpr int kTries = 2000, kPauseMs = 10;
    std::uint16_t id = 0;
    for (const auto family : kFamilies)
        for (const auto &address : {World::of(family).node, World::of(family).second, World::of(family).bridge}) {
            const bool bridge = address == World::of(family).bridge;
            const Wire &wire = bridge ? m_pods : m_out;
            packet::PacketBuilder echo;
            echo.ip(bridge ? World::of(family).pod(true, 250) : World::of(family).outside(250), address)
                .icmpEchoRequest(++id, 1);
            const auto bytes = echo.buildIp();
            bool answered = false;
            for (int i = 0; i < kTries && !answered; ++i) {
                inject(wire, bytes);
                pollfd watch{wire.socket.get(), POLLIN, 0};
                if (::poll(&watch, 1, kPauseMs) <= 0) continue;
                std::byte buffer[2048];
                for (ssize_t got = 0; (got = ::read(wire.socket.get(), buffer, sizeof buffer)) > 14;) {
                    const auto seen = std::span<const std::byte>(buffer, static_cast<std::size_t>(got)).subspan(14);
                    answered = answered || packet::decode(LinkType::rawIp, seen).tuple.src.ip == address;
                }
            }
            if (!answered) return false;
        }
    return true;
}

template<class Visit>
void KernelJudge::untilSentinel(const Wire &wire, Visit visit) {
    const auto sentinel = m_nextSentinel++;
    packet::PacketBuilder builder;
    builder.ip(kSentinelSource, kSentinelTarget).ipId(sentinel).udp(9, 9).payload("end");
    inject(wire, builder.buildIp());
    std::byte buffer[2048];
    for (bool ended = false; !ended;) {
        pollfd watch[] = {{m_out.socket.get(), POLLIN, 0}, {m_pods.socket.get(), POLLIN, 0}};
        if (::poll(watch, 2, kPatienceMs) <= 0) break;
        for (const auto &one : watch)
            for (ssize_t got = 0; (got = ::read(one.fd, buffer, sizeof buffer)) > 0;) {
                if (got <= 14) continue;
                const auto seen = std::span<const std::byte>(buffer, static_cast<std::size_t>(got)).subspan(14);
                const auto decoded = packet::decode(LinkType::rawIp, seen);
                if (decoded.tuple.dst.ip == kSentinelTarget)
                    ended = ended || decoded.ipId == sentinel;
                else
                    visit(decoded, seen);
            }
    }
}

std::optional<std::vector<std::byte>> KernelJudge::pass(std::span<const std::byte> bytes, RandomPacket::Way way) {
    const auto sent = packet::decode(LinkType::rawIp, bytes);
    const auto mark = packet::natInvariantFingerprint(sent, bytes);
    const Wire &wire = way == RandomPacket::Way::pods ? m_pods : m_out;
    inject(wire, bytes);
    std::optional<std::vector<std::byte>> found;
    untilSentinel(wire, [&](const packet::DecodedPacket &packet, std::span<const std::byte> seen) {
        const bool same = sent.hasQuoted ? packet.hasQuoted : packet::natInvariantFingerprint(packet, seen) == mark;
        if (same && !found) found.emplace(seen.begin(), seen.end());
    });
    return found;
}

bool KernelJudge::sendLocally(std::span<const std::byte> bytes, const IpAddress &destination) const {
    sockaddr_in to4{};
    to4.sin_family = AF_INET;
    std::memcpy(&to4.sin_addr, destination.bytes.data(), 4);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    std::memcpy(&to6.sin6_addr, destination.bytes.data(), 16);
    const bool v6 = destination.isV6();
    const auto *to = v6 ? reinterpret_cast<sockaddr *>(&to6) : reinterpret_cast<sockaddr *>(&to4);
    const int socket = v6 ? m_raw6.get() : m_raw4.get();
    return ::sendto(socket, bytes.data(), bytes.size(), 0, to, v6 ? sizeof to6 : sizeof to4) >= 0;
}

/// Errors about the node's own packets come back over lo. A raw socket of ICMPv6 gives no IP header.
Fate KernelJudge::errorToSender(const packet::Tuple &sent, bool refused) const {
    Fate fate;
    const bool v6 = sent.dst.ip.isV6();
    const int socket = v6 ? m_icmp6.get() : m_icmp4.get();
    pollfd watch{socket, POLLIN, 0};
    std::byte buffer[2048];
    if (::poll(&watch, 1, refused ? kErrorPatienceMs : 0) > 0)
        for (ssize_t got = 0; (got = ::read(socket, buffer, sizeof buffer)) > 0;) {
            packet::DecodedPacket error;
            if (!v6) {
                error = packet::decode(LinkType::rawIp, {buffer, static_cast<std::size_t>(got)});
            } else if (got > 8) {
                error.icmpType = std::to_integer<std::uint8_t>(buffer[0]);
                error.icmpCode = std::to_integer<std::uint8_t>(buffer[1]);
                error.quoted = packet::decode(LinkType::rawIp, {buffer + 8, static_cast<std::size_t>(got - 8)}).tuple;
                error.hasQuoted = true;
            }
            if (error.hasQuoted && error.quoted == sent)
                fate.kind = isRefusal(error, sent) ? Fate::Kind::rejected : Fate::Kind::answered;
        }
    return fate;
}

Fate KernelJudge::send(const RandomPacket &packet) {
    const auto bytes = packetBytes(packet, m_nextId++);
    const auto mark = packet::natInvariantFingerprint(packet::decode(LinkType::rawIp, bytes), bytes);
    const packet::Tuple sent{packet.flow.protocol, packet.flow.source, packet.flow.destination};
    const bool local = packet.way == RandomPacket::Way::local;
    const Wire &wire = packet.way == RandomPacket::Way::pods ? m_pods : m_out;
    bool refused = false;
    if (local)
        refused = !sendLocally(bytes, packet.flow.destination.ip);
    else
        inject(wire, bytes);
    Fate fate;
    untilSentinel(wire, [&](const packet::DecodedPacket &seen, std::span<const std::byte> its) {
        if (seen.hasQuoted && seen.quoted == sent)
            fate.kind = isRefusal(seen, sent) ? Fate::Kind::rejected : Fate::Kind::answered;
        else if (seen.tuple == sent.reversed())
            fate.kind = Fate::Kind::answered;
        else if (packet::natInvariantFingerprint(seen, its) == mark)
            fate = {Fate::Kind::forwarded, seen.tuple};
    });
    if (!local) return fate;
    const auto error = errorToSender(sent, refused);
    return error.kind == Fate::Kind::dropped ? fate : error;
}

} // namespace natlens::test
