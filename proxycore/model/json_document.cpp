#include "proxycore/model/json_document.h"

#include "proxycore/model/json_scan.h"

#include <simdjson.h>

namespace natlens::proxycore::detail {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

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
            while (!m_open.empty())
                if (!next()) return false;
        }
        return !roots.empty();
    }

private:
    [[nodiscard]] char peek() const { return m_in < m_size ? m_text[m_index[m_in]] : '\0'; }

    void open(std::uint32_t kind) {
        m_open.push_back(m_out);
        m_index[m_out++] = kind;
        ++m_in;
    }

    void close() {
        m_index[m_open.back()] |= m_out;
        m_open.pop_back();
        ++m_in;
    }

    /// A scalar, or the beginning of an array or object and its first value.
    bool value() {
        for (;;) {
            const char first = peek();
            if (first == '{') {
                open(kContainer | kObject);
                if (peek() == '}') return close(), true;
                if (!key()) return false;
            } else if (first == '[') {
                open(kContainer);
                if (peek() == ']') return close(), true;
            } else {
                return scalar(first);
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
        const auto escapes = scanString(m_text, place);
        if (escapes == Escapes::wrong) return false;
        m_index[m_out++] = place | (escapes == Escapes::some ? kEscaped : 0);
        return true;
    }

    bool key() {
        if (peek() != '"') return false;
        if (!string(m_index[m_in++])) return false;
        if (peek() != ':') return false;
        ++m_in;
        return true;
    }

    /// What may come after a value inside an array or object.
    bool next() {
        const bool object = (m_index[m_open.back()] & kObject) != 0;
        const char c = peek();
        if (c == (object ? '}' : ']')) return close(), true;
        if (c != ',') return false;
        ++m_in;
        return (!object || key()) && value();
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
    const auto *bytes = reinterpret_cast<const std::uint8_t *>(text.data());
    if (indexer->stage1(bytes, text.size(), simdjson::stage1_mode::regular) != simdjson::SUCCESS) return refused();
    document.m_index = std::move(indexer->structural_indexes);
    Builder builder(text, document.m_index.get(), indexer->n_structural_indexes);
    if (!builder.build(document.m_roots)) return refused();
    return document;
}

std::string_view JsonValue::text(std::string &scratch) const {
    const auto entry = m_document->m_index[m_at];
    const auto place = entry & JsonDocument::kPlace;
    const auto body = m_document->m_text.substr(place + 1);
    if ((entry & JsonDocument::kEscaped) == 0) return body.substr(0, body.find('"'));
    scratch = unescaped(body);
    return scratch;
}

std::string JsonValue::text() const {
    std::string scratch;
    return std::string(text(scratch));
}

std::string_view JsonValue::token() const {
    const auto rest = m_document->m_text.substr(m_document->m_index[m_at] & JsonDocument::kPlace);
    return rest.substr(0, rest.find_first_of(" \t\r\n,]}"));
}

bool JsonValue::isTrue() const {
    return kind() == Kind::boolean && token() == "true";
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
