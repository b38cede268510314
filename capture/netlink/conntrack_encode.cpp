#include "capture/base/byte_order.h"
#include "capture/netlink/conntrack_message.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstring>

namespace natlens::netlink {
namespace {

using packet::IpAddress;
using packet::Protocol;

constexpr std::uint16_t kEventTimestamp = 27; // CTA_TIMESTAMP_EVENT, newer than the headers of Debian 12

/// Writes headers and attributes one after the other; nested ones get their length when they end.
class MessageWriter final {
public:
    template<class T>
    void raw(const T &value) {
        const auto at = m_bytes.size();
        m_bytes.resize(at + sizeof value);
        std::memcpy(m_bytes.data() + at, &value, sizeof value);
    }
    void attribute(std::uint16_t type, const void *data, std::size_t size) {
        raw(nlattr{static_cast<std::uint16_t>(NLA_HDRLEN + size), type});
        const auto at = m_bytes.size();
        m_bytes.resize(at + NLA_ALIGN(size));
        std::memcpy(m_bytes.data() + at, data, size);
    }
    void u8(std::uint16_t type, std::uint8_t value) { attribute(type, &value, 1); }
    void big16(std::uint16_t type, std::uint16_t value) {
        std::byte bytes[2];
        base::storeBig16(bytes, value);
        attribute(type, bytes, sizeof bytes);
    }
    void big32(std::uint16_t type, std::uint32_t value) {
        std::byte bytes[4];
        base::storeBig32(bytes, value);
        attribute(type, bytes, sizeof bytes);
    }
    void big64(std::uint16_t type, std::uint64_t value) {
        std::byte bytes[8];
        base::storeBig32(bytes, static_cast<std::uint32_t>(value >> 32));
        base::storeBig32(bytes + 4, static_cast<std::uint32_t>(value));
        attribute(type, bytes, sizeof bytes);
    }
    [[nodiscard]] std::size_t begin(std::uint16_t type) {
        const auto at = m_bytes.size();
        raw(nlattr{0, static_cast<std::uint16_t>(type | NLA_F_NESTED)});
        return at;
    }
    void end(std::size_t at) {
        const auto length = static_cast<std::uint16_t>(m_bytes.size() - at);
        std::memcpy(m_bytes.data() + at, &length, sizeof length);
    }
    [[nodiscard]] std::vector<std::byte> finish() {
        const auto length = static_cast<std::uint32_t>(m_bytes.size());
        std::memcpy(m_bytes.data(), &length, sizeof length); // nlmsg_len comes first
        return std::move(m_bytes);
    }

private:
    std::vector<std::byte> m_bytes;
};

void writeTuple(MessageWriter &out, std::uint16_t type, const packet::Tuple &tuple) {
    const auto whole = out.begin(type);
    const auto addresses = out.begin(CTA_TUPLE_IP);
    const bool v4 = tuple.src.ip.isV4();
    out.attribute(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple.src.ip.bytes.data(), tuple.src.ip.size());
    out.attribute(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple.dst.ip.bytes.data(), tuple.dst.ip.size());
    out.end(addresses);
    const auto protocol = out.begin(CTA_TUPLE_PROTO);
    out.u8(CTA_PROTO_NUM, static_cast<std::uint8_t>(tuple.protocol));
    if (tuple.protocol == Protocol::icmp || tuple.protocol == Protocol::icmpv6) {
        out.big16(tuple.protocol == Protocol::icmp ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, tuple.src.port);
    } else {
        out.big16(CTA_PROTO_SRC_PORT, tuple.src.port);
        out.big16(CTA_PROTO_DST_PORT, tuple.dst.port);
    }
    out.end(protocol);
    out.end(whole);
}

} // namespace

std::vector<std::byte> encodeConntrack(const ConntrackMessage &message) {
    using Kind = ConntrackMessage::Kind;
    MessageWriter out;
    const auto type = message.kind == Kind::destroyed ? IPCTNL_MSG_CT_DELETE : IPCTNL_MSG_CT_NEW;
    const auto flags = message.kind == Kind::created ? NLM_F_CREATE | NLM_F_EXCL : 0;
    out.raw(nlmsghdr{0, static_cast<std::uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | type),
                     static_cast<std::uint16_t>(flags), 0, 0});
    out.raw(nfgenmsg{static_cast<std::uint8_t>(message.original.src.ip.isV4() ? AF_INET : AF_INET6), NFNETLINK_V0, 0});
    writeTuple(out, CTA_TUPLE_ORIG, message.original);
    writeTuple(out, CTA_TUPLE_REPLY, message.reply);
    out.big32(CTA_ID, message.id);
    out.big32(CTA_STATUS, message.status);
    if (message.tcpState != 0) {
        const auto info = out.begin(CTA_PROTOINFO);
        const auto tcp = out.begin(CTA_PROTOINFO_TCP);
        out.u8(CTA_PROTOINFO_TCP_STATE, message.tcpState);
        out.end(tcp);
        out.end(info);
    }
    if (message.mark != 0) out.big32(CTA_MARK, message.mark);
    if (message.zone != 0) out.big16(CTA_ZONE, message.zone);
    if (message.started) {
        const auto times = out.begin(CTA_TIMESTAMP);
        out.big64(CTA_TIMESTAMP_START, static_cast<std::uint64_t>(message.started->nanoseconds));
        if (message.stopped)
            out.big64(CTA_TIMESTAMP_STOP, static_cast<std::uint64_t>(message.stopped->nanoseconds));
        out.end(times);
    }
    if (message.happened) out.big64(kEventTimestamp, static_cast<std::uint64_t>(message.happened->nanoseconds));
    return out.finish();
}

} // namespace natlens::netlink
