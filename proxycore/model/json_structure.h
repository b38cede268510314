// Where values begin in a JSON text. For the .cpp files of this folder only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace natlens::proxycore::detail {

/// A value or separator begins here (the rest of the entry). Set with it: a string that has escapes; they are right.
struct JsonPlace {
    static constexpr std::uint32_t kEscaped = 1U << 30;
    static constexpr std::uint32_t kPlace = kEscaped - 1;
};

/// Finds the places in a text at which something begins: brackets, commas, colons, and the first characters of scalars,
/// in their order. simdjson does it (its "stage 1"), a stretch of the text after the other, each still in the cache
/// when its strings are looked through for escapes.
///
/// One thread asks for the stretches in order; others may find places ahead of it. Borders between stretches are
/// guesses at where no string is open. A wrong one leaves a stretch with a string that does not end, so it is noticed,
/// like anything else that is not JSON here: broken UTF-8, control characters, wrong escapes.
class JsonStructure final {
public:
    enum class Stretches : std::uint8_t { one, many };

    /// The text must outlive this object and be smaller than JsonPlace::kEscaped.
    JsonStructure(std::string_view text, Stretches stretches);
    ~JsonStructure();
    JsonStructure(const JsonStructure &) = delete;
    JsonStructure &operator=(const JsonStructure &) = delete;

    [[nodiscard]] std::size_t stretches() const;

    /// Places of the next stretch, valid until the next call. Nothing behind the last one, and when something is wrong:
    /// failed() tells. Finds them itself unless another thread has begun to.
    [[nodiscard]] std::optional<std::span<const std::uint32_t>> next();
    [[nodiscard]] bool failed() const { return m_failed; }

    /// For other threads: finds places that nobody has begun to look for, until there are none left. Stays not far
    /// ahead of next() once that has been called, so that the memory of few stretches does for all.
    void lookAhead();
    /// No more will be asked for: lookAhead() returns soon.
    void stop();

private:
    class Scanner;
    struct Stretch;

    [[nodiscard]] std::size_t borderAfter(std::size_t at) const;
    void find(Stretch &stretch);
    [[nodiscard]] std::unique_ptr<Scanner> takeScanner();

    std::string_view m_text;
    std::vector<Stretch> m_stretches;
    std::size_t m_longest = 0;
    std::atomic<std::size_t> m_claimed = 0; ///< stretches that somebody has begun
    std::atomic<std::size_t> m_next = 0;    ///< stretches that have been asked for
    bool m_failed = false;
    std::mutex m_mutex;
    std::vector<std::unique_ptr<Scanner>> m_idle; ///< under the mutex: their memory has been touched already
};

} // namespace natlens::proxycore::detail
