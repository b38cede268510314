#include "tracer/diagram/text_grid.h"

#include <algorithm>

namespace natlens::diagram {
namespace {

/// Bytes of the code point that starts here; broken UTF-8 is taken byte by byte.
std::size_t codePointLength(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (at + length > text.size()) return 1;
    for (std::size_t i = 1; i < length; ++i)
        if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 1;
    return length;
}

} // namespace

int columns(std::string_view utf8) {
    int count = 0;
    for (std::size_t at = 0; at < utf8.size(); at += codePointLength(utf8, at))
        ++count;
    return count;
}

std::string elide(std::string_view utf8, int width) {
    if (width <= 0) return {};
    if (columns(utf8) <= width) return std::string(utf8);
    std::size_t at = 0;
    for (int column = 0; column + 1 < width; ++column)
        at += codePointLength(utf8, at);
    return std::string(utf8.substr(0, at)) + "…";
}

std::vector<std::string> wrap(std::string_view utf8, int width) {
    width = std::max(1, width);
    std::vector<std::string> lines(1);
    int used = 0;
    for (std::size_t at = 0; at < utf8.size();) {
        const std::size_t end = std::min(utf8.find(' ', at), utf8.size());
        std::string_view word = utf8.substr(at, end - at);
        at = end + 1;
        int wide = columns(word);
        const bool fits = used + (used > 0) + wide <= width;
        if (used > 0 && !fits && wide <= width) {
            lines.emplace_back();
            used = 0;
        } else if (used > 0 && used + 1 < width) {
            lines.back() += ' ';
            ++used;
        }
        while (used + wide > width) { // a word longer than a line
            std::size_t bytes = 0;
            for (int column = used; column < width; ++column)
                bytes += codePointLength(word, bytes);
            lines.back() += word.substr(0, bytes);
            word.remove_prefix(bytes);
            wide = columns(word);
            lines.emplace_back();
            used = 0;
        }
        lines.back() += word;
        used += wide;
    }
    return lines;
}

std::string wrapIndented(std::string_view utf8, int width, int indent) {
    if (columns(utf8) <= width) return std::string(utf8);
    const std::size_t start = std::min(utf8.find_first_not_of(' '), utf8.size());
    std::string out;
    for (const std::string &line : wrap(utf8.substr(start), width - indent)) {
        out += out.empty() ? std::string(start, ' ') : "\n" + std::string(static_cast<std::size_t>(indent), ' ');
        out += line;
    }
    return out;
}

void TextGrid::put(int row, int column, std::string_view utf8, int rowStep, int columnStep) {
    for (std::size_t at = 0; at < utf8.size();) {
        const std::size_t length = codePointLength(utf8, at);
        const auto lead = static_cast<unsigned char>(utf8[at]);
        // Names come from capture files: nothing in them may reach the terminal as a command.
        const bool printable = length > 1 ? !(lead == 0xc2 && static_cast<unsigned char>(utf8[at + 1]) < 0xa0)
                                          : lead >= 0x20 && lead < 0x7f;
        if (lead != ' ') m_rows[row][column] = printable ? std::string(utf8.substr(at, length)) : std::string("?");
        at += length;
        row += rowStep;
        column += columnStep;
    }
}

std::string TextGrid::text(int indent, Indent mode) const {
    if (m_rows.empty()) return {};
    int left = m_rows.begin()->second.begin()->first;
    for (const auto &[row, cells] : m_rows)
        left = std::min(left, cells.begin()->first);
    const int shift = mode == Indent::exactly ? indent - left : std::max(0, indent - left);

    std::string out;
    int line = m_rows.begin()->first;
    for (const auto &[row, cells] : m_rows) {
        for (; line < row; ++line)
            out += '\n';
        int column = 0;
        for (const auto &[at, glyph] : cells) {
            out.append(static_cast<std::size_t>(at + shift - column), ' ');
            out += glyph;
            column = at + shift + 1;
        }
    }
    return out + '\n';
}

} // namespace natlens::diagram
