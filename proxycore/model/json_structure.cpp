#include "proxycore/model/json_structure.h"

#include "proxycore/model/json_scan.h"

#include <algorithm>
#include <simdjson.h>

namespace natlens::proxycore::detail {

namespace {

constexpr std::size_t kStretch = std::size_t{1} << 19; ///< with its places it fits into a processor's own cache
constexpr std::size_t kLine = std::size_t{1} << 16;    ///< no line of what kubectl prints is longer

} // namespace

/// simdjson with the memory for the places of one stretch. Lives on one thread at a time.
class JsonStructure::Scanner final {
public:
    /// Null when there is no memory.
    static std::unique_ptr<Scanner> make(std::size_t longest) {
        auto scanner = std::make_unique<Scanner>();
        const auto *simd = static_cast<const simdjson::implementation *>(simdjson::get_active_implementation());
        if (simd->create_dom_parser_implementation(longest, 1, scanner->m_simd) != simdjson::SUCCESS) return nullptr;
        return scanner;
    }

    bool find(std::string_view text, std::size_t begin, std::size_t end) {
        const auto *bytes = reinterpret_cast<const std::uint8_t *>(text.data() + begin);
        const auto error = m_simd->stage1(bytes, end - begin, simdjson::stage1_mode::regular);
        m_count = error == simdjson::EMPTY ? 0 : m_simd->n_structural_indexes; // blanks only
        if (error != simdjson::SUCCESS && error != simdjson::EMPTY) return false;
        auto *places = m_simd->structural_indexes.get();
        for (std::size_t i = 0; i < m_count; ++i) {
            auto &entry = places[i];
            entry += static_cast<std::uint32_t>(begin);
            if (text[entry] != '"') continue;
            const auto special = quoteOrBackslash(text, entry + 1);
            if (special < text.size() && text[special] == '"') [[likely]]
                continue;
            if (!escapesAreRight(text, entry)) return false;
            entry |= JsonPlace::kEscaped;
        }
        return true;
    }

    [[nodiscard]] std::span<const std::uint32_t> places() const { return {m_simd->structural_indexes.get(), m_count}; }

private:
    std::unique_ptr<simdjson::internal::dom_parser_implementation> m_simd;
    std::size_t m_count = 0;
};

struct JsonStructure::Stretch {
    enum class Progress : std::uint8_t { none, found, wrong };

    std::size_t begin, end; ///< in the text
    std::unique_ptr<Scanner> scanner;
    std::atomic<Progress> progress = Progress::none;

    Stretch(std::size_t from, std::size_t to)
        : begin(from)
        , end(to) {}
    Stretch(Stretch &&other) noexcept // before any thread knows of it
        : begin(other.begin)
        , end(other.end) {}
};

JsonStructure::JsonStructure(std::string_view text, Stretches stretches)
    : m_text(text) {
    for (std::size_t begin = 0; begin < text.size();) {
        const bool last = stretches == Stretches::one || text.size() - begin < 2 * kStretch;
        const auto end = last ? text.size() : borderAfter(begin + kStretch);
        m_stretches.emplace_back(begin, end);
        m_longest = std::max(m_longest, end - begin);
        begin = end;
    }
}

JsonStructure::~JsonStructure() = default;

std::size_t JsonStructure::stretches() const {
    return m_stretches.size();
}

void JsonStructure::stop() {
    m_claimed = m_stretches.size();
}

/// A line break cannot be inside a string. Where there are none, two objects of a list are looked for.
std::size_t JsonStructure::borderAfter(std::size_t at) const {
    const auto line = m_text.substr(at, kLine).find('\n');
    if (line != std::string_view::npos) return at + line;
    const auto objects = m_text.find("},{\"", at);
    return objects == std::string_view::npos ? m_text.size() : objects + 1;
}

std::unique_ptr<JsonStructure::Scanner> JsonStructure::takeScanner() {
    {
        const std::scoped_lock lock(m_mutex);
        if (!m_idle.empty()) {
            auto scanner = std::move(m_idle.back());
            m_idle.pop_back();
            return scanner;
        }
    }
    return Scanner::make(m_longest);
}

void JsonStructure::find(Stretch &stretch) {
    stretch.scanner = takeScanner();
    const bool found = stretch.scanner && stretch.scanner->find(m_text, stretch.begin, stretch.end);
    stretch.progress = found ? Stretch::Progress::found : Stretch::Progress::wrong;
    stretch.progress.notify_one();
}

void JsonStructure::lookAhead() {
    for (auto i = m_claimed++; i < m_stretches.size(); i = m_claimed++)
        find(m_stretches[i]);
}

std::optional<std::span<const std::uint32_t>> JsonStructure::next() {
    if (m_next > 0 && m_stretches[m_next - 1].scanner) {
        const std::scoped_lock lock(m_mutex);
        m_idle.push_back(std::move(m_stretches[m_next - 1].scanner));
    }
    if (m_failed || m_next == m_stretches.size()) return std::nullopt;
    auto &stretch = m_stretches[m_next];
    auto unclaimed = m_next;
    if (m_claimed.compare_exchange_strong(unclaimed, m_next + 1))
        find(stretch);
    else
        stretch.progress.wait(Stretch::Progress::none);
    ++m_next;
    m_failed = stretch.progress != Stretch::Progress::found;
    if (m_failed) return std::nullopt;
    return stretch.scanner->places();
}

} // namespace natlens::proxycore::detail
