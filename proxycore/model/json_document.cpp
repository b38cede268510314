#include "proxycore/model/json_document.h"

#include "proxycore/model/json_scan.h"
#include "proxycore/model/json_structure.h"

#include <new>
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

/// Walks the places where something begins once, checks the grammar between them, and packs what will be asked for.
class JsonDocument::Builder final {
public:
    Builder(std::string_view text, JsonStructure &structure, std::uint32_t *index)
        : m_text(text)
        , m_structure(structure)
        , m_index(index) {}

    /// False when the text is not JSON.
    bool build(std::vector<std::uint32_t> &roots) {
        while (more()) {
            roots.push_back(m_out);
            if (!value()) return false;
        }
        return !roots.empty() && !m_structure.failed();
    }

private:
    [[nodiscard]] bool more() {
        while (m_in == m_inEnd)
            [[unlikely]] {
                const auto places = m_structure.next();
                if (!places) return false;
                m_in = places->data();
                m_inEnd = m_in + places->size();
            }
        return true;
    }
    [[nodiscard]] char peek() { return more() ? m_text[*m_in & JsonPlace::kPlace] : '\0'; }

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
                if (c == ',') {
                    ++m_in;
                    if (inObject && !key()) return false;
                    break;
                }
                if (c != (inObject ? '}' : ']')) return false;
                ++m_in;
                m_index[m_open.back()] |= m_out;
                m_open.pop_back();
            }
        }
    }

    bool scalar(char first) {
        if (!more()) return false;
        const std::uint32_t place = *m_in++;
        m_index[m_out++] = place;
        return first == '"'   ? true
               : first == 't' ? isLiteral(m_text, place, "true")
               : first == 'f' ? isLiteral(m_text, place, "false")
               : first == 'n' ? isLiteral(m_text, place, "null")
                              : isNumber(m_text, place);
    }

    bool key() {
        if (peek() != '"') return false;
        m_index[m_out++] = *m_in++;
        if (peek() != ':') return false;
        ++m_in;
        return true;
    }

    std::string_view m_text;
    JsonStructure &m_structure;
    std::uint32_t *m_index;
    const std::uint32_t *m_in = nullptr, *m_inEnd = nullptr;
    std::uint32_t m_out = 0;
    std::vector<std::uint32_t> m_open;
};

bool JsonDocument::build(JsonStructure &structure, const base::ParallelFor &parallel) {
    m_roots.clear();
    bool built = false;
    const auto walk = [&] {
        built = Builder(m_text, structure, m_index.get()).build(m_roots);
        structure.stop();
    };
    if (structure.stretches() == 1)
        walk();
    else
        parallel(2, [&](std::size_t i) { i == 0 ? walk() : structure.lookAhead(); });
    return built;
}

base::Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string_view fileName,
                                               const base::ParallelFor &parallel) {
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
    // As many entries as there could be; the memory of those that are not needed is never touched.
    document.m_index.reset(new (std::nothrow) std::uint32_t[text.size()]);
    if (!document.m_index) return broken("too large for this machine's memory");
    preferHugePages(document.m_index.get(), text.size());
    JsonStructure structure(text, JsonStructure::Stretches::many);
    if (document.build(structure, parallel)) return document;
    if (structure.stretches() == 1) return refused();
    JsonStructure whole(text, JsonStructure::Stretches::one); // the borders between the stretches may have been wrong
    if (document.build(whole, parallel)) return document;
    return refused();
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
