#include "app/lab/workloads.h"

#include "app/lab/client_sockets.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

namespace natlens::lab {

struct Workloads::Client {
    base::UniqueFd socket;
    std::string received;
    bool answered = false;
};

Workloads::~Workloads() = default;

// --- UDP --------------------------------------------------------------------------------------------------------

void Workloads::datagrams(const LabHost &host, const DatagramsAction &action, Done done) {
    std::shared_ptr<Client> client;
    if (const auto kept = m_clients.find(action.socket); kept != m_clients.end() && !action.socket.empty()) {
        client = kept->second;
    } else {
        auto socket = openSocket(host.nameSpace, SOCK_DGRAM, {{}, action.sourcePort});
        if (!socket) return done();
        client = std::make_shared<Client>(Client{std::move(*socket), {}, false});
        const auto to = toIpv4(action.to);
        // Connected, so that the kernel takes answers from this address only and tells of ICMP errors.
        ::connect(client->socket.get(), reinterpret_cast<const sockaddr *>(&to), sizeof to);
        if (!action.socket.empty()) m_clients[action.socket] = client;
    }
    m_reactor.watch(client->socket.get(), Reactor::For::reading, [client] {
        char buffer[2048];
        while (::recv(client->socket.get(), buffer, sizeof buffer, 0) >= 0)
            client->answered = true;
        // An ICMP error stays readable until it is fetched; recv() has done that.
    });
    sendDatagrams(client, action, 0, std::move(done));
}

void Workloads::sendDatagrams(const std::shared_ptr<Client> &client, const DatagramsAction &action, unsigned sent,
                              Done done) {
    while (sent < action.count) {
        const auto text = action.count == 1 ? action.text : fmt::format("{} {}", action.text, sent + 1);
        (void)::send(client->socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
        ++sent;
        if (sent < action.count && action.interval.count() > 0) {
            m_reactor.after(action.interval, [this, client, action, sent, done = std::move(done)] {
                sendDatagrams(client, action, sent, done);
            });
            return;
        }
    }
    m_reactor.after(action.wait, [this, client, keep = !action.socket.empty(), done = std::move(done)] {
        if (!keep) m_reactor.forget(client->socket.get());
        done();
    });
}

base::Status Workloads::startUdpServer(const LabHost &host, const UdpServerAction &action) {
    auto socket = openSocket(host.nameSpace, SOCK_DGRAM, {packet::IpAddress::v4(0), action.port});
    if (!socket) return std::unexpected(socket.error());
    int answers = socket->get();
    if (action.answerFrom) {
        auto other = openSocket(host.nameSpace, SOCK_DGRAM, {*action.answerFrom, action.port});
        if (!other) return std::unexpected(other.error());
        answers = other->get();
        m_servers.push_back(std::move(*other));
    }
    m_reactor.watch(socket->get(), Reactor::For::reading, [in = socket->get(), answers] {
        char buffer[2048];
        sockaddr_in from{};
        socklen_t size = sizeof from;
        ssize_t got = 0;
        while ((got = ::recvfrom(in, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr *>(&from), &size)) >= 0) {
            (void)::sendto(answers, buffer, static_cast<std::size_t>(got), 0, reinterpret_cast<const sockaddr *>(&from),
                           size);
            size = sizeof from;
        }
    });
    m_servers.push_back(std::move(*socket));
    return {};
}

// --- TCP and SCTP clients ---------------------------------------------------------------------------------------

void Workloads::connect(const LabHost &host, const ConnectAction &action, Done done) {
    auto socket =
        openSocket(host.nameSpace, SOCK_STREAM, {{}, action.sourcePort}, action.isSctp() ? IPPROTO_SCTP : IPPROTO_TCP);
    if (!socket) return done();
    auto client = std::make_shared<Client>(Client{std::move(*socket), {}, false});
    const int fd = client->socket.get();
    if (!action.name.empty()) m_clients[action.name] = client;
    // Once: at the first answer, at an end, or when the time is over.
    auto finish = std::make_shared<Done>(std::move(done));
    const auto over = [this, client, fd, finish, keep = !action.name.empty()] {
        if (!*finish) return;
        const Done call = std::exchange(*finish, nullptr);
        if (!keep) {
            m_reactor.forget(fd);
            client->socket.reset();
        }
        call();
    };
    m_reactor.watch(fd, Reactor::For::writing, [this, client, fd, over, text = action.text] {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            m_reactor.forget(fd);
            return over();
        }
        if (!text.empty()) (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        m_reactor.watch(fd, Reactor::For::reading, [this, client, fd, over] {
            char buffer[4096];
            const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
            if (got > 0) {
                client->answered = true;
                return over();
            }
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
            m_reactor.forget(fd);
            over();
        });
        if (text.empty()) over();
    });
    const auto to = toIpv4(action.to);
    ::connect(fd, reinterpret_cast<const sockaddr *>(&to), sizeof to);
    m_reactor.after(action.wait, over);
}

void Workloads::disconnect(const std::string &name) {
    const auto found = m_clients.find(name);
    if (found == m_clients.end()) return;
    m_reactor.forget(found->second->socket.get());
    found->second->socket.reset();
    m_clients.erase(found);
}

} // namespace natlens::lab
