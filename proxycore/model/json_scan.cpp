#include "proxycore/model/json_scan.h"

namespace natlens::proxycore::detail {

namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

/// Four hexadecimal digits, or -1.
int hexadecimal(std::string_view text) {
    if (text.size() < 4) return -1;
    int value = 0;
    for (const char c : text.substr(0, 4)) {
        const int digit = isDigit(c)             ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

constexpr bool isHighSurrogate(int unit) {
    return unit >= 0xd800 && unit <= 0xdbff;
}

constexpr bool isLowSurrogate(int unit) {
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/// The code point of an escape whose "\u" has been read, and how many characters it takes; -1 when it is wrong.
struct CodePoint {
    int value = -1;
    std::size_t length = 0;
};

CodePoint codePoint(std::string_view text) {
    const int unit = hexadecimal(text);
    if (unit < 0 || isLowSurrogate(unit)) return {};
    if (!isHighSurrogate(unit)) return {unit, 4};
    if (text.size() < 10 || text[4] != '\\' || text[5] != 'u') return {};
    const int low = hexadecimal(text.substr(6));
    if (!isLowSurrogate(low)) return {};
    return {0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), 10};
}

void appendUtf8(std::string &text, int code) {
    const auto byte = [&](int value) { text += static_cast<char>(value); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) {
        byte(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            byte(0xe0 | code >> 12);
        } else {
            byte(0xf0 | code >> 18);
            byte(0x80 | (code >> 12 & 0x3f));
        }
        byte(0x80 | (code >> 6 & 0x3f));
    }
    byte(0x80 | (code & 0x3f));
}

constexpr std::string_view kEscapeLetters = "\"\\/bfnrt", kEscapeMeanings = "\"\\/\b\f\n\r\t";

bool endsHere(std::string_view text, std::size_t at) {
    if (at >= text.size()) return true;
    switch (text[at]) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case ',':
    case ':':
    case ']':
    case '}': return true;
    default: return false;
    }
}

} // namespace

std::size_t endOfEscaped(std::string_view text, std::size_t place) {
    for (std::size_t at = quoteOrBackslash(text, place + 1);; at = quoteOrBackslash(text, at)) {
        if (at >= text.size()) return std::string_view::npos;
        if (text[at] == '"') return at;
        if (at + 1 >= text.size()) return std::string_view::npos;
        if (text[at + 1] == 'u') {
            const auto code = codePoint(text.substr(at + 2));
            if (code.value < 0) return std::string_view::npos;
            at += 2 + code.length;
        } else {
            if (kEscapeLetters.find(text[at + 1]) == std::string_view::npos) return std::string_view::npos;
            at += 2;
        }
    }
}

bool isLiteral(std::string_view text, std::size_t place, std::string_view word) {
    return text.substr(place).starts_with(word) && endsHere(text, place + word.size());
}

bool isNumber(std::string_view text, std::size_t place) {
    std::size_t at = place;
    const auto digits = [&] {
        const auto first = at;
        while (at < text.size() && isDigit(text[at]))
            ++at;
        return at > first;
    };
    if (at < text.size() && text[at] == '-') ++at;
    if (at < text.size() && text[at] == '0')
        ++at;
    else if (!digits())
        return false;
    if (at < text.size() && text[at] == '.') {
        ++at;
        if (!digits()) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        if (!digits()) return false;
    }
    return endsHere(text, at);
}

std::string unescaped(std::string_view body) {
    std::string result;
    for (std::size_t at = 0;;) {
        const auto end = quoteOrBackslash(body, at);
        result += body.substr(at, end - at);
        if (end + 1 >= body.size() || body[end] == '"') return result;
        const char letter = body[end + 1];
        at = end + 2;
        if (letter == 'u') {
            const auto code = codePoint(body.substr(at));
            if (code.value >= 0) appendUtf8(result, code.value);
            at += code.length;
        } else if (const auto known = kEscapeLetters.find(letter); known != std::string_view::npos) {
            result += kEscapeMeanings[known];
        }
    }
}

} // namespace natlens::proxycore::detail
