// The grammar of JSON's scalars (RFC 8259), and words for what breaks it. For the .cpp files of this folder only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace natlens::proxycore::detail {

enum class Escapes : std::uint8_t { none, some, wrong };

/// Checks the string whose opening quote is at `place`; that it is closed, has no control characters and is UTF-8 is
/// known already. Surrogates must come in pairs.
[[nodiscard]] Escapes scanString(std::string_view text, std::size_t place);

/// Whether exactly this word stands at `place`, with nothing but white space, a separator or the end behind it.
[[nodiscard]] bool isLiteral(std::string_view text, std::size_t place, std::string_view word);
/// The same for a number.
[[nodiscard]] bool isNumber(std::string_view text, std::size_t place);

/// What a checked string says; `body` begins behind its opening quote and may go on behind the closing one.
[[nodiscard]] std::string unescaped(std::string_view body);

/// Any text as JSON in ASCII, cut to 40 characters.
[[nodiscard]] std::string shownText(std::string_view text);

} // namespace natlens::proxycore::detail
