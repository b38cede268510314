#include "app/lab/udp_server.h"

#include "app/lab/sockets.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace natlens::lab {

base::Result<std::unique_ptr<UdpServer>> UdpServer::listen(const NetworkNamespace &where,
                                                           const packet::SocketAddress &address) {
    InNamespace inside(where);
    auto socket = boundSocket(SOCK_DGRAM | SOCK_NONBLOCK, address);
    if (!socket) {
        base::Error error = socket.error();
        error.subject = where.name() + " UDP " + error.subject;
        return std::unexpected(error);
    }
    return std::unique_ptr<UdpServer>(new UdpServer(std::move(*socket)));
}

void UdpServer::serve() const {
    char buffer[1024];
    sockaddr_storage from{};
    auto *const peer = reinterpret_cast<sockaddr *>(&from);
    socklen_t size = sizeof from;
    for (ssize_t got = 0; (got = ::recvfrom(m_socket.get(), buffer, sizeof buffer, 0, peer, &size)) >= 0;
         size = sizeof from) {
        const auto client = fromSockaddr(peer);
        const auto answer = fmt::format("client_address={}\nclient_port={}\n{}", client.ip.toString(), client.port,
                                        std::string_view(buffer, static_cast<std::size_t>(got)));
        // A client that is gone is its own affair.
        (void)::sendto(m_socket.get(), answer.data(), answer.size(), 0, peer, size);
    }
}

} // namespace natlens::lab
