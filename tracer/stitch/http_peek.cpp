#include "tracer/stitch/http_peek.h"

#include "capture/base/hash.h"
#include "tracer/stitch/proxy_preface.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace natlens::tracer {

namespace {

constexpr std::array<std::string_view, 9> kMethods = {"GET ",     "HEAD ",    "POST ",  "PUT ",  "DELETE ",
                                                      "OPTIONS ", "CONNECT ", "TRACE ", "PATCH "};
constexpr std::string_view kClientAddress = "client_address=";

bool isPrefixOf(std::string_view shorter, std::string_view longer) {
    return longer.substr(0, shorter.size()) == shorter;
}

/// Text begins with a known first word, or could still become one with more bytes.
bool mayBeHttp(std::string_view text) {
    const auto fits = [&](std::string_view word) {
        const auto common = std::min(word.size(), text.size());
        return isPrefixOf(word.substr(0, common), text);
    };
    return fits("HTTP/1.") || std::ranges::any_of(kMethods, fits);
}

/// The value of a header field among complete lines; "" when it is not there.
std::string_view headerField(std::string_view head, std::string_view name) {
    for (auto at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
        const std::string_view line = head.substr(at + 1, head.find_first_of("\r\n", at + 1) - at - 1);
        const bool same = line.size() > name.size() && line[name.size()] == ':' &&
                          std::equal(name.begin(), name.end(), line.begin(),
                                     [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
        if (!same) continue;
        const auto begin = line.find_first_not_of(" \t", name.size() + 1);
        return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
    }
    return {};
}

/// Fields that a proxy may add, leave out or replace: they tell nothing about whose request it is.
bool isProxysOwn(std::string_view name) {
    constexpr std::array kNames = {"host",        "connection", "keep-alive", "proxy-connection",  "via",
                                   "forwarded",   "x-real-ip",  "te",         "transfer-encoding", "accept-encoding",
                                   "traceparent", "tracestate", "cdn-loop",   "x-request-id",      "upgrade"};
    return std::ranges::find(kNames, name) != kNames.end() || name.starts_with("x-forwarded-") ||
           name.starts_with("x-envoy-") || name.starts_with("x-b3-");
}

/// Name and value of each header field of a client's, as two hashes of 16 bits in one number; in order of name.
std::vector<std::uint32_t> fieldsOf(std::string_view head, bool whole) {
    constexpr std::size_t kMost = 16;
    std::vector<std::uint32_t> fields;
    for (auto at = head.find('\n'); at != std::string_view::npos && fields.size() < kMost;) {
        const auto next = head.find('\n', at + 1);
        const std::string_view line =
            head.substr(at + 1, (next == std::string_view::npos ? head.size() : next) - at - 1);
        const bool complete = next != std::string_view::npos || whole;
        at = next;
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || !complete) continue;
        std::string name(line.substr(0, colon));
        std::ranges::transform(name, name.begin(),
                               [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        if (isProxysOwn(name)) continue;
        std::string_view value = line.substr(colon + 1);
        value = value.substr(std::min(value.size(), value.find_first_not_of(" \t")));
        value = value.substr(0, value.find_last_not_of(" \t\r") + 1);
        const auto hash = [](std::string_view text) {
            return static_cast<std::uint32_t>(base::hashBytes(std::as_bytes(std::span(text))) >> 48);
        };
        fields.push_back(hash(name) << 16 | hash(value));
    }
    std::ranges::sort(fields);
    return fields;
}

} // namespace

bool HttpPeek::looksLikeHttp(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    return bytes.size() >= 4 &&
           (mayBeHttp(text) || readPreface(text).incomplete || readPreface(text).preface.version != 0);
}

void HttpPeek::add(std::uint32_t sequence, std::span<const std::byte> bytes) {
    if (m_done || bytes.empty()) return;
    const std::uint32_t offset = sequence - m_base;
    if (offset >= kLimit) return;
    const std::size_t end = std::min<std::size_t>(kLimit, offset + bytes.size());
    if (end > m_bytes.size()) m_bytes.resize(end);
    std::memcpy(m_bytes.data() + offset, bytes.data(), end - offset);
    if (offset <= m_filled) {
        m_filled = std::max(m_filled, end);
        if (m_laterEnd > m_filled && m_laterBegin <= m_filled) m_filled = m_laterEnd;
    } else if (m_laterEnd == 0) {
        m_laterBegin = offset;
        m_laterEnd = end;
    } else if (offset <= m_laterEnd && end >= m_laterBegin) {
        m_laterBegin = std::min<std::size_t>(m_laterBegin, offset);
        m_laterEnd = std::max(m_laterEnd, end);
    }
    parse();
}

void HttpPeek::finish() {
    m_done = true;
    m_bytes = {};
}

void HttpPeek::parseRequest(std::string_view text, std::string_view line) {
    const auto first = line.find(' '), last = line.rfind(' ');
    if (first == std::string_view::npos || last <= first || !line.substr(last + 1).starts_with("HTTP/")) return;
    m_lines.method = line.substr(0, first);
    m_lines.target = line.substr(first + 1, last - first - 1);
    const auto end = text.find("\r\n\r\n");
    m_lines.headersSeen = end != std::string_view::npos;
    const std::string_view head = text.substr(0, end);
    m_lines.host = headerField(head, "host");
    m_lines.forwardedFor = headerField(head, "x-forwarded-for");
    m_lines.fields = fieldsOf(head, m_lines.headersSeen);
}

/// How long the answer's body is said to be, and its beginning.
void HttpPeek::parseAnswer(std::string_view text) {
    const auto end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return;
    const std::string_view length = headerField(text.substr(0, end), "content-length");
    std::int64_t bytes = -1;
    (void)std::from_chars(length.data(), length.data() + length.size(), bytes);
    m_lines.bodyLength = bytes;
    constexpr std::size_t kLookedAt = 64;
    const std::string_view body = text.substr(end + 4);
    const auto wanted = bytes < 0 ? kLookedAt : std::min(kLookedAt, static_cast<std::size_t>(bytes));
    if (body.size() >= wanted && wanted != 0)
        m_lines.body =
            static_cast<std::uint32_t>(base::hashBytes(std::as_bytes(std::span(body.substr(0, wanted)))) >> 32) | 1;
}

void HttpPeek::parse() {
    std::string_view text(m_bytes.data(), m_filled);
    const auto [preface, incomplete] = readPreface(text);
    if (incomplete) return;
    if (preface.version != 0) {
        m_lines.proxyVersion = preface.version;
        m_lines.proxySource = preface.source.ip.toString();
        text.remove_prefix(preface.length);
    }
    if (!mayBeHttp(text)) return finish();
    const auto lineEnd = text.find_first_of("\r\n");
    if (lineEnd == std::string_view::npos) {
        if (m_filled == kLimit) finish();
        return;
    }
    const std::string_view line = text.substr(0, lineEnd);
    if (!isPrefixOf("HTTP/1.", line)) {
        parseRequest(text, line);
        return finish();
    }
    const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
    if (line.size() >= 12 && line[8] == ' ' && std::all_of(line.begin() + 9, line.begin() + 12, isDigit))
        m_lines.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    if (m_lines.status != 0) parseAnswer(text);
    if (const auto at = text.find(kClientAddress); at != std::string_view::npos) {
        const auto begin = at + kClientAddress.size();
        const auto end = text.find_first_of("\r\n", begin);
        if (end != std::string_view::npos) {
            m_lines.clientAddress = text.substr(begin, end - begin);
            return finish();
        }
    }
    if (m_filled == kLimit) finish();
}

} // namespace natlens::tracer
