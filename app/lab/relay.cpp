// Proxies: another connection in place of the client's. What docker-proxy, ingress controllers and most load balancers
// do.
#include "app/lab/workloads.h"

#include "app/lab/client_sockets.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace natlens::lab {

struct Workloads::Proxy {
    base::UniqueFd listener;
    ProxyAction action;
    const LabHost *host = nullptr;
};

struct Workloads::Relay {
    base::UniqueFd client, server;
    std::string first; ///< goes to the server before the client's bytes
    bool forwardedFor = false;
    packet::SocketAddress from, to;
};

namespace {

void bigEndian(std::string &bytes, packet::Port value) {
    bytes.push_back(static_cast<char>(value >> 8));
    bytes.push_back(static_cast<char>(value & 0xff));
}

void append(std::string &bytes, const packet::IpAddress &ip) {
    bytes.append(reinterpret_cast<const char *>(ip.bytes.data()), ip.size());
}

/// The PROXY protocol's header (version 1 in text, version 2 in binary).
std::string preface(unsigned version, const packet::SocketAddress &from, const packet::SocketAddress &to) {
    if (version == 1)
        return fmt::format("PROXY TCP4 {} {} {} {}\r\n", from.ip.toString(), to.ip.toString(), from.port, to.port);
    if (version != 2) return {};
    std::string bytes("\r\n\r\n\0\r\nQUIT\n", 12);
    bytes += "\x21\x11"; // version 2, PROXY; IPv4 and TCP
    bigEndian(bytes, 12);
    append(bytes, from.ip);
    append(bytes, to.ip);
    bigEndian(bytes, from.port);
    bigEndian(bytes, to.port);
    return bytes;
}

bool sendAll(int socket, std::string_view bytes) {
    // A page of the lab fits into any socket buffer.
    return bytes.empty() ||
           ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

} // namespace

base::Status Workloads::startProxy(const LabHost &host, const ProxyAction &action) {
    auto listener = openSocket(host.nameSpace, SOCK_STREAM, action.listen);
    if (!listener) return std::unexpected(listener.error());
    if (::listen(listener->get(), 64) != 0) return base::failErrno("listen", action.listen.toString());
    auto &proxy = m_proxies.emplace_back(std::make_shared<Proxy>(Proxy{std::move(*listener), action, &host}));
    m_reactor.watch(proxy->listener.get(), Reactor::For::reading, [this, proxy = proxy.get()] { accept(*proxy); });
    return {};
}

void Workloads::accept(Proxy &proxy) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    base::UniqueFd client(
        ::accept4(proxy.listener.get(), reinterpret_cast<sockaddr *>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return;
    auto server = openSocket(proxy.host->nameSpace, SOCK_STREAM, {});
    if (!server) return;
    auto relay = std::make_shared<Relay>();
    relay->from = fromIpv4(peer);
    relay->to = localAddress(client.get());
    relay->first = preface(proxy.action.preface, relay->from, relay->to);
    relay->forwardedFor = proxy.action.forwardedFor;
    relay->client = std::move(client);
    relay->server = std::move(*server);
    m_relays.push_back(relay);
    const auto to = toIpv4(proxy.action.to);
    ::connect(relay->server.get(), reinterpret_cast<const sockaddr *>(&to), sizeof to);
    m_reactor.watch(relay->server.get(), Reactor::For::writing, [this, relay] {
        int error = 0;
        socklen_t length = sizeof error;
        ::getsockopt(relay->server.get(), SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0) return end(relay);
        m_reactor.watch(relay->server.get(), Reactor::For::reading, [this, relay] { toClient(relay); });
        m_reactor.watch(relay->client.get(), Reactor::For::reading, [this, relay] { toServer(relay); });
    });
}

void Workloads::toServer(const std::shared_ptr<Relay> &relay) {
    char buffer[16384];
    const ssize_t got = ::recv(relay->client.get(), buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end(relay);
    std::string bytes = std::exchange(relay->first, {});
    bytes.append(buffer, static_cast<std::size_t>(got));
    if (std::exchange(relay->forwardedFor, false))
        if (const auto line = bytes.find("\r\n"); line != std::string::npos)
            bytes.insert(line + 2, fmt::format("X-Forwarded-For: {}\r\n", relay->from.ip.toString()));
    if (!sendAll(relay->server.get(), bytes)) end(relay);
}

void Workloads::toClient(const std::shared_ptr<Relay> &relay) {
    char buffer[16384];
    const ssize_t got = ::recv(relay->server.get(), buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || !sendAll(relay->client.get(), {buffer, static_cast<std::size_t>(got)})) end(relay);
}

void Workloads::end(const std::shared_ptr<Relay> &relay) {
    m_reactor.forget(relay->server.get());
    m_reactor.forget(relay->client.get());
    relay->server.reset();
    relay->client.reset();
    std::erase(m_relays, relay);
}

} // namespace natlens::lab
