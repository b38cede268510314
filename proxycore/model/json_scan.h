// The grammar of JSON's scalars (RFC 8259), and words for what breaks it. For the .cpp files of this folder only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace natlens::proxycore::detail {

/// The first quote or backslash at or after `at`; the end of the text when there is none.
[[nodiscard]] inline std::size_t quoteOrBackslash(std::string_view text, std::size_t at) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; at + 16 <= text.size(); at += 16) {
        const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text.data() + at));
        const auto found = static_cast<unsigned>(
            _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(here, quote), _mm_cmpeq_epi8(here, backslash))));
        if (found != 0) return at + static_cast<std::size_t>(__builtin_ctz(found));
    }
#endif
    while (at < text.size() && text[at] != '"' && text[at] != '\\')
        ++at;
    return at;
}

/// The closing quote of the string whose opening quote is at `place`; npos when one of its escapes is wrong (surrogates
/// must come in pairs) or it is not closed. That it has no control characters and is UTF-8 is known already.
[[nodiscard]] std::size_t endOfEscaped(std::string_view text, std::size_t place);

/// Whether exactly this word stands at `place`, with nothing but white space, a separator or the end behind it.
[[nodiscard]] bool isLiteral(std::string_view text, std::size_t place, std::string_view word);
/// The same for a number.
[[nodiscard]] bool isNumber(std::string_view text, std::size_t place);

/// What a checked string says; `body` begins behind its opening quote and may go on behind the closing one. Stays in
/// `body` even if that is no longer what was checked.
[[nodiscard]] std::string unescaped(std::string_view body);

/// Any text as JSON in ASCII, cut to 40 characters.
[[nodiscard]] std::string shownText(std::string_view text);

} // namespace natlens::proxycore::detail
