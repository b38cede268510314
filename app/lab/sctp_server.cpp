#include "app/lab/sctp_server.h"

#include "app/lab/sockets.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace natlens::lab {
namespace {

constexpr int kBacklog = 64;

base::Status watch(int poll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) return base::failErrno("epoll_ctl", "SCTP");
    return {};
}

} // namespace

bool kernelHasSctp() { return bool(base::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP))); }

base::Result<std::unique_ptr<SctpServer>> SctpServer::listen(const NetworkNamespace &where,
                                                             const packet::SocketAddress &address, int protocol) {
    InNamespace inside(where);
    auto socket = boundSocket(SOCK_STREAM | SOCK_NONBLOCK, address, protocol);
    if (socket && ::listen(socket->get(), kBacklog) != 0) socket = base::failErrno("listen", address.toString());
    if (!socket) {
        base::Error error = socket.error();
        error.subject = where.name() + " SCTP " + error.subject;
        return std::unexpected(error);
    }
    base::UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
    if (!poll) return base::failErrno("epoll_create1");
    if (auto status = watch(poll.get(), socket->get()); !status) return std::unexpected(status.error());
    return std::unique_ptr<SctpServer>(new SctpServer(std::move(*socket), std::move(poll)));
}

void SctpServer::serve() {
    epoll_event events[16];
    const int count = ::epoll_wait(m_poll.get(), events, std::size(events), 0);
    for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == m_socket.get()) {
            accept();
        } else if (const auto client = m_clients.find(fd); client != m_clients.end()) {
            if (!answer(fd, client->second.peer)) m_clients.erase(client); // closing takes it out of the poll as well
        }
    }
}

void SctpServer::accept() {
    sockaddr_storage from{};
    auto *const peer = reinterpret_cast<sockaddr *>(&from);
    socklen_t size = sizeof from;
    for (int fd = -1; (fd = ::accept4(m_socket.get(), peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0; size = sizeof from) {
        base::UniqueFd client(fd);
        if (watch(m_poll.get(), fd)) m_clients.emplace(fd, Client{std::move(client), fromSockaddr(peer)});
    }
}

bool SctpServer::answer(int client, const packet::SocketAddress &peer) const {
    char buffer[1024];
    const ssize_t got = ::recv(client, buffer, sizeof buffer, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    const auto text = fmt::format("client_address={}\nclient_port={}\n{}", peer.ip.toString(), peer.port,
                                  std::string_view(buffer, static_cast<std::size_t>(got)));
    // A client that is gone is its own affair.
    (void)::send(client, text.data(), text.size(), MSG_NOSIGNAL);
    return true;
}

} // namespace natlens::lab
