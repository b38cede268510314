#include "app/lab/http_client.h"

#include "capture/base/late_library.h"

#include <curl/curl.h>
#include <list>

namespace natlens::lab {
namespace {

constexpr std::size_t kMaximumBody = 64 * 1024;

/// The functions of libcurl that are used here.
struct Curl {
    decltype(::curl_easy_init) *easyInit = nullptr;
    decltype(::curl_easy_setopt) *easySetopt = nullptr;
    decltype(::curl_easy_getinfo) *easyGetinfo = nullptr;
    decltype(::curl_easy_strerror) *easyStrerror = nullptr;
    decltype(::curl_easy_cleanup) *easyCleanup = nullptr;
    decltype(::curl_multi_init) *multiInit = nullptr;
    decltype(::curl_multi_cleanup) *multiCleanup = nullptr;
    decltype(::curl_multi_add_handle) *multiAddHandle = nullptr;
    decltype(::curl_multi_remove_handle) *multiRemoveHandle = nullptr;
    decltype(::curl_multi_perform) *multiPerform = nullptr;
    decltype(::curl_multi_poll) *multiPoll = nullptr;
    decltype(::curl_multi_info_read) *multiInfoRead = nullptr;
};

base::Result<Curl> load() {
    const auto library = base::LateLibrary::load(base::kCurlLibrary);
    if (!library) return std::unexpected(library.error());
    Curl all;
    base::Status status;
    const auto find = [&](const char *name, auto *&function) {
        if (status) status = library->find(name, function);
    };
    find("curl_easy_init", all.easyInit);
    find("curl_easy_setopt", all.easySetopt);
    find("curl_easy_getinfo", all.easyGetinfo);
    find("curl_easy_strerror", all.easyStrerror);
    find("curl_easy_cleanup", all.easyCleanup);
    find("curl_multi_init", all.multiInit);
    find("curl_multi_cleanup", all.multiCleanup);
    find("curl_multi_add_handle", all.multiAddHandle);
    find("curl_multi_remove_handle", all.multiRemoveHandle);
    find("curl_multi_perform", all.multiPerform);
    find("curl_multi_poll", all.multiPoll);
    find("curl_multi_info_read", all.multiInfoRead);
    if (!status) return std::unexpected(status.error());
    return all;
}

const base::Result<Curl> &loaded() {
    static const auto once = load();
    return once;
}

/// For what exists only if it is loaded.
const Curl &curl() {
    return *loaded();
}

struct Transfer {
    CURL *easy = nullptr;
    const NetworkNamespace *from = nullptr;
    std::string body;
    HttpClient::Done done;
};

std::size_t collectBody(char *data, std::size_t, std::size_t size, void *self) {
    auto &body = static_cast<Transfer *>(self)->body;
    if (body.size() < kMaximumBody) body.append(data, std::min(size, kMaximumBody - body.size()));
    return size;
}

curl_socket_t openInside(void *self, curlsocktype, curl_sockaddr *address) {
    InNamespace inside(*static_cast<Transfer *>(self)->from);
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::string reason(CURLcode code, CURL *easy) {
    long systemError = 0;
    curl().easyGetinfo(easy, CURLINFO_OS_ERRNO, &systemError);
    if (code == CURLE_OPERATION_TIMEDOUT) return "timed out";
    if (systemError == ECONNREFUSED) return "connection refused";
    if (systemError == ENETUNREACH || systemError == EHOSTUNREACH) return "no route to host";
    if (code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING) return "connection reset";
    return curl().easyStrerror(code);
}

} // namespace

class HttpClient::Impl {
public:
    Impl() : m_multi(curl().multiInit()) {}
    ~Impl() {
        for (auto &transfer : m_transfers) release(transfer);
        curl().multiCleanup(m_multi);
    }

    void start(const NetworkNamespace &from, const std::string &url, HttpLimits limits, Done done) {
        Transfer &transfer = m_transfers.emplace_back();
        transfer.from = &from;
        transfer.done = std::move(done);
        transfer.easy = curl().easyInit();
        CURL *easy = transfer.easy;
        curl().easySetopt(easy, CURLOPT_URL, url.c_str());
        curl().easySetopt(easy, CURLOPT_PROTOCOLS_STR, "http");
        curl().easySetopt(easy, CURLOPT_PROXY, "");
        curl().easySetopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl().easySetopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl().easySetopt(easy, CURLOPT_FORBID_REUSE, 1L);
        curl().easySetopt(easy, CURLOPT_USERAGENT, "natlens");
        curl().easySetopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.connect.count()));
        curl().easySetopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(limits.total.count()));
        curl().easySetopt(easy, CURLOPT_OPENSOCKETFUNCTION, openInside);
        curl().easySetopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
        curl().easySetopt(easy, CURLOPT_WRITEFUNCTION, collectBody);
        curl().easySetopt(easy, CURLOPT_WRITEDATA, &transfer);
        curl().easySetopt(easy, CURLOPT_PRIVATE, &transfer);
        curl().multiAddHandle(m_multi, easy);
    }

    int wait(std::span<Watch> others, std::chrono::milliseconds atMost) {
        int alive = 0;
        curl().multiPerform(m_multi, &alive);
        collect();
        m_watched.resize(others.size());
        for (std::size_t i = 0; i < others.size(); ++i)
            m_watched[i] = curl_waitfd{others[i].fd, CURL_WAIT_POLLIN, 0};
        curl().multiPoll(m_multi, m_watched.data(), static_cast<unsigned>(m_watched.size()),
                        static_cast<int>(atMost.count()), nullptr);
        int readable = 0;
        for (std::size_t i = 0; i < others.size(); ++i) {
            others[i].readable = m_watched[i].revents != 0;
            readable += others[i].readable ? 1 : 0;
        }
        curl().multiPerform(m_multi, &alive);
        collect();
        return readable;
    }

    void cancel(const NetworkNamespace &from) {
        for (auto it = m_transfers.begin(); it != m_transfers.end();) {
            if (it->from != &from) {
                ++it;
                continue;
            }
            Done done = std::move(it->done);
            release(*it);
            it = m_transfers.erase(it);
            done(HttpOutcome{0, {}, "cancelled"});
        }
    }

    std::size_t running() const { return m_transfers.size(); }

private:
    void release(Transfer &transfer) {
        curl().multiRemoveHandle(m_multi, transfer.easy);
        curl().easyCleanup(transfer.easy);
    }

    void collect() {
        int left = 0;
        while (const CURLMsg *message = curl().multiInfoRead(m_multi, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            CURL *easy = message->easy_handle;
            const CURLcode code = message->data.result;
            auto found = std::ranges::find(m_transfers, easy, &Transfer::easy);
            if (found == m_transfers.end()) continue;
            HttpOutcome outcome;
            long status = 0;
            curl().easyGetinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            outcome.status = static_cast<int>(status);
            outcome.body = std::move(found->body);
            if (code != CURLE_OK) outcome.error = reason(code, easy);
            Done done = std::move(found->done);
            release(*found);
            m_transfers.erase(found);
            done(outcome); // may start new requests
        }
    }

    CURLM *m_multi;
    std::list<Transfer> m_transfers; ///< a list: libcurl holds pointers to the elements
    std::vector<curl_waitfd> m_watched;
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
HttpClient::HttpClient(HttpClient &&) noexcept = default;
HttpClient::~HttpClient() = default;
base::Result<HttpClient> HttpClient::make() {
    if (!loaded()) return std::unexpected(loaded().error());
    return HttpClient(std::make_unique<Impl>());
}
void HttpClient::get(const NetworkNamespace &from, const std::string &url, HttpLimits limits, Done done) {
    m_impl->start(from, url, limits, std::move(done));
}
int HttpClient::wait(std::span<Watch> others, std::chrono::milliseconds atMost) { return m_impl->wait(others, atMost); }
std::size_t HttpClient::running() const { return m_impl->running(); }
void HttpClient::cancel(const NetworkNamespace &from) { m_impl->cancel(from); }

} // namespace natlens::lab
