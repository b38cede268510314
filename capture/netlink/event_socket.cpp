#include "capture/netlink/event_socket.h"

#include "capture/base/unique_fd.h"

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace natlens::netlink {
namespace {

using base::ErrorCode;

using Socket = std::unique_ptr<nl_sock, void (*)(nl_sock *)>;
using Message = std::unique_ptr<nl_msg, void (*)(nl_msg *)>;

/// libnl's error codes, as far as they are about the machine and not about our own messages.
std::unexpected<base::Error> failNetlink(int error, std::string operation, std::string subject) {
    const int code = error < 0 ? -error : error;
    if (code == NLE_PERM || code == NLE_NOACCESS) {
        return base::fail(ErrorCode::notPermitted, "needs CAP_NET_ADMIN in this network namespace: use sudo",
                          std::move(operation), std::move(subject));
    }
    return base::fail(ErrorCode::io, nl_geterror(code), std::move(operation), std::move(subject));
}

base::Result<Socket> connectNetfilter(const char *subject) {
    Socket socket(nl_socket_alloc(), &nl_socket_free);
    if (!socket) return base::fail(ErrorCode::internal, "out of memory", "netlink socket", subject);
    nl_socket_disable_auto_ack(socket.get());
    if (const int error = nl_connect(socket.get(), NETLINK_NETFILTER); error != 0) {
        return failNetlink(error, "netlink socket", subject);
    }
    return socket;
}

/// A burst of new connections must fit while the reader is busy elsewhere. Beyond the system's limit only with
/// CAP_NET_ADMIN in the first user namespace, so the second best is tried, too.
void enlargeBuffer(int fd) {
    const int bytes = 8 << 20;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
}

Message netfilterRequest(int type, int flags, std::uint8_t family) {
    Message message(nlmsg_alloc_simple((NFNL_SUBSYS_CTNETLINK << 8) | type, flags), &nlmsg_free);
    nfgenmsg header{};
    header.nfgen_family = family;
    header.version = NFNETLINK_V0;
    if (message && nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO) != 0) message.reset();
    return message;
}

/// Hands each nlmsghdr of a datagram over. The kernel wrote it, but a length is checked before it is used.
template<class Each>
void splitMessages(std::span<const std::byte> datagram, Each each) {
    while (datagram.size() >= sizeof(nlmsghdr)) {
        nlmsghdr header;
        std::memcpy(&header, datagram.data(), sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return;
        each(header, datagram.first(header.nlmsg_len));
        datagram = datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
    }
}

} // namespace

struct EventSocket::State {
    Socket socket;
    const char *subject = "";
    std::uint64_t gaps = 0;
    std::array<std::byte, 64 << 10> buffer;
};

EventSocket::EventSocket(std::unique_ptr<State> state)
    : m_state(std::move(state)) {}
EventSocket::EventSocket(EventSocket &&) noexcept = default;
EventSocket &EventSocket::operator=(EventSocket &&) noexcept = default;
EventSocket::~EventSocket() = default;

base::Result<EventSocket> EventSocket::open(std::span<const int> groups, const char *subject) {
    auto socket = connectNetfilter(subject);
    if (!socket) return std::unexpected(socket.error());
    enlargeBuffer(nl_socket_get_fd(socket->get()));
    nl_socket_set_nonblocking(socket->get());
    for (const int group : groups) {
        if (const int error = nl_socket_add_membership(socket->get(), group); error != 0) {
            return failNetlink(error, "join netlink group", subject);
        }
    }
    // Make, not make_unique: the buffer need not be cleared.
    std::unique_ptr<State> state(new State{std::move(*socket), subject, 0, {}});
    return EventSocket(std::move(state));
}

base::Result<EventSocket> EventSocket::openConntrack() {
    static constexpr std::array groups{int{NFNLGRP_CONNTRACK_NEW}, int{NFNLGRP_CONNTRACK_UPDATE},
                                       int{NFNLGRP_CONNTRACK_DESTROY}};
    return open(groups, "conntrack");
}

base::Result<EventSocket> EventSocket::openRuleTrace() {
    static constexpr std::array groups{int{NFNLGRP_NFTRACE}};
    return open(groups, "nftrace");
}

int EventSocket::fd() const {
    return nl_socket_get_fd(m_state->socket.get());
}

std::uint64_t EventSocket::gaps() const {
    return m_state->gaps;
}

base::Result<std::size_t> EventSocket::receive(const Callback &callback, std::size_t limit) {
    std::size_t count = 0;
    while (count < limit) {
        const ssize_t size = recv(fd(), m_state->buffer.data(), m_state->buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) break;
            if (errno == EINTR) continue;
            if (errno != ENOBUFS) return base::failErrno("receive", m_state->subject);
            ++m_state->gaps;
            continue;
        }
        const auto length = static_cast<std::size_t>(size);
        if (length > m_state->buffer.size()) {
            ++m_state->gaps; // larger than any message of these groups
            continue;
        }
        splitMessages(std::span(m_state->buffer).first(length), [&](const nlmsghdr &header, auto message) {
            if (header.nlmsg_type < NLMSG_MIN_TYPE) return;
            ++count;
            callback(message);
        });
    }
    return count;
}

base::Status enableConntrackEvents() {
    for (const char *setting : {"nf_conntrack_events", "nf_conntrack_timestamp"}) {
        // Below /proc/sys/net everybody sees the settings of the network namespace that the looking thread is in.
        const std::string path = std::string("/proc/sys/net/netfilter/") + setting;
        base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (!file && errno == ENOENT) continue;
        if (!file) return base::failErrno("open", path);
        if (write(file.get(), "1", 1) != 1) return base::failErrno("write", path);
    }
    return {};
}

base::Result<std::vector<ConntrackMessage>> dumpConntrack() {
    auto socket = connectNetfilter("conntrack table");
    if (!socket) return std::unexpected(socket.error());
    const int fd = nl_socket_get_fd(socket->get());
    enlargeBuffer(fd);
    const Message request = netfilterRequest(IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
    if (!request) return base::fail(ErrorCode::internal, "out of memory", "dump", "conntrack table");
    if (const int error = nl_send_auto(socket->get(), request.get()); error < 0) {
        return failNetlink(error, "dump", "conntrack table");
    }
    std::vector<ConntrackMessage> entries;
    std::vector<std::byte> buffer(256 << 10);
    int finished = 0; // 1 done, negative: -errno
    while (finished == 0) {
        const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return base::failErrno("dump", "conntrack table");
        splitMessages(std::span<const std::byte>(buffer).first(static_cast<std::size_t>(size)),
                      [&](const nlmsghdr &header, std::span<const std::byte> message) {
                          if (header.nlmsg_type == NLMSG_DONE) finished = 1;
                          if (header.nlmsg_type == NLMSG_ERROR && message.size() >= NLMSG_LENGTH(sizeof(int))) {
                              std::memcpy(&finished, message.data() + NLMSG_HDRLEN, sizeof finished);
                              if (finished == 0) finished = 1;
                          }
                          if (auto entry = decodeConntrack(message)) entries.push_back(std::move(*entry));
                      });
    }
    if (finished < 0) {
        errno = -finished;
        return base::failErrno("dump", "conntrack table");
    }
    return entries;
}

base::Result<bool> deleteConntrack(const packet::Tuple &original, std::uint16_t zone) {
    const std::string subject = original.toString();
    const bool v4 = original.src.ip.isV4();
    if (original.src.ip.isNone() || original.src.ip.family != original.dst.ip.family) {
        return base::fail(ErrorCode::invalidInput, "needs two addresses of one family", "delete conntrack entry",
                          subject);
    }
    auto socket = connectNetfilter("conntrack table");
    if (!socket) return std::unexpected(socket.error());
    const Message message =
        netfilterRequest(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, static_cast<std::uint8_t>(v4 ? AF_INET : AF_INET6));
    if (!message) return base::fail(ErrorCode::internal, "out of memory", "delete conntrack entry", subject);
    nl_msg *raw = message.get();
    const int size = static_cast<int>(original.src.ip.size());
    bool fits = true;
    nlattr *tuple = nla_nest_start(raw, CTA_TUPLE_ORIG | NLA_F_NESTED);
    nlattr *addresses = nla_nest_start(raw, CTA_TUPLE_IP | NLA_F_NESTED);
    fits &= nla_put(raw, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, size, original.src.ip.bytes.data()) == 0;
    fits &= nla_put(raw, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, size, original.dst.ip.bytes.data()) == 0;
    nla_nest_end(raw, addresses);
    nlattr *protocol = nla_nest_start(raw, CTA_TUPLE_PROTO | NLA_F_NESTED);
    fits &= nla_put_u8(raw, CTA_PROTO_NUM, static_cast<std::uint8_t>(original.protocol)) == 0;
    if (original.protocol == packet::Protocol::icmp || original.protocol == packet::Protocol::icmpv6) {
        constexpr std::uint8_t kEcho = 8, kEchoV6 = 128; // the only requests that natlens follows
        fits &= nla_put_u16(raw, v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, htons(original.src.port)) == 0;
        fits &= nla_put_u8(raw, v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, v4 ? kEcho : kEchoV6) == 0;
        fits &= nla_put_u8(raw, v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, 0) == 0;
    } else {
        fits &= nla_put_u16(raw, CTA_PROTO_SRC_PORT, htons(original.src.port)) == 0;
        fits &= nla_put_u16(raw, CTA_PROTO_DST_PORT, htons(original.dst.port)) == 0;
    }
    nla_nest_end(raw, protocol);
    nla_nest_end(raw, tuple);
    if (zone != 0) fits &= nla_put_u16(raw, CTA_ZONE, htons(zone)) == 0;
    if (!fits) return base::fail(ErrorCode::internal, "message too long", "delete conntrack entry", subject);
    if (const int error = nl_send_auto(socket->get(), raw); error < 0) {
        return failNetlink(error, "delete conntrack entry", subject);
    }
    const int answer = nl_wait_for_ack(socket->get());
    if (answer == -NLE_OBJ_NOTFOUND) return false;
    if (answer < 0) return failNetlink(answer, "delete conntrack entry", subject);
    return true;
}

} // namespace natlens::netlink
