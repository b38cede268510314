// Small helpers around IPv4 sockets of workloads.
#pragma once

#include "app/lab/namespaces.h"
#include "capture/packet/address.h"

#include <netinet/in.h>

namespace natlens::lab {

[[nodiscard]] sockaddr_in toIpv4(const packet::SocketAddress &address);
[[nodiscard]] packet::SocketAddress fromIpv4(const sockaddr_in &address);
/// The local end; none on failure.
[[nodiscard]] packet::SocketAddress localAddress(int socket);
/// A non-blocking IPv4 socket inside a namespace, bound to `local` unless that is all zero. Ports in TIME_WAIT may be
/// reused. `protocol` 0: the usual one of that type.
[[nodiscard]] base::Result<base::UniqueFd> openSocket(const NetworkNamespace &where, int type,
                                                      const packet::SocketAddress &local, int protocol = 0);

} // namespace natlens::lab
