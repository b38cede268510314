#include "proxycore/kernel/nft_socket.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

namespace natlens::proxycore::nft {

namespace {

constexpr int kWantedSendBuffer = 64 * 1024 * 1024;
constexpr int kReceiveBuffer = 4 * 1024 * 1024;
/// What the kernel keeps back of the send buffer (netlink_sendmsg).
constexpr std::size_t kKept = 32;

std::unexpected<base::Error> refused(int error, std::string what) {
    const auto code = error == EPERM || error == EACCES ? base::ErrorCode::notPermitted
                      : error == ENOENT                 ? base::ErrorCode::notFound
                                                        : base::ErrorCode::io;
    return std::unexpected(base::Error{code, "refused by the kernel", "nf_tables", std::move(what), error});
}

struct Answer {
    std::uint32_t sequence = 0;
    int error = 0; ///< errno; 0: acknowledged
};

/// Answers to messages of a transaction. nf_tables works while sendmsg() lasts, so they wait already.
base::Result<std::vector<Answer>> waitingAnswers(int fd) {
    std::vector<Answer> answers;
    std::vector<char> buffer(64 * 1024);
    for (;;) {
        const auto count = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return answers;
        // ENOBUFS: more errors than the buffer holds; the first ones have been read.
        if (count < 0 && errno == ENOBUFS) continue;
        if (count < 0) return base::failErrno("receive", "nf_tables");
        int left = static_cast<int>(count);
        for (auto *message = reinterpret_cast<nlmsghdr *>(buffer.data()); nlmsg_ok(message, left);
             message = nlmsg_next(message, &left)) {
            if (message->nlmsg_type != NLMSG_ERROR || nlmsg_datalen(message) < static_cast<int>(sizeof(nlmsgerr)))
                continue;
            nlmsgerr error;
            std::memcpy(&error, nlmsg_data(message), sizeof error);
            answers.push_back({message->nlmsg_seq, -error.error});
        }
    }
}

} // namespace

void Socket::Free::operator()(nl_sock *socket) const {
    nl_socket_free(socket);
}

base::Result<Socket> Socket::open() {
    Socket result;
    result.m_socket.reset(nl_socket_alloc());
    auto *socket = result.m_socket.get();
    if (socket == nullptr || nl_connect(socket, NETLINK_NETFILTER) < 0) return base::failErrno("open", "nf_tables");
    if (const int failed = nl_socket_set_buffer_size(socket, kReceiveBuffer, kWantedSendBuffer); failed < 0)
        return base::fail(base::ErrorCode::io, nl_geterror(failed), "set buffer size", "nf_tables");
    const int fd = nl_socket_get_fd(socket);
    // Refused messages come back without their content; we know it.
    const int on = 1;
    (void)::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    int size = 0;
    socklen_t length = sizeof size;
    if (::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) != 0) return base::failErrno("ask", "nf_tables");
    result.m_largest = static_cast<std::size_t>(size) - kKept;
    return result;
}

base::Status Socket::transact(Batch &batch) {
    if (batch.empty()) return {};
    // Sequence 0 is left to the marks: what fails as a whole is answered with it.
    const auto first = m_sequence;
    const auto bytes = batch.finish(first);
    m_sequence += static_cast<std::uint32_t>(bytes.size() / NLMSG_HDRLEN);
    if (const int sent = nl_sendto(m_socket.get(), bytes.data(), bytes.size()); sent < 0) {
        if (errno == EMSGSIZE) return refused(EMSGSIZE, "a transaction of " + std::to_string(bytes.size()) + " bytes");
        return refused(errno, "send");
    }
    const auto answers = waitingAnswers(nl_socket_get_fd(m_socket.get()));
    if (!answers) return std::unexpected(answers.error());
    for (const auto &answer : *answers)
        if (answer.error != 0) return refused(answer.error, batch.about(answer.sequence - first));
    if (answers->empty()) return refused(EIO, "no answer to a transaction");
    return {};
}

base::Status Socket::dump(const Request &request, int highest, const std::function<void()> &restart,
                          const Visit &visit) {
    constexpr int kMostTries = 20;
    std::vector<nlattr *> attributes(static_cast<std::size_t>(highest) + 1);
    std::vector<char> buffer(256 * 1024);
    const int fd = nl_socket_get_fd(m_socket.get());
    const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> message(nlmsg_alloc(), &nlmsg_free);
    for (int attempt = 0; attempt < kMostTries; ++attempt) {
        restart();
        const auto sequence = ++m_sequence;
        auto *header = nlmsg_hdr(message.get());
        header->nlmsg_len = NLMSG_HDRLEN;
        header->nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | request.type);
        header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        header->nlmsg_seq = sequence;
        nfgenmsg generic{};
        generic.nfgen_family = request.family == packet::IpFamily::v6 ? AF_INET6 : AF_INET;
        (void)nlmsg_append(message.get(), &generic, sizeof generic, NLMSG_ALIGNTO);
        for (const auto &[attribute, name] : request.names)
            (void)nla_put_string(message.get(), attribute, name.c_str());
        if (nl_sendto(m_socket.get(), header, header->nlmsg_len) < 0) return refused(errno, "list");
        bool done = false, interrupted = false;
        while (!done) {
            const auto count = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return refused(errno, "list");
            int left = static_cast<int>(count);
            for (auto *part = reinterpret_cast<nlmsghdr *>(buffer.data()); nlmsg_ok(part, left);
                 part = nlmsg_next(part, &left)) {
                if (part->nlmsg_seq != sequence) continue;
                interrupted = interrupted || (part->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
                done = done || part->nlmsg_type == NLMSG_DONE || part->nlmsg_type == NLMSG_ERROR;
                if (part->nlmsg_type == NLMSG_ERROR) {
                    nlmsgerr error{};
                    std::memcpy(&error, nlmsg_data(part), sizeof error);
                    if (error.error == -EINTR || error.error == -EAGAIN)
                        interrupted = true;
                    else if (error.error != 0)
                        return refused(-error.error, "list");
                }
                if (part->nlmsg_type < NLMSG_MIN_TYPE) continue;
                if (nlmsg_parse(part, sizeof(nfgenmsg), attributes.data(), highest, nullptr) < 0) continue;
                if (!interrupted) visit(attributes.data());
            }
        }
        if (!interrupted) return {};
    }
    return refused(EAGAIN, "the rules change faster than they can be listed");
}

} // namespace natlens::proxycore::nft
