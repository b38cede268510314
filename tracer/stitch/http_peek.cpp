#include "tracer/stitch/http_peek.h"

#include <algorithm>
#include <array>

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

} // namespace

bool HttpPeek::looksLikeHttp(std::span<const std::byte> bytes) {
    return bytes.size() >= 4 && mayBeHttp({reinterpret_cast<const char *>(bytes.data()), bytes.size()});
}

void HttpPeek::add(std::uint32_t sequence, std::span<const std::byte> bytes) {
    if (m_done || bytes.empty()) return;
    const std::uint32_t offset = sequence - m_base;
    if (offset >= kLimit) return;
    const std::size_t end = std::min<std::size_t>(kLimit, offset + bytes.size());
    if (end > m_bytes.size()) m_bytes.resize(end);
    std::transform(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(end - offset),
                   m_bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                   [](std::byte b) { return static_cast<char>(b); });
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

void HttpPeek::parse() {
    const std::string_view text(m_bytes.data(), m_filled);
    if (!mayBeHttp(text)) return finish();
    const auto lineEnd = text.find_first_of("\r\n");
    if (lineEnd == std::string_view::npos) {
        if (m_filled == kLimit) finish();
        return;
    }
    const std::string_view line = text.substr(0, lineEnd);
    if (!isPrefixOf("HTTP/1.", line)) {
        const auto first = line.find(' '), last = line.rfind(' ');
        if (first != std::string_view::npos && last > first && line.substr(last + 1).starts_with("HTTP/")) {
            m_lines.method = line.substr(0, first);
            m_lines.target = line.substr(first + 1, last - first - 1);
        }
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
