// Segments sent once more: what a host has sent is overheard and repeated, as it was or with other sequence numbers.
#include "app/lab/host_actions.h"

#include "capture/packet/checksum.h"
#include "capture/packet/decode.h"

#include <arpa/inet.h>
#include <cstring>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>

namespace natlens::lab {
namespace {

constexpr std::size_t kLongestFrame = 2048;

/// The wanted segment among what was overheard since the last time: the newest one.
std::optional<std::vector<std::byte>> newest(int listener, const ResendAction &action) {
    std::optional<std::vector<std::byte>> found;
    std::vector<std::byte> frame(kLongestFrame);
    sockaddr_ll from{};
    socklen_t size = sizeof from;
    ssize_t got = 0;
    while ((got = ::recvfrom(listener, frame.data(), frame.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr *>(&from),
                             &size)) > 0) {
        size = sizeof from;
        if (from.sll_pkttype != PACKET_OUTGOING) continue;
        const auto bytes = std::span(frame).first(static_cast<std::size_t>(got));
        const auto packet = packet::decode(packet::LinkType::ethernet, bytes);
        if (packet.tuple.protocol != packet::Protocol::tcp || packet.family != packet::IpFamily::v4) continue;
        const auto &tuple = packet.tuple;
        if (action.port != 0 && tuple.src.port != action.port && tuple.dst.port != action.port) continue;
        if (action.syn ? packet.isSyn() : packet.payloadLength != 0) found.emplace(bytes.begin(), bytes.end());
    }
    return found;
}

void put32(std::byte *at, std::uint32_t value) {
    value = htonl(value);
    std::memcpy(at, &value, sizeof value);
}

/// Moves the sequence number and computes the checksum anew: the one overheard was left to the hardware.
void moveSequence(std::vector<std::byte> &frame, const packet::DecodedPacket &packet, std::int32_t by) {
    const std::size_t ip = sizeof(ethhdr);
    const std::size_t tcp = ip + (std::to_integer<std::size_t>(frame[ip]) & 0xf) * 4;
    const std::size_t length =
        (std::to_integer<std::size_t>(frame[ip + 2]) << 8) | std::to_integer<std::size_t>(frame[ip + 3]);
    put32(&frame[tcp + 4], packet.tcpSeq + static_cast<std::uint32_t>(by));
    frame[tcp + 16] = frame[tcp + 17] = std::byte{0};
    const auto segment = std::span<const std::byte>(frame).subspan(tcp, ip + length - tcp);
    const auto sum =
        packet::transportChecksum(packet.tuple.src.ip, packet.tuple.dst.ip, packet::Protocol::tcp, segment);
    frame[tcp + 16] = static_cast<std::byte>(sum >> 8);
    frame[tcp + 17] = static_cast<std::byte>(sum & 0xff);
}

} // namespace

base::Status HostActions::listenIn(const LabHost &host) {
    InNamespace inside(host.nameSpace);
    base::UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
    if (!socket) return base::failErrno("packet socket", host.name);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        return base::failErrno("bind", host.name + " eth0");
    m_listeners.emplace(host.name, std::move(socket));
    return {};
}

base::Status HostActions::resend(const LabHost &host, const ResendAction &action) {
    const auto listener = m_listeners.find(host.name);
    auto frame = listener == m_listeners.end() ? std::nullopt : newest(listener->second.get(), action);
    if (!frame) return base::fail(base::ErrorCode::notFound, "has not sent such a segment", "resend", host.name);
    const auto packet = packet::decode(packet::LinkType::ethernet, *frame);
    moveSequence(*frame, packet, action.sequenceOffset);
    for (unsigned i = 0; i < action.count; ++i)
        if (::send(listener->second.get(), frame->data(), frame->size(), 0) < 0)
            return base::failErrno("send", host.name);
    return {};
}

} // namespace natlens::lab
