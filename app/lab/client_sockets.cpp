#include "app/lab/client_sockets.h"

#include <arpa/inet.h>
#include <cstring>
#include <sys/socket.h>

namespace natlens::lab {

sockaddr_in toIpv4(const packet::SocketAddress &address) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(address.port);
    if (!address.ip.isNone()) std::memcpy(&result.sin_addr, address.ip.bytes.data(), 4);
    return result;
}

packet::SocketAddress fromIpv4(const sockaddr_in &address) {
    return {packet::IpAddress::fromBytes(packet::IpFamily::v4, &address.sin_addr), ntohs(address.sin_port)};
}

packet::SocketAddress localAddress(int socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr *>(&address), &size) != 0) return {};
    return fromIpv4(address);
}

base::Result<base::UniqueFd> openSocket(const NetworkNamespace &where, int type, const packet::SocketAddress &local,
                                        int protocol) {
    InNamespace inside(where);
    base::UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!socket) return base::failErrno("socket", where.name());
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto address = toIpv4(local);
    if ((local.port != 0 || !local.ip.isNone()) &&
        ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        return base::failErrno("bind", where.name() + " " + local.toString());
    return socket;
}

} // namespace natlens::lab
