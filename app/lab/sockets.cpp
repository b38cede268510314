#include "app/lab/sockets.h"

#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

namespace natlens::lab {

packet::IpAddress anyAddress(packet::IpFamily family) {
    packet::IpAddress address;
    address.family = family;
    return address;
}

packet::SocketAddress fromSockaddr(const sockaddr *address) {
    if (address == nullptr) return {};
    if (address->sa_family == AF_INET) {
        const auto *v4 = reinterpret_cast<const sockaddr_in *>(address);
        return {packet::IpAddress::fromBytes(packet::IpFamily::v4, &v4->sin_addr), ntohs(v4->sin_port)};
    }
    const auto *v6 = reinterpret_cast<const sockaddr_in6 *>(address);
    return {packet::IpAddress::fromBytes(packet::IpFamily::v6, &v6->sin6_addr), ntohs(v6->sin6_port)};
}

base::Result<base::UniqueFd> boundSocket(int type, const packet::SocketAddress &address, int protocol) {
    const bool v4 = address.ip.isV4();
    base::UniqueFd fd(::socket(v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, protocol));
    if (!fd) return base::failErrno("socket", address.toString());
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!v4) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    sockaddr_in6 six{};
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(address.port);
    std::memcpy(&four.sin_addr, address.ip.bytes.data(), 4);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(address.port);
    std::memcpy(&six.sin6_addr, address.ip.bytes.data(), 16);
    const auto *where = v4 ? reinterpret_cast<const sockaddr *>(&four) : reinterpret_cast<const sockaddr *>(&six);
    if (::bind(fd.get(), where, v4 ? sizeof four : sizeof six) != 0) return base::failErrno("bind", address.toString());
    return fd;
}

} // namespace natlens::lab
