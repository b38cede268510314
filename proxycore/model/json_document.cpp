#include "proxycore/model/json_document.h"

#include "proxycore/model/json_scan.h"

#include <simdjson.h>
#include <sys/mman.h>

namespace natlens::proxycore::detail {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// Of 47 MB of text the index takes 14 MB: as small pages, their faults alone cost a tenth of the time of all reading.
void preferHugePages(std::uint32_t *index, std::size_t entries) {
    constexpr std::uintptr_t kHuge = 2U << 20;
    const auto begin = (reinterpret_cast<std::uintptr_t>(index) + kHuge - 1) & ~(kHuge - 1);
    const auto end = reinterpret_cast<std::uintptr_t>(index + entries) & ~(kHuge - 1);
    if (begin < end) ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_HUGEPAGE); // a hint, and may fail
}

} // namespace

/// Walks simdjson's index once, checks the grammar between the places it names, and packs what will be asked for.
class JsonDocument::Builder final {
public:
    Builder(std::string_view text, std::uint32_t *index, std::size_t size)
        : m_text(text)
        , m_index(index)
        , m_size(size) {}

    /// False when the text is not JSON.
    bool build(std::vector<std::uint32_t> &roots) {
        while (m_in < m_size) {
            roots.push_back(m_out);
            if (!value()) return false;
        }
        return !roots.empty();
    }

private:
    [[nodiscard]] char peek() const { return m_in < m_size ? m_text[m_index[m_in]] : '\0'; }

    /// One value with everything in it. One loop, not recursion: nesting may be as deep as the text is long.
    bool value() {
        const auto outermost = m_open.size();
        for (;;) {
            const char first = peek();
            const bool object = first == '{';
            if (object || first == '[') {
                m_open.push_back(m_out);
                m_index[m_out++] = object ? kContainer | kObject : kContainer;
                ++m_in;
                if (peek() != (object ? '}' : ']')) {
                    if (object && !key()) return false;
                    continue;
                }
            } else if (!scalar(first)) {
                return false;
            }
            // Behind a value: what it was the last of ends, or the next one follows.
            for (;;) {
                if (m_open.size() == outermost) return true;
                const bool inObject = (m_index[m_open.back()] & kObject) != 0;
                const char c = peek();
                ++m_in;
                if (c == ',') {
                    if (inObject && !key()) return false;
                    break;
                }
                if (c != (inObject ? '}' : ']')) return false;
                m_index[m_open.back()] |= m_out;
                m_open.pop_back();
            }
        }
    }

    bool scalar(char first) {
        if (m_in >= m_size) return false;
        const std::uint32_t place = m_index[m_in++];
        if (first == '"') return string(place);
        m_index[m_out++] = place;
        return first == 't'   ? isLiteral(m_text, place, "true")
               : first == 'f' ? isLiteral(m_text, place, "false")
               : first == 'n' ? isLiteral(m_text, place, "null")
                              : isNumber(m_text, place);
    }

    bool string(std::uint32_t place) {
        const auto end = quoteOrBackslash(m_text, place + 1);
        if (end < m_text.size() && m_text[end] == '"') [[likely]] {
            m_index[m_out++] = place;
            return true;
        }
        m_index[m_out++] = place | kEscaped;
        return escapesAreRight(m_text, place);
    }

    bool key() {
        if (peek() != '"' || !string(m_index[m_in++]) || peek() != ':') return false;
        ++m_in;
        return true;
    }

    std::string_view m_text;
    std::uint32_t *m_index;
    std::size_t m_size, m_in = 0;
    std::uint32_t m_out = 0; ///< never ahead of m_in: what is packed takes no more entries than it had
    std::vector<std::uint32_t> m_open;
};

base::Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string_view fileName) {
    const auto broken = [&](std::string reason) {
        return base::fail(base::ErrorCode::invalidInput, std::move(reason), "parse", std::string(fileName));
    };
    if (text.size() > kLargest) return broken("larger than 1 GiB; a cluster does not need that");
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return broken("line 1, column 1: empty");
    const auto refused = [&] {
        const auto fault = jsonFault(text);
        return broken(fault ? *fault : "not JSON");
    };
    // Looked at before memory for an index of a huge file of something else is asked for.
    if (text[first] != '{' && text[first] != '[' && text.size() > 4096) return refused();

    JsonDocument document;
    document.m_text = text;
    std::unique_ptr<simdjson::internal::dom_parser_implementation> indexer;
    const auto *simd = static_cast<const simdjson::implementation *>(simdjson::get_active_implementation());
    if (simd->create_dom_parser_implementation(text.size(), 1, indexer) != simdjson::SUCCESS)
        return broken("too large for this machine's memory");
    // As many entries as there could be; the memory of those that are not needed is never touched.
    preferHugePages(indexer->structural_indexes.get(), text.size());
    const auto *bytes = reinterpret_cast<const std::uint8_t *>(text.data());
    if (indexer->stage1(bytes, text.size(), simdjson::stage1_mode::regular) != simdjson::SUCCESS) return refused();
    document.m_index = std::move(indexer->structural_indexes);
    Builder builder(text, document.m_index.get(), indexer->n_structural_indexes);
    if (!builder.build(document.m_roots)) return refused();
    return document;
}

std::string JsonValue::text() const {
    std::string scratch;
    return std::string(text(scratch));
}

std::string_view JsonValue::token() const {
    const auto rest = m_document->m_text.substr(m_document->m_index[m_at] & JsonDocument::kPlace);
    return rest.substr(0, rest.find_first_of(" \t\r\n,]}"));
}

std::string JsonValue::shown() const {
    switch (kind()) {
    case Kind::object: return "an object";
    case Kind::array: return "a list";
    case Kind::string: return shownText(text());
    default: {
        const auto written = token();
        return written.size() <= 40 ? std::string(written) : std::string(written.substr(0, 37)) + "...";
    }
    }
}

} // namespace natlens::proxycore::detail
