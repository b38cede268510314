#include "app/lab/http_server.h"

#include "app/lab/sockets.h"
#include "capture/base/late_library.h"

#include <cctype>
#include <fmt/format.h>
#include <microhttpd.h>
#include <sys/socket.h>

namespace natlens::lab {
namespace {

/// The functions of libmicrohttpd that are used here.
struct Mhd {
    decltype(::MHD_get_connection_values) *getConnectionValues = nullptr;
    decltype(::MHD_get_connection_info) *getConnectionInfo = nullptr;
    decltype(::MHD_create_response_from_buffer) *createResponseFromBuffer = nullptr;
    decltype(::MHD_add_response_header) *addResponseHeader = nullptr;
    decltype(::MHD_queue_response) *queueResponse = nullptr;
    decltype(::MHD_destroy_response) *destroyResponse = nullptr;
    decltype(::MHD_start_daemon) *startDaemon = nullptr;
    decltype(::MHD_get_daemon_info) *getDaemonInfo = nullptr;
    decltype(::MHD_stop_daemon) *stopDaemon = nullptr;
    decltype(::MHD_run) *run = nullptr;
    decltype(::MHD_get_timeout) *getTimeout = nullptr;
};

base::Result<Mhd> load() {
    const auto library = base::LateLibrary::load(base::kMicrohttpdLibrary);
    if (!library) return std::unexpected(library.error());
    Mhd all;
    base::Status status;
    const auto find = [&](const char *name, auto *&function) {
        if (status) status = library->find(name, function);
    };
    find("MHD_get_connection_values", all.getConnectionValues);
    find("MHD_get_connection_info", all.getConnectionInfo);
    find("MHD_create_response_from_buffer", all.createResponseFromBuffer);
    find("MHD_add_response_header", all.addResponseHeader);
    find("MHD_queue_response", all.queueResponse);
    find("MHD_destroy_response", all.destroyResponse);
    find("MHD_start_daemon", all.startDaemon);
    find("MHD_get_daemon_info", all.getDaemonInfo);
    find("MHD_stop_daemon", all.stopDaemon);
    find("MHD_run", all.run);
    find("MHD_get_timeout", all.getTimeout);
    if (!status) return std::unexpected(status.error());
    return all;
}

const base::Result<Mhd> &loaded() {
    static const auto once = load();
    return once;
}

/// For what exists only if it is loaded.
const Mhd &mhd() {
    return *loaded();
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
    if (!loaded()) return std::unexpected(loaded().error());
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
