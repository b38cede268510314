// Requests of the lab's clients and of the load balancer's health checks (libcurl), on sockets of their own namespaces.
#pragma once

#include "app/lab/namespaces.h"

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace natlens::lab {

/// How a request ended.
struct HttpOutcome {
    int status = 0;       ///< 0 when there was no answer
    std::string body;     ///< at most 64 KiB
    std::string error;    ///< "timed out", "connection refused", ...; "" when answered
};

struct HttpLimits {
    std::chrono::milliseconds connect{1000};
    std::chrono::milliseconds total{3000};
};

/// Many requests at once from many namespaces, without threads: wait() polls, and calls back as requests end.
class HttpClient final {
public:
    /// unsupported without libcurl, which is loaded here, with the package to install.
    [[nodiscard]] static base::Result<HttpClient> make();
    HttpClient(HttpClient &&) noexcept;
    HttpClient &operator=(HttpClient &&) = delete;
    ~HttpClient();

    using Done = std::function<void(const HttpOutcome &)>;
    /// Starts GET `url` from inside `from`, which must outlive the request. A new connection each time, as curl makes.
    void get(const NetworkNamespace &from, const std::string &url, HttpLimits limits, Done done);
    /// Waits for requests, or for one of `others` to become readable, at most `atMost`; then runs what is due.
    /// Returns how many of `others` are readable; their `readable` flag says which.
    struct Watch { int fd = -1; bool readable = false; };
    int wait(std::span<Watch> others, std::chrono::milliseconds atMost);
    /// Requests not yet ended.
    [[nodiscard]] std::size_t running() const;
    /// Ends every request from this namespace with "cancelled"; call before the namespace goes.
    void cancel(const NetworkNamespace &from);

private:
    class Impl;
    explicit HttpClient(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> m_impl;
};

} // namespace natlens::lab
