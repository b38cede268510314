#include "app/cli/markdown.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace natlens::cli {
namespace {

/// Length of the UTF-8 sequence that `text` begins with (RFC 3629), 0 if it begins with none.
std::size_t sequence(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    const std::size_t size = first < 0x80                    ? 1
                             : first >= 0xc2 && first < 0xe0 ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
    if (size == 0 || text.size() < size) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((at(i) & 0xc0) != 0x80) return 0;
    if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) >= 0xa0) || (first == 0xf0 && at(1) < 0x90) ||
        (first == 0xf4 && at(1) >= 0x90))
        return 0;
    return size;
}

bool isControl(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    // U+0080 to U+009F, and the marks that turn the direction of writing (U+200E, U+200F, U+202A to U+202E, U+2066 to
    // U+2069).
    if (character.size() == 2) return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
    if (character.size() == 3 && first == 0xe2) {
        const auto second = static_cast<unsigned char>(character[1]), third = static_cast<unsigned char>(character[2]);
        return (second == 0x80 && (third == 0x8e || third == 0x8f || (third >= 0xaa && third <= 0xae))) ||
               (second == 0x81 && third >= 0xa6 && third <= 0xa9);
    }
    return character.size() == 1 && (first < 0x20 || first == 0x7f);
}

/// Calls `add` with each printable character; the others as above.
template<class Add>
void eachCharacter(std::string_view text, Add &&add) {
    while (!text.empty()) {
        const std::size_t size = sequence(text);
        if (size == 0)
            add(std::string_view("\xef\xbf\xbd"));
        else
            add(isControl(text.substr(0, size)) ? std::string_view(" ") : text.substr(0, size));
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
}

std::size_t longestRun(std::string_view text, char of) {
    std::size_t longest = 0, run = 0;
    for (const char c : text) {
        run = c == of ? run + 1 : 0;
        longest = std::max(longest, run);
    }
    return longest;
}

} // namespace

std::string inText(std::string_view text) {
    constexpr std::string_view kMarkup = "\\`*_{}[]<>#|~&@$";
    std::string result;
    eachCharacter(text, [&](std::string_view character) {
        const bool markup = character.size() == 1 && kMarkup.find(character[0]) != kMarkup.npos;
        // "http://" and "www." become links without any markup.
        const bool link = (character == ":" && !result.empty() &&
                           (result.ends_with("http") || result.ends_with("https") || result.ends_with("ftp") ||
                            result.ends_with("mailto"))) ||
                          (character == "." && result.ends_with("www"));
        if (markup || link)
            result += fmt::format("&#{};", static_cast<int>(character[0]));
        else
            result += character;
    });
    return result;
}

std::string inCode(std::string_view text) {
    if (text.empty()) return {};
    std::string inner;
    eachCharacter(text, [&](std::string_view character) {
        if (character == "|") inner += '\\'; // a table would end its cell there, even inside code
        inner += character;
    });
    const std::string fence(longestRun(inner, '`') + 1, '`');
    const bool padded = inner.front() == '`' || inner.back() == '`' || inner.front() == ' ';
    return fence + (padded ? " " : "") + inner + (padded ? " " : "") + fence;
}

std::string codeBlock(std::string_view text, std::string_view language) {
    const std::string fence(std::max<std::size_t>(3, longestRun(text, '`') + 1), '`');
    std::string inner;
    while (!text.empty()) {
        const auto end = text.find('\n');
        eachCharacter(text.substr(0, end), [&](std::string_view character) { inner += character; });
        inner += '\n';
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return fmt::format("{}{}\n{}{}\n", fence, language, inner, fence);
}

std::string shellWord(std::string_view text) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-_./:,=@%+").find(c) != std::string_view::npos;
    };
    if (!text.empty() && std::ranges::all_of(text, plain)) return std::string(text);
    std::string quoted = "'";
    for (const char c : text)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string names(std::vector<std::string> words, std::size_t most) {
    const std::size_t total = words.size();
    if (total > most) words.resize(most);
    return fmt::format("{}{}", fmt::join(words, ", "), total > most ? fmt::format(" and {} more", total - most) : "");
}

std::string tableRow(const std::vector<std::string> &cells) {
    return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

std::string tableHead(const std::vector<std::string> &cells) {
    return tableRow(cells) + tableRow(std::vector<std::string>(cells.size(), "---"));
}

} // namespace natlens::cli
