// Sockets bound to addresses as the rest of natlens writes them.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"
#include "capture/packet/address.h"

struct sockaddr;

namespace natlens::lab {

/// "0.0.0.0" or "::".
[[nodiscard]] packet::IpAddress anyAddress(packet::IpFamily family);
/// Of AF_INET or AF_INET6; an empty address for null.
[[nodiscard]] packet::SocketAddress fromSockaddr(const sockaddr *address);
/// In the calling thread's network namespace; `type` as socket(2) has it. An IPv6 socket has nothing to do with IPv4.
[[nodiscard]] base::Result<base::UniqueFd> boundSocket(int type, const packet::SocketAddress &address,
                                                       int protocol = 0);

} // namespace natlens::lab
