// A sheet of character cells that grows as needed: what the text pictures are drawn on.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::diagram {

/// Columns a text takes: one per code point. Control characters count too, as TextGrid prints them as '?'.
[[nodiscard]] int columns(std::string_view utf8);

/// The first `width` columns of a text; the last one becomes an ellipsis where something was cut off.
[[nodiscard]] std::string elide(std::string_view utf8, int width);

/// Lines of at most `width` columns (at least 1), broken at blanks, and inside of words that are longer than a line.
/// At least one line.
[[nodiscard]] std::vector<std::string> wrap(std::string_view utf8, int width);

/// A text as wrap() cuts it, if it is wider than `width`: the first line keeps the blanks that it begins with, further
/// ones are indented. No line break at the end.
[[nodiscard]] std::string wrapIndented(std::string_view utf8, int width, int indent);

/// Cells may be written at negative columns; the picture is moved right when it is printed.
class TextGrid final {
public:
    /// Writes one cell after the other, going (rowStep, columnStep) from cell to cell. Blanks leave what is there.
    void put(int row, int column, std::string_view utf8, int rowStep = 0, int columnStep = 1);

    [[nodiscard]] bool empty() const { return m_rows.empty(); }

    /// Lines ending in '\n', no trailing blanks, no blank lines before the first or after the last glyph. The
    /// leftmost glyph is moved to column `indent` if it lies left of it, or `always`.
    enum class Indent : bool { atLeast, exactly };
    [[nodiscard]] std::string text(int indent = 0, Indent mode = Indent::atLeast) const;

private:
    std::map<int, std::map<int, std::string>> m_rows; ///< row -> column -> one code point; no blanks
};

} // namespace natlens::diagram
