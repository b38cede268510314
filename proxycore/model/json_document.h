// A JSON text with an index of its values. For the .cpp files of this folder only.
#pragma once

#include "capture/base/parallel.h"
#include "capture/base/result.h"
#include "proxycore/model/json_scan.h"
#include "proxycore/model/json_structure.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore::detail {

class JsonDocument;

/// One value of a document; copies freely, lives no longer than the document.
class JsonValue final {
public:
    enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

    JsonValue(const JsonDocument &document, std::uint32_t at)
        : m_document(&document)
        , m_at(at) {}

    [[nodiscard]] Kind kind() const;
    [[nodiscard]] bool isObject() const;
    [[nodiscard]] bool isArray() const;
    [[nodiscard]] bool isString() const { return first() == '"'; }

    /// Only for strings: with the escapes resolved; `scratch` is used when there are any. Valid UTF-8.
    [[nodiscard]] std::string_view text(std::string &scratch) const;
    [[nodiscard]] std::string text() const;
    /// Only for strings: the same as `text() == wanted`.
    [[nodiscard]] bool equals(std::string_view wanted) const;

    /// A small number that keys with the same beginning share; kNoSlot when only equals() can tell.
    [[nodiscard]] unsigned keySlot() const;
    static constexpr unsigned kSlots = 64, kNoSlot = kSlots;

    /// Strings without escapes: what they say. Nothing for other values.
    [[nodiscard]] std::optional<std::string_view> plainText() const;
    /// Whole numbers below a million, written without sign, point and exponent. Nothing for other values.
    [[nodiscard]] std::optional<unsigned> smallNumber() const;

    /// Scalars that are not strings: as written.
    [[nodiscard]] std::string_view token() const;
    /// What a scalar begins with; '[' and '{' for arrays and objects.
    [[nodiscard]] char first() const;

    /// Where it stands in the index, in the order of the text; values inside it follow.
    [[nodiscard]] std::uint32_t at() const { return m_at; }
    /// What follows it and everything inside it.
    [[nodiscard]] std::uint32_t end() const;
    /// Another value of the same document.
    [[nodiscard]] JsonValue atPlace(std::uint32_t at) const { return {*m_document, at}; }
    /// Brings its part of the index into the cache, and its text (for which the index must be there): what is read of
    /// it soon will not be waited for. `until`: where in the index something begins that is not prefetched.
    void prefetchIndex(std::uint32_t until) const;
    void prefetchText() const;
    /// A short form for messages: one line, at most 40 characters.
    [[nodiscard]] std::string shown() const;

private:
    const JsonDocument *m_document;
    std::uint32_t m_at;
};

/// One or several JSON values, one after the other, checked as RFC 8259 wants it and indexed in one pass. The text is
/// not copied and must outlive the document; nothing is allocated for a value. simdjson finds the places where
/// something begins (json_structure.h); what it calls stage 2, a tree with copies of all strings, is left out: for a
/// cluster of 10,000 Services it costs twice as much as everything else together, and most of it is never read.
///
/// The index has an entry for each value and key: a scalar is its offset in the text, an array or object is the place
/// after its last value, followed by its values (an object's: key, value, key, value).
class JsonDocument final {
public:
    /// One bit of an index entry says what it is, one more which of two; the rest is a place in the text.
    static constexpr std::size_t kLargest = (std::size_t{1} << 30) - 1;

    /// Errors: invalidInput with "line L, column C" and the reason in one line. A byte order mark is passed over.
    /// Nesting is limited by memory only. The document does not depend on `parallel`.
    [[nodiscard]] static base::Result<JsonDocument> parse(std::string_view text, std::string_view fileName,
                                                          const base::ParallelFor &parallel = base::oneByOne);

    [[nodiscard]] std::size_t size() const { return m_roots.size(); } ///< at least 1
    [[nodiscard]] JsonValue root(std::size_t i) const { return {*this, m_roots[i]}; }

private:
    friend class JsonValue;
    static constexpr std::uint32_t kContainer = 1U << 31, kObject = 1U << 30, kEscaped = JsonPlace::kEscaped;
    static constexpr std::uint32_t kPlace = JsonPlace::kPlace;

    class Builder;
    [[nodiscard]] bool build(JsonStructure &structure, const base::ParallelFor &parallel);

    std::string_view m_text;
    std::unique_ptr<std::uint32_t[]> m_index;
    std::vector<std::uint32_t> m_roots;
};

/// Names of fields are short, and mostly the same when they are compared: a call would cost more than it does.
inline bool sameBytes(const char *left, const char *right, std::size_t size) {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    const auto wordAt = [](const char *bytes) {
        std::uint64_t word;
        std::memcpy(&word, bytes, kWord);
        return word;
    };
    if (size >= kWord) {
        for (std::size_t at = 0; at + kWord < size; at += kWord)
            if (wordAt(left + at) != wordAt(right + at)) return false;
        return wordAt(left + size - kWord) == wordAt(right + size - kWord);
    }
    for (std::size_t at = 0; at < size; ++at)
        if (left[at] != right[at]) return false;
    return true;
}

/// The slot of a key by its first two letters (the second may be the closing quote).
constexpr unsigned slotOf(char first, char second) {
    return (static_cast<unsigned char>(first) * 7U + static_cast<unsigned char>(second) * 13U) % JsonValue::kSlots;
}

/// The name of a field, with its slot. Made while compiling where it is a literal.
class FieldKey final {
public:
    template<std::size_t Size>
    consteval FieldKey(const char (&literal)[Size])
        : FieldKey(std::string_view(literal, Size - 1)) {}

    explicit constexpr FieldKey(std::string_view name)
        : m_name(name)
        , m_slot(slotOf(name[0], name.size() > 1 ? name[1] : '"')) {}

    constexpr operator std::string_view() const { return m_name; }
    [[nodiscard]] constexpr std::string_view name() const { return m_name; }
    [[nodiscard]] constexpr unsigned slot() const { return m_slot; }

private:
    std::string_view m_name; ///< not empty
    unsigned m_slot;
};

inline unsigned JsonValue::keySlot() const {
    const auto entry = m_document->m_index[m_at];
    if ((entry & JsonDocument::kEscaped) != 0) return kNoSlot;
    const char *letters = m_document->m_text.data() + (entry & JsonDocument::kPlace) + 1;
    return slotOf(letters[0], letters[1]); // behind a key there is at least its value
}

/// The reason and the place of what makes `text` not a sequence of JSON values; nothing when it is one.
[[nodiscard]] std::optional<std::string> jsonFault(std::string_view text);

inline bool JsonValue::isObject() const {
    constexpr auto object = JsonDocument::kContainer | JsonDocument::kObject;
    return (m_document->m_index[m_at] & object) == object;
}

inline bool JsonValue::isArray() const {
    constexpr auto object = JsonDocument::kContainer | JsonDocument::kObject;
    return (m_document->m_index[m_at] & object) == JsonDocument::kContainer;
}

inline std::uint32_t JsonValue::end() const {
    const auto entry = m_document->m_index[m_at];
    return (entry & JsonDocument::kContainer) != 0 ? entry & JsonDocument::kPlace : m_at + 1;
}

inline void JsonValue::prefetchIndex(std::uint32_t until) const {
    constexpr std::uint32_t kLine = 16, kMost = 1024; // entries
    for (auto at = m_at, end = std::min(until, m_at + kMost); at < end; at += kLine)
        __builtin_prefetch(m_document->m_index.get() + at);
}

inline void JsonValue::prefetchText() const {
    const auto *index = m_document->m_index.get();
    // Arrays and objects have no place in the text, but what surrounds them has.
    auto first = m_at, last = end() - 1;
    while (first < last && (index[first] & JsonDocument::kContainer) != 0)
        ++first;
    while (last > first && (index[last] & JsonDocument::kContainer) != 0)
        --last;
    constexpr std::uint32_t kLine = 64, kMost = 16 * 1024;
    const auto from = index[first] & JsonDocument::kPlace;
    const auto to = std::min(index[last] & JsonDocument::kPlace, from + kMost);
    for (auto at = from; at < to; at += kLine)
        __builtin_prefetch(m_document->m_text.data() + at);
}

inline char JsonValue::first() const {
    const auto entry = m_document->m_index[m_at];
    if ((entry & JsonDocument::kContainer) != 0) return (entry & JsonDocument::kObject) != 0 ? '{' : '[';
    return m_document->m_text[entry & JsonDocument::kPlace];
}

inline JsonValue::Kind JsonValue::kind() const {
    switch (first()) {
    case '{': return Kind::object;
    case '[': return Kind::array;
    case '"': return Kind::string;
    case 'n': return Kind::null;
    case 't':
    case 'f': return Kind::boolean;
    default: return Kind::number;
    }
}

inline std::string_view JsonValue::text(std::string &scratch) const {
    const auto entry = m_document->m_index[m_at];
    const auto begin = (entry & JsonDocument::kPlace) + 1;
    if ((entry & JsonDocument::kEscaped) != 0) {
        scratch = unescaped(m_document->m_text.substr(begin));
        return scratch;
    }
    return m_document->m_text.substr(begin, quoteOrBackslash(m_document->m_text, begin) - begin);
}

inline std::optional<std::string_view> JsonValue::plainText() const {
    const auto entry = m_document->m_index[m_at];
    if ((entry & (JsonDocument::kContainer | JsonDocument::kEscaped)) != 0) return std::nullopt;
    const std::size_t begin = entry + 1;
    if (m_document->m_text[entry] != '"') return std::nullopt;
    return m_document->m_text.substr(begin, quoteOrBackslash(m_document->m_text, begin) - begin);
}

inline std::optional<unsigned> JsonValue::smallNumber() const {
    const auto entry = m_document->m_index[m_at];
    if ((entry & JsonDocument::kContainer) != 0) return std::nullopt;
    const auto &whole = m_document->m_text;
    unsigned number = 0;
    std::size_t at = entry;
    const auto isDigit = [&] { return at < whole.size() && whole[at] >= '0' && whole[at] <= '9'; };
    for (; at < entry + std::size_t{6} && isDigit(); ++at)
        number = number * 10 + static_cast<unsigned>(whole[at] - '0');
    const bool more = isDigit() || (at < whole.size() && (whole[at] == '.' || whole[at] == 'e' || whole[at] == 'E'));
    return at == entry || more ? std::nullopt : std::optional(number);
}

inline bool JsonValue::equals(std::string_view wanted) const {
    const auto entry = m_document->m_index[m_at];
    if ((entry & JsonDocument::kEscaped) != 0) {
        std::string scratch;
        return text(scratch) == wanted;
    }
    // An unescaped string ends at the first quote, and there is one: nothing behind it is looked at.
    const auto &whole = m_document->m_text;
    const std::size_t begin = (entry & JsonDocument::kPlace) + 1, end = begin + wanted.size();
    return end < whole.size() && whole[end] == '"' && sameBytes(whole.data() + begin, wanted.data(), wanted.size());
}

} // namespace natlens::proxycore::detail
