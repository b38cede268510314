#include "proxycore/model/json_structure.h"

#include "proxycore/model/json_scan.h"

#include <algorithm>
#include <simdjson.h>

namespace natlens::proxycore::detail {

namespace {

constexpr std::size_t kStretch = std::size_t{1} << 19; ///< with its places it fits into a processor's own cache
constexpr std::size_t kMostAhead = 4;
constexpr std::size_t kLine = std::size_t{1} << 16; ///< no line of what kubectl prints is longer

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
        for (auto &place : std::span(m_simd->structural_indexes.get(), m_count))
            place += static_cast<std::uint32_t>(begin);
        return markEscapes(text.substr(0, end), begin);
    }

    [[nodiscard]] std::span<const std::uint32_t> places() const { return {m_simd->structural_indexes.get(), m_count}; }

private:
    /// False for a wrong escape, or a backslash outside of strings. Few strings have any: what is between them is
    /// passed over at once.
    bool markEscapes(std::string_view text, std::size_t from) {
        auto *place = m_simd->structural_indexes.get(), *const end = place + m_count;
        for (auto at = text.find('\\', from); at != std::string_view::npos;) {
            while (end - place > 1 && place[1] <= at)
                ++place;
            if (place >= end || *place >= at || text[*place] != '"') return false;
            const auto closed = endOfEscaped(text, *place);
            if (closed == std::string_view::npos || closed < at) return false;
            *place |= JsonPlace::kEscaped;
            at = text.find('\\', closed);
        }
        return true;
    }

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
    m_next = m_stretches.size();
    m_next.notify_all();
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
    for (auto i = m_claimed++; i < m_stretches.size(); i = m_claimed++) {
        // Before the first is asked for nobody may be there to ask: nothing is waited for.
        for (auto asked = m_next.load(); asked != 0 && asked + kMostAhead < i; asked = m_next.load())
            m_next.wait(asked);
        find(m_stretches[i]);
    }
}

std::optional<std::span<const std::uint32_t>> JsonStructure::next() {
    const auto i = m_next.load();
    if (i > 0 && i <= m_stretches.size() && m_stretches[i - 1].scanner) {
        const std::scoped_lock lock(m_mutex);
        m_idle.push_back(std::move(m_stretches[i - 1].scanner));
    }
    if (m_failed || i >= m_stretches.size()) return std::nullopt;
    auto &stretch = m_stretches[i];
    m_next = i + 1;
    m_next.notify_all();
    // While another thread has it, there is enough to do behind it.
    while (stretch.progress == Stretch::Progress::none) {
        auto other = m_claimed.load();
        if (other > i + kMostAhead || other >= m_stretches.size())
            stretch.progress.wait(Stretch::Progress::none);
        else if (m_claimed.compare_exchange_strong(other, other + 1))
            find(m_stretches[other]);
    }
    m_failed = stretch.progress != Stretch::Progress::found;
    if (m_failed) return std::nullopt;
    return stretch.scanner->places();
}

} // namespace natlens::proxycore::detail
