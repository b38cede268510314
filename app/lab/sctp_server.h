// SCTP servers of the lab's workloads, where the kernel has SCTP: they tell a client how they see it.
#pragma once

#include "app/lab/namespaces.h"
#include "capture/packet/address.h"

#include <map>
#include <memory>
#include <netinet/in.h>

namespace natlens::lab {

/// Whether this kernel makes SCTP sockets. Many have no such module, or do not load it for an ordinary user.
[[nodiscard]] bool kernelHasSctp();

/// Answers every message with "client_address=IP\nclient_port=PORT\n" and what it got, until the client closes. One-to-one
/// style (RFC 6458, section 4), which is why it would do the same over TCP. No thread of its own: the owner polls fd() and calls
/// serve() when it is readable.
class SctpServer final {
public:
    [[nodiscard]] static base::Result<std::unique_ptr<SctpServer>>
    listen(const NetworkNamespace &where, const packet::SocketAddress &address, int protocol = IPPROTO_SCTP);
    [[nodiscard]] int fd() const { return m_poll.get(); }
    void serve();

private:
    SctpServer(base::UniqueFd socket, base::UniqueFd poll) : m_socket(std::move(socket)), m_poll(std::move(poll)) {}
    void accept();
    [[nodiscard]] bool answer(int client, const packet::SocketAddress &peer) const; ///< false: it has ended

    base::UniqueFd m_socket, m_poll;
    struct Client {
        base::UniqueFd fd;
        packet::SocketAddress peer;
    };
    std::map<int, Client> m_clients; ///< by descriptor
};

} // namespace natlens::lab
