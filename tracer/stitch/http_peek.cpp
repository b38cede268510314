#include "tracer/stitch/http_peek.h"

#include "capture/packet/address.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace natlens::tracer {

namespace {

constexpr std::array<std::string_view, 9> kMethods = {"GET ",     "HEAD ",    "POST ",  "PUT ",  "DELETE ",
                                                      "OPTIONS ", "CONNECT ", "TRACE ", "PATCH "};
constexpr std::string_view kClientAddress = "client_address=";

/// The PROXY protocol's two beginnings (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2).
constexpr std::string_view kProxyV1 = "PROXY ";
constexpr std::string_view kProxyV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kProxyV2Header = 16;
constexpr std::size_t kProxyV1Longest = 107;

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

bool mayBeProxy(std::string_view text) {
    return std::ranges::any_of(std::array{kProxyV1, kProxyV2}, [&](std::string_view word) {
        return text.substr(0, word.size()) == word.substr(0, text.size());
    });
}

unsigned byteAt(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

/// Length of the PROXY protocol header that the text begins with; 0: none, npos: there is more of it to come.
std::size_t proxyHeader(std::string_view text, HttpFirstLines &lines) {
    if (text.empty() || !mayBeProxy(text)) return 0;
    if (isPrefixOf(kProxyV1, text)) {
        const auto end = text.find("\r\n");
        if (end == std::string_view::npos) return text.size() < kProxyV1Longest ? end : 0;
        lines.proxyVersion = 1;
        const std::string_view line = text.substr(0, end);
        if (const auto source = line.find(' ', kProxyV1.size()); source != std::string_view::npos)
            lines.proxySource = line.substr(source + 1, line.find(' ', source + 1) - source - 1);
        return end + 2;
    }
    if (text.size() < kProxyV2Header) return std::string_view::npos;
    const std::size_t length = kProxyV2Header + (byteAt(text, 14) << 8 | byteAt(text, 15));
    if (text.size() < length) return std::string_view::npos;
    lines.proxyVersion = 2;
    if (byteAt(text, 13) >> 4 == 1 && length >= kProxyV2Header + 12)
        lines.proxySource = packet::IpAddress::fromBytes(packet::IpFamily::v4, &text[kProxyV2Header]).toString();
    return length;
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

} // namespace

bool HttpPeek::looksLikeHttp(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    return bytes.size() >= 4 && (mayBeHttp(text) || mayBeProxy(text));
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
}

void HttpPeek::parse() {
    std::string_view text(m_bytes.data(), m_filled);
    const auto preface = proxyHeader(text, m_lines);
    if (preface == std::string_view::npos) return;
    text.remove_prefix(preface);
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
