// UDP servers of the lab's workloads: they tell a client how they see it.
#pragma once

#include "app/lab/namespaces.h"
#include "capture/base/unique_fd.h"
#include "capture/packet/address.h"

#include <memory>

namespace natlens::lab {

/// Answers every datagram with "client_address=IP\nclient_port=PORT\n" and what it got. No thread of its own: the owner polls
/// fd() and calls serve() when it is readable.
class UdpServer final {
public:
    [[nodiscard]] static base::Result<std::unique_ptr<UdpServer>> listen(const NetworkNamespace &where,
                                                                         const packet::SocketAddress &address);
    [[nodiscard]] int fd() const { return m_socket.get(); }
    void serve() const;

private:
    explicit UdpServer(base::UniqueFd socket) : m_socket(std::move(socket)) {}
    base::UniqueFd m_socket;
};

} // namespace natlens::lab
