#include "app/lab/sim/http_text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ctime>
#include <fmt/format.h>

namespace natlens::lab::sim {
namespace {

constexpr std::string_view kLineEnd = "\r\n", kHeaderEnd = "\r\n\r\n";

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

std::vector<std::pair<std::string, std::string>> parseHeaders(std::string_view lines) {
    std::vector<std::pair<std::string, std::string>> headers;
    while (!lines.empty()) {
        const auto end = std::min(lines.find(kLineEnd), lines.size());
        const auto line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + kLineEnd.size(), lines.size()));
        const auto colon = line.find(':');
        if (colon == line.npos) continue;
        auto value = line.substr(colon + 1);
        while (value.starts_with(' ')) value.remove_prefix(1);
        headers.emplace_back(lower(line.substr(0, colon)), value);
    }
    return headers;
}

std::string_view reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 404: return "Not Found";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Unknown";
    }
}

/// "[fd00::1]" -> "fd00::1" (RFC 3986, section 3.2.2).
std::string_view withoutBrackets(std::string_view host) {
    return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

/// RFC 9110, section 5.6.7, whatever the locale.
std::string httpDate(base::Timestamp time) {
    constexpr const char *kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char *kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto seconds = static_cast<std::time_t>(time.nanoseconds / 1'000'000'000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                       kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

} // namespace

std::optional<HttpUrl> parseUrl(const std::string &url) {
    constexpr std::string_view kScheme = "http://";
    if (!url.starts_with(kScheme)) return std::nullopt;
    const auto rest = std::string_view(url).substr(kScheme.size());
    const auto slash = std::min(rest.find('/'), rest.size());
    HttpUrl result{{}, std::string(rest.substr(0, slash)), std::string(rest.substr(slash))};
    if (result.target.empty()) result.target = "/";
    if (const auto address = packet::SocketAddress::parse(result.host)) {
        result.server = *address;
    } else if (const auto ip = packet::IpAddress::parse(withoutBrackets(result.host))) {
        result.server = {*ip, 80};
    } else {
        return std::nullopt;
    }
    return result;
}

std::string requestText(const HttpUrl &url) {
    return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: natlens\r\nAccept: */*\r\n\r\n", url.target, url.host);
}

std::optional<HttpRequest> parseRequest(std::string_view text, const packet::SocketAddress &peer) {
    const auto end = text.find(kHeaderEnd);
    if (end == text.npos) return std::nullopt;
    const auto line = text.substr(0, text.find(kLineEnd));
    const auto first = line.find(' '), last = line.rfind(' ');
    if (first == line.npos || first == last) return std::nullopt;
    const auto target = line.substr(first + 1, last - first - 1);
    const auto question = target.find('?');
    HttpRequest request;
    request.method = line.substr(0, first);
    request.path = target.substr(0, question);
    if (question != target.npos) request.query = target.substr(question + 1);
    request.version = line.substr(last + 1);
    const auto headers = text.find(kLineEnd) + kLineEnd.size();
    if (headers < end) request.headers = parseHeaders(text.substr(headers, end - headers));
    request.peer = peer;
    return request;
}

std::string answerText(const HttpAnswer &answer, base::Timestamp now) {
    std::string text = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", answer.status, reason(answer.status), httpDate(now));
    for (const auto &[name, value] : answer.headers) text += fmt::format("{}: {}\r\n", name, value);
    return text + fmt::format("Content-Length: {}\r\n\r\n{}", answer.body.size(), answer.body);
}

std::optional<HttpAnswer> parseAnswer(std::string_view text) {
    const auto end = text.find(kHeaderEnd);
    const auto blank = text.find(' ');
    if (end == text.npos || blank == text.npos) return std::nullopt;
    HttpAnswer answer;
    std::from_chars(text.data() + blank + 1, text.data() + text.size(), answer.status);
    answer.headers = parseHeaders(text.substr(0, end));
    std::size_t length = 0;
    for (const auto &[name, value] : answer.headers)
        if (name == "content-length") std::from_chars(value.data(), value.data() + value.size(), length);
    const auto body = text.substr(end + kHeaderEnd.size());
    if (body.size() < length) return std::nullopt;
    answer.body = body.substr(0, length);
    return answer;
}

} // namespace natlens::lab::sim
