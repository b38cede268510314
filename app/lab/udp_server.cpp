#include "app/lab/udp_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace natlens::lab {

base::Result<std::unique_ptr<UdpServer>> UdpServer::listen(const NetworkNamespace &where, packet::Port port) {
    InNamespace inside(where);
    base::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto subject = fmt::format("{} UDP port {}", where.name(), port);
    if (!socket) return base::failErrno("socket", subject);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        return base::failErrno("bind", subject);
    return std::unique_ptr<UdpServer>(new UdpServer(std::move(socket)));
}

void UdpServer::serve() const {
    char buffer[1024];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    for (ssize_t got = 0; (got = ::recvfrom(m_socket.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr *>(&from),
                                            &size)) >= 0;
         size = sizeof from) {
        char text[INET_ADDRSTRLEN] = "";
        ::inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
        const auto answer = fmt::format("client_address={}\nclient_port={}\n{}", text, ntohs(from.sin_port),
                                        std::string_view(buffer, static_cast<std::size_t>(got)));
        // A client that is gone is its own affair.
        (void)::sendto(m_socket.get(), answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr *>(&from), size);
    }
}

} // namespace natlens::lab
