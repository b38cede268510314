// HTTP servers of the lab's workloads, on sockets made in their own namespaces, served from one loop (libmicrohttpd).
#pragma once

#include "app/lab/namespaces.h"
#include "capture/packet/address.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

struct MHD_Daemon;

namespace natlens::lab {

struct HttpRequest {
    std::string method, path, query, version; ///< query without '?', "" when there is none
    std::vector<std::pair<std::string, std::string>> headers; ///< names in lower case, in order of arrival
    packet::SocketAddress peer;               ///< as the server's kernel sees it
};

struct HttpAnswer {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};

using HttpHandler = std::function<HttpAnswer(const HttpRequest &)>;

/// One listening address. No thread of its own: the owner polls fd() and calls serve() when it is readable.
class HttpServer final {
public:
    /// Listens on `address` inside `where`, for its family only. The handler is called from serve(). unsupported
    /// without libmicrohttpd, which is loaded here, with the package to install.
    [[nodiscard]] static base::Result<std::unique_ptr<HttpServer>> listen(const NetworkNamespace &where,
                                                                          const packet::SocketAddress &address,
                                                                          HttpHandler handler);
    ~HttpServer();
    HttpServer(const HttpServer &) = delete;
    HttpServer &operator=(const HttpServer &) = delete;

    [[nodiscard]] int fd() const { return m_pollFd; }
    void serve();
    [[nodiscard]] HttpAnswer answer(const HttpRequest &request) const { return m_handler(request); }

private:
    explicit HttpServer(HttpHandler handler) : m_handler(std::move(handler)) {}
    HttpHandler m_handler;
    MHD_Daemon *m_daemon = nullptr;
    int m_pollFd = -1; ///< the daemon's epoll descriptor
};

/// The document's echoserver: "CLIENT VALUES:", "client_address=", "command=" and so on.
[[nodiscard]] HttpAnswer echo(const HttpRequest &request);

} // namespace natlens::lab
