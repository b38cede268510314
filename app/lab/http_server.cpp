#include "app/lab/http_server.h"

#include "app/lab/late_library.h"
#include "app/lab/sockets.h"

#include <cctype>
#include <fmt/format.h>
#include <microhttpd.h>
#include <sys/socket.h>

namespace natlens::lab {
namespace {

/// The functions of libmicrohttpd that are used here.
struct Mhd {
    LateLibrary library{"libmicrohttpd.so.12"};
    decltype(::MHD_get_connection_values) *getConnectionValues =
        library.find<decltype(::MHD_get_connection_values)>("MHD_get_connection_values");
    decltype(::MHD_get_connection_info) *getConnectionInfo =
        library.find<decltype(::MHD_get_connection_info)>("MHD_get_connection_info");
    decltype(::MHD_create_response_from_buffer) *createResponseFromBuffer =
        library.find<decltype(::MHD_create_response_from_buffer)>("MHD_create_response_from_buffer");
    decltype(::MHD_add_response_header) *addResponseHeader =
        library.find<decltype(::MHD_add_response_header)>("MHD_add_response_header");
    decltype(::MHD_queue_response) *queueResponse = library.find<decltype(::MHD_queue_response)>("MHD_queue_response");
    decltype(::MHD_destroy_response) *destroyResponse =
        library.find<decltype(::MHD_destroy_response)>("MHD_destroy_response");
    decltype(::MHD_start_daemon) *startDaemon = library.find<decltype(::MHD_start_daemon)>("MHD_start_daemon");
    decltype(::MHD_get_daemon_info) *getDaemonInfo =
        library.find<decltype(::MHD_get_daemon_info)>("MHD_get_daemon_info");
    decltype(::MHD_stop_daemon) *stopDaemon = library.find<decltype(::MHD_stop_daemon)>("MHD_stop_daemon");
    decltype(::MHD_run) *run = library.find<decltype(::MHD_run)>("MHD_run");
    decltype(::MHD_get_timeout) *getTimeout = library.find<decltype(::MHD_get_timeout)>("MHD_get_timeout");
};

const Mhd &mhd() {
    static const Mhd loaded;
    return loaded;
}

MHD_Result collectHeader(void *target, MHD_ValueKind, const char *name, const char *value) {
    std::string key(name);
    std::ranges::transform(key, key.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    static_cast<HttpRequest *>(target)->headers.emplace_back(std::move(key), value != nullptr ? value : "");
    return MHD_YES;
}

MHD_Result collectArgument(void *target, MHD_ValueKind, const char *name, const char *value) {
    auto &query = *static_cast<std::string *>(target);
    if (!query.empty()) query += '&';
    query += name;
    if (value != nullptr) query += std::string("=") + value;
    return MHD_YES;
}

MHD_Result handle(void *self, MHD_Connection *connection, const char *url, const char *method, const char *version,
                  const char *, std::size_t *uploadSize, void **state) {
    // Called once with the headers, then again for every piece of a body (which nobody here reads), then to answer.
    static char seenHeaders;
    if (*state == nullptr) {
        *state = &seenHeaders;
        return MHD_YES;
    }
    if (*uploadSize != 0) {
        *uploadSize = 0;
        return MHD_YES;
    }
    HttpRequest request{method, url, {}, version, {}, {}};
    mhd().getConnectionValues(connection, MHD_HEADER_KIND, collectHeader, &request);
    mhd().getConnectionValues(connection, MHD_GET_ARGUMENT_KIND, collectArgument, &request.query);
    if (const auto *info = mhd().getConnectionInfo(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS))
        request.peer = fromSockaddr(info->client_addr);
    const HttpAnswer answer = static_cast<HttpServer *>(self)->answer(request);
    MHD_Response *response = mhd().createResponseFromBuffer(
        answer.body.size(), const_cast<char *>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
    for (const auto &[name, value] : answer.headers) mhd().addResponseHeader(response, name.c_str(), value.c_str());
    const MHD_Result result = mhd().queueResponse(connection, static_cast<unsigned>(answer.status), response);
    mhd().destroyResponse(response);
    return result;
}

} // namespace

base::Result<std::unique_ptr<HttpServer>> HttpServer::listen(const NetworkNamespace &where,
                                                             const packet::SocketAddress &address,
                                                             HttpHandler handler) {
    std::unique_ptr<HttpServer> server(new HttpServer(std::move(handler)));
    InNamespace inside(where);
    auto socket = boundSocket(SOCK_STREAM | SOCK_NONBLOCK, address);
    if (socket && ::listen(socket->get(), 512) != 0) socket = base::failErrno("listen", address.toString());
    if (!socket) {
        base::Error error = socket.error();
        error.subject = where.name() + " " + error.subject;
        return std::unexpected(error);
    }
    server->m_daemon = mhd().startDaemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, nullptr, nullptr, handle, server.get(),
                                        MHD_OPTION_LISTEN_SOCKET, socket->get(), MHD_OPTION_CONNECTION_TIMEOUT, 30u,
                                        MHD_OPTION_END);
    if (server->m_daemon == nullptr)
        return base::fail(base::ErrorCode::io, "the HTTP server did not start", "listen", address.toString());
    (void)socket->release(); // the daemon closes it
    server->m_pollFd = mhd().getDaemonInfo(server->m_daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return server;
}

HttpServer::~HttpServer() {
    if (m_daemon != nullptr) mhd().stopDaemon(m_daemon);
}

void HttpServer::serve() {
    // Its descriptor is edge-triggered inside: what one run leaves undone (the rest of a long page) no event announces.
    // Bounded, so that one client cannot keep the others waiting.
    MHD_UNSIGNED_LONG_LONG wait = 0;
    for (int round = 0; round < 32; ++round) {
        mhd().run(m_daemon);
        if (mhd().getTimeout(m_daemon, &wait) != MHD_YES || wait != 0) break;
    }
}

HttpAnswer echo(const HttpRequest &request) {
    std::string host = request.peer.ip.toString();
    for (const auto &[name, value] : request.headers)
        if (name == "host") host = value.substr(0, value.starts_with('[') ? value.find(']') + 1 : value.find(':'));
    std::string body = fmt::format("CLIENT VALUES:\n"
                                   "client_address={}\n"
                                   "command={}\n"
                                   "real path={}{}{}\n"
                                   "query={}\n"
                                   "request_version={}\n"
                                   "request_uri=http://{}:8080{}\n"
                                   "\n"
                                   "SERVER VALUES:\n"
                                   "server_version=natlens echo\n"
                                   "\n"
                                   "HEADERS RECEIVED:\n",
                                   request.peer.ip.toString(), request.method, request.path,
                                   request.query.empty() ? "" : "?", request.query,
                                   request.query.empty() ? "nil" : request.query,
                                   request.version.starts_with("HTTP/") ? request.version.substr(5) : request.version,
                                   host, request.path);
    auto headers = request.headers;
    std::ranges::sort(headers);
    for (const auto &[name, value] : headers) body += fmt::format("{}={}\n", name, value);
    body += "BODY:\n-no body in request-";
    return {200, {{"Content-Type", "text/plain"}}, std::move(body)};
}

} // namespace natlens::lab
