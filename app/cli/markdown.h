// Text that is safe inside Markdown, whatever packets said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::cli {

/// For running text and table cells: nothing in it is markup, a link, a mention or a reference to an issue; line ends
/// and other control characters become spaces, what is not UTF-8 a replacement character.
[[nodiscard]] std::string inText(std::string_view text);
/// A code span, also for table cells. "" for empty text.
[[nodiscard]] std::string inCode(std::string_view text);
/// A fenced block that nothing in `text` can end. `language` "" none.
[[nodiscard]] std::string codeBlock(std::string_view text, std::string_view language = {});
/// One word of a shell command.
[[nodiscard]] std::string shellWord(std::string_view text);

/// "| a | b |", and the same with the line that makes it a table's head.
[[nodiscard]] std::string tableRow(const std::vector<std::string> &cells);
[[nodiscard]] std::string tableHead(const std::vector<std::string> &cells);
/// "1 packet", "2 packets".
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view one, std::string_view many);
/// "a, b and 3 more".
[[nodiscard]] std::string names(std::vector<std::string> words, std::size_t most);

} // namespace natlens::cli
